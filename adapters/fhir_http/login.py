"""How the gateway logs in at an EHR."""

import asyncio
import base64
import json
import secrets
import ssl
import time
from pathlib import Path
from typing import Protocol

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey, import_key

from adapters.fhir_http.settings import BasicLogin, BearerLogin, NoLogin, SmartLogin, Tls
from adapters.port import AdapterDown, AdapterMisconfigured, AdapterRefused

ASSERTION_SECONDS = 240
"""Life of a client assertion; SMART allows five minutes at most."""

TOKEN_BYTES = 64_000
TOKEN_MARGIN = 30


class SourceLogin(Protocol):
    """Headers for a call. ``renews``: after a 401 it is worth asking again with ``renew=True``."""

    renews: bool

    async def headers(self, http: httpx.AsyncClient, seconds: float, *, renew: bool) -> dict[str, str]:
        """The headers that log a call in. Raises `AdapterDown` or `AdapterRefused` when there is no token."""
        ...


class Anonymous:
    """No headers."""

    renews = False

    async def headers(self, http: httpx.AsyncClient, seconds: float, *, renew: bool) -> dict[str, str]:
        """None."""
        return {}


class Basic:
    """A fixed user name and password."""

    renews = False

    def __init__(self, settings: BasicLogin) -> None:
        pair = f"{settings.username}:{settings.password.get_secret_value()}".encode()
        self._value = "Basic " + base64.b64encode(pair).decode()

    async def headers(self, http: httpx.AsyncClient, seconds: float, *, renew: bool) -> dict[str, str]:
        """The one header."""
        return {"Authorization": self._value}


class FixedBearer:
    """A fixed token."""

    renews = False

    def __init__(self, settings: BearerLogin) -> None:
        self._value = f"Bearer {settings.token.get_secret_value()}"

    async def headers(self, http: httpx.AsyncClient, seconds: float, *, renew: bool) -> dict[str, str]:
        """The one header."""
        return {"Authorization": self._value}


class Smart:
    """A token of the EHR's authorization server, renewed before it expires; callers at the same time share one."""

    renews = True

    def __init__(self, settings: SmartLogin) -> None:
        self._settings = settings
        self._key = read_key(settings)
        self._lock = asyncio.Lock()
        self._token = ""
        self._until = 0.0

    async def headers(self, http: httpx.AsyncClient, seconds: float, *, renew: bool) -> dict[str, str]:
        """The bearer token, fetched when there is none that is still good."""
        before = self._token
        async with self._lock:
            refused = renew and self._token == before
            if refused or not self._token or time.monotonic() > self._until:
                await self._fetch(http, seconds)
        return {"Authorization": f"Bearer {self._token}"}

    async def _fetch(self, http: httpx.AsyncClient, seconds: float) -> None:
        form = {
            "grant_type": "client_credentials",
            "scope": self._settings.scope,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self.assertion(),
        }
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with asyncio.timeout(max(0.0, seconds)):
            async with http.stream("POST", self._settings.token_url, data=form, headers=headers) as answer:
                body = bytearray()
                async for chunk in answer.aiter_raw():
                    body += chunk
                    if len(body) > TOKEN_BYTES:
                        raise AdapterRefused("the source's login answers nonsense")
        if answer.status_code in (400, 401, 403):
            raise AdapterRefused("the source does not let the gateway in", cause=f"token status {answer.status_code}")
        if answer.status_code != 200:
            raise AdapterDown("the source's login is not available", cause=f"token status {answer.status_code}")
        self._keep(bytes(body))

    def _keep(self, body: bytes) -> None:
        try:
            said = json.loads(body)
            token, life = str(said["access_token"]), float(said.get("expires_in", 60))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise AdapterRefused("the source's login answers nonsense", cause=type(error).__name__) from None
        if not token.isascii() or not token.isprintable():
            raise AdapterRefused("the source's login answers nonsense")
        self._token = token
        self._until = time.monotonic() + min(max(life - TOKEN_MARGIN, 1), 3600)

    def assertion(self) -> str:
        """A fresh signed client assertion (RFC 7523, SMART backend services)."""
        now = int(time.time())
        claims = {
            "iss": self._settings.client_id,
            "sub": self._settings.client_id,
            "aud": self._settings.token_url,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
            "jti": secrets.token_urlsafe(24),
        }
        header = {"alg": self._settings.algorithm, "kid": self._settings.key_id, "typ": "JWT"}
        return jwt.encode(header, claims, self._key, algorithms=[self._settings.algorithm])


def read_key(settings: SmartLogin) -> Key:
    """The private key of a PEM or JWK file. Raises `AdapterMisconfigured`, without a word of its content."""
    try:
        text = settings.key_file.read_text("utf-8")
        key: Key
        if text.lstrip().startswith("{"):
            key = import_key(json.loads(text))
        else:
            key = (RSAKey if settings.algorithm.startswith("RS") else ECKey).import_key(text)
        fits = isinstance(key, RSAKey if settings.algorithm.startswith("RS") else ECKey) and key.is_private
    except Exception as error:
        raise AdapterMisconfigured(
            "the key for the source's login cannot be read", cause=type(error).__name__
        ) from None
    if not fits:
        raise AdapterMisconfigured(f"the key for the source's login is not a private key for {settings.algorithm}")
    return key


def make_login(settings: NoLogin | BasicLogin | BearerLogin | SmartLogin) -> SourceLogin:
    """The login that the settings describe."""
    if isinstance(settings, BasicLogin):
        return Basic(settings)
    if isinstance(settings, BearerLogin):
        return FixedBearer(settings)
    if isinstance(settings, SmartLogin):
        return Smart(settings)
    return Anonymous()


def make_tls(settings: Tls) -> ssl.SSLContext:
    """TLS 1.2 or higher, host names checked; our certificate when one is set. Raises `AdapterMisconfigured`."""
    try:
        context = ssl.create_default_context(cafile=_text(settings.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.certificate_file is not None:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except OSError as error:
        raise AdapterMisconfigured("the certificate files of the source cannot be read", cause=error) from error
    return context


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
