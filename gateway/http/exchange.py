"""One HTTP exchange at the resource server: what is read from the request once, and how an answer is sent."""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.types import Scope, Send

from gateway.current import UUID

NOT_MODIFIED = 304
"""Has no body, and so no length of one."""
ALWAYS = {b"cache-control": b"no-store", b"x-content-type-options": b"nosniff"}
"""Headers of every answer."""


@dataclass(slots=True)
class Exchange:
    """The request as far as every handler needs it. Header names are lower case bytes; the first value counts."""

    scope: Scope
    headers: dict[bytes, bytes]
    doubled: frozenset[bytes]
    request_id: str
    correlation_id: str
    traced: bool
    started: datetime

    @classmethod
    def of(cls, scope: Scope) -> "Exchange":
        """Read the headers of a request. Trace ids that are not UUIDs are replaced by fresh ones (HDR-04)."""
        headers: dict[bytes, bytes] = {}
        doubled = set()
        for name, value in scope["headers"]:
            if name in headers:
                doubled.add(name)
            else:
                headers[name] = value
        request_id = _traced(headers.get(b"medmij-request-id"))
        correlation_id = _traced(headers.get(b"x-correlation-id"))
        return cls(
            scope=scope,
            headers=headers,
            doubled=frozenset(doubled),
            request_id=request_id or str(uuid.uuid4()),
            correlation_id=correlation_id or str(uuid.uuid4()),
            traced=bool(request_id and correlation_id),
            started=datetime.now(UTC),
        )

    @property
    def method(self) -> str:
        """The HTTP method."""
        return str(self.scope["method"])

    @property
    def query(self) -> str:
        """The query string as it came, undecoded."""
        return bytes(self.scope.get("query_string", b"")).decode("latin-1")

    def header(self, name: bytes) -> str | None:
        """A header's first value, or None."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def _traced(value: bytes | None) -> str:
    return value.decode() if value is not None and UUID.fullmatch(value) else ""


async def send_bytes(
    exchange: Exchange,
    send: Send,
    status: int,
    content_type: str,
    body: bytes,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send a whole answer. Nothing is ever cached, and the request id is echoed (HDR-03, RES-13)."""
    await _start(exchange, send, status, content_type, len(body), headers or {})
    await send({"type": "http.response.body", "body": b"" if exchange.method == "HEAD" else body})


async def send_pieces(
    exchange: Exchange,
    send: Send,
    status: int,
    content_type: str,
    length: int | None,
    pieces: Callable[[], AsyncIterator[bytes]],
    headers: Mapping[str, str],
) -> None:
    """Send an answer piece by piece, with the same headers; without a length its end is told by the transfer.

    ``pieces`` is not called for HEAD.
    """
    await _start(exchange, send, status, content_type, length, headers)
    if exchange.method != "HEAD":
        async for piece in pieces():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _start(
    exchange: Exchange, send: Send, status: int, content_type: str, length: int | None, headers: Mapping[str, str]
) -> None:
    ready = {
        b"content-type": content_type.encode("latin-1", "replace"),
        **({} if status == NOT_MODIFIED or length is None else {b"content-length": b"%d" % length}),
        **ALWAYS,
        b"medmij-request-id": exchange.request_id.encode("latin-1", "replace"),
        b"x-correlation-id": exchange.correlation_id.encode("latin-1", "replace"),
    }
    for name, value in headers.items():
        ready[name.encode("latin-1")] = value.encode("latin-1", "replace")
    raw = list(ready.items())
    await send({"type": "http.response.start", "status": status, "headers": raw})
