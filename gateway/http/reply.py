"""An answer of the resource server before it is sent: bytes that are ready, or a stream of known length."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import Send

from gateway.http.exchange import Exchange, send_bytes, send_pieces

_VERSION = re.compile(rb"""(?:"versionId":|<versionId value=)"([A-Za-z0-9.\-]{1,64})\"""")


@dataclass(frozen=True, slots=True)
class Stream:
    """A body that is made while it is sent. ``pieces`` is called once, and not for HEAD.

    ``length`` is None where nobody knows it beforehand. ``close`` ends what is open behind it, were it never sent.
    """

    length: int | None
    pieces: Callable[[], AsyncIterator[bytes]]
    close: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, ready to leave."""

    status: int
    body: bytes | Stream
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    audited: bool = True


def version_tag(body: bytes) -> dict[str, str]:
    """The version that a resource of ours states, as a header for who wants to change it (FHIR R4, http.html#versions).

    ``body`` is JSON or XML that was stamped here, so that its own version comes before all else that may look like one.
    """
    stated = _VERSION.search(body)
    return {"etag": f'W/"{stated[1].decode()}"'} if stated else {}


async def discard(reply: Reply) -> None:
    """Give back what an answer holds that will not be sent."""
    if isinstance(reply.body, Stream) and reply.body.close is not None:
        await reply.body.close()


async def send_reply(exchange: Exchange, send: Send, reply: Reply) -> None:
    """Send an answer. A stream that breaks off breaks the connection, so that nobody takes a part for the whole."""
    if isinstance(reply.body, bytes):
        await send_bytes(exchange, send, reply.status, reply.content_type, reply.body, reply.headers)
    else:
        body = reply.body
        await send_pieces(exchange, send, reply.status, reply.content_type, body.length, body.pieces, reply.headers)
