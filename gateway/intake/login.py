"""Who is pushing: mutual TLS by host name, or an access token got with a signed assertion (RFC 7523, RFC 6749 4.4).

A source is known by the configuration. An assertion is good once: its ``jti`` is kept until it has expired. Tokens are
opaque and short-lived, and kept as SHA-256 only.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey, import_key
from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from auth.crypto import digest, new_token
from auth.ports import Peer
from gateway.intake.settings import FolderLogin, HostLogin, IntakeSettings, KeyLogin, OpenLogin
from gateway.store.engine import reading
from gateway.store.schema import intake_assertion, intake_token

ALGORITHMS = ["RS256", "RS384", "PS256", "PS384", "ES256", "ES384"]
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST = 300
"""Longest life of an assertion in seconds (SMART: five minutes)."""
SKEW = 30
PublicKey = RSAKey | ECKey | OKPKey


class LoginFault(Exception):
    """The configuration of a source's keys cannot be used; the text says why."""


class Denied(Exception):
    """A login that is not accepted: an OAuth error code and a public text."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text


class Logins:
    """Checks who is calling. Synchronous where it asks the store: call it from worker threads."""

    def __init__(self, engine: Engine, settings: IntakeSettings, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._keys = {
            source.auth.client_id or name: (name, read_keys(source.auth.keys))
            for name, source in settings.sources.items()
            if isinstance(source.auth, KeyLogin)
        }

    @property
    def token_url(self) -> str:
        """The address of the token endpoint: the audience of assertions."""
        return f"{self._settings.url}/intake/token"

    def is_source(self, name: str, peer: Peer, authorization: str) -> bool:
        """Whether a caller, by the certificate's host names or the Authorization header, is this source."""
        source = self._settings.sources.get(name)
        if source is None:
            return False
        if isinstance(source.auth, OpenLogin):
            return True
        if isinstance(source.auth, HostLogin):
            return bool(set(peer.hostnames or ()) & {host.lower() for host in source.auth.hosts})
        if isinstance(source.auth, FolderLogin):
            return False
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= 200:
            return False
        with reading(self._engine).connect() as connection:
            row = connection.execute(
                select(intake_token.c.source, intake_token.c.expires).where(intake_token.c.digest == digest(token))
            ).one_or_none()
        return row is not None and row.source == name and row.expires > self._clock()

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The answer of the token endpoint. Raises Denied."""
        if form.get("grant_type") != "client_credentials":
            raise Denied("unsupported_grant_type", "the grant type is client_credentials")
        if form.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in form:
            raise Denied("invalid_client", "a client assertion (JWT) is needed")
        name, claims = self._claims(form["client_assertion"])
        if form.get("client_id", claims["sub"]) != claims["sub"]:
            raise Denied("invalid_client", "client_id is not the subject of the assertion")
        token, now = new_token(), int(self._clock())
        jti = hashlib.sha256(str(claims["jti"]).encode("utf-8", "surrogatepass")).digest()
        try:
            with self._engine.begin() as connection:
                for table in (intake_assertion, intake_token):
                    connection.execute(delete(table).where(table.c.expires < now - SKEW))
                connection.execute(
                    insert(intake_assertion).values(source=name, jti=jti, expires=int(claims["exp"]) + SKEW)
                )
                connection.execute(
                    insert(intake_token).values(
                        digest=digest(token), source=name, expires=now + self._settings.token_seconds
                    )
                )
        except IntegrityError:
            raise Denied("invalid_client", "this assertion was used before") from None
        return {"access_token": token, "token_type": "Bearer", "expires_in": self._settings.token_seconds}

    def _claims(self, assertion: str) -> tuple[str, Mapping[str, Any]]:
        """The source and the claims of an assertion that is signed by it, for us, and in force."""
        denied = Denied("invalid_client", "the client assertion is not accepted")
        header, given = _peek(assertion)
        name, keys = self._keys.get(str(given.get("iss")), ("", ()))
        claims = _verified(assertion, header.get("kid"), keys)
        if claims is None or claims.get("sub") != claims.get("iss"):
            raise denied
        audience = claims.get("aud")
        if self.token_url not in (audience if isinstance(audience, list) else [audience]):
            raise Denied("invalid_client", "the audience of the assertion is not this token endpoint")
        now, jti = self._clock(), claims.get("jti")
        begin = max((claims[part] for part in ("iat", "nbf") if _is_time(claims.get(part))), default=0)
        if not _is_time(claims.get("exp")) or not now - SKEW < claims["exp"] <= now + LONGEST + SKEW:
            raise Denied("invalid_client", "the assertion has expired, or lives longer than five minutes")
        if begin > now + SKEW:
            raise Denied("invalid_client", "the assertion is not in force yet")
        if not isinstance(jti, str) or not 0 < len(jti) <= 255:
            raise Denied("invalid_client", "the assertion has no jti")
        return name, claims


def read_keys(file: Path) -> Sequence[PublicKey]:
    """The public keys in a file: a JWK set, or one key in PEM. Raises LoginFault."""
    try:
        content = file.read_bytes()
        if content.lstrip().startswith(b"{"):
            keys = [key for key in KeySet.import_key_set(json.loads(content)).keys if not key.is_private]
        else:
            try:
                keys = [import_key(content, "RSA")]
            except (JoseError, ValueError, TypeError):
                keys = [import_key(content, "EC")]
    except (OSError, ValueError, TypeError, JoseError) as fault:
        raise LoginFault(f"{file}: no public key can be read ({type(fault).__name__})") from fault
    usable = [key for key in keys if isinstance(key, RSAKey | ECKey) and not key.is_private]
    if not usable:
        raise LoginFault(f"{file}: holds no public RSA or EC key")
    return usable


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _peek(assertion: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims before they are verified: only to find the key."""
    try:
        header, claims, _ = assertion.split(".")
        parts = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (header, claims)]
    except (ValueError, RecursionError):
        raise Denied("invalid_client", "the client assertion is no JWT") from None
    if not all(isinstance(part, dict) for part in parts):
        raise Denied("invalid_client", "the client assertion is no JWT")
    return parts[0], parts[1]


def _verified(assertion: str, kid: object, keys: Sequence[PublicKey]) -> Mapping[str, Any] | None:
    for key in keys:
        if kid is not None and key.kid is not None and key.kid != kid:
            continue
        try:
            return jwt.decode(assertion, key, algorithms=ALGORITHMS).claims
        except (JoseError, ValueError, TypeError):
            continue
    return None
