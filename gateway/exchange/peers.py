"""Who is at the other end of a connection: names, thumbprint, and the URA that a UZI certificate holds."""

import re
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from auth.peer.certificates import CertificateRefused, PeerCheck
from auth.peer.tls import TlsSettings, peer_check
from auth.peer.transport import Scope, finder
from gateway.exchange.trust import Connected

_UZI = re.compile(rb"[0-9.]{5,60}-[0-9]{1,3}-[0-9]{1,20}-S-(?P<ura>[0-9]{8})-[0-9.]{1,12}-[0-9]{1,12}", re.ASCII)
"""CA, version, UZI number, card type S (server), URA, role, AGB (NPI-02)."""


class ExchangePeers:
    """Finds and checks the certificate of each connection, by the settings of the exchange."""

    def __init__(self, tls: TlsSettings) -> None:
        self._find = finder(tls)
        self._check: PeerCheck | None = None if tls.peer == "none" else peer_check(tls)
        self._header = tls.header.encode()

    async def of(self, scope: Scope) -> Connected:
        """The other end. Raises CertificateRefused when there is no good certificate (NP-62)."""
        if self._check is None:
            return Connected(None)
        copies = tuple(value for name, value in scope["headers"] if name.lower() == self._header)
        der = self._find(scope, copies)
        if der is None:
            raise CertificateRefused("no client certificate")
        await self._check.consult(der)
        names = self._check.client(der)
        certificate = x509.load_der_x509_certificate(der)
        return Connected(names, certificate.fingerprint(hashes.SHA256()).hex(), ura_of(certificate))


def ura_of(certificate: x509.Certificate) -> str:
    """The URA in the subject alternative name of a UZI server certificate; empty for one without.

    Raises CertificateRefused when there are several: nobody is two organisations.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        values = [name.value for name in names.get_values_for_type(x509.OtherName)]
    except (x509.ExtensionNotFound, ValueError):
        return ""
    return _only(found["ura"].decode() for value in values if (found := _UZI.search(value)))


def _only(uras: Iterable[str]) -> str:
    several = set(uras)
    if len(several) > 1:
        raise CertificateRefused("the certificate names several organisations")
    return several.pop() if several else ""
