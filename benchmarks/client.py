"""An HTTP client that costs next to nothing, so that a server can be measured on the same machine."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Call:
    """One GET: path with query, and the headers that differ."""

    path: str
    token: str = ""
    accept: str = "application/fhir+json"

    def bytes(self) -> bytes:
        """The request as it goes over the line."""
        bearer = f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        return f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{bearer}Accept: {self.accept}\r\n\r\n".encode()


@dataclass(slots=True)
class Visits:
    """What came of visits: per visit its time, per call its time, and the bodies in the order of the calls."""

    whole: list[float] = field(default_factory=list)
    each: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


class Client:
    """So many keep-alive connections to one port."""

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._width = connections
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def __aenter__(self) -> "Client":
        for _ in range(self._width):
            self._free.put_nowait(await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20))
        return self

    async def __aexit__(self, *_: object) -> None:
        while not self._free.empty():
            self._free.get_nowait()[1].close()

    async def get(self, call: Call) -> tuple[float, bytes]:
        """Seconds and body. RuntimeError for anything but 200."""
        reader, writer = await self._free.get()
        started = time.perf_counter()
        writer.write(call.bytes())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        body = await reader.readexactly(size)
        spent = time.perf_counter() - started
        self._free.put_nowait((reader, writer))
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(f"{call.path}: {head[:20]!r} {body[:300]!r}")
        return spent, body

    async def visit(self, calls: Sequence[Call], into: Visits) -> None:
        """All calls of one visit, as many at once as there are connections."""
        started = time.perf_counter()
        for spent, body in await asyncio.gather(*map(self.get, calls)):
            into.each.append(spent)
            into.bodies.append(body)
        into.whole.append(time.perf_counter() - started)


def run(port: int, connections: int, visits: Sequence[Sequence[Call]]) -> Visits:
    """Make visits, one after the other."""

    async def all_of_them() -> Visits:
        made = Visits()
        async with Client(port, connections) as client:
            for calls in visits:
                await client.visit(calls, made)
        return made

    return asyncio.run(all_of_them())
