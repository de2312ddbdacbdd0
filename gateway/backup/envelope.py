"""The sealed form of a backup: a header that says for whom, then chunks that are each authenticated, in their order.

A file has a key of its own, which follows from a key agreement with the recipient (X25519, HKDF) or from a passphrase
(scrypt). A chunk is compressed and sealed with AES-256-GCM; its nonce is its number and whether it is the last, so that
chunks that were changed, exchanged, taken out or cut off at the end are found. The header is authenticated with each.
"""

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

MAGIC = b"medmij-gateway backup 1\n"
LARGEST = 256 * 1024 * 1024
"""Most bytes of one chunk, sealed and opened."""
COST = 2**16
"""Of scrypt: 64 MiB of memory for each guess."""
SHORTEST = 12
"""Characters of a passphrase."""


class BackupError(Exception):
    """A backup cannot be made or read; the text says why, for an operator."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """For whom a backup is sealed: the public key of somebody (PEM, X25519), or who knows a passphrase."""

    key: X25519PublicKey | None = None
    passphrase: bytes = b""

    @staticmethod
    def of(file: Path) -> "Recipient":
        """From a PEM file with a public key. Raises BackupError."""
        try:
            key = load_pem_public_key(file.read_bytes())
        except (OSError, ValueError) as fault:
            raise BackupError(f"{file}: {getattr(fault, 'strerror', None) or 'no public key in PEM'}") from None
        if not isinstance(key, X25519PublicKey):
            raise BackupError(f"{file}: not an X25519 key; openssl genpkey -algorithm X25519 makes one")
        return Recipient(key)


@dataclass(frozen=True, slots=True)
class Opener:
    """Who can open a backup: the recipient's private key, or the passphrase."""

    key: X25519PrivateKey | None = None
    passphrase: bytes = b""

    @staticmethod
    def of(file: Path) -> "Opener":
        """From a PEM file with a private key that has no passphrase of its own. Raises BackupError."""
        try:
            key = load_pem_private_key(file.read_bytes(), None)
        except (OSError, ValueError, TypeError) as fault:
            raise BackupError(f"{file}: {getattr(fault, 'strerror', None) or 'no private key in PEM'}") from None
        if not isinstance(key, X25519PrivateKey):
            raise BackupError(f"{file}: not an X25519 key")
        return Opener(key)


def passphrase_of(file: Path) -> bytes:
    """A passphrase from the first line of a file. Raises BackupError."""
    try:
        found = file.read_bytes().split(b"\n")[0].strip()
    except OSError as fault:
        raise BackupError(f"{file}: {fault.strerror}") from None
    if len(found) < SHORTEST:
        raise BackupError(f"{file}: a passphrase has at least {SHORTEST} characters")
    return found


class SealedHeader(msgspec.Struct, frozen=True):
    """What a file says of itself in plain: how its key is found. ``salt`` is also the ephemeral public key's place."""

    kind: str
    salt: bytes
    ephemeral: bytes = b""


class Sealing:
    """Writes chunks to a file. `close` writes the last one, without which the file counts as cut off."""

    def __init__(self, out: BinaryIO, recipient: Recipient) -> None:
        salt = os.urandom(32)
        if recipient.key is not None:
            own = X25519PrivateKey.generate()
            header = SealedHeader("x25519", salt, own.public_key().public_bytes_raw())
            key = _derived(own.exchange(recipient.key), header)
        else:
            header = SealedHeader("scrypt", salt)
            key = _stretched(recipient.passphrase, salt)
        self._head = msgspec.msgpack.encode(header)
        self._cipher, self._out, self._number = AESGCM(key), out, 0
        out.write(MAGIC + len(self._head).to_bytes(2) + self._head)

    def chunk(self, data: bytes) -> None:
        """Write one chunk."""
        self._write(data, last=False)

    def close(self, data: bytes) -> None:
        """Write the last chunk."""
        self._write(data, last=True)

    def _write(self, data: bytes, *, last: bool) -> None:
        packed = zlib.compress(data, 6)
        sealed = self._cipher.encrypt(_nonce(self._number, last=last), packed, self._head)
        self._out.write(len(sealed).to_bytes(4) + bytes([last]) + sealed)
        self._number += 1


def opened(file: BinaryIO, opener: Opener) -> Iterator[bytes]:
    """The chunks of a backup, each authenticated before it is given; the last one ends it.

    Raises BackupError for a file that is none, for another recipient, and for one that was changed or cut off.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise BackupError("this is no backup of the gateway")
    head = file.read(int.from_bytes(file.read(2)))
    try:
        header = msgspec.msgpack.decode(head, type=SealedHeader)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BackupError("the header of the backup cannot be read") from None
    cipher = AESGCM(_key_of(header, opener))
    number, last = 0, False
    while not last:
        frame = file.read(5)
        size, last = int.from_bytes(frame[:4]), frame[4:] == b"\1"
        if len(frame) != 5 or size > LARGEST or frame[4] > 1:
            raise BackupError("the backup was changed or cut off")
        sealed = file.read(size)
        if len(sealed) != size:
            raise BackupError("the backup is cut off")
        try:
            packed = cipher.decrypt(_nonce(number, last=last), sealed, head)
        except InvalidTag:
            text = "the backup was changed or cut off" if number else "not the key or passphrase of this backup"
            raise BackupError(text) from None
        yield _unpacked(packed)
        number += 1
    if file.read(1):
        raise BackupError("something was put behind the end of the backup")


def _unpacked(packed: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    data = unpacking.decompress(packed, LARGEST)
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise BackupError("a part of the backup is larger than allowed")
    return data


def _key_of(header: SealedHeader, opener: Opener) -> bytes:
    try:
        if header.kind == "x25519" and opener.key is not None:
            return _derived(opener.key.exchange(X25519PublicKey.from_public_bytes(header.ephemeral)), header)
        if header.kind == "scrypt" and opener.passphrase:
            return _stretched(opener.passphrase, header.salt)
    except ValueError:
        raise BackupError("the header of the backup cannot be used") from None
    raise BackupError(
        "the backup was sealed for " + {"x25519": "a key", "scrypt": "a passphrase"}.get(header.kind, "?")
    )


def _derived(secret: bytes, header: SealedHeader) -> bytes:
    info = b"medmij-gateway backup" + header.ephemeral
    return HKDF(hashes.SHA256(), 32, header.salt, info).derive(secret)


def _stretched(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt, 32, COST, 8, 1).derive(passphrase)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])
