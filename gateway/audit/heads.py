"""Statements of how far a chain had come, signed (Ed25519) and kept outside the database.

Who can write in the database can cut off the newest records of a chain, or take it out whole, and what is left fits.
A signed statement that chain, number and mac were there shows it. One statement is one line of JSON, so that a file, a
syslog and an object store can all keep it, and a line is found again behind whatever a syslog puts before it.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.audit.findings import ChainBreak
from gateway.audit.settings import key_bytes

MARK = '{"audit_head":1,'
"""How every statement begins."""
STEPS = "u."
"""How the names of chains of what is counted begin; those of the trail never do."""
_DOMAIN = b"medmij-gateway audit head\n"


@dataclass(frozen=True, slots=True)
class Head:
    """Chain, number and mac of its newest record, and the moment (UTC) at which that was so."""

    chain: str
    sequence: int
    mac: bytes
    at: datetime


class _Stated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    audit_head: int
    chain: str
    sequence: int
    mac: str
    at: datetime
    key: str
    signature: str = ""


class Signer:
    """Signs statements with one key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.id = key_id(key.public_key())

    def line(self, head: Head) -> bytes:
        """The statement as one line, without its end."""
        told = _Stated(1, head.chain, head.sequence, head.mac.hex(), head.at.astimezone(UTC), self.id)
        signature = base64.b64encode(self._key.sign(_signed(told))).decode()
        return msgspec.json.encode(msgspec.structs.replace(told, signature=signature))


def key_id(key: Ed25519PublicKey) -> str:
    """How statements name a key: the beginning of the public key itself."""
    return key.public_bytes_raw()[:8].hex()


def private_key(text: str) -> Ed25519PrivateKey:
    """The signing key of a setting: base64 of 32 bytes. Raises ValueError."""
    return Ed25519PrivateKey.from_private_bytes(key_bytes(text))


def public_key(text: str) -> Ed25519PublicKey:
    """A public key of a setting: base64 of 32 bytes. Raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(key_bytes(text))


def read_heads(paths: Sequence[Path], keys: Iterable[Ed25519PublicKey]) -> tuple[list[Head], list[ChainBreak]]:
    """What the statements in these files say, and those of folders; and which statements cannot be believed.

    Lines that are no statement are passed over: they are another's in the same log. Raises OSError.
    """
    known = {key_id(key): key for key in keys}
    heads: list[Head] = []
    faults: list[ChainBreak] = []
    for file in (inner for path in paths for inner in (sorted(path.rglob("*")) if path.is_dir() else [path])):
        if not file.is_file():
            if file in paths:
                raise FileNotFoundError(f"no statements at {file}")
            continue
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                start = line.find(MARK.encode())
                if start < 0:
                    continue
                found = _believed(line[start:], known)
                if isinstance(found, Head):
                    heads.append(found)
                else:
                    faults.append(ChainBreak("", 0, f"{file.name}, line {number}: {found}", "statement"))
    return heads, faults


def _believed(line: bytes, known: Mapping[str, Ed25519PublicKey]) -> Head | str:
    try:
        told = msgspec.json.decode(line.rstrip(b"\x00\r\n "), type=_Stated)
        mac, signature = bytes.fromhex(told.mac), base64.b64decode(told.signature, validate=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return "the statement cannot be read"
    if told.key not in known:
        return f"the statement is signed with a key that is not known ({told.key[:16]!r})"
    try:
        known[told.key].verify(signature, _signed(told))
    except InvalidSignature:
        return "the signature of the statement does not fit"
    return Head(told.chain, told.sequence, mac, told.at)


def _signed(told: _Stated) -> bytes:
    return _DOMAIN + msgspec.json.encode(msgspec.structs.replace(told, signature=""))
