"""MLLP: frames on a connection, and the messages in a frame (one, or a batch between FHS or BHS and its end)."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

BEGIN, END = b"\x0b", b"\x1c"
TRAILER = b"\x1c\r"
MOST_BETWEEN = 4_096
"""Bytes between two frames that are passed over: line ends and white space of senders, scraps of a broken frame."""


class NotFramed(OSError):
    """What comes in is no MLLP."""


class Frames:
    """The frames of one connection. A wait between messages may be long, one within a frame may not."""

    def __init__(self, reader: asyncio.StreamReader, seconds: float) -> None:
        self._reader = reader
        self._seconds = seconds
        self.passed = 0
        """Bytes outside frames that were passed over, white space left out."""

    async def next(self) -> bytes | None:
        """The next frame, None at the end. Raises NotFramed, TimeoutError, IncompleteReadError, LimitOverrunError."""
        first = await self._reader.read(1)
        if not first:
            return None
        async with asyncio.timeout(self._seconds):
            await self._to_begin(first)
            block = await self._reader.readuntil(END)
        # A sender that gave up half-way and began anew on the same connection: only the last is whole.
        return block[:-1].rpartition(BEGIN)[2]

    async def _to_begin(self, byte: bytes) -> None:
        passed = 0
        while byte != BEGIN:
            passed += 1
            self.passed += byte not in b"\r\n \t\0" + END
            if not byte or passed > MOST_BETWEEN:
                raise NotFramed("not MLLP")
            byte = await self._reader.read(1)


def framed(message: bytes) -> bytes:
    """A message as it goes over the line."""
    return BEGIN + message + TRAILER


@dataclass(frozen=True, slots=True)
class MessageBatch:
    """The messages of a frame. ``opening`` holds FHS and BHS, ``counts`` how many messages each BTS says, ``batches``
    how many batches FTS says."""

    messages: Sequence[bytes]
    opening: Sequence[bytes] = ()
    counts: Sequence[bytes] = ()
    batches: bytes = b""

    @property
    def complete(self) -> bool:
        """Whether as much came as BTS and FTS say; without a number there is nothing to compare.

        Some senders count messages in FTS-1: that is taken too, for what it guards against is a part that is missing.
        """
        began = sum(line[:3] == b"BHS" for line in self.opening) or 1
        if self.batches.isdigit() and int(self.batches) not in (began, len(self.messages)):
            return False
        stated = [int(count) for count in self.counts if count.isdigit()]
        return not stated or sum(stated) == len(self.messages)


_LINE = re.compile(rb"\r\n|\r|\n")


def messages_of(frame: bytes) -> MessageBatch:
    """Take a frame apart at each MSH; what is no message at all comes back as one, to be refused by name."""
    lines = [line for line in _LINE.split(frame.removeprefix(b"\xef\xbb\xbf")) if line.strip()]
    if sum(line.startswith(b"MSH") for line in lines) < 2 and not (lines and lines[0][:3] in (b"FHS", b"BHS")):
        return MessageBatch([frame])
    messages: list[list[bytes]] = []
    opening, counts, batches = [], [], b""
    for line in lines:
        name = line[:3]
        if name in (b"FHS", b"BHS"):
            opening.append(line)
        elif name == b"BTS":
            counts.append(_count(line))
        elif name == b"MSH":
            messages.append([line])
        elif name == b"FTS":
            batches = _count(line)
        elif messages:
            messages[-1].append(line)
        else:
            messages.append([line])
    return MessageBatch([b"\r".join(one) + b"\r" for one in messages], opening, counts, batches)


def _count(line: bytes) -> bytes:
    """The first field of BTS or FTS."""
    return [*line.split(line[3:4]), b""][1].strip() if len(line) > 3 else b""
