"""The life of the exchange: its listener, its outbox, and what ends with them."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from sqlalchemy import Engine

from auth.peer.connections import ConnectionSettings
from auth.peer.listeners import server
from gateway.audit.trail import Trail
from gateway.collect.pipeline import Collector, Sources
from gateway.collect.sources import close
from gateway.exchange.assertions import AssertionSigner
from gateway.exchange.door import ExchangeDoor
from gateway.exchange.holding import DataHolder
from gateway.exchange.notices import Notices
from gateway.exchange.partners import client_of
from gateway.exchange.peers import ExchangePeers
from gateway.exchange.pulled import PulledStore
from gateway.exchange.pulling import ReferralPull
from gateway.exchange.referrals import Referrals
from gateway.exchange.settings import ExchangeSettings
from gateway.exchange.taking import NotificationTaker
from gateway.exchange.tokens import ExchangeTokens
from gateway.exchange.twiin import TwiinTrust
from gateway.quality.recorder import Recorder
from gateway.share.keep import Keys
from gateway.store.reader import Reader


@dataclass(frozen=True, slots=True)
class ExchangeParts:
    """The parts that have a life of their own."""

    settings: ExchangeSettings
    connections: ConnectionSettings
    engine: Engine
    reader: Reader
    trail: Trail
    recorder: Recorder
    sources: Mapping[str, Sources]
    door: ExchangeDoor
    notices: Notices
    pull: ReferralPull

    async def close(self) -> None:
        """Finish what is under way and give back every connection."""
        await close(self.sources)
        await self.trail.close()
        await asyncio.to_thread(self.recorder.close)
        await self.reader.close()
        self.engine.dispose()


def assembled(
    section: ExchangeSettings,
    connections: ConnectionSettings,
    referrals: Referrals,
    signer: AssertionSigner,
    collector: Collector,
    keys: Keys,
    engine: Engine,
    reader: Reader,
    trail: Trail,
    recorder: Recorder,
    sources: Mapping[str, Sources],
) -> ExchangeParts:
    """The parts of the exchange around those of the house. Raises ValueError or OSError over certificates."""
    client = client_of(section.tls)
    trust = TwiinTrust(section, signer, client)
    door = ExchangeDoor(
        section,
        ExchangePeers(section.tls),
        trust,
        ExchangeTokens(engine, section.token_seconds),
        signer,
        DataHolder(engine, referrals, collector, keys),
        NotificationTaker(engine, section, keys),
        trail,
    )
    notices = Notices(engine, section, keys, trust, client, trail)
    patient_client = client_of(section.tls, section.request_seconds)
    pull = ReferralPull(engine, section, keys, trust, patient_client, trail, PulledStore(keys, recorder.gate))
    return ExchangeParts(section, connections, engine, reader, trail, recorder, sources, door, notices, pull)


@asynccontextmanager
async def listening(made: ExchangeParts) -> AsyncIterator[None]:
    """The listener and the outbox, as long as the block runs. Raises OSError when it cannot listen."""
    made.recorder.start()
    section = made.settings
    http = server(
        made.door, section.tls, made.connections, beside=True, host=section.host, port=section.port, log_config=None,
        access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=10,
    )  # fmt: skip
    tasks = [
        asyncio.create_task(_serve(http), name="exchange"),
        asyncio.create_task(made.notices.run(), name="notifications"),
    ]
    try:
        while not http.started:
            if tasks[0].done():
                raise OSError(f"the exchange cannot listen on {section.host}:{section.port}")
            await asyncio.sleep(0.01)
        yield
    finally:
        http.should_exit = True
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await made.close()


async def _serve(http: uvicorn.Server) -> None:
    try:
        await http.serve()
    except SystemExit as fault:  # uvicorn's way of saying that the port is taken
        raise OSError("cannot listen") from fault


def run_alone(made: ExchangeParts, started: Callable[[], None] = lambda: None) -> None:
    """Run until stopped by a signal. Raises as `listening`."""

    async def until_stopped() -> None:
        stopped = asyncio.Event()
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, stopped.set)
        async with listening(made):
            started()
            await stopped.wait()

    asyncio.run(until_stopped())
