"""Listening as the TLS settings say: plain behind a proxy, or with TLS of our own (TLS-07, TLS-10)."""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import uvicorn

from auth.peer.connections import Guests, LimitedProtocol, Listening
from auth.peer.limits import ConnectionSettings
from auth.peer.tls import TlsSettings, back_channel_context, front_channel_context

log = logging.getLogger(__name__)

BACKLOG = 2_048
STARTUP_FAILURE = 3
"""Exit status, as uvicorn's own."""


def server(
    app: Any, tls: TlsSettings, limits: ConnectionSettings | None = None, *, beside: bool = False, **config: Any
) -> "LimitedServer":
    """A uvicorn server for `app`; with `tls.front_port` set and TLS ended here, it listens on both channels.

    ``beside`` another server in the process: signals are for that one. Takes further options of `uvicorn.Config`.
    Raises OSError or ssl.SSLError when a certificate cannot be used.
    """
    back, front = None, None
    if tls.peer == "direct" and tls.back_certificate and tls.back_key and tls.trust:
        back = back_channel_context(tls.back_certificate, tls.back_key, tls.trust)
    if tls.peer == "direct" and tls.front_port is not None and tls.front_certificate and tls.front_key:
        front = front_channel_context(tls.front_certificate, tls.front_key)
    chosen: dict[str, Any] = {
        "http": LimitedProtocol,
        "ws": "none",
        "proxy_headers": tls.peer == "proxy",
        "forwarded_allow_ips": ",".join(address for address in tls.proxies if address != "unix") or "127.0.0.1",
    }
    return LimitedServer(
        uvicorn.Config(app, **{**config, **chosen}),
        limits or ConnectionSettings(),
        _proxies(tls),
        back,
        (tls.front_port, front) if front is not None and tls.front_port is not None else None,
        beside,
    )


class LimitedServer(uvicorn.Server):
    """Serves one application on the back channel, and on the front channel where there is one, with our limits.

    ``linger``: seconds in which a connection that is idle at the end may still ask, so that nothing is lost when
    another process goes on. ``on_started`` is called when it listens.
    """

    linger = 0.0
    on_started: Callable[[], None] = staticmethod(lambda: None)

    def __init__(
        self,
        config: uvicorn.Config,
        limits: ConnectionSettings,
        trusted: Callable[[str], bool],
        back: ssl.SSLContext | None,
        front: tuple[int, ssl.SSLContext] | None,
        beside: bool,
    ) -> None:
        super().__init__(config)
        self._limits = limits
        self.guests = Guests(limits, trusted)
        self._back = back
        self._front = front
        self._beside = beside

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone when they are for somebody else."""
        if self._beside:
            yield
        else:
            with super().capture_signals():
                yield

    def bind(self) -> list[socket.socket]:
        """The sockets of the channels, back channel first. Raises OSError."""
        return bound(self.config.host, self.config.port, self._front and self._front[0])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start; the sockets are those of `bind`, made here when none are given. SystemExit as uvicorn's own."""
        try:
            bound = self.bind() if sockets is None else sockets
        except OSError as fault:
            # uvicorn's way of saying so, before anything of the application has begun.
            log.error("cannot listen on %s:%s: %s", self.config.host, self.config.port, fault.strerror)
            raise SystemExit(STARTUP_FAILURE) from fault
        await super().startup([])
        contexts: Sequence[ssl.SSLContext | None] = (self._back, self._front[1] if self._front else None)
        self.servers.extend(
            Listening(one, self._protocol, context, self._limits.header_seconds)  # type: ignore[misc]
            for one, context in zip(bound, contexts, strict=False)
        )
        for one in bound:
            log.info("listening on %s:%s", *one.getsockname()[:2])
        self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn, with our patience for connections that are idle."""
        for one in tuple(self.server_state.connections):
            if isinstance(one, LimitedProtocol):
                one.linger = self.linger
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        return LimitedProtocol(
            self._limits,
            self.guests,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )


@contextlib.asynccontextmanager
async def listening(made: LimitedServer, name: str) -> AsyncIterator[None]:
    """The server answers as long as the block runs; ``name`` is what it is called. Raises OSError when it cannot."""
    serving = asyncio.create_task(_serve(made), name=name)
    try:
        while not made.started:
            if serving.done():
                raise OSError(f"the {name} cannot listen on {made.config.host}:{made.config.port}")
            await asyncio.sleep(0.01)
        yield
    finally:
        made.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)


async def _serve(made: LimitedServer) -> None:
    try:
        await made.serve()
    except SystemExit as fault:  # uvicorn's way of saying that the port is taken
        raise OSError("cannot listen") from fault


def run_until_stopped(around: AbstractAsyncContextManager[None], started: Callable[[], None] = lambda: None) -> None:
    """Hold the block open until a signal ends it; ``started`` is called inside. Raises what ``around`` does."""

    async def until_stopped() -> None:
        stopped = asyncio.Event()
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, stopped.set)
        async with around:
            started()
            await stopped.wait()

    asyncio.run(until_stopped())


def channels(tls: TlsSettings, host: str, port: int) -> list[socket.socket]:
    """The sockets that a server with these settings listens on, for whoever hands them to several. Raises OSError."""
    return bound(host, port, tls.front_port if tls.peer == "direct" else None)


def bound(host: str, port: int, front: int | None) -> list[socket.socket]:
    """Sockets that listen on the port, and on that of the front channel where there is one. Raises OSError."""
    return [listening_socket(host, one) for one in (port, front) if one is not None]


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError."""
    family, kind, proto, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]  # fmt: skip
    made = socket.socket(family, kind, proto)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _proxies(tls: TlsSettings) -> Callable[[str], bool]:
    """Whether an address is a proxy of ours, which has the connections of everybody."""
    if tls.peer != "proxy":
        return lambda address: False
    networks = [ipaddress.ip_network(one, strict=False) for one in tls.proxies if one != "unix"]

    def trusted(address: str) -> bool:
        if address == "unix":
            return True
        parsed = ipaddress.ip_address(address)
        plain = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(plain in network for network in networks)

    return trusted
