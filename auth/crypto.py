"""Pseudonyms and seals: how the citizen number is kept (IDN-07).

A pseudonym is HMAC-SHA-256 of the number under a key outside the database: equal persons are found, the number is not.
A seal is AES-256-GCM under a key of a ring; the key's id and the purpose are authenticated, so that a sealed session
can never be opened as a citizen number, and keys rotate by adding one.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
_FORMAT = 1


class SealError(Exception):
    """Sealed bytes that no key of the ring opens: damaged, foreign, or the key was removed."""


def digest(token: str) -> bytes:
    """SHA-256 of a code or token: all that is ever stored of it (AUTH-16)."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def new_token() -> str:
    """256 random bits in base64url: a code, token, cookie or handle without structure (AUTH-14)."""
    return secrets.token_urlsafe(32)


def valid_bsn(text: str) -> bool:
    """True for nine digits that pass the eleven test."""
    if len(text) != 9 or not text.isascii() or not text.isdigit():
        return False
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    total = sum(weight * int(figure) for weight, figure in zip(weights, text, strict=True))
    return total % 11 == 0 and text != "000000000"


class Pseudonyms:
    """Turns citizen numbers into pseudonyms under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, bsn: str) -> str:
        """The pseudonym, 64 hexadecimal characters."""
        return hmac.new(self._key, b"bsn:" + bsn.encode("ascii"), hashlib.sha256).hexdigest()

    def mark(self, kind: str, text: str) -> str:
        """What is kept of another name, to find it by: a keyed hash too, which is nobody's pseudonym."""
        return hmac.new(self._key, f"{kind}:{text}".encode(), hashlib.sha256).hexdigest()


class KeyRing:
    """Seals and opens bytes. `current` names the key for new seals; the others only open."""

    def __init__(self, current: str, keys: Mapping[str, bytes]) -> None:
        if current not in keys:
            raise ValueError("the current key is not on the ring")
        self._current = current
        self._keys = {name: AESGCM(key) for name, key in keys.items()}

    def seal(self, purpose: str, plain: bytes) -> bytes:
        """Encrypt for one purpose; only `open` with the same purpose gives it back."""
        name = self._current.encode()
        nonce = secrets.token_bytes(_NONCE)
        head = bytes((_FORMAT, len(name))) + name
        return head + nonce + self._keys[self._current].encrypt(nonce, plain, head + purpose.encode())

    def open(self, purpose: str, sealed: bytes) -> bytes:
        """Decrypt; raises SealError when anything is not as it was sealed."""
        if len(sealed) < 2 or sealed[0] != _FORMAT:
            raise SealError("not a seal")
        end = 2 + sealed[1]
        head, nonce, body = sealed[:end], sealed[end : end + _NONCE], sealed[end + _NONCE :]
        key = self._keys.get(head[2:].decode("ascii", "replace"))
        if key is None or len(nonce) != _NONCE:
            raise SealError("sealed with a key that is not on the ring")
        try:
            return key.decrypt(nonce, body, head + purpose.encode())
        except InvalidTag as error:
            raise SealError("seal does not fit") from error

    def key_of(self, sealed: bytes) -> str:
        """Name of the key that sealed these bytes, for re-sealing after a rotation."""
        return sealed[2 : 2 + sealed[1]].decode("ascii", "replace")

    @property
    def current(self) -> str:
        """Name of the key that new seals use."""
        return self._current
