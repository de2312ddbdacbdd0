"""What waits: queues in the database and in memory, connections of the pools, and the audit trail."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Select, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from gateway.audit.signing import Heads
from gateway.audit.trail import Trail
from gateway.calendar import utc
from gateway.chainlog import ChainLog
from gateway.metrics import Sample
from gateway.quality.recorder import Recorder
from gateway.store.engine import reading
from gateway.store.exchanged import exchange_notice, referral
from gateway.store.reader import Reader
from gateway.store.schema import chain_event, outbox, quarantine
from gateway.store.shared import filing, notice, shared_item

TEXTS: Mapping[str, str] = {
    "gateway_queue_length": "what waits in the database, counted up to 100,000",
    "gateway_queue_oldest_seconds": "how long the oldest of them has waited",
    "gateway_store_up": "1 while the store answers",
    "gateway_pool_connections": "connections of a pool to the database, by state",
    "gateway_pool_waiting": "requests that wait for a connection",
    "gateway_pool_waits_total": "requests that had to wait for a connection",
    "gateway_pool_wait_milliseconds_total": "time that they waited",
    "gateway_pool_errors_total": "requests that got none",
    "gateway_audit_waiting": "access records that are not durable yet",
    "gateway_audit_lag_seconds": "how long the oldest of them has waited",
    "gateway_audit_unsigned_seconds": "how long a place outside the database has not taken the newest head",
    "gateway_audit_heads_failed_total": "heads that a place did not take",
    "gateway_chain_events_waiting": "chain log events in memory that are not in the database yet",
    "gateway_chain_events_dropped_total": "chain log events that were dropped: the database was away too long",
    "gateway_quality_waiting": "deliveries that wait for their verdicts",
    "gateway_quality_dropped_total": "deliveries that were not counted in the quality figures",
}
MOST = 100_000
FRESH = 10.0
"""Seconds for which a count in the database stands: several collectors may ask."""
_HELD = quarantine.c.state == "held"
_WAITING = quarantine.c.state == "waiting"
_MESSAGE = quarantine.c.what.like("HL7 v2 message%")


def _filings(state: str) -> tuple[Select[Any], Select[Any]]:
    since = select(func.min(shared_item.c.decided)).join(filing, filing.c.item_pk == shared_item.c.pk)
    return select(filing.c.pk).where(filing.c.state == state), since.where(filing.c.state == state)


def _referred(state: str) -> tuple[Select[Any], Select[Any]]:
    mine = exchange_notice.c.state == state
    since = select(func.min(referral.c.created)).join(exchange_notice, exchange_notice.c.referral_id == referral.c.id)
    return select(exchange_notice.c.pk).where(mine), since.where(mine)


STORED: Mapping[str, tuple[Select[Any], Select[Any]]] = {
    "outbox": (select(outbox.c.pk), select(outbox.c.at).order_by(outbox.c.pk).limit(1)),
    "chain_events": (select(chain_event.c.pk), select(chain_event.c.at).order_by(chain_event.c.pk).limit(1)),
    "quarantine": (
        select(quarantine.c.pk).where(_HELD, ~_MESSAGE),
        select(func.min(quarantine.c.received)).where(_HELD, ~_MESSAGE),
    ),
    "held_messages": (
        select(quarantine.c.pk).where(_HELD, _MESSAGE),
        select(func.min(quarantine.c.received)).where(_HELD, _MESSAGE),
    ),
    "waiting_messages": (
        select(quarantine.c.pk).where(_WAITING),
        select(func.min(quarantine.c.received)).where(_WAITING),
    ),
    "filing": _filings("waiting"),
    "filing_given_up": _filings("dead"),
    "notifications": (
        select(notice.c.pk).where(notice.c.state == "waiting"),
        select(func.min(notice.c.created)).where(notice.c.state == "waiting"),
    ),
    "exchange_notifications": _referred("waiting"),
    "exchange_given_up": _referred("dead"),
}
"""Queues in the database: what is counted, and how the oldest is found."""


@dataclass
class StoredQueues:
    """What waits in the database, whoever works it off."""

    engine: Engine
    _counted: tuple[float, Sequence[Sample]] = field(default=(float("-inf"), ()), init=False)

    def samples(self) -> Sequence[Sample]:
        """Counts and ages; while the database does not answer, only that."""
        since, kept = self._counted
        if time.monotonic() - since < FRESH:
            return kept
        try:
            found = list(self._count())
        except SQLAlchemyError:
            return [Sample("gateway_store_up", 0)]
        self._counted = time.monotonic(), found
        return found

    def _count(self) -> Iterator[Sample]:
        now = datetime.now(UTC)
        with reading(self.engine).connect() as connection:
            for name, (rows, oldest) in STORED.items():
                some = rows.limit(MOST + 1).subquery()
                count = connection.execute(select(func.count()).select_from(some)).scalar_one()
                yield Sample("gateway_queue_length", count, {"queue": name})
                at = connection.execute(oldest).scalar()
                waited = 0.0 if at is None else (now - utc(at)).total_seconds()
                yield Sample("gateway_queue_oldest_seconds", max(0.0, waited), {"queue": name})
        yield Sample("gateway_store_up", 1)


@dataclass(frozen=True)
class Waiting:
    """What waits in one part of a process, ``public`` or ``intake``. What it does not have is None."""

    part: str
    engine: Engine
    trail: Trail
    recorder: Recorder
    chain: ChainLog | None = None
    reader: Reader | None = None

    def samples(self) -> Iterator[Sample]:
        """Pools, trail and queues in memory."""
        part = {"part": self.part}
        yield from self._pools()
        yield Sample("gateway_audit_waiting", self.trail.waiting, part)
        yield Sample("gateway_audit_lag_seconds", self.trail.lag, part)
        heads = self.trail.stating
        if isinstance(heads, Heads):
            yield Sample("gateway_audit_unsigned_seconds", heads.unsigned_seconds, part)
            yield Sample("gateway_audit_heads_failed_total", heads.failures, part)
        yield Sample("gateway_quality_waiting", self.recorder.queued, part)
        yield Sample("gateway_quality_dropped_total", self.recorder.dropped, part)
        if self.chain is not None:
            yield Sample("gateway_chain_events_waiting", self.chain.waiting)
            yield Sample("gateway_chain_events_dropped_total", self.chain.dropped)

    def _pools(self) -> Iterator[Sample]:
        pool = self.engine.pool
        if isinstance(pool, QueuePool):
            named = {"part": self.part, "pool": "engine"}
            yield Sample("gateway_pool_connections", pool.checkedout(), {**named, "state": "busy"})
            yield Sample("gateway_pool_connections", pool.checkedin(), {**named, "state": "idle"})
        told = self.reader.figures() if self.reader is not None else {}
        if told:
            named = {"part": self.part, "pool": "reads"}
            size, idle = told.get("pool_size", 0), told.get("pool_available", 0)
            yield Sample("gateway_pool_connections", size - idle, {**named, "state": "busy"})
            yield Sample("gateway_pool_connections", idle, {**named, "state": "idle"})
            for name, figure in _READS.items():
                yield Sample(name, told.get(figure, 0), named)


_READS: Mapping[str, str] = {
    "gateway_pool_waiting": "requests_waiting",
    "gateway_pool_waits_total": "requests_queued",
    "gateway_pool_wait_milliseconds_total": "requests_wait_ms",
    "gateway_pool_errors_total": "requests_errors",
}
"""What psycopg's pool calls them."""
