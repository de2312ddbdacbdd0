"""The access trail in figures: events and persons are counted apart (R2, R8)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, select

from gateway.audit.record import SEEN
from gateway.calendar import utc
from gateway.store.schema import audit_record

SEARCHES = frozenset({"search-type", "operation"})
_WRONG = "the trail holds what is no record"
NOT_ADMITTED = frozenset({401, 403})


class UnreadableTrail(Exception):
    """Something in the table is no record: figures over it would be wrong, whatever they said."""


@dataclass
class Uses:
    """What happened, of one service or of all: numbers of events, and sets of persons. ``requests`` are use."""

    requests: int = 0
    refused: int = 0
    not_admitted: int = 0
    failed: int = 0
    answered: int = 0
    filled: int = 0
    gaps: int = 0
    complete: int = 0
    searches: int = 0
    empty: int = 0
    resources: int = 0
    documents: int = 0
    persons: set[str] = field(default_factory=set)
    received: set[str] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)

    @property
    def came(self) -> int:
        """All that came in: use, and what was refused."""
        return self.requests + self.refused

    def add(self, record: dict[str, Any]) -> None:
        """Count one record of the trail."""
        status, person = int(record.get("outcome", 0)), str(record.get("person", ""))
        resources = dict(record.get("resources", ()))
        if 400 <= status < 500:
            # A refusal is no use: neither the request nor whoever it was for.
            self.refused += 1
            self.not_admitted += status in NOT_ADMITTED
            return
        self.requests += 1
        self.failed += status >= 500
        self.persons |= {person} - {""}
        if not 200 <= status < 300:
            return
        gap = bool(record.get("gaps"))
        self.answered += 1
        self.gaps += gap
        self.filled += bool(resources)
        self.complete += bool(resources) and not gap
        self.resources += sum(resources.values())
        if record.get("interaction") in SEARCHES:
            self.searches += 1
            self.empty += not resources
        if resources:
            self.received |= {person} - {""}
        if record.get("interaction") == "read" and "Binary" in resources:
            self.documents += 1
            self.opened |= {person} - {""}


@dataclass
class Use:
    """The figures of a period: all services together, each apart, and reasons why something was not delivered."""

    all: Uses = field(default_factory=Uses)
    services: dict[str, Uses] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    incidents: int = 0
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """Days, both included; None is open."""

    first: date | None = None
    last: date | None = None

    def select(self, provider: str = "") -> Select[Any]:
        """The records of the period, in a fixed order."""
        found = select(audit_record).order_by(audit_record.c.chain, audit_record.c.sequence)
        if self.first is not None:
            found = found.where(audit_record.c.at >= datetime.combine(self.first, time(), UTC))
        if self.last is not None:
            found = found.where(audit_record.c.at < datetime.combine(self.last + timedelta(days=1), time(), UTC))
        return found.where(audit_record.c.provider == provider) if provider else found


def records(connection: Connection, period: Period, provider: str = "") -> Iterator[Any]:
    """The rows of the trail in a period, without holding all of them. Raises UnreadableTrail."""
    try:
        for row in connection.execution_options(yield_per=1000).execute(period.select(provider)):
            if not isinstance(row.record, bytes):
                raise UnreadableTrail(_WRONG)
            yield row
    except (ValueError, TypeError) as fault:
        raise UnreadableTrail(_WRONG) from fault


def decoded(record: bytes) -> dict[str, Any]:
    """What a record says. Raises UnreadableTrail."""
    try:
        found: dict[str, Any] = msgspec.json.decode(record, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise UnreadableTrail(_WRONG) from fault
    return found


def uses(connection: Connection, period: Period, provider: str = "") -> Use:
    """Count the trail of a period."""
    use = Use()
    for row in records(connection, period, provider):
        record = decoded(row.record)
        if record.get("interaction") == SEEN:
            continue  # No request: its study was counted when it was opened.
        at = utc(row.at)
        use.first = min(use.first or at, at)
        use.last = max(use.last or at, at)
        for one in (use.all, use.services.setdefault(str(record.get("service", "")), Uses())):
            one.add(record)
        if int(record.get("outcome", 0)) >= 400:
            use.refusals[str(record.get("reason", ""))] += 1
        for gap in record.get("gaps", ()):
            use.gaps[str(gap).rpartition(":")[2]] += 1
        use.incidents += len(record.get("incidents", ()))
    return use
