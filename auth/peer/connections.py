"""Connections that have an end: how long a peer may take for what it sends and reads, and how many it may have.

uvicorn waits for ever for half a header or half a body, counts all connections alike, and with uvloop accepts one
connection per turn of the loop, so that under load nobody new gets in. Here a peer has seconds for a header, a least
rate for a body and for reading its answer; who has too many connections loses the oldest that asks nothing.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from auth.peer.limits import ConnectionSettings
from auth.peer.transport import GOODBYE_SECONDS, TlsProtocol

AT_ONCE = 128
"""Most connections that are accepted in one turn of the loop."""

HOSTLESS = "A request names its host once, in the header Host."


GRACE_SECONDS = 0.2
"""How long an address may have more connections than it may have."""


class Guest(Protocol):
    """A connection that may be asked to leave."""

    address: str

    def waiting(self) -> bool:
        """Whether it has not said yet what it wants."""
        ...

    def idle(self) -> bool:
        """Whether nothing is being answered on it."""
        ...

    def leave(self) -> None:
        """End it."""
        ...


class Guests:
    """Who is connected, in the order of coming. ``trusted``: addresses that may have more than the rest."""

    def __init__(self, settings: ConnectionSettings, trusted: Callable[[str], bool] = lambda address: False) -> None:
        self._settings = settings
        self._trusted = trusted
        self._all: dict[Guest, None] = {}
        self._of: dict[str, dict[Guest, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def come(self, guest: Guest) -> bool:
        """Whether there is room. An address with too many loses some soon: who has just come may ask yet."""
        if len(self._all) >= self._settings.most and not self._end_one(self._all):
            return False
        self._all[guest] = None
        own = self._of.setdefault(guest.address, {})
        own[guest] = None
        if len(own) == self._settings.per_address + 1 and not self._trusted(guest.address):
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._trim, guest.address)
        return True

    def go(self, guest: Guest) -> None:
        """It is gone; nothing when it was not let in."""
        if self._all.pop(guest, self) is self:
            return
        own = self._of[guest.address]
        del own[guest]
        if not own:
            del self._of[guest.address]

    def _trim(self, address: str) -> None:
        while len(own := self._of.get(address, {})) > self._settings.per_address:
            if not self._end_one(own):
                self._end(next(reversed(own)))

    def _end_one(self, among: dict[Guest, None]) -> bool:
        """End the oldest that said nothing yet, else the oldest on which nothing is answered; whether there was one."""
        waiting = next((one for one in among if one.waiting()), None)
        oldest = waiting or next((one for one in among if one.idle()), None)
        if oldest is not None:
            self._end(oldest)
        return oldest is not None

    def _end(self, guest: Guest) -> None:
        self.go(guest)
        guest.leave()


@runtime_checkable
class AtTheDoor(Protocol):
    """An application that can refuse a request before it is even parsed."""

    def refusal(self, data: bytes) -> bytes | None:
        """The whole answer to these bytes, when they are one whole request that is refused now; else None."""


class LimitedProtocol(TlsProtocol):
    """uvicorn's protocol with our limits."""

    def __init__(self, limits: ConnectionSettings, guests: Guests, **given: Any) -> None:
        super().__init__(**given)
        self._limits, self._guests = limits, guests
        app: object = self.config.app
        self._door = app if isinstance(app, AtTheDoor) else None
        self._whole = True
        """Whether the last message has come whole."""
        self._header_since: float | None = None
        self._body_since = 0.0
        self._received = 0
        self._unread, self._stuck = 0, 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._turned_away = self._leaving = self._hostless = False
        self.linger = 0.0
        self.address = ""

    def connection_made(self, transport: Any) -> None:
        """Count it, or turn it away."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else "unix"
        self._header_since = self.loop.time()
        self._turned_away = not self._guests.come(self)
        if self._turned_away:
            transport.abort()
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._guests.go(self)
        super().connection_lost(exc)

    def waiting(self) -> bool:
        """See Guest."""
        return self._header_since is not None

    def idle(self) -> bool:
        """See Guest."""
        return self._whole_answer()

    def leave(self) -> None:
        """See Guest."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer at the door, or go on; a header that never ends is ended."""
        if self._turned_away:
            return
        if self._door is not None and self._whole and self._whole_answer():
            refusal = self._door.refusal(data)
            if refusal is not None:
                self._header_since = None
                self.transport.write(refusal)
                self._unset_keepalive_if_required()
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
                return
        self._received += len(data)
        super().data_received(data)
        if self._header_since is not None and self._received > self._limits.header_bytes:
            self._end(
                b"431 Request Header Fields Too Large",
                f"The headers of a request have {self._limits.header_bytes} bytes together at most.",
            )

    def on_message_begin(self) -> None:
        """The clock of the header runs from its first byte."""
        super().on_message_begin()
        self._whole = False
        if self._header_since is None:
            self._header_since = self.loop.time()
        self._received = 0

    def on_headers_complete(self) -> None:
        """From here on the clock of the body. HTTP/1.1 names its host, once (RFC 9112, 3.2)."""
        self._header_since, self._received, self._body_since = None, 0, self.loop.time()
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            self._hostless = True
            raise ValueError(HOSTLESS)  # the parser stops at it, and asks for the answer below
        super().on_headers_complete()
        if self._leaving:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Stop when idle; for a moment a peer that just now asks something is still answered, as its last."""
        self._leaving = bool(self.linger) and self._whole_answer()
        if self._leaving:
            self.loop.call_later(self.linger, super().shutdown)
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP; with the reason, where it is one of ours."""
        super().send_400_response(HOSTLESS if self._hostless else msg)

    def on_message_complete(self) -> None:
        """All is here."""
        self._whole = True
        super().on_message_complete()

    def _cycle(self) -> RequestResponseCycle | None:
        return self.cycle

    def _whole_answer(self) -> bool:
        cycle = self._cycle()
        return cycle is None or cycle.response_complete

    def _watch(self) -> None:
        """Look every now and then whether the peer is too slow."""
        every = min(self._limits.header_seconds, self._limits.body_seconds, self._limits.answer_seconds) / 5
        self._timer = self.loop.call_later(every, self._watch)
        now = self.loop.time()
        if self._header_since is not None:
            if now - self._header_since > self._limits.header_seconds:
                self._end(b"408 Request Timeout", "The request took too long to arrive.")
        elif not self._whole:
            if self.flow.read_paused:
                # It is we who do not read.
                self._body_since += every
            elif now - self._body_since > self._limits.body_seconds + self._received / self._limits.body_rate:
                self._end(b"408 Request Timeout", "The request took too long to arrive.")
        self._look_at_answer(now)

    def _look_at_answer(self, now: float) -> None:
        unread = self.transport.get_write_buffer_size()
        if not unread or unread < self._unread or not self._stuck:
            self._stuck = now
        elif now - self._stuck > self._limits.answer_seconds:
            self.transport.abort()
        self._unread = unread

    def _end(self, status: bytes, text: str) -> None:
        """Tell the peer in one line of text, tell the application that it is gone, and close."""
        if self.transport.is_closing():
            return
        cycle = self._cycle()
        if cycle is None or not cycle.response_started or cycle.response_complete:
            body = f"{text}\n".encode()
            head = b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n" % status
            self.transport.write(b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body))
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()
        self.loop.call_later(GOODBYE_SECONDS, self.transport.abort)


class Listening:
    """One listening socket: accepts all that wait, in every turn of the loop. Closed as an asyncio server is."""

    def __init__(
        self, sock: socket.socket, make: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None, seconds: float
    ) -> None:
        """``seconds`` are for a handshake."""
        self._socket, self._make, self._tls, self._seconds = sock, make, tls, seconds
        self._loop = asyncio.get_running_loop()
        self._beginning: dict[asyncio.Task[None], None] = {}
        sock.setblocking(False)
        self._loop.add_reader(sock, self._accept)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """As an asyncio server's."""
        return self._loop

    def close(self) -> None:
        """Accept no more."""
        if self._socket.fileno() != -1:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    async def wait_closed(self) -> None:
        """Let handshakes end."""
        for task in tuple(self._beginning):
            task.cancel()
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptors left: who waits stays in the system's queue for a moment
                self._loop.remove_reader(self._socket)
                self._loop.call_later(0.2, self._resume)
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._begin(connection))
            self._beginning[task] = None
            task.add_done_callback(lambda done: self._beginning.pop(done, None))
            if self._tls is not None and len(self._beginning) > AT_ONCE * 4:
                next(iter(self._beginning)).cancel()

    def _resume(self) -> None:
        if self._socket.fileno() != -1:
            self._loop.add_reader(self._socket, self._accept)

    async def _begin(self, connection: socket.socket) -> None:
        handshake = {} if self._tls is None else {"ssl_handshake_timeout": self._seconds}
        try:
            if connection.family in (socket.AF_INET, socket.AF_INET6):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._make, connection, ssl=self._tls, **handshake)
        except (OSError, TimeoutError, asyncio.CancelledError):
            connection.close()
