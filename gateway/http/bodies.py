"""Reading the body of a request: within its bound, its time, and the room that all bodies together may take."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import Receive

from gateway.problems import Problem
from gateway.share.lifting import Lifter

AT_ONCE = 1_000_000
"""Bytes that go to disk in one step, beside the event loop."""


@dataclass(slots=True)
class BodyRoom:
    """How many bytes of bodies may be here at once; who comes when it is full waits, and not for ever."""

    most: int
    seconds: float
    _taken: int = 0
    _free: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def spooled(self, receive: Receive, stated: str | None, limit: int, lifter: Lifter) -> AsyncIterator[None]:
        """The whole body is in ``lifter``, while its room is kept. Raises Problem as `body`, and 503 without disk."""
        waiting = bytearray()

        async def keep(part: bytes) -> None:
            waiting.extend(part)
            if len(waiting) >= AT_ONCE:
                piece = bytes(waiting)
                waiting.clear()
                await asyncio.to_thread(lifter.feed, piece)

        async with self._room(stated, limit):
            try:
                await self._read(receive, limit, keep)
                await asyncio.to_thread(_last, lifter, bytes(waiting))
            except OSError as fault:
                text = "There is no room for this at the moment."
                raise Problem(503, "transient", text, headers={"retry-after": "60"}) from fault
            yield

    @asynccontextmanager
    async def body(self, receive: Receive, stated: str | None, limit: int) -> AsyncIterator[bytes]:
        """The whole body, while its room is kept.

        ``stated`` is the Content-Length, where there is one; else the whole limit is reserved. Raises Problem: 413 for
        more than ``limit`` bytes, 408 for one that does not arrive in time, 400 for half of one, 503 without room.
        """
        parts: list[bytes] = []

        async def keep(part: bytes) -> None:
            parts.append(part)

        async with self._room(stated, limit):
            await self._read(receive, limit, keep)
            yield b"".join(parts)

    @asynccontextmanager
    async def _room(self, stated: str | None, limit: int) -> AsyncIterator[None]:
        length = int(stated) if stated and stated.isascii() and stated.isdecimal() and len(stated) < 13 else limit
        if length > limit:
            raise _too_long(limit)
        size = min(length, self.most)
        await self._reserve(size)
        try:
            yield
        finally:
            async with self._free:
                self._taken -= size
                self._free.notify_all()

    async def _reserve(self, size: int) -> None:
        try:
            async with asyncio.timeout(self.seconds), self._free:
                await self._free.wait_for(lambda: self._taken + size <= self.most)
                self._taken += size
        except TimeoutError:
            text = "Too much is being sent at the same time."
            raise Problem(503, "throttled", text, headers={"retry-after": "5"}) from None

    async def _read(self, receive: Receive, limit: int, keep: Callable[[bytes], Awaitable[None]]) -> None:
        size = 0
        try:
            async with asyncio.timeout(self.seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Problem(400, "incomplete", "The body ended early.")
                    part = bytes(message.get("body", b""))
                    size += len(part)
                    if size > limit:
                        raise _too_long(limit)
                    await keep(part)
                    if not message.get("more_body"):
                        return
        except TimeoutError:
            raise Problem(408, "timeout", "The body did not arrive in time.", headers={"connection": "close"}) from None


def _last(lifter: Lifter, piece: bytes) -> None:
    lifter.feed(piece)
    lifter.end()


def _too_long(limit: int) -> Problem:
    # The rest of the body is not read: the connection cannot be used for another request.
    return Problem(413, "too-long", f"The body is larger than {limit} bytes.", headers={"connection": "close"})
