"""Certificates: is the one that a peer shows good (TLS-05, TLS-08, TLS-09), and which of ours need attention (TLS-06).

The check is made here whoever ended the TLS connection, so that a proxy with a wrong setting lets nobody in.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from auth.peer.crl import Revocations
from auth.peer.ocsp import OcspStatuses

Ext = TypeVar("Ext", bound=x509.ExtensionType)

LARGEST_CERTIFICATE = 16_000
REMEMBER_SECONDS = 30.0
REMEMBER_MOST = 2_000


class CertificateRefused(Exception):
    """A certificate is not good; the text says why and holds no personal data."""


@dataclass(frozen=True, slots=True)
class Trust:
    """The certificates we build chains with: roots (self-signed) and intermediates."""

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...]

    @staticmethod
    def read(*files: Path) -> "Trust":
        """From PEM files. Raises ValueError or OSError when there is no root in them."""
        found = [certificate for file in files for certificate in x509.load_pem_x509_certificates(file.read_bytes())]
        roots = tuple(certificate for certificate in found if certificate.issuer == certificate.subject)
        if not roots:
            raise ValueError("no root certificate among the trusted certificates")
        return Trust(roots, tuple(certificate for certificate in found if certificate not in roots))


@dataclass(frozen=True, slots=True)
class _Known:
    """A good answer that was given."""

    names: tuple[str, ...]
    given: float
    generation: int
    expires: datetime

    def holds(self, generation: int, now: datetime) -> bool:
        return (
            self.generation == generation and now <= self.expires and time.monotonic() - self.given < REMEMBER_SECONDS
        )


class PeerCheck:
    """Checks certificates of peers: chain to a trusted root, validity, key usage, extended key usage, revocation.

    Takes what we trust, the revocation lists (None switches the check off: tests only), the clock, and OCSP when it is
    asked too. A good answer is remembered for 30 s at most, and never beyond a change of the revocation lists.
    """

    def __init__(
        self,
        trust: Trust,
        revocations: Revocations | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        ocsp: OcspStatuses | None = None,
    ) -> None:
        self._ocsp = ocsp
        self._store = verification.Store(list(trust.roots))
        self._intermediates = list(trust.intermediates)
        self._revocations = revocations
        self._now = now
        self._good: OrderedDict[bytes, _Known] = OrderedDict()
        self._lock = threading.Lock()

    async def consult(self, der: bytes) -> None:
        """Ask the responder of a client certificate, when OCSP is on and its answer is not known; before `client`."""
        if self._ocsp is not None and len(der) <= LARGEST_CERTIFICATE:
            await self._ocsp.consult(der, self._now())

    def client(self, der: bytes) -> tuple[str, ...]:
        """The DNS names, in lower case, of a good client certificate. Raises CertificateRefused."""
        generation = self._generation()
        with self._lock:
            known = self._good.get(der)
        if known is not None and known.holds(generation, self._now()):
            return known.names
        leaf = _load(der)
        verifier = self._policy().build_client_verifier()
        try:
            chain = verifier.verify(leaf, self._intermediates).chain
        except Exception as error:  # fail closed, whatever the library finds
            raise CertificateRefused(_reason(leaf, self._now(), error)) from None
        self._check(chain, ExtendedKeyUsageOID.CLIENT_AUTH)
        if self._ocsp is not None and (fault := self._ocsp.fault(der, self._now())):
            raise CertificateRefused(f"the certificate: {fault}")
        names = dns_names(leaf)
        if not names:
            raise CertificateRefused("no DNS name")
        with self._lock:
            self._good[der] = _Known(names, time.monotonic(), generation, leaf.not_valid_after_utc)
            while len(self._good) > REMEMBER_MOST:
                self._good.popitem(last=False)
        return names

    def server(self, der: bytes, host: str) -> None:
        """Check the certificate of a server that we call. Raises CertificateRefused."""
        leaf = _load(der)
        try:
            chain = self._policy().build_server_verifier(x509.DNSName(host)).verify(leaf, self._intermediates)
        except Exception as error:  # fail closed, whatever the library finds
            raise CertificateRefused(_reason(leaf, self._now(), error)) from None
        self._check(chain, ExtendedKeyUsageOID.SERVER_AUTH)

    def _policy(self) -> verification.PolicyBuilder:
        return verification.PolicyBuilder().store(self._store).time(self._now())

    def _generation(self) -> int:
        told = self._ocsp.generation if self._ocsp is not None else 0
        if self._revocations is None:
            return told
        self._revocations.lists()
        return self._revocations.generation + told

    def _check(self, chain: list[x509.Certificate], purpose: x509.ObjectIdentifier) -> None:
        leaf = chain[0]
        usage = _extension(leaf, x509.KeyUsage)
        if usage is None or not usage.digital_signature:
            raise CertificateRefused("its key usage does not allow signatures")
        extended = _extension(leaf, x509.ExtendedKeyUsage)
        if extended is None or purpose not in extended:
            raise CertificateRefused("its extended key usage does not allow this use")
        if self._revocations is None:
            return
        for certificate, issuer in pairwise(chain):
            if fault := self._revocations.fault(certificate, issuer, self._now()):
                which = "the certificate" if certificate is leaf else "an intermediate"
                raise CertificateRefused(f"{which}: {fault}")


def dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names of the subject alternative name, lower case, wildcards included as they stand."""
    names = _extension(certificate, x509.SubjectAlternativeName)
    return () if names is None else tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))


def _load(der: bytes) -> x509.Certificate:
    if len(der) > LARGEST_CERTIFICATE:
        raise CertificateRefused("too large")
    try:
        return x509.load_der_x509_certificate(der)
    except Exception as error:  # the library's exceptions have no common base; whatever it is, this is no certificate
        raise CertificateRefused(f"not a certificate ({type(error).__name__})") from None


def _extension(certificate: x509.Certificate, kind: type[Ext]) -> Ext | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except Exception:  # absent, doubled, or beyond reading: not there
        return None


def _reason(leaf: x509.Certificate, now: datetime, error: Exception) -> str:
    if now > leaf.not_valid_after_utc:
        return "expired"
    if now < leaf.not_valid_before_utc:
        return "not yet valid"
    return f"no good chain to a trusted root ({str(error)[:120]})"


# --- our own certificates ------------------------------------------------------------------------------------------

Severity = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Expiry:
    """One row for `gateway doctor`: something that goes out of force, and what is wrong with it."""

    what: str
    expires: datetime | None
    days_left: int | None
    severity: Severity
    text: str


def inspect(
    certificates: Iterable[tuple[str, Path, Literal["front", "back", "trust"]]],
    revocations: Revocations | None = None,
    now: datetime | None = None,
) -> list[Expiry]:
    """What expires among our certificates, what we trust and the revocation lists, and whether ours fit the rules.

    Takes (name, PEM file, role). A leaf warns 30 days ahead, a revocation list 12 hours ahead. Never raises: a file
    that cannot be read is a row with severity error.
    """
    at = now or datetime.now(UTC)
    rows: list[Expiry] = []
    for name, file, role in certificates:
        try:
            certificates_read = x509.load_pem_x509_certificates(file.read_bytes())
        except Exception:  # the library's exceptions have no common base
            rows.append(Expiry(name, None, None, "error", "cannot be read as a PEM certificate"))
            continue
        rows += [
            _certificate_row(name if index == 0 else f"{name}, issuer {index}", entry, at)
            for index, entry in enumerate(certificates_read)
        ]
        if role != "trust":
            rows += [Expiry(name, None, None, "error", fault) for fault in regime_faults(certificates_read[0], role)]
    for found_list in revocations.lists() if revocations else ():
        rows.append(_list_row(found_list.file, found_list.expires, at))
    return rows


def regime_faults(certificate: x509.Certificate, role: Literal["front", "back"]) -> list[str]:
    """What is wrong with a certificate of ours in its role (TLS-05, TLS-06, CT-104)."""
    faults: list[str] = []
    names = dns_names(certificate)
    if not names:
        faults.append("it has no DNS name")
    if any("*" in name for name in names):
        faults.append("a wildcard certificate is not allowed (TLS-06)")
    if role == "front" and not certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME):
        faults.append("it names no organisation: domain-validated only is not enough (TLS-06)")
    return faults


def _certificate_row(what: str, certificate: x509.Certificate, at: datetime) -> Expiry:
    left = certificate.not_valid_after_utc - at
    if at < certificate.not_valid_before_utc:
        return Expiry(what, certificate.not_valid_after_utc, left.days, "error", "not yet valid")
    severity, text = _severity(left.total_seconds(), 30 * 86_400)
    return Expiry(what, certificate.not_valid_after_utc, left.days, severity, text)


def _list_row(file: str, expires: datetime | None, at: datetime) -> Expiry:
    if expires is None:
        return Expiry(f"revocation list {file}", None, None, "error", "does not say when it goes out of force")
    left = expires - at
    severity, text = _severity(left.total_seconds(), 43_200)
    return Expiry(f"revocation list {file}", expires, left.days, severity, text)


def _severity(seconds: float, ahead: float) -> tuple[Severity, str]:
    if seconds <= 0:
        return "error", "expired"
    return ("warning", "expires soon") if seconds < ahead else ("ok", "in force")


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, for logs."""
    return certificate.fingerprint(hashes.SHA256()).hex()
