"""Keys and certificates: each file by the setting that names it, whether it can be read, and until when it is good."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from pydantic import BaseModel

from auth.login.check import check_bridges
from auth.peer.certificates import inspect
from auth.peer.crl import Revocations
from auth.peer.tls import TlsSettings, peer_check
from gateway.cli.preflight import Level, PreflightLine
from gateway.settings import Settings, authorization

SOON = 60
"""Days before its end from which a certificate is a matter for somebody."""


def check(settings: Settings) -> Iterator[PreflightLine]:
    """TLS of both listeners, the login bridge, and what sources prove themselves with."""
    yield from _tls("tls", settings.tls)
    yield from _tls("intake.tls", settings.intake.tls)
    if settings.tls.peer == "none":
        yield PreflightLine("mutual TLS", "warning" if settings.mode == "test" else "error", "off: for tests only")
    yield from _login(settings)
    for name, source in settings.intake.sources.items():
        yield from _named(source, f"intake.sources.{name}")
    for name, provider in settings.providers.items():
        for number, own in enumerate(provider.sources):
            yield from _named(own, f"providers.{name}.sources.{number}")


def _tls(section: str, tls: TlsSettings) -> Iterator[PreflightLine]:
    known = (("back_certificate", tls.back_certificate, "back"), ("front_certificate", tls.front_certificate, "front"),
             ("trust", tls.trust, "trust"))  # fmt: skip
    try:
        revocations = Revocations(tls.crls) if tls.crls else None
        rows = inspect([(name, path, role) for name, path, role in known if path], revocations, datetime.now(UTC))  # type: ignore[misc]
    except OSError as fault:
        yield PreflightLine(f"revocation {section}.crls", "error", f"{tls.crls}: {fault.strerror}")
        rows = []
    paths = {name: path for name, path, _ in known}
    for row in rows:
        path = paths.get(row.what)
        where = f"certificate {section}.{row.what}" if path else f"certificate {section} {row.what}"
        text = row.text + (f", until {row.expires:%Y-%m-%d}" if row.expires else "")
        yield PreflightLine(where, row.severity, f"{path}: {text}" if path else text)
    for name in ("back", "front"):
        certificate, key = getattr(tls, f"{name}_certificate"), getattr(tls, f"{name}_key")
        if certificate and key:
            yield _pair(f"{section}.{name}_key", Path(key), Path(certificate))
    if tls.peer != "none":
        yield from _revocation(section, tls)


def _revocation(section: str, tls: TlsSettings) -> Iterator[PreflightLine]:
    """What is asked whether a peer's certificate was revoked."""
    try:
        peer_check(tls)
    except (OSError, ValueError) as fault:
        yield PreflightLine(f"revocation {section}", "error", f"{section}.trust {tls.trust}: {fault}")
        return
    how = {"off": "lists only", "soft": "lists, and OCSP where it answers", "hard": "lists and OCSP, which must answer"}
    asks = how[tls.ocsp] if tls.revocation == "crl" else "no lists (revocation is off)"
    filled = f"from {len(tls.crl_urls)} distribution points" if tls.crl_urls else "filled by somebody else"
    yield PreflightLine(
        f"revocation {section}", "ok", f"{asks}; {section}.crls {tls.crls} is {filled}; {section}.ocsp = {tls.ocsp}"
    )


def _login(settings: Settings) -> Iterator[PreflightLine]:
    section = authorization(settings)
    if section.saml.on:
        saml = section.saml
        if saml.key_file and saml.certificate_file:
            yield _pair("auth.saml.key_file", Path(saml.key_file), Path(saml.certificate_file))
        yield from _named({"certificate_file": saml.certificate_file, "tls_certificate": saml.tls_certificate,
                           "tls_trust": saml.tls_trust}, "auth.saml")  # fmt: skip
    elif section.login.private_key_file:
        yield _key("auth.login.private_key_file", Path(section.login.private_key_file))
    yield from (PreflightLine(one.what, one.level, one.text) for one in check_bridges(section, settings.tls))


def _named(value: Any, where: str) -> Iterator[PreflightLine]:
    """The files that a section of any form names: PEM files by what is in them, others by whether they can be read."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, dict):
        for name, inner in value.items():
            here = f"{where}.{name}"
            if isinstance(inner, dict | BaseModel):
                yield from _named(inner, here)
            elif isinstance(inner, str | Path) and inner and _is_file(name, inner):
                yield _file(here, Path(inner))


def _is_file(name: str, value: str | Path) -> bool:
    known = ("certificate", "key", "trust", "keys", "private_key", "client_certificate", "client_key")
    return isinstance(value, Path) or name.endswith("_file") or (name in known or name.startswith("tls_"))


def _file(where: str, path: Path) -> PreflightLine:
    try:
        data = path.read_bytes()
    except OSError as fault:
        return PreflightLine(f"file {where}", "error", f"{path}: {fault.strerror}")
    if b"PRIVATE KEY-----" in data:
        return _key(where, path)
    if b"BEGIN CERTIFICATE" not in data:
        return PreflightLine(f"file {where}", "ok", str(path))
    try:
        ends = min(one.not_valid_after_utc for one in load_pem_x509_certificates(data))
    except ValueError as fault:
        return PreflightLine(f"certificate {where}", "error", f"{path}: {fault}")
    days = (ends - datetime.now(UTC)).days
    level: Level = "error" if days < 0 else "warning" if days < SOON else "ok"
    how = "ended" if days < 0 else "good until"
    return PreflightLine(f"certificate {where}", level, f"{path}: {how} {ends:%Y-%m-%d}")


def _key(where: str, path: Path) -> PreflightLine:
    try:
        load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "is no private key in PEM without a passphrase"
        return PreflightLine(f"key {where}", "error", f"{path}: {reason}")
    if path.stat().st_mode & 0o007:
        return PreflightLine(f"key {where}", "error", f"{path}: everybody on this machine may read it")
    return PreflightLine(f"key {where}", "ok", str(path))


def _pair(where: str, key: Path, certificate: Path) -> PreflightLine:
    """A key, and whether its certificate is of it."""
    line = _key(where, key)
    if line.level != "ok":
        return line
    try:
        public = load_pem_x509_certificates(certificate.read_bytes())[0].public_key()
        own = load_pem_private_key(key.read_bytes(), None).public_key()
    except (OSError, ValueError) as fault:
        return PreflightLine(f"key {where}", "error", f"{certificate}: {fault}")
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*form) != own.public_bytes(*form):
        return PreflightLine(f"key {where}", "error", f"{key} is not the key of {certificate}")
    return PreflightLine(f"key {where}", "ok", f"{key} belongs to {certificate}")
