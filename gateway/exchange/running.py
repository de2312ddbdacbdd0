"""The life of the exchange: its listener, its outbox, and what ends with them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import Engine

from auth.peer import listeners
from auth.peer.limits import ConnectionSettings
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
    http = listeners.server(
        made.door, section.tls, made.connections, beside=True, host=section.host, port=section.port, log_config=None,
        access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=10,
    )  # fmt: skip
    notices = asyncio.create_task(made.notices.run(), name="notifications")
    try:
        async with listeners.listening(http, "exchange"):
            yield
    finally:
        notices.cancel()
        await asyncio.gather(notices, return_exceptions=True)
        await made.close()


def run_alone(made: ExchangeParts, started: Callable[[], None] = lambda: None) -> None:
    """Run until stopped by a signal. Raises as `listening`."""
    listeners.run_until_stopped(listening(made), started)
