"""Signed assertions between institutions (RFC 7523): the keys, the limits of each kind, and signing our own."""

import base64
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey, import_key

from gateway.exchange.trust import TokenDenied
from gateway.intake.login import LoginFault, PublicKey, read_keys

ALGORITHMS = ("PS256", "ES256", "ES384", "ES512", "RS256")
"""What a partner may sign with (TK-05)."""
CLIENT_SECONDS, AUTHORIZATION_SECONDS, SKEW = 60, 900, 30
KEEP_SECONDS = 900.0
"""How long the keys of a partner are taken as they were read."""
_LONGEST = 8_000


class KeyFault(Exception):
    """A private key of ours that cannot be used; the text names the file."""


class PartnerKeys:
    """The public keys of a partner: read when needed, and once more when one is not known (a rotation)."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock
        self._keys: Sequence[PublicKey] = ()
        self._read = 0.0

    def verified(self, assertion: str, kid: object) -> Mapping[str, Any] | None:
        """The claims of an assertion that one of the keys signed; None when none did."""
        fresh = self._clock() - self._read > KEEP_SECONDS
        if fresh:
            self._again()
        claims = self._by(assertion, kid)
        if claims is None and not fresh and not any(key.kid == kid for key in self._keys):
            self._again()
            claims = self._by(assertion, kid)
        return claims

    def _again(self) -> None:
        try:
            self._keys = read_keys(self._file)
        except LoginFault:
            self._keys = ()
        self._read = self._clock()

    def _by(self, assertion: str, kid: object) -> Mapping[str, Any] | None:
        for key in self._keys:
            if kid is not None and key.kid is not None and key.kid != kid:
                continue
            try:
                return jwt.decode(assertion, key, algorithms=list(ALGORITHMS)).claims
            except (JoseError, ValueError, TypeError):
                continue
        return None


def peek(assertion: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims before they are verified: only to find the key. Raises TokenDenied."""
    denied = TokenDenied("invalid_client", "an assertion is no signed JWT")
    if len(assertion) > _LONGEST:
        raise denied
    try:
        header, claims, _ = assertion.split(".")
        parts = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (header, claims)]
    except (ValueError, RecursionError):
        raise denied from None
    if not all(isinstance(part, dict) for part in parts):
        raise denied
    return parts[0], parts[1]


def in_force(claims: Mapping[str, Any], audience: Sequence[str], longest: int, now: float) -> tuple[bytes, int]:
    """Hold the claims of an assertion to its limits; gives what marks it as used, and until when. TokenDenied."""
    given = claims.get("aud")
    if not set(given if isinstance(given, list) else [given]) & set(audience):
        raise TokenDenied("invalid_client", "the audience of an assertion is not this token endpoint")
    issued, ends, jti = claims.get("iat"), claims.get("exp"), claims.get("jti")
    if not isinstance(issued, int | float) or not isinstance(ends, int | float) or ends - issued > longest:
        raise TokenDenied("invalid_client", f"an assertion lives {longest} seconds at most")
    if not now - SKEW < ends or issued > now + SKEW or ends > now + longest + SKEW:
        raise TokenDenied("invalid_client", "an assertion is not in force")
    begins = claims.get("nbf", 0)
    if not isinstance(begins, int | float) or begins > now + SKEW:
        raise TokenDenied("invalid_client", "an assertion is not in force")
    if not isinstance(jti, str) or not 0 < len(jti) <= 255:
        raise TokenDenied("invalid_client", "an assertion has no jti")
    marked = hashlib.sha256(f"{claims.get('iss')}\n{jti}".encode("utf-8", "surrogatepass")).digest()
    return marked, int(ends) + SKEW


@dataclass(frozen=True, slots=True)
class AssertionSigner:
    """Our own private keys: the first signs, the public half of all is given out."""

    keys: tuple[RSAKey | ECKey, ...]

    @classmethod
    def read(cls, files: Sequence[Path]) -> "AssertionSigner":
        """From PEM or JWK files. Raises KeyFault."""
        return cls(tuple(_private(file) for file in files))

    def sign(self, claims: Mapping[str, Any], seconds: int, now: float) -> str:
        """A JWT with these claims, an id of its own and its times."""
        key = self.keys[0]
        algorithm = "PS256" if isinstance(key, RSAKey) else {"P-256": "ES256", "P-384": "ES384"}[key.curve_name]
        times = {"iat": int(now), "exp": int(now) + seconds, "jti": str(uuid.uuid4())}
        header = {"typ": "JWT", "alg": algorithm, "kid": key.kid or key.thumbprint()}
        return jwt.encode(header, {**claims, **times}, key, algorithms=[algorithm])

    def public(self) -> dict[str, Any]:
        """The JWK set that partners read."""
        for key in self.keys:
            key.ensure_kid()
        return dict(KeySet(list(self.keys)).as_dict(private=False))


def _private(file: Path) -> RSAKey | ECKey:
    key: object
    try:
        content = file.read_bytes()
        if content.lstrip().startswith(b"{"):
            key = import_key(json.loads(content))
        else:
            try:
                key = import_key(content, "EC")
            except (JoseError, ValueError, TypeError):
                key = import_key(content, "RSA")
    except (OSError, ValueError, TypeError, JoseError) as fault:
        raise KeyFault(f"{file}: no private key can be read ({type(fault).__name__})") from fault
    if not isinstance(key, RSAKey | ECKey) or not key.is_private:
        raise KeyFault(f"{file}: holds no private RSA or EC key")
    return key
