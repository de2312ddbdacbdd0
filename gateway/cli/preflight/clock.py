"""The clock of this machine, beside others: a token, a list and an assertion are good by the clock."""

import socket
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from gateway.cli.preflight import Level, PreflightLine
from gateway.settings import Settings, authorization

WARNS, FAILS = 2.0, 30.0
"""Seconds of difference: worth a look; more than a login bridge accepts (auth.login.clock_leeway_seconds)."""
SECONDS = 5.0
"""Time for another clock to answer."""
NTP_EPOCH = 2_208_988_800
"""Seconds from 1900, where NTP begins, to 1970 (RFC 5905)."""


def beside(whose: str, ours: datetime, theirs: object) -> PreflightLine:
    """Our clock beside another one, of which a header tells whole seconds only."""
    if not isinstance(theirs, datetime):
        return PreflightLine("clock", "warning", f"{whose} tells no time")
    difference = (ours - theirs).total_seconds()
    level: Level = "ok" if abs(difference) <= WARNS else "warning" if abs(difference) <= FAILS else "error"
    text = f"{abs(difference):.1f} s {'ahead of' if difference > 0 else 'behind'} {whose}"
    return PreflightLine("clock", level, text if level == "ok" else f"{text}: see to NTP")


def check(settings: Settings, ntp: str = "") -> Iterator[PreflightLine]:
    """Our clock beside an NTP server when one is named, that of the lists and that of the login, where they are far."""
    section = authorization(settings)
    addresses = {
        "the lists' server": settings.lists.url if settings.lists.source == "node" else "",
        "the login": "" if section.saml.on else section.login.internal_issuer or section.login.issuer,
    }
    far = {whose: url for whose, url in addresses.items() if url.startswith("https://")}
    if ntp:
        yield _ntp(ntp)
    for whose, url in far.items():
        yield _header(whose, url)
    if not ntp and not far and settings.database_url.startswith("sqlite"):
        level: Level = "warning" if settings.mode == "production" else "ok"
        yield PreflightLine("clock", level, "nothing to compare it with: name a server with --ntp")


def _header(whose: str, url: str) -> PreflightLine:
    """By the Date header; whatever the answer and the certificate are, since by a wrong clock all of them are wrong."""
    host = urlsplit(url).hostname
    try:
        # Nothing is sent but the question, and nothing is taken from the answer but the time that it was given.
        with httpx.Client(verify=False, timeout=SECONDS, trust_env=False) as client:  # noqa: S501
            told = client.head(url).headers.get("date")
    except httpx.HTTPError as fault:
        return PreflightLine("clock", "warning", f"{whose} ({host}) was asked the time and did not answer: {fault}")
    try:
        return beside(f"{whose} ({host})", datetime.now(UTC), parsedate_to_datetime(told or ""))
    except ValueError:
        return PreflightLine("clock", "warning", f"{whose} ({host}) tells no time")


def _ntp(name: str) -> PreflightLine:
    """By SNTP (RFC 4330): one packet, one answer. NAME or NAME:PORT."""
    host, _, port = name.partition(":")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            asked.settimeout(SECONDS)
            asked.sendto(b"\x1b" + 47 * b"\0", (host, int(port or 123)))
            answer = asked.recv(48)
        whole, part = struct.unpack("!II", answer[40:48])
    except (OSError, ValueError, struct.error) as fault:
        return PreflightLine("clock", "warning", f"{name} does not tell the time: {fault}")
    return beside(name, datetime.now(UTC), datetime.fromtimestamp(whole - NTP_EPOCH + part / 2**32, UTC))
