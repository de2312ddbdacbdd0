"""What an operator wants to know of the login bridge before a patient finds out: files, keys and dates. No traffic."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509

from auth.bridges import SamlSettings
from auth.login.open import BridgeUnusable, login_of
from auth.peer.tls import TlsSettings
from auth.settings import AuthSettings

SOON = timedelta(days=30)
"""How long before a certificate ends one is told."""


@dataclass(frozen=True, slots=True)
class BridgeCheck:
    """What was looked at, how it is, and what to do."""

    what: str
    level: Literal["ok", "warning", "error"]
    text: str


def check_bridges(settings: AuthSettings, tls: TlsSettings, now: datetime | None = None) -> list[BridgeCheck]:
    """Look at the login bridge and at OCSP; ``now`` is a moment with a zone. Never raises."""
    moment = now or datetime.now(UTC)
    found = list(_login(settings, moment))
    if tls.ocsp != "off" and tls.peer == "none":
        found.append(BridgeCheck("OCSP", "warning", "tls.ocsp asks nothing while tls.peer is none"))
    if tls.ocsp == "hard":
        found.append(BridgeCheck("OCSP", "ok", "hard: a certificate whose responder does not answer is refused"))
    return found


def _login(settings: AuthSettings, now: datetime) -> Iterator[BridgeCheck]:
    if not settings.saml.on:
        issuer = settings.login.issuer
        level: Literal["ok", "warning"] = "ok" if issuer.startswith("https://") else "warning"
        yield BridgeCheck("login", level, f"OpenID Connect at {issuer}")
        return
    try:
        login_of(settings)
    except BridgeUnusable as fault:
        yield BridgeCheck("login", "error", str(fault))
        return
    yield BridgeCheck("login", "ok", f"SAML with {settings.saml.bridge}")
    yield from _signers(settings.saml, now)
    yield from _ours(settings.saml, now)


def _signers(saml: SamlSettings, now: datetime) -> Iterator[BridgeCheck]:
    """The keys of the bridge: it takes logins as long as one of them is valid."""
    from auth.login.saml.metadata import BridgeMetadata  # with the extra, which is there by now

    dates = []
    try:
        for one in BridgeMetadata.read(Path(str(saml.metadata_file)), saml.bridge).signing:
            dates.append(one.not_valid_after_utc)
    except (OSError, ValueError) as fault:
        yield BridgeCheck("login metadata", "error", str(fault))
        return
    yield _dated("login metadata", max(dates), now, "get new metadata from the bridge")


def _ours(saml: SamlSettings, now: datetime) -> Iterator[BridgeCheck]:
    """Our own certificates; that each is of its key was seen when the login was made."""
    for what, file in (("login certificate", saml.certificate_file), ("login TLS certificate", saml.tls_certificate)):
        if file is None:
            continue
        try:
            held = x509.load_pem_x509_certificate(Path(file).read_bytes())
        except (OSError, ValueError) as fault:
            yield BridgeCheck(what, "error", f"cannot be read ({type(fault).__name__})")
        else:
            yield _dated(what, held.not_valid_after_utc, now, "ask for a new one, and give the bridge new metadata")


def _dated(what: str, until: datetime, now: datetime, todo: str) -> BridgeCheck:
    if until <= now:
        return BridgeCheck(what, "error", f"ended on {until:%Y-%m-%d}: {todo}")
    level: Literal["ok", "warning"] = "warning" if until - now < SOON else "ok"
    return BridgeCheck(what, level, f"until {until:%Y-%m-%d}" + (f": {todo}" if level == "warning" else ""))
