"""The look for malware, by what the institution has: an ICAP service (RFC 3507), or a program that reads a file.

What cannot be looked at is not taken: the client gets 503 and tries again.
"""

import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.problems import Problem
from gateway.share.lifting import Content

CHUNK = 65_536
LONGEST = 65_536
"""Bytes of an answer that are read."""


@dataclass(frozen=True, slots=True)
class CommandScan:
    """A program: the file comes on its input; 0 is clean, 1 is malware, anything else could not tell."""

    command: Sequence[str]
    seconds: float

    def __call__(self, content: Content) -> bool:
        """Whether a file is clean. Raises Problem 503."""
        try:
            done = subprocess.run(
                self.command, input=memoryview(content), capture_output=True, timeout=self.seconds, check=False
            )
        except (OSError, subprocess.SubprocessError) as fault:
            raise _unknown() from fault
        if done.returncode not in (0, 1):
            raise _unknown()
        return done.returncode == 0


@dataclass(frozen=True, slots=True)
class IcapScan:
    """An ICAP service: 204 is clean, 200 is a file that was changed or replaced."""

    url: str
    seconds: float

    def __call__(self, content: Content) -> bool:
        """Whether a file is clean. Raises Problem 503."""
        parts = urlsplit(self.url)
        try:
            with socket.create_connection((parts.hostname or "", parts.port or 1344), self.seconds) as line:
                line.settimeout(self.seconds)
                for piece in _asked(self.url, parts.netloc, content):
                    line.sendall(piece)
                status = _status(line)
        except (OSError, ValueError) as fault:
            raise _unknown() from fault
        if status not in (200, 204):
            raise _unknown()
        return status == 204


def _asked(url: str, host: str, content: Content) -> Iterator[bytes]:
    """A RESPMOD request around the file, in pieces."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n"
    icap = (
        f"RESPMOD {url} ICAP/1.0\r\nHost: {host}\r\nAllow: 204\r\nConnection: close\r\n"
        f"Encapsulated: res-hdr=0, res-body={len(head)}\r\n\r\n"
    ).encode("ascii")
    yield icap + head
    for start in range(0, len(content), CHUNK):
        piece = content[start : start + CHUNK]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def _status(line: socket.socket) -> int:
    answer = b""
    while b"\r\n" not in answer and len(answer) < LONGEST:
        part = line.recv(4096)
        if not part:
            break
        answer += part
    protocol, code, *_ = answer.split(b"\r\n", 1)[0].split(b" ")
    if not protocol.startswith(b"ICAP/"):
        raise ValueError("this is no ICAP service")
    return int(code)


def _unknown() -> Problem:
    text = "The file cannot be looked at for malware at the moment. Try again later."
    return Problem(503, "transient", text, headers={"retry-after": "60"})
