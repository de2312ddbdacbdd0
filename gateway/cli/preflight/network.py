"""The hosts that the settings name: does this machine find them."""

import re
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from gateway.cli.preflight import PreflightLine
from gateway.settings import Settings

URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s]+", re.IGNORECASE)
SECONDS = 5.0
"""Time for a name to be found."""
OWN = ("listen.base_url", "auth.base_url", "intake.base_url")
"""Addresses of ours, which others call; this machine need not know them."""


def hosts(settings: Settings) -> Mapping[str, list[str]]:
    """Every host that the settings name, with the settings that name it. Addresses and this machine are left out."""
    named: dict[str, list[str]] = {}
    for where, url in _urls(settings.model_dump(), ""):
        if where == "lists.url" and settings.lists.source != "node":
            continue
        if where.endswith(".privacy_url") or (where.startswith("auth.login.") and settings.auth.saml.on):
            continue
        host = urlsplit(url).hostname
        if host and not _is_address(host) and host != "localhost":
            named.setdefault(host, []).append(where)
    return named


def check(settings: Settings) -> Iterator[PreflightLine]:
    """One line per host."""
    named = hosts(settings)
    pool = ThreadPoolExecutor(max(1, min(16, len(named))))
    asked = {host: pool.submit(socket.getaddrinfo, host, None) for host in named}
    for host, answer in asked.items():
        where = ", ".join(named[host])
        ours = all(setting in OWN for setting in named[host])
        try:
            first = answer.result(SECONDS)[0][4][0]
            yield PreflightLine(f"host {host}", "ok", f"{first} ({where})")
        except (OSError, UnicodeError, TooLate) as fault:
            reason = getattr(fault, "strerror", None) or "no answer"
            yield PreflightLine(f"host {host}", "warning" if ours else "error", f"is not found: {reason} ({where})")
    pool.shutdown(wait=False, cancel_futures=True)


def _urls(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _urls(inner, f"{where}.{name}" if where else str(name))
    elif isinstance(value, list | tuple | set | frozenset):
        for number, inner in enumerate(value):
            yield from _urls(inner, f"{where}.{number}")
    elif isinstance(value, str) and URL.fullmatch(value) and not value.startswith(("urn:", "sqlite:")):
        yield where, value


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
