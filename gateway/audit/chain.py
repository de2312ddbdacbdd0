"""The format of a chain: what its name tells, where it begins, and what links a record to the one before.

Format 1 (the name is a plain UUID): the mac is an HMAC under the audit key over the previous mac and the record.
Format 2 (the name begins with ``2.``): under a key derived for it, over the previous mac, name, number and record.

The name tells the format, and is part of every mac: no record of one format passes for one of another.
"""

import hashlib
import hmac
import uuid
from dataclasses import dataclass

PREFIX = "2."
"""Of the names of chains in format 2."""
LENGTH = 34
"""Bytes of such a name."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain and the key that links it. ``formed`` is its format."""

    name: str
    key: bytes
    formed: int
    prefix: bytes
    """What stands before the number in what a mac is made over."""

    @property
    def start(self) -> bytes:
        """What stands for the mac before the first record."""
        return hashlib.sha256(self.name.encode()).digest()

    def link(self, previous: bytes, number: int, record: bytes) -> bytes:
        """The mac of a record, 32 bytes."""
        if self.formed == 1:
            return hmac.digest(self.key, previous + record, "sha256")
        return hmac.digest(self.key, previous + self.prefix + number.to_bytes(8) + record, "sha256")


def new_chain(key: bytes) -> Chain:
    """A chain for a run of a process, in the newest format."""
    return chain_of(f"{PREFIX}{uuid.uuid4().hex}", key)


def chain_of(name: str, key: bytes) -> Chain:
    """The chain of this name, as it has to be checked under the audit key."""
    # Of one length, so that name, number and record are told apart in what the mac is made over.
    if name.startswith(PREFIX) and len(name.encode()) == LENGTH:
        return Chain(name, derived(key, "audit chain 2"), 2, name.encode())
    return Chain(name, key, 1, b"")


def derived(key: bytes, purpose: str) -> bytes:
    """A key for one purpose, from the audit key."""
    return hmac.digest(key, purpose.encode(), "sha256")
