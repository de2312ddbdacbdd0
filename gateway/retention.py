"""How long what is kept is kept: one row for each kind, and one purge of them all, which is recorded.

What the authorization server keeps it purges itself (`auth.router.AuthApp.purge`); chain log events go where they
are sent. What else grows is here. The access trail is not: how it ends is a matter of the trail.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from sqlalchemy import ColumnElement, Connection, Delete, Engine, Table, and_, delete, exists, func, select

from gateway.audit.record import AuditRecord
from gateway.exchange.keeping import past_content, past_notices, past_referrals
from gateway.exchange.settings import ExchangeSettings
from gateway.intake.receipts import past as past_receipts
from gateway.quality.store import past as past_counts
from gateway.sections import RetentionSettings
from gateway.store.counts import usage_chain, usage_event
from gateway.store.engine import reading
from gateway.store.schema import (
    document,
    original,
    outbox,
    quarantine,
    repair,
    resource,
    verdict,
)

Deletes = Callable[[datetime], Sequence[Delete]]
"""What removes everything from before a moment, in the order in which it must be done."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """One kind of thing that is kept, and the setting that says for how long."""

    what: str
    setting: str
    days: int
    deletes: Deletes


def keepings(
    section: RetentionSettings, exchange: ExchangeSettings, *, receipt_days: int, count_days: int, usage_days: int
) -> Sequence[Keeping]:
    """Every kind, with the days that the settings say."""
    return (
        Keeping("earlier versions", "retention.versions_days", section.versions_days, _versions),
        Keeping("released quarantine", "retention.quarantine_days", section.quarantine_days, _released),
        Keeping("outbox", "retention.outbox_days", section.outbox_days, lambda at: (_outbox(at),)),
        Keeping("answers to pushes", "intake.receipt_days", receipt_days, lambda at: (past_receipts(at),)),
        Keeping("quality counts", "validation.retention_days", count_days, lambda at: past_counts(at.date())),
        Keeping("events of use", "usage.retention_days", usage_days, _used),
        Keeping("collected elsewhere", "exchange.content_days", exchange.content_days, past_content),
        Keeping("notifications", "exchange.notice_days", exchange.notice_days, past_notices),
        Keeping("referrals", "exchange.referral_days", exchange.referral_days, past_referrals),
    )


def _used(before: datetime) -> Sequence[Delete]:
    """Events, and of chains of which none is left how far they were."""
    left = exists(select(1).where(usage_event.c.chain == usage_chain.c.chain))
    return (delete(usage_event).where(usage_event.c.at < before), delete(usage_chain).where(~left))


def _outbox(before: datetime) -> Delete:
    return delete(outbox).where(outbox.c.at < before)


def _released(before: datetime) -> Sequence[Delete]:
    """What was taken in since, or closed. What is held waits for somebody, however long."""
    return (delete(quarantine).where(quarantine.c.state == "released", quarantine.c.received < before),)


def _versions(before: datetime) -> Sequence[Delete]:
    """Versions that were replaced by a later one; what is served and the end of a resource stay."""

    def earlier(key: ColumnElement[int], version: ColumnElement[int]) -> ColumnElement[bool]:
        came = and_(original.c.resource_pk == key, original.c.version == version, original.c.received < before)
        newer = and_(resource.c.pk == key, resource.c.version > version)
        return exists(select(1).select_from(original.join(resource, newer)).where(came))

    hanging = [delete(one).where(earlier(one.c.resource_pk, one.c.version)) for one in (verdict, repair, document)]
    newer = and_(resource.c.pk == original.c.resource_pk, resource.c.version > original.c.version)
    return (*hanging, delete(original).where(original.c.received < before, exists(select(1).where(newer))))


def due(connection: Connection, every: Sequence[Keeping], now: datetime) -> dict[str, int]:
    """How many rows of each table a purge would remove; nothing is changed."""
    return {
        _name(one): connection.execute(select(func.count()).select_from(one.table).where(*_criteria(one))).scalar_one()
        for one in _statements(every, now)
    }


def purge(engine: Engine, every: Sequence[Keeping], now: datetime) -> dict[str, int]:
    """Remove what is past its time; the number of rows by table. Each kind is a transaction."""
    counts: Counter[str] = Counter()
    for keeping in every:
        with engine.begin() as connection:
            for statement in _statements((keeping,), now):
                counts[_name(statement)] += connection.execute(statement).rowcount
    return dict(counts)


def _statements(every: Sequence[Keeping], now: datetime) -> Iterator[Delete]:
    for keeping in every:
        yield from keeping.deletes(now - timedelta(days=keeping.days))


def _name(statement: Delete) -> str:
    return str(cast("Table", statement.table).name)


def _criteria(statement: Delete) -> Sequence[ColumnElement[bool]]:
    return () if statement.whereclause is None else (statement.whereclause,)


def dry(engine: Engine, every: Sequence[Keeping], now: datetime) -> dict[str, int]:
    """As `due`, on a connection that only reads."""
    with reading(engine).connect() as connection:
        return due(connection, every, now)


def recorded(counts: Mapping[str, int], who: str = "gateway") -> AuditRecord | None:
    """The record of a purge, for the access trail; None when nothing was removed."""
    removed = tuple(sorted((str(name), count) for name, count in counts.items() if count))
    if not removed:
        return None
    return AuditRecord(
        "gateway:store:purge", datetime.now(UTC), 200, client=who, interaction="retention", resources=removed
    )
