"""Revocation by OCSP beside the lists (TLS-09, RFC 6960): asked once per certificate, remembered until its nextUpdate.

A revoked answer always refuses. When there is no answer in force, `soft` leaves it to the revocation lists (which fail
closed), and `hard` refuses. Only certificates that an authority of ours signed are asked about, at the address in them.
"""

import asyncio
import logging
import ssl
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

LARGEST_ANSWER = 100_000
AGAIN_SECONDS = 30.0
"""When a responder that failed is asked again."""
WITHOUT_END = timedelta(minutes=5)
"""How long an answer without nextUpdate holds: the responder says that newer ones are always there."""
LEEWAY = timedelta(minutes=2)
REMEMBER_MOST = 2_000
_log = logging.getLogger(__name__)

Remembered = TypeVar("Remembered")


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """What a responder said of one certificate."""

    status: ocsp.OCSPCertStatus
    begins: datetime
    ends: datetime

    def in_force(self, at: datetime) -> bool:
        """Whether the moment lies within the answer's own term."""
        return self.begins - LEEWAY <= at <= self.ends


class OcspRefused(ValueError):
    """A responder's answer that does not count; the text says why."""


class OcspStatuses:
    """What responders said. Takes what no answer means, the authorities that we trust, and the longest wait.

    `consult` asks; `fault` decides by what is known and never waits.
    """

    def __init__(
        self, mode: Literal["soft", "hard"], authorities: Sequence[x509.Certificate], timeout_seconds: float = 3.0
    ) -> None:
        self._hard = mode == "hard"
        self._authorities = tuple(authorities)
        self._timeout = timeout_seconds
        self._tls = ssl.create_default_context()  # made once: it takes longer than an answer
        self._known: OrderedDict[bytes, OcspAnswer] = OrderedDict()
        self._quiet: OrderedDict[bytes, float] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[None]] = {}
        self.generation = 0
        """Counts the answers that came in."""

    async def consult(self, der: bytes, at: datetime) -> None:
        """See to it that an answer about this certificate is known, if one can be had. Never raises for a fault."""
        known = self._known.get(der)
        if (known is not None and known.in_force(at)) or time.monotonic() < self._quiet.get(der, 0.0):
            return
        task = self._asking.get(der)
        if task is None:
            task = self._asking[der] = asyncio.create_task(self._ask(der, at), name="ocsp")
            task.add_done_callback(lambda _: self._asking.pop(der, None))
        await asyncio.shield(task)

    def fault(self, der: bytes, at: datetime) -> str | None:
        """Why this certificate may not be used, or None."""
        known = self._known.get(der)
        if known is not None and known.status is ocsp.OCSPCertStatus.REVOKED:
            return "revoked (OCSP)"
        good = known is not None and known.in_force(at) and known.status is ocsp.OCSPCertStatus.GOOD
        return "no OCSP answer in force says that it is good" if self._hard and not good else None

    async def _ask(self, der: bytes, at: datetime) -> None:
        try:
            leaf = x509.load_der_x509_certificate(der)
            issuer = self._issuer(leaf)
            request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, SHA1()).build()  # noqa: S303 - a name of a key
            data = await self._post(responder(leaf), request.public_bytes(Encoding.DER))
            answer = read(data, request, issuer, at)
        except Exception as error:  # network, or certificates and answers of others: whatever it is, there is no answer
            _log.warning("OCSP gave no answer: %s", str(error)[:200] or type(error).__name__)
            _keep(self._quiet, der, time.monotonic() + AGAIN_SECONDS)
            return
        self._quiet.pop(der, None)
        _keep(self._known, der, answer)
        self.generation += 1

    def _issuer(self, leaf: x509.Certificate) -> x509.Certificate:
        for authority in self._authorities:
            if authority.subject == leaf.issuer:
                try:
                    leaf.verify_directly_issued_by(authority)
                except Exception:  # noqa: S112 - of the same name, and not this one
                    continue
                return authority
        raise OcspRefused("not issued by an authority of ours")

    async def _post(self, address: str, request: bytes) -> bytes:
        headers = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
        async with (
            asyncio.timeout(self._timeout),
            httpx.AsyncClient(trust_env=False, timeout=self._timeout, verify=self._tls) as client,
            client.stream("POST", address, content=request, headers=headers) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise OcspRefused(f"status {response.status_code}")
            data = bytearray()
            async for chunk in response.aiter_bytes():
                data += chunk
                if len(data) > LARGEST_ANSWER:
                    raise OcspRefused("too large")
        return bytes(data)


def responder(leaf: x509.Certificate) -> str:
    """The address of the responder in a certificate. Raises OcspRefused when there is none."""
    try:
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        access = x509.AuthorityInformationAccess([])
    for description in access:
        place = description.access_location
        if description.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            place, x509.UniformResourceIdentifier
        ):
            return str(place.value)
    raise OcspRefused("the certificate names no responder")


def read(data: bytes, request: ocsp.OCSPRequest, issuer: x509.Certificate, at: datetime) -> OcspAnswer:
    """A responder's answer to a request (RFC 6960 section 3.2). Raises OcspRefused or ValueError."""
    response = ocsp.load_der_ocsp_response(data)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise OcspRefused(f"the responder says {response.response_status.name.lower()}")
    if not any(_signed(response, signer) for signer in (issuer, *_delegates(response, issuer, at))):
        raise OcspRefused("signed by nobody who may")
    for single in response.responses:
        same_issuer = (single.issuer_key_hash, single.issuer_name_hash) == (
            request.issuer_key_hash,
            request.issuer_name_hash,
        )
        if same_issuer and single.serial_number == request.serial_number:
            ends = single.next_update_utc or single.this_update_utc + WITHOUT_END
            answer = OcspAnswer(single.certificate_status, single.this_update_utc, ends)
            if not answer.in_force(at):
                raise OcspRefused("not in force")
            return answer
    raise OcspRefused("about another certificate")


def _delegates(response: ocsp.OCSPResponse, issuer: x509.Certificate, at: datetime) -> list[x509.Certificate]:
    """Certificates in the answer that the issuer made for signing answers (section 4.2.2.2)."""
    delegates = []
    for certificate in response.certificates:
        try:
            certificate.verify_directly_issued_by(issuer)
            usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except Exception:  # noqa: S112 - another issuer's, or beyond reading: no delegate
            continue
        if ExtendedKeyUsageOID.OCSP_SIGNING in usage and (
            certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
        ):
            delegates.append(certificate)
    return delegates


def _signed(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, signature, data = signer.public_key(), response.signature, response.tbs_response_bytes
    digest = response.signature_hash_algorithm
    if isinstance(digest, SHA1):
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey) and digest is not None:
            key.verify(signature, data, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
            key.verify(signature, data, ec.ECDSA(digest))
        elif isinstance(key, Ed25519PublicKey):
            key.verify(signature, data)
        else:
            return False
    except Exception:  # the library's exceptions have no common base; whatever it is, it did not sign this
        return False
    return True


def _keep(kept: "OrderedDict[bytes, Remembered]", key: bytes, value: "Remembered") -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > REMEMBER_MOST:
        kept.popitem(last=False)
