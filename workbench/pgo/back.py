"""The way back from the browser: a loopback address that listens, or the address that a person pastes."""

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
PAGE = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Back at the PGO</title></head>'
    b"<body><h1>Back at the PGO</h1><p>You can close this window. The rest is in the terminal.</p></body></html>"
)


class BackError(Exception):
    """Nobody came back, or with something that is no answer; the text says what."""


class TakenError(BackError):
    """Somebody else listens there already."""


def is_loopback(redirect_uri: str) -> bool:
    """Whether this process can listen where the browser is sent back to."""
    parts = urlsplit(redirect_uri)
    return parts.scheme == "http" and parts.hostname in LOOPBACK and parts.port is not None


def answer_of(url: str, redirect_uri: str) -> dict[str, str]:
    """The parameters of the address that the browser was sent back to. Raises BackError when it is another address.

    A parameter that occurs twice is refused as well: a PGO must not choose between two codes.
    """
    came, expected = urlsplit(url.strip()), urlsplit(redirect_uri)
    if (came.scheme, came.netloc, came.path) != (expected.scheme, expected.netloc, expected.path):
        raise BackError(f"this is not the redirect URI {redirect_uri} with an answer")
    pairs = parse_qsl(came.query, keep_blank_values=True)
    if len({name for name, _ in pairs}) != len(pairs):
        raise BackError("a parameter occurs twice in the answer")
    return dict(pairs)


def listen(redirect_uri: str, seconds: float, ready: Callable[[], None]) -> dict[str, str]:
    """Wait at a loopback redirect URI for the browser, which ``ready`` may send off.

    Raises TakenError, or BackError when nobody came.
    """
    place = urlsplit(redirect_uri)
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            expected = self.path.partition("?")[0] == place.path
            if expected:
                came.append(self.path)
            self.send_response(200 if expected else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(PAGE if expected else b"")

        def log_message(self, *_args: object) -> None:
            """Nothing: a code must not be printed."""

    try:
        server = HTTPServer((place.hostname or "127.0.0.1", place.port or 0), Handler)
    except OSError as error:
        raise TakenError(f"cannot listen at {redirect_uri}: {error.strerror}") from error
    with server:
        ready()
        until = time.monotonic() + seconds
        while not came and time.monotonic() < until:
            server.timeout = min(1.0, until - time.monotonic())
            server.handle_request()
    if not came:
        raise BackError(f"nobody came back within {seconds:.0f} seconds")
    return answer_of(f"{place.scheme}://{place.netloc}{came[0]}", redirect_uri)
