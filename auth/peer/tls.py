"""TLS by the NCSC guideline (TLS-01..TLS-04): settings and contexts for both channels and for our own calls."""

import ipaddress
import ssl
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from auth.peer.certificates import PeerCheck, Trust
from auth.peer.crl import Revocations
from auth.peer.crl_pull import CrlPuller
from auth.peer.ocsp import OcspStatuses

SUITES_TLS12 = ":".join(
    (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    )
)
"""TLS-04. The three suites of TLS 1.3 are OpenSSL's own default, in the order that TLS-04 names."""

NO_RENEGOTIATION = getattr(ssl, "OP_NO_RENEGOTIATION", 0)


class TlsSettings(BaseModel):
    """Section `tls` of the configuration (docs/mutual-tls.md)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    peer: Literal["direct", "proxy", "none"] = Field(
        "none", description="who ends TLS on the back channel: this process, a proxy, or nobody (tests only)"
    )
    proxies: tuple[str, ...] = Field(
        ("127.0.0.1", "::1"), description="addresses or networks of the proxy, or 'unix' for a socket (TLS-10)"
    )
    header: str = Field(
        "x-gateway-client-certificate", pattern=r"^[a-z0-9-]{3,60}$", description="header that the proxy sets"
    )
    trust: Path | None = Field(None, description="PEM file: roots and intermediates that peers may chain to (TLS-05)")
    crls: Path | None = Field(None, description="folder with the revocation lists of those (TLS-09)")
    crl_urls: tuple[str, ...] = Field((), description="distribution points; empty: somebody else fills the folder")
    revocation: Literal["crl", "off"] = Field("crl", description="off is for tests only")
    ocsp: Literal["off", "soft", "hard"] = Field(
        "off",
        description="ask OCSP beside the lists; no answer: soft leaves it to the lists, hard refuses. A revoked answer"
        " refuses in both",
    )
    ocsp_seconds: float = Field(3.0, gt=0, le=10, description="longest wait for an OCSP responder")
    back_certificate: Path | None = Field(None, description="our certificate on the back channel, with its chain (PEM)")
    back_key: Path | None = Field(None, description="its private key")
    front_certificate: Path | None = Field(None, description="our certificate on the front channel, with its chain")
    front_key: Path | None = Field(None, description="its private key")
    front_port: int | None = Field(
        None, ge=1, le=65535, description="port of the front channel when this process ends TLS itself"
    )

    @model_validator(mode="after")
    def _complete(self) -> "TlsSettings":
        if self.peer != "none":
            if self.trust is None:
                raise ValueError("trust is needed to check peers")
            if self.revocation == "crl" and self.crls is None:
                raise ValueError("crls is needed to check revocation")
        if self.peer == "direct" and not (self.back_certificate and self.back_key):
            raise ValueError("direct needs back_certificate and back_key")
        if self.front_port is not None and not (self.front_certificate and self.front_key):
            raise ValueError("front_port needs front_certificate and front_key")
        for address in self.proxies:
            if address != "unix":
                ipaddress.ip_network(address, strict=False)
        return self

    def faults_in_production(self) -> list[str]:
        """What production may not do, one line each."""
        faults = []
        if self.peer == "none":
            faults.append("tls.peer is none: the back channel must be mutual TLS (TLS-07)")
        if self.revocation == "off":
            faults.append("tls.revocation is off: revocation must be checked (TLS-09)")
        if not (self.back_certificate and self.back_key):
            faults.append("tls.back_certificate and tls.back_key are needed to fetch the lists (LIST-04)")
        return faults


def peer_check(settings: TlsSettings) -> PeerCheck:
    """The check of peers by these settings. Raises ValueError or OSError when `trust` cannot be used."""
    if settings.trust is None:
        raise ValueError("tls.trust is not set")
    folder = settings.crls if settings.revocation == "crl" else None
    trust = Trust.read(settings.trust)
    statuses = None
    if settings.ocsp != "off":
        statuses = OcspStatuses(settings.ocsp, (*trust.intermediates, *trust.roots), settings.ocsp_seconds)
    return PeerCheck(trust, Revocations(folder) if folder else None, ocsp=statuses)


def crl_puller(settings: TlsSettings) -> CrlPuller | None:
    """Who brings new revocation lists, when the settings name distribution points. Raises as `peer_check`."""
    if settings.trust is None or settings.crls is None or not settings.crl_urls:
        return None
    return CrlPuller(settings.crl_urls, settings.crls, Trust.read(settings.trust))


def front_channel_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """For browsers: never asks for a client certificate (TLS-07)."""
    context = _server(certificate, key)
    context.verify_mode = ssl.CERT_NONE
    return context


def back_channel_context(certificate: Path, key: Path, trust: Path) -> ssl.SSLContext:
    """For servers of the other domain: asks for a client certificate and ends the handshake when it has no good chain.

    Who shows none gets through the handshake and then a 403 with an event (TLS-13); revocation and the whitelist are
    for `PeerCheck` and the middleware.
    """
    context = _server(certificate, key)
    context.load_verify_locations(cafile=trust)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def client_context(certificate: Path | None, key: Path | None, trust: Path | None) -> ssl.SSLContext:
    """For calls of ours over the back channel, with our own certificate (LIST-04). Host names are checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    if trust is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.load_verify_locations(cafile=trust)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def _server(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_SINGLE_ECDH_USE
    context.num_tickets = 0  # no resumption, so no early data either (TLS-04) and a fresh look at every certificate
    context.options |= ssl.OP_NO_TICKET
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.set_ciphers(SUITES_TLS12)
    context.options |= ssl.OP_NO_COMPRESSION | NO_RENEGOTIATION
