"""The keys of a login provider: what can be understood of its JWK set, and which of them may have signed (RFC 7517)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

Key = RSAKey | ECKey | OKPKey

KEY_TYPES: dict[str, type[Key]] = {"ES": ECKey, "Ed": OKPKey, "RS": RSAKey, "PS": RSAKey}
"""The type of key that an algorithm works with, by the first two letters of its name."""
_READERS: dict[str, type[Key]] = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey}
_MOST_KEYS = 100


class NoKeySet(ValueError):
    """What came is no JWK set at all (RFC 7517 section 5: an object with an array `keys`)."""


@dataclass(frozen=True, slots=True)
class ProviderKeys:
    """The keys that we understand, each with the parameters beside it."""

    keys: tuple[tuple[Mapping[str, Any], Key], ...]

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "ProviderKeys":
        """Read a JWK set. Raises NoKeySet.

        A key of an unknown type or curve, without a member that it needs, or with a value beyond reading, is passed
        over: one new key of the provider never stops the others (RFC 7517 section 5). Secrets (`oct`) are no keys of
        a provider: a public set that holds one would make it a way to forge.
        """
        entries = document.get("keys")
        if not isinstance(entries, list):
            raise NoKeySet("no array `keys`")
        return cls(tuple(found for entry in entries[:_MOST_KEYS] if (found := _read(entry)) is not None))

    def may_have_signed(self, id_token: str, algorithms: Sequence[str]) -> Iterator[Key]:
        """The keys that fit the header of a token: its algorithm (one of ours), use, and key id if it names one.

        One key id may stand on keys of several types (RFC 7517 section 4.5), so all that fit are given.
        """
        header = _header(id_token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in algorithms:
            return
        wanted = KEY_TYPES.get(algorithm[:2])
        for beside, key in self.keys:
            if wanted is None or not isinstance(key, wanted) or beside.get("use", "sig") != "sig":
                continue
            if beside.get("alg", algorithm) != algorithm or not _verifies(beside.get("key_ops")):
                continue
            if kid is None or beside.get("kid") == kid:
                yield key


def _read(entry: object) -> tuple[Mapping[str, Any], Key] | None:
    reader = _READERS.get(str(entry.get("kty"))) if isinstance(entry, dict) else None
    if reader is None or not isinstance(entry, dict):
        return None
    try:
        # Only what makes the key: a member beside it that the library does not like must not cost us the key.
        members = {name: value for name, value in entry.items() if name in {"kty", "crv", "x", "y", "n", "e"}}
        key = reader.import_key(members)
        _ = key.raw_value
    except Exception:  # the libraries' exceptions have no common base; whatever it is, we do not understand this key
        return None
    return entry, key


def _verifies(operations: object) -> bool:
    return operations is None or (isinstance(operations, list) and "verify" in operations)


def _header(id_token: str) -> Mapping[str, Any]:
    try:
        return jws.extract_compact(id_token.encode()).headers()
    except (JoseError, ValueError):
        return {}
