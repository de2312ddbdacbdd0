"""A load that does not wait for answers: so many requests per second, whatever becomes of them.

python -m benchmarks.flood PORT RATE SECONDS FILE    one JSON line per request; FILE holds paths and tokens as JSON
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

import uvloop

from benchmarks.client import Call

MOST = 1_500
"""Most connections: who finds none free does not ask."""


@dataclass(slots=True)
class Told:
    """What became of a request: asked at (seconds since the start), its status (0: none), and how long it took."""

    at: float
    status: int
    took: float


class _Line(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    def __init__(self, free: "list[_Line]") -> None:
        self._free = free
        self._data = b""
        self._answer: asyncio.Future[int] | None = None
        self.silent = True
        """Nothing came of what was asked last."""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """Send; the status comes later, 0 when the connection ends before."""
        self._answer, self.silent = asyncio.get_running_loop().create_future(), True
        if self.transport is not None:
            self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._data, self.silent = self._data + data, False
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        lowered = head.lower()
        start = lowered.index(b"content-length:") + 15
        if len(body) >= int(lowered[start:].partition(b"\r\n")[0]):
            self._data = b""
            self._done(int(head[9:12]))
            if self.transport is not None and b"connection: close" not in lowered:
                self._free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._free:
            self._free.remove(self)
        self._done(0)

    def _done(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)


async def flood(port: int, calls: Sequence[Call], rate: float, seconds: float) -> list[Told]:
    """Ask ``rate`` requests per second for so long, then wait for the last answers for ten seconds at most."""
    loop, free, told = asyncio.get_running_loop(), list[_Line](), list[Told]()
    ready, made = cycle([call.bytes() for call in calls]), 0
    start = time.perf_counter()

    async def one(at: float, request: bytes) -> None:
        nonlocal made
        status = 0
        with suppress(OSError, asyncio.CancelledError):
            used = free.pop() if free else None
            status = await used.ask(request) if used else 0
            if used is None or (status == 0 and used.silent):
                # Also what was kept open and closed by the server just then: as every client does, ask again.
                made += 1
                _, fresh = await loop.create_connection(lambda: _Line(free), "127.0.0.1", port)
                status = await fresh.ask(request)
        told.append(Told(round(at, 3), status, round(time.perf_counter() - start - at, 4)))

    tasks, asked = set[asyncio.Task[None]](), 0
    while (now := time.perf_counter() - start) < seconds:
        while asked < now * rate:
            asked += 1
            if not free and made >= MOST:
                continue
            task = asyncio.create_task(one(now, next(ready)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.sleep(0.005)
    if tasks:
        await asyncio.wait(tuple(tasks), timeout=10)
    for task in tuple(tasks):
        task.cancel()
    await asyncio.gather(*tasks)
    return told


def main() -> None:
    """Entry point of the second process."""
    port, rate, seconds, file = sys.argv[1:5]
    calls = [Call(path, token) for path, token in json.loads(Path(file).read_text("utf-8"))]
    for one in uvloop.run(flood(int(port), calls, float(rate), float(seconds))):
        sys.stdout.write(json.dumps(asdict(one)) + "\n")


if __name__ == "__main__":
    main()
