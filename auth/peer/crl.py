"""Revocation by certificate revocation lists (TLS-09): read from a folder, fail closed.

A list counts when its issuer signed it, it is complete (not partial, not a delta) and it is in force. Files may be
PEM or DER, with the suffix .crl or .pem, and may be replaced while we run.
"""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

LARGEST_FILE = 50_000_000
LOOK_AGAIN_SECONDS = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One list, read."""

    parsed: x509.CertificateRevocationList
    serials: frozenset[int]
    file: str

    @property
    def expires(self) -> datetime | None:
        """When it goes out of force; None when it does not say, which makes it useless."""
        return self.parsed.next_update_utc

    def in_force(self, at: datetime) -> bool:
        """Whether the moment lies within the list's own term."""
        return self.expires is not None and self.parsed.last_update_utc <= at <= self.expires

    def signed_by(self, issuer: x509.Certificate) -> bool:
        """Whether the key of this certificate made the signature."""
        key = issuer.public_key()
        if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey):
            return False
        try:
            return self.parsed.is_signature_valid(key)
        except (TypeError, ValueError):
            return False

    def covers(self, certificate: x509.Certificate) -> bool:
        """Whether the list is about certificates like this one: its issuer's, its kind, its part of them."""
        if self.parsed.issuer != certificate.issuer:
            return False
        try:
            scope = self.parsed.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
        except x509.ExtensionNotFound:
            return True
        one_kind = scope.only_contains_ca_certs or scope.only_contains_user_certs
        if one_kind and _is_ca(certificate) is not scope.only_contains_ca_certs:
            return False
        return scope.full_name is None or bool(set(scope.full_name) & _points(certificate))


class Revocations:
    """The revocation lists of a folder, looked at again every 30 s at most."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._lists: tuple[RevocationList, ...] = ()
        self._looked = float("-inf")
        self._lock = threading.Lock()
        self.generation = 0
        """Counts the times that the lists changed."""

    def lists(self) -> tuple[RevocationList, ...]:
        """The lists that could be read."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_AGAIN_SECONDS:
                self._looked = time.monotonic()
                self._look()
            return self._lists

    def look_again(self) -> None:
        """Forget when the folder was last looked at."""
        with self._lock:
            self._looked = float("-inf")

    def fault(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> str | None:
        """Why this certificate may not be used, or None when a list in force of its issuer does not hold it."""
        signed = [found for found in self.lists() if found.covers(certificate) and found.signed_by(issuer)]
        current = [found for found in signed if found.in_force(at)]
        if any(certificate.serial_number in found.serials for found in signed):
            return "revoked"
        if not current:
            return "no revocation list of its issuer is in force"
        return None

    def _look(self) -> None:
        try:
            files = sorted(
                path for path in self._folder.iterdir() if path.suffix in (".crl", ".pem") and path.is_file()
            )
            seen = tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in files)
        except OSError as error:
            _log.error("the folder of revocation lists cannot be read: %s", error.strerror)
            files, seen = [], ()
        if seen == self._seen and self.generation:
            return
        self._seen, self._lists = seen, tuple(found for path in files for found in _read(path))
        self.generation += 1


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _points(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return set()
    return {name for point in points for name in point.full_name or ()}


def _read(path: Path) -> Iterator[RevocationList]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError("too large")
        parsed = parse(path.read_bytes())
        serials = frozenset(entry.serial_number for entry in parsed)
    except Exception as error:  # one damaged file must not take the others with it
        _log.error("revocation list %s cannot be used: %s", path.name, error)
        return
    yield RevocationList(parsed, serials, path.name)


def parse(data: bytes) -> x509.CertificateRevocationList:
    """One revocation list, PEM or DER. Raises ValueError when it is none, partial, or a delta."""
    try:
        return _parse(data)
    except ValueError:
        raise
    except Exception as error:  # the library's exceptions have no common base
        raise ValueError(f"not a revocation list ({type(error).__name__})") from error


def _parse(data: bytes) -> x509.CertificateRevocationList:
    pem = data.lstrip().startswith(b"-----BEGIN")
    parsed = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
    for extension in parsed.extensions:
        value = extension.value
        if isinstance(value, x509.DeltaCRLIndicator):
            raise ValueError("a delta list")
        if isinstance(value, x509.IssuingDistributionPoint):
            if value.indirect_crl or value.only_some_reasons or value.only_contains_attribute_certs:
                raise ValueError("a partial list")
        elif extension.critical:
            raise ValueError("a critical extension that is not known here")
    return parsed
