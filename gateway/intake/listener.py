"""What runs beside the public application: the internal listener, on its own port, and HL7 v2 listeners."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp

from auth.peer.limits import ConnectionSettings
from auth.peer.listeners import listening, run_until_stopped, server
from auth.peer.tls import TlsSettings, peer_check
from auth.peer.transport import PeerGate, finder
from gateway.audit.trail import Trail
from gateway.intake.hl7v2.server import MllpListener
from gateway.intake.login import LoginFault, Logins
from gateway.intake.settings import HostLogin, IntakeSettings
from gateway.intake.work import Intake
from gateway.intake.worker import Worker
from gateway.quality.recorder import Recorder
from gateway.store.clock import StoreClock

log = logging.getLogger("gateway.intake")

KEEP_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class IntakeParts:
    """The parts of the listener that have a life of their own."""

    settings: IntakeSettings
    engine: Engine
    intake: Intake
    logins: Logins
    recorder: Recorder
    trail: Trail
    worker: Worker
    app: ASGIApp
    clock: StoreClock
    messages: tuple[MllpListener, ...] = ()
    connections: ConnectionSettings = field(default_factory=ConnectionSettings)

    async def close(self) -> None:
        """Finish what is under way."""
        await self.worker.close()
        await asyncio.to_thread(self.recorder.close)
        await self.trail.close()
        self.engine.dispose()


@dataclass(frozen=True, slots=True)
class _Hosts:
    names: frozenset[str]

    def holds(self, hostname: str) -> bool:
        """See auth.ports.Whitelist."""
        return hostname in self.names


def guarded(app: ASGIApp, section: IntakeSettings) -> ASGIApp:
    """With the host names of the peer in the scope; who that is, each request is asked for itself.

    Raises LoginFault when the certificates cannot be used.
    """
    sources = [one.auth.hosts for one in section.sources.values() if isinstance(one.auth, HostLogin)]
    hosts = _Hosts(frozenset(host.lower() for given in (section.operators, *sources) for host in given))
    tls: TlsSettings = section.tls
    try:
        check = None if tls.peer == "none" else peer_check(tls)
    except ValueError as fault:
        raise LoginFault(f"intake.tls: {fault}") from fault
    return PeerGate(
        app,
        find=finder(tls),
        check=check,
        whitelist=lambda: hosts,
        back_channel=lambda _path: False,
        header=tls.header,
    )


@asynccontextmanager
async def beside(made: IntakeParts) -> AsyncIterator[None]:
    """The internal listener and the HL7 v2 listeners, as long as the block runs.

    Raises AdapterMisconfigured or OSError when the settings or a port cannot be used.
    """
    made.recorder.start()
    section = made.settings
    with suppress(SQLAlchemyError):
        await asyncio.to_thread(made.clock.ask)
    http = server(
        made.app, section.tls, made.connections, beside=True, host=section.host, port=section.port, log_config=None,
        access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=10,
    )  # fmt: skip
    tasks = [
        asyncio.create_task(_keep_tidy(made), name="intake receipts"),
        asyncio.create_task(made.clock.run(), name="intake clock"),
    ]
    opened: list[tuple[MllpListener, asyncio.Server]] = []
    try:
        async with listening(http, "internal listener"):
            try:
                for listener in made.messages:
                    opened.append((listener, await listener.start()))
                yield
            finally:
                # Both ways in close at once: neither waits for what the other still does.
                http.should_exit = True
                await asyncio.gather(*(listener.stop(port) for listener, port in opened))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await made.close()


async def _keep_tidy(made: IntakeParts) -> None:
    """Forget old receipts now and then."""
    while True:
        try:
            await asyncio.to_thread(made.intake.forget_receipts)
        except SQLAlchemyError as fault:
            log.warning("old receipts were not removed: %s", type(fault).__name__)
        await asyncio.sleep(KEEP_SECONDS)


def run_alone(made: IntakeParts, started: Callable[[], None] = lambda: None) -> None:
    """Run only the internal listener and the HL7 v2 listeners, until stopped by a signal. Raises as `beside`.

    ``started`` is called when they listen.
    """

    def told() -> None:
        log.info("the internal listener runs in a process of its own")
        started()

    run_until_stopped(beside(made), told)


def run(main: uvicorn.Server, made: IntakeParts | None) -> None:
    """Run the public server, with the internal listener beside it where there is one, until stopped.

    Raises as `beside`.
    """
    if made is None:
        main.run()
        return

    async def both() -> None:
        async with beside(made):
            await main.serve()

    factory = main.config.get_loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(both())
