"""Places outside the database that keep signed statements: a file, a syslog, an object store that takes a PUT."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import httpx

from gateway.audit.settings import scheme_of

SECONDS = 3.0
"""How long a place may take: a process that stops states its last head, and must not stand still."""
SYSLOG = 514
PRIORITY = 10 * 8 + 6
"""Facility authpriv, severity informational."""


class PlaceSilent(Exception):
    """The place did not take the statement."""


class Place(Protocol):
    """Keeps statements. Called from a thread."""

    url: str

    def put(self, line: bytes, name: str) -> None:
        """Keep a statement; ``name`` is its own and serves as a file name. Raises PlaceSilent."""
        ...


class FilePlace:
    """Appends lines to a file, each by one write that is durable; several processes may share it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.path = Path(unquote(urlsplit(url).path))

    def put(self, line: bytes, name: str) -> None:
        """See Place."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                if os.write(file, line + b"\n") != len(line) + 1:
                    raise OSError("the line was not written whole")
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as fault:
            raise PlaceSilent(str(fault)) from fault


class SyslogPlace:
    """Sends each statement as one message: to a local socket, or by UDP or TCP (RFC 3164, RFC 6587)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._parts = urlsplit(url)

    def put(self, line: bytes, name: str) -> None:
        """See Place."""
        message = b"<%d>medmij-gateway: %b" % (PRIORITY, line)
        try:
            with self._connected() as connection:
                connection.sendall(message + (b"\n" if self._parts.scheme == "syslog+tcp" else b""))
        except OSError as fault:
            raise PlaceSilent(str(fault)) from fault

    def _connected(self) -> socket.socket:
        parts = self._parts
        if parts.scheme == "syslog+tcp":
            return socket.create_connection((parts.hostname, parts.port or SYSLOG), SECONDS)
        if not parts.hostname:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            made.settimeout(SECONDS)
            made.connect(unquote(parts.path))
            return made
        family, kind, protocol, _, address = socket.getaddrinfo(
            parts.hostname, parts.port or SYSLOG, type=socket.SOCK_DGRAM
        )[0]
        made = socket.socket(family, kind, protocol)
        made.settimeout(SECONDS)
        made.connect(address)
        return made


class PutPlace:
    """Puts each statement below an address, as an object of its own name: none is ever written over."""

    def __init__(self, url: str, authorization: str | None) -> None:
        self.url = url
        self._headers: Mapping[str, str] = {"authorization": authorization} if authorization else {}

    def put(self, line: bytes, name: str) -> None:
        """See Place."""
        headers = {"content-type": "application/json", **self._headers}
        try:
            with httpx.Client(timeout=SECONDS, trust_env=False) as client:
                answer = client.put(f"{self.url.rstrip('/')}/{name}", content=line + b"\n", headers=headers)
                answer.raise_for_status()
        except httpx.HTTPStatusError as fault:
            raise PlaceSilent(f"status {fault.response.status_code}") from fault
        except httpx.HTTPError as fault:
            raise PlaceSilent(type(fault).__name__) from fault


def open_place(url: str, authorization: str | None = None) -> Place:
    """The place of a setting; nothing is opened yet. Raises ValueError as `scheme_of`."""
    match scheme_of(url):
        case "file":
            return FilePlace(url)
        case "syslog":
            return SyslogPlace(url)
        case _:
            return PutPlace(url, authorization)
