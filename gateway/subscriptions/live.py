"""News of live sources, of which nothing is stored: what they give is asked again within the hour, and compared.

A source is asked as for a PGO: by the rows of the service, behind the same breakers, through what decides what may be
shown, and into the access trail. What did not answer, and what is withheld or waits, is no news.
"""

import asyncio
import hashlib
import logging
import math
import secrets
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Engine, Row, or_, select, update

from auth.grants import Grant
from gateway.audit.record import AuditRecord
from gateway.audit.trail import Trail
from gateway.calendar import Today, utc
from gateway.collect.answer import search
from gateway.collect.gaps import hidden_counts
from gateway.collect.pipeline import Collector
from gateway.collect.record import RecordOwner
from gateway.metrics import Sample
from gateway.rounds import rounds, told
from gateway.store.engine import reading
from gateway.store.shared import subscription
from gateway.subscriptions.detect import GENERAL, Look, sent_by
from gateway.subscriptions.marks import Gave, Marks, compared
from gateway.subscriptions.register import active
from gateway.subscriptions.settings import SubscriptionSettings
from profiles.fhir.interactions import FhirRequest
from profiles.standards.admit import whole_search
from profiles.standards.load import Catalogue
from profiles.standards.model import RequestRule, Standard

log = logging.getLogger("gateway.subscriptions")

ACTION = "gateway:subscription:look"
CLIENT = "gateway"
"""Who looked, in the access trail: no person, and no PGO."""
AT_RISK = timedelta(minutes=45)
"""After which a look is so late that the hour is at risk (AB-22)."""
TEXTS: Mapping[str, str] = {
    "gateway_live_news_late_seconds": "how late the latest look of the last round at live sources was",
}

Served = Callable[[str, str], bool]


@dataclass(slots=True)
class Pace:
    """Lets questions through at most so many a second, in the order in which they come."""

    per_second: float
    _next: float = 0.0

    async def turn(self) -> None:
        """Wait for one's turn."""
        now = time.monotonic()
        mine = max(now, self._next)
        self._next = mine + 1 / self.per_second
        await asyncio.sleep(mine - now)


@dataclass(slots=True)
class LiveNews:
    """Looks at live sources for subscriptions. ``collector`` asks them alone, with the breakers that requests have.

    ``mark`` makes a keyed hash of a kind and a text (`auth.crypto.Pseudonyms.mark`).
    """

    engine: Engine
    settings: SubscriptionSettings
    catalogue: Catalogue
    collector: Collector
    trail: Trail
    served: Served
    mark: Callable[[str, str], str]
    today: Today
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _late: dict[str, float] = field(default_factory=dict)
    """Seconds, by provider: the worst of the round."""

    async def run(self) -> None:
        """Look until cancelled."""
        await rounds("news of live sources", self.look, self.settings.look_seconds)

    async def look(self) -> int:
        """Look at all that are due; how many notifications were made. Raises SQLAlchemyError.

        Providers do not wait for each other; at one provider questions are paced, and few subscriptions are looked at
        beside each other.
        """
        rows = await asyncio.to_thread(self._due)
        self._late = dict.fromkeys({row.provider for row in rows}, 0.0)
        by_provider = {name: [row for row in rows if row.provider == name] for name in self._late}
        made = await asyncio.gather(*(self._all_of(mine) for mine in by_provider.values()), return_exceptions=True)
        faults = [each for each in made if isinstance(each, BaseException)]
        if faults:
            raise faults[0]
        return sum(each for each in made if isinstance(each, int))

    def samples(self) -> Sequence[Sample]:
        """The figures (`TEXTS` says what they are)."""
        return [
            Sample("gateway_live_news_late_seconds", round(late), {"provider": name})
            for name, late in self._late.items()
        ]

    def _due(self) -> Sequence[Row[Any]]:
        now = self.clock()
        with reading(self.engine).connect() as connection:
            rows = [row for row in active(connection, self.today()) if row.live_due is None or utc(row.live_due) <= now]
        wanted = [row for row in rows if row.sealed_bsn and self._has_sources(row)]
        return sorted(wanted, key=lambda row: utc(row.live_due or row.created))

    def _has_sources(self, row: Row[Any]) -> bool:
        sources = self.collector.providers.get(row.provider)
        known = row.service in self.catalogue.services and self.served(row.provider, row.service)
        return known and sources is not None and bool(self._rules(row)[1])

    async def _all_of(self, rows: Sequence[Row[Any]]) -> int:
        pace, room = Pace(self.settings.live_per_second), asyncio.Semaphore(self.settings.live_at_once)

        async def look(row: Row[Any]) -> bool:
            async with room:
                return await self._look(row, pace)

        made = await asyncio.gather(*map(look, rows), return_exceptions=True)
        faults = [each for each in made if isinstance(each, BaseException)]
        for fault in faults:
            log.error("news of live sources: a subscription could not be looked at: %s", told(fault))
        return sum(each for each in made if isinstance(each, bool))

    async def _look(self, row: Row[Any], pace: Pace) -> bool:
        """Ask for one subscription, and put a notification in the outbox when there is news; whether there was."""
        if not await asyncio.to_thread(self._claim, row):
            return False
        self._note_late(row)
        ids = (str(uuid.uuid4()), str(uuid.uuid4()))
        gave = await self._ask(row, pace, ids)
        # What is not recorded is not used, as for a PGO.
        await self.trail.write(self._recorded(row, gave, ids))
        return bool(gave.by_place) and await asyncio.to_thread(self._compare, row.id, gave)

    def _claim(self, row: Row[Any]) -> bool:
        """Of two processes one looks; the next look is a little sooner than it has to be, so that they spread."""
        now, seconds = self.clock(), self.settings.live_minutes * 60
        due = now + timedelta(seconds=seconds - secrets.randbelow(math.ceil(seconds / 10)))
        mine = (
            subscription.c.id == row.id, subscription.c.status == "active",
            or_(subscription.c.live_due.is_(None), subscription.c.live_due <= now),
        )  # fmt: skip
        with self.engine.begin() as connection:
            return connection.execute(update(subscription).where(*mine).values(live_due=due)).rowcount == 1

    def _note_late(self, row: Row[Any]) -> None:
        late = (self.clock() - utc(row.live_due)).total_seconds() if row.live_due else 0.0
        most = (AT_RISK - timedelta(minutes=self.settings.live_minutes)).total_seconds()
        before = self._late.get(row.provider, 0.0)
        self._late[row.provider] = max(before, late)
        if before <= most < late:
            log.error("news of live sources: the hour is at risk at %s: a look is %.0f s late", row.provider, late)

    async def _ask(self, row: Row[Any], pace: Pace, ids: tuple[str, str]) -> Gave:
        """Put every row of the service to the sources. Raises StoreUnavailable."""
        gave, grant = Gave(), _grant(row, self.clock())
        standard, rules = self._rules(row)
        whose = RecordOwner(row.provider, standard.fhir, row.person)
        for rule in rules:
            await pace.turn()
            admitted = whole_search(standard, rule)
            request = FhirRequest(
                standard.fhir, rule.interaction, rule.type, operation=rule.operation, query=admitted.query
            )
            collected = await self.collector.collect(whose, grant, standard, request, admitted, ids)
            if admitted.search is None:
                continue
            answer = await search(collected.record, admitted.search)
            gave.take(rule, collected, answer.matches)
            gave.hidden.update(dict(hidden_counts(answer.hidden)))
        return gave

    def _rules(self, row: Row[Any]) -> tuple[Standard, Sequence[RequestRule]]:
        """The searches of a service that some source can answer, in the standard that its data are in."""
        offering, service = self.catalogue.service(row.service, self.today())
        standard = self.catalogue.delivering(offering, service)
        able = [one.adapter.capabilities for one in self.collector.providers[row.provider].live.sources]
        return standard, [
            rule
            for rule in (offering.rules_of(service) if standard is offering else standard.rules)
            if rule.method == "GET" and rule.interaction in ("search-type", "operation") and not rule.on_instance
            if rule.answer != "refused" and rule.type is not None and rule.type not in GENERAL
            if any(one.of(standard.id, rule.id, standard.fhir, rule.type).level != "no" for one in able)
        ]  # fmt: skip

    def _compare(self, id_: str, gave: Gave) -> bool:
        with self.engine.begin() as connection:
            wanted = select(subscription).where(subscription.c.id == id_, subscription.c.status == "active")
            row = connection.execute(wanted.with_for_update()).one_or_none()
            if row is None:
                return False
            key = bytes.fromhex(self.mark("live-news", id_))
            before: Marks = msgspec.msgpack.decode(row.live, type=Marks) if row.live else {}
            marks, fresh = compared(key, before, gave)
            connection.execute(
                update(subscription).where(subscription.c.id == id_).values(live=msgspec.msgpack.encode(marks))
            )
            if all(sent_by(connection, held.whole, row.client) for held in fresh):
                return False
            Look(connection, self.catalogue, self.settings, self.clock(), self.today()).announce(row)
            return True

    def _recorded(self, row: Row[Any], gave: Gave, ids: tuple[str, str]) -> AuditRecord:
        return AuditRecord(
            ACTION, self.clock(), 503 if gave.silent else 200, provider=row.provider, service=row.service,
            interaction="look", client=CLIENT, person=row.person, basis=row.consent_id, resources=gave.counts(),
            gaps=tuple(sorted(gave.gaps)), incidents=tuple(sorted(gave.incidents)), reason="subscription",
            hidden=tuple(sorted(gave.hidden.items())), request_id=ids[0], correlation_id=ids[1],
        )  # fmt: skip


def _grant(row: Row[Any], now: datetime) -> Grant:
    """What a subscription stands on, in the form in which sources are asked for a person; nobody gets it."""
    return Grant(
        digest=hashlib.sha256(f"live-news {row.id}".encode()).digest(), client=CLIENT, provider=row.provider,
        services=frozenset({row.service}), subject=row.person, sealed_bsn=row.sealed_bsn, patient=None, actor=None,
        issued=now, expires=now + timedelta(minutes=15), correlation_id=None, consent_id=row.consent_id,
        function="collect",
    )  # fmt: skip
