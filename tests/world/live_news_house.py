"""A hospital that stores nothing: its EHR is asked, for a PGO and for news of its subscribers."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
from contract.adapter_world import ANNA, record
from databases import database
from sqlalchemy import Row, delete, select

from adapters.fhir_http.adapter import FhirAdapter
from adapters.fhir_http.settings import FhirSettings
from adapters.testing.fake_ehr import FakeEhr
from auth.grants import Grant
from gateway.audit.trail import Trail
from gateway.calendar import today_here
from gateway.cli.db import upgrade
from gateway.collect.breaker import Breaker
from gateway.collect.fanout import FanOut, GuardedSource
from gateway.collect.pipeline import Collector, Sources
from gateway.release.shield import ReleasePolicy
from gateway.settings import load
from gateway.store.engine import open_engine, reading
from gateway.store.reader import open_reader
from gateway.store.schema import audit_record
from gateway.store.shared import notice, subscription
from gateway.subscriptions.live import LiveNews
from gateway.subscriptions.register import EndedBy, Register
from gateway.subscriptions.settings import SubscriptionSettings
from gateway.wiring import keys_of
from profiles.fhir.tree import Resource
from profiles.record.expect import Expectations
from profiles.standards.load import catalogue

PROVIDER, SERVICE, PGO = "ziekenhuiszandoord", "48", "een.pgo.example"
QUICK = SubscriptionSettings(jitter_seconds=0, live_per_second=100)


class LiveNewsHouse:
    """The hospital, its EHR, and the time, which a test moves."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = open_engine(url)
        self.pseudonyms, self.ring = keys_of(load())
        self.ehr = FakeEhr(record())
        self.now = datetime.now(UTC)
        self.release = ReleasePolicy()
        self.settings = QUICK
        self.services = {SERVICE}
        self.late = 0.0

    def subscribed(self, bsn: str = ANNA) -> str:
        """The id of a fresh subscription."""
        grant = Grant(
            digest=b"", client=PGO, provider=PROVIDER, services=frozenset({SERVICE}), subject=self.pseudonyms.of(bsn),
            sealed_bsn=self.ring.seal("bsn", bsn.encode()), patient=None, actor=None, issued=self.now,
            expires=self.now + timedelta(hours=1), correlation_id=None, consent_id=str(uuid.uuid4()),
            function="subscribe", days=90,
        )  # fmt: skip
        with self.engine.begin() as connection:
            register = Register(connection, self.now, today_here())
            return register.create(grant, SERVICE, "stu3", 90, None, str(uuid.uuid4()), 5).id

    def ended(self, id_: str) -> None:
        """The consent ends, and the subscription with it."""
        with self.engine.begin() as connection:
            Register(connection, self.now, today_here()).end_all(EndedBy.PERSON, subscription.c.id == id_)

    def add(self, resource: Resource) -> None:
        """The EHR has something new, or has it otherwise than before."""
        kept = [one for one in self.ehr.resources if one["id"] != resource["id"]]
        self.ehr.resources = [*kept, resource]

    def later(self, minutes: float = 31) -> int:
        """Time passes, and the gateway looks; how many notifications were made."""
        self.now += timedelta(minutes=minutes)
        return asyncio.run(self._look())

    async def _look(self) -> int:
        adapter = FhirAdapter(
            FhirSettings(name="ehr", url="http://ehr.test/fhir", version=self.ehr.version),
            httpx.ASGITransport(app=self.ehr),
        )
        reader, trail = open_reader(self.url, 20), Trail(self.engine, b"k" * 32, 20)
        sources = Sources(False, FanOut([GuardedSource(adapter, breaker=Breaker(failures=3))]))
        collector = Collector(reader, self.ring, {PROVIDER: sources}, Expectations(catalogue()), 20,
                              release=self.release)  # fmt: skip
        live = LiveNews(
            self.engine, self.settings, catalogue(), collector, trail, lambda _, service: service in self.services,
            self.pseudonyms.mark, today_here, lambda: self.now,
        )  # fmt: skip
        try:
            made = await live.look()
            self.late = max((each.value for each in live.samples()), default=0.0)
            return made
        finally:
            await adapter.aclose()
            await trail.close()
            await reader.close()

    def row(self, id_: str) -> Row[Any]:
        """A subscription as it is kept."""
        with reading(self.engine).connect() as connection:
            return connection.execute(select(subscription).where(subscription.c.id == id_)).one()

    def waiting(self) -> list[str]:
        """The subscriptions with a notification in the outbox."""
        with reading(self.engine).connect() as connection:
            return list(
                connection.execute(select(notice.c.subscription_id).where(notice.c.kind == "resource")).scalars()
            )

    def trail(self) -> list[dict[str, Any]]:
        """The access records, oldest first."""
        with reading(self.engine).connect() as connection:
            rows = connection.execute(
                select(audit_record.c.record).order_by(audit_record.c.at, audit_record.c.sequence)
            )
            return [msgspec.json.decode(bytes(row.record)) for row in rows]

    def forget(self) -> None:
        """No subscription, and an EHR as it was."""
        with self.engine.begin() as connection:
            connection.execute(delete(subscription))
        self.ehr, self.release, self.settings, self.services = FakeEhr(record()), ReleasePolicy(), QUICK, {SERVICE}


@contextmanager
def live_news_house(kind: str, folder: Path) -> Iterator[LiveNewsHouse]:
    """The hospital on an empty database."""
    with database(kind, folder) as url:
        house = LiveNewsHouse(url)
        upgrade(house.engine)
        try:
            yield house
        finally:
            house.engine.dispose()
