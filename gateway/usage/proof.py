"""Checking what was counted: every event is held to its mac, its columns, its chain, and to the access trail."""

import hmac
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, select

from auth.store.rows import milliseconds
from gateway.audit.findings import ChainBreak
from gateway.audit.heads import Head
from gateway.calendar import utc
from gateway.store.counts import usage_chain, usage_event
from gateway.store.schema import audit_record
from gateway.usage.events import mac_of, read_event
from gateway.usage.figures import PARTS
from gateway.usage.ledger import PREFIX, start_of


def prove(
    connection: Connection, key: bytes, heads: Iterable[Head] = (), since: datetime | None = None
) -> Iterator[ChainBreak]:
    """Yield what does not fit, also with what was signed of the chains of steps.

    ``since``: what was signed before it may be gone at the end of its retention.
    """
    yield from signed(connection, heads, since)
    for part in (_steps, _exchanges):
        try:
            yield from part(connection, key)
        except (ValueError, TypeError, AttributeError):
            # A value of a kind that the column never has: who put it there knows, and nothing behind it was looked at.
            yield ChainBreak(
                "", 0, "an event of what was counted cannot be read; what follows it was not checked", "changed"
            )


def signed(connection: Connection, heads: Iterable[Head], since: datetime | None = None) -> Iterator[ChainBreak]:
    """What was signed of the chains of steps and is not there, or is another: the newest statement of each chain."""
    newest: dict[str, Head] = {}
    for head in heads:
        if head.chain.startswith(PREFIX) and head.sequence >= newest.get(head.chain, head).sequence:
            newest[head.chain] = head
    for head in newest.values():
        if since is not None and head.at < since:
            continue
        which = (usage_event.c.chain == head.chain) & (usage_event.c.sequence == head.sequence)
        mac = connection.execute(select(usage_event.c.mac).where(which)).scalar()
        at = head.at.isoformat(timespec="seconds")
        if mac is None:
            yield ChainBreak(head.chain, head.sequence, f"the event that was signed for at {at} is gone", "cut")
        elif bytes(mac) != head.mac:
            yield ChainBreak(head.chain, head.sequence, f"another event than this one was signed for at {at}", "other")


def step_heads(connection: Connection, chain: str = "") -> list[Head]:
    """How far the chains of steps are (all of them, or one), to be signed outside the database."""
    wanted = select(usage_chain).where(usage_chain.c.sequence > 0)
    rows = connection.execute(wanted.where(usage_chain.c.chain == chain) if chain else wanted)
    return [Head(str(row.chain), int(row.sequence), bytes(row.mac), datetime.now(UTC)) for row in rows]


def _steps(connection: Connection, key: bytes) -> Iterator[ChainBreak]:
    """The chains of the authorization server: nothing between two numbers, and nothing after the last."""
    heads = {str(row.chain): row for row in connection.execute(select(usage_chain))}
    asked = select(usage_event).where(usage_event.c.chain.startswith(PREFIX))
    chain, number, mac = "", 0, b""
    for row in connection.execute(asked.order_by(usage_event.c.chain, usage_event.c.sequence), execution_options=PARTS):
        if row.chain != chain:
            yield from _ended(heads.pop(chain, None), chain, number, mac)
            # What stood before the first that is left went at the end of its retention.
            chain, number, mac = str(row.chain), int(row.sequence) - 1, b""
        if row.sequence != number + 1:
            yield ChainBreak(chain, int(row.sequence), f"events {number + 1} to {row.sequence - 1} are gone", "missing")
            mac = b""
        previous = mac or (start_of(chain) if row.sequence == 1 else b"")
        if previous and not _fits(key, previous, row):
            yield ChainBreak(chain, int(row.sequence), "the event or its mac was changed", "changed")
        yield from _columns(row)
        number, mac = int(row.sequence), bytes(row.mac)
    yield from _ended(heads.pop(chain, None), chain, number, mac)
    yield from (ChainBreak(name, 1, "all events of this chain are gone", "gone") for name in heads)


def _ended(head: Any, chain: str, number: int, mac: bytes) -> Iterator[ChainBreak]:
    if not chain:
        return
    if head is None or head.sequence != number or bytes(head.mac) != mac:
        yield ChainBreak(chain, number + 1, "events are gone at the end, or were added there", "cut")


def _exchanges(connection: Connection, key: bytes) -> Iterator[ChainBreak]:
    """What was counted of requests: one event for each record of the trail that says so, and for no other."""
    both = and_(audit_record.c.chain == usage_event.c.chain, audit_record.c.sequence == usage_event.c.sequence)
    counted = select(usage_event, audit_record.c.record).select_from(usage_event).outerjoin(audit_record, both)
    rows = connection.execute(counted.where(~usage_event.c.chain.startswith(PREFIX)), execution_options=PARTS)
    oldest: datetime | None = None
    for row in rows:
        oldest = min(oldest or utc(row.at), utc(row.at))
        if not _fits(key, start_of(str(row.chain)), row):
            yield ChainBreak(str(row.chain), int(row.sequence), "the event or its mac was changed", "changed")
        elif row.record is None:
            yield ChainBreak(str(row.chain), int(row.sequence), "an event without its record in the trail", "changed")
        yield from _columns(row)
    lonely = select(audit_record.c.chain, audit_record.c.sequence, audit_record.c.record)
    without = lonely.outerjoin(usage_event, both).where(usage_event.c.chain.is_(None))
    for row in connection.execute(without, execution_options=PARTS):
        # By the time in the record: what stands in the columns of the trail is for its own check.
        at = _counted(row.record)
        if at is not None and oldest is not None and at >= oldest:
            yield ChainBreak(str(row.chain), int(row.sequence), "the event of this record is gone", "missing")


def _counted(record: object) -> datetime | None:
    """When it was, for a record that says that it was counted; None for every other."""
    if not isinstance(record, bytes) or b'"counted":true' not in record:
        return None
    try:
        told = msgspec.json.decode(record, type=dict[str, Any])
        return datetime.fromisoformat(told["at"]).astimezone(UTC) if told.get("counted") is True else None
    except (msgspec.DecodeError, ValueError, TypeError, KeyError):
        return None


def _fits(key: bytes, previous: bytes, row: Any) -> bool:
    made = mac_of(key, previous, str(row.chain), int(row.sequence), bytes(row.event))
    return hmac.compare_digest(made, bytes(row.mac))


def _columns(row: Any) -> Iterator[ChainBreak]:
    at = utc(row.at)
    try:
        event = read_event(bytes(row.event))
    except msgspec.DecodeError:
        yield ChainBreak(str(row.chain), int(row.sequence), "what stands there is no event", "unreadable")
        return
    if (event.at, event.provider) != (milliseconds(at), row.provider):
        yield ChainBreak(str(row.chain), int(row.sequence), "at or provider is not what the event says", "column")
