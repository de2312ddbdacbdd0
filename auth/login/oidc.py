"""The OpenID Connect client towards a login bridge: code flow, PKCE, nonce, a fresh login; carried by authlib."""

import secrets
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError

from auth.bridges import OidcSettings
from auth.login.claims import identity
from auth.login.keys import KEY_TYPES, Key, NoKeySet, ProviderKeys
from auth.login.leaving import BridgeSession
from auth.login.port import Identity, LoginAsk, LoginCancelled, LoginFailed, LoginStart, LoginUnavailable

with warnings.catch_warnings():
    # Authlib announces httpx2; both libraries do what is needed here.
    warnings.simplefilter("ignore", DeprecationWarning)
    from authlib.integrations.httpx_client import AsyncOAuth2Client

_CANCELLED = frozenset({"access_denied", "login_cancelled", "cancelled"})
_DOWN = frozenset({"temporarily_unavailable", "server_error"})
_MAX_METADATA = 200_000


class _Shared(httpx.AsyncBaseTransport):
    """One TLS context for all short-lived clients; they do not close it."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._inner.handle_async_request(request)


class OidcLogin:
    """`Login` over OpenID Connect. One per process; holds only the provider's public metadata."""

    def __init__(self, settings: OidcSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        # No connection outlives its request: logins are rare, and nothing is left to close.
        single_use = httpx.Limits(max_connections=50, max_keepalive_connections=0)
        self._transport = _Shared(transport or httpx.AsyncHTTPTransport(proxy=settings.proxy, limits=single_use))
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, ProviderKeys] | None = None

    async def start(self, ask: LoginAsk) -> LoginStart:
        """Build the authentication request. Raises LoginUnavailable."""
        metadata = await self.discovered()
        kept = {"nonce": secrets.token_urlsafe(24), "verifier": secrets.token_urlsafe(48)}
        extra = {"representation": self._representation(ask)} if ask.representation else {}
        async with self._client(ask.callback) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=ask.state,
                code_verifier=kept["verifier"],
                nonce=kept["nonce"],
                prompt="login",
                max_age=0,
                ui_locales=ask.language,
                **self._wanted_levels(ask),
                **extra,
            )
        return LoginStart(url, kept)

    async def finish(
        self, answer: Mapping[str, str], kept: Mapping[str, str], ask: LoginAsk, now: datetime
    ) -> Identity:
        """Exchange the code and verify the ID token. Raises LoginCancelled, LoginFailed or LoginUnavailable."""
        claims, id_token = await self.claims(answer, kept, ask.callback, now)
        who = identity(claims, self.settings, id_token, now)
        return replace(who, bridge=self._session(claims, id_token)) if self.settings.single_logout != "off" else who

    def _session(self, claims: Mapping[str, Any], id_token: str) -> BridgeSession:
        subject, session = (str(claims.get(name) or "") for name in ("sub", "sid"))
        return BridgeSession(subject, session, {"id_token": id_token} if self.settings.single_logout == "post" else {})

    async def claims(
        self, answer: Mapping[str, str], kept: Mapping[str, str], callback: str, now: datetime
    ) -> tuple[Mapping[str, Any], str]:
        """The verified claims of a login, and the ID token that they stood in. Raises as `finish`."""
        if (error := answer.get("error")) is not None:
            if error in _DOWN:
                raise LoginUnavailable(error)
            raise LoginCancelled if error in _CANCELLED else LoginFailed("error-response")
        if answer.get("iss", self.settings.issuer) != self.settings.issuer:
            raise LoginFailed("other-issuer")
        if not answer.get("code") or not kept:
            raise LoginFailed("no-code")
        token = await self._exchanged(answer["code"], kept["verifier"], callback)
        id_token = token.get("id_token")
        if not isinstance(id_token, str):
            raise LoginFailed("no-id-token")
        return await self._verified(id_token, kept["nonce"], token.get("access_token"), now), id_token

    # --- the provider ----------------------------------------------------------------------------------------------

    async def discovered(self) -> dict[str, Any]:
        """The provider's metadata, kept for some minutes. Raises LoginUnavailable."""
        if self._metadata is not None and time.monotonic() - self._metadata[0] < self.settings.jwks_seconds:
            return self._metadata[1]
        found = await self._get(f"{self.settings.issuer}/.well-known/openid-configuration")
        needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if found.get("issuer") != self.settings.issuer or not all(isinstance(found.get(name), str) for name in needed):
            raise LoginUnavailable("the provider's metadata do not fit")
        self._metadata = (time.monotonic(), found)
        return found

    async def _key_set(self, *, renewed: bool) -> ProviderKeys:
        now = time.monotonic()
        if self._keys is not None and now - self._keys[0] < (5 if renewed else self.settings.jwks_seconds):
            return self._keys[1]
        metadata = await self.discovered()
        try:
            keys = ProviderKeys.read(await self._get(metadata["jwks_uri"]))
        except NoKeySet as error:
            raise LoginUnavailable("the provider's keys cannot be read") from error
        self._keys = (now, keys)
        return keys

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(transport=self._transport, timeout=self.settings.timeout_seconds) as client:
                response = await client.get(self._inside(url), headers={"Accept": "application/json"})
                response.raise_for_status()
                if len(response.content) > _MAX_METADATA:
                    raise LoginUnavailable("the provider's answer is too large")
                found = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise LoginUnavailable("the provider does not answer") from error
        if not isinstance(found, dict):
            raise LoginUnavailable("the provider's answer does not fit")
        return found

    def _inside(self, url: str) -> str:
        """The same URL as this server reaches it."""
        inner = self.settings.internal_issuer
        return url if inner is None else url.replace(self.settings.issuer, inner, 1)

    # --- code and token --------------------------------------------------------------------------------------------

    async def _exchanged(self, code: str, verifier: str, callback: str) -> dict[str, Any]:
        metadata = await self.discovered()
        endpoint = metadata["token_endpoint"]
        try:
            async with self._client(callback, endpoint) as client:
                token = await client.fetch_token(self._inside(endpoint), code=code, code_verifier=verifier)
        except httpx.HTTPError as error:
            raise LoginUnavailable("the provider does not answer") from error
        except (AuthlibBaseError, ValueError) as error:
            raise LoginFailed("code-refused") from error
        return dict(token)

    async def _verified(self, id_token: str, nonce: str, access_token: object, now: datetime) -> Mapping[str, Any]:
        token = await self.signed(id_token)
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": self.settings.issuer},
                "aud": {"essential": True, "value": self.settings.client_id},
            },
            params={
                "nonce": nonce,
                "client_id": self.settings.client_id,
                "access_token": access_token,
                "max_age": self.settings.max_age_seconds,
            },
        )
        try:
            claims.validate(now=int(now.timestamp()), leeway=self.settings.clock_leeway_seconds)
        except (JoseError, AuthlibBaseError, TypeError) as error:
            raise LoginFailed("id-token-claims") from error
        return dict(claims)

    async def signed(self, id_token: str) -> Any:
        """A token with its signature verified. Raises LoginFailed or LoginUnavailable.

        When no key fits, the keys are fetched once more, at most every five seconds.
        """
        failure: Exception | None = None
        algorithms = list(self.settings.id_token_algorithms)
        for renewed in (False, True):
            keys = await self._key_set(renewed=renewed)
            for key in keys.may_have_signed(id_token, algorithms):
                try:
                    return jwt.decode(id_token, key, algorithms=algorithms)
                except (JoseError, ValueError) as error:
                    failure = error
        raise LoginFailed("id-token-signature") from failure

    def _client(self, callback: str, token_endpoint: str | None = None) -> Any:
        settings = self.settings
        method: str = "none"
        secret: Any = None
        if settings.private_key_file is not None:
            method, secret = "private_key_jwt", _private_key(settings)
        elif settings.client_secret is not None:
            method, secret = "client_secret_basic", settings.client_secret.get_secret_value()
        client = AsyncOAuth2Client(
            client_id=settings.client_id,
            client_secret=secret,
            token_endpoint_auth_method=method,
            redirect_uri=callback,
            scope=" ".join(settings.scopes),
            code_challenge_method="S256",
            timeout=settings.timeout_seconds,
            transport=self._transport,
        )
        if settings.private_key_file is not None:
            headers = {"kid": settings.private_key_id} if settings.private_key_id else None
            client.register_client_auth_method(
                PrivateKeyJWT(token_endpoint, headers=headers, alg=settings.signing_algorithm)
            )
        return client

    def _wanted_levels(self, ask: LoginAsk) -> dict[str, str]:
        """The levels that would do; nothing where the provider knows none."""
        names = [name for name, level in self.settings.levels.items() if level >= ask.level]
        return {"acr_values": " ".join(names)} if names else {}

    def _representation(self, ask: LoginAsk) -> str:
        return next((name for name, kind in self.settings.representations.items() if kind == ask.representation), "")


def _private_key(settings: OidcSettings) -> Key:
    pem = Path(settings.private_key_file or "").read_bytes()
    kind: type[Key] = KEY_TYPES[settings.signing_algorithm[:2]]
    return kind.import_key(pem)
