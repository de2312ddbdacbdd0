"""The figures of a month or another period, counted from visits and requests. Every report is made from these."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, select

from auth.ages import ZONE
from auth.store.rows import milliseconds
from gateway.store.counts import usage_event
from gateway.usage.events import STEPS, UsageEvent, read_event
from gateway.usage.visits import SEVERAL, CountedVisit, visits

PARTS = {"yield_per": 2000}
"""Of the statement, not of the connection: what comes after it on the same one may write."""
AROUND = timedelta(days=1)
"""What lies before and after a period and may belong to a visit that began in it, or before it."""
BUCKETS = ((1, "1"), (5, "2-5"), (9, "6-9"), (None, "10+"))
SLOW = 60_000
"""Milliseconds within which the agreement wants an answer of the resource server."""


@dataclass
class UseFigures:
    """What happened in a period. Numbers of visits, of use cases (a visit and a service), of requests; sets of persons.

    A visit counts in the period in which it began, a request in the one in which it was made.
    """

    visits: int = 0
    completed: int = 0
    uses: Counter[tuple[str, str, str, bool]] = field(default_factory=Counter)
    """Use cases by use, service, client, and whether they were completed."""
    reached: Counter[str] = field(default_factory=Counter)
    """Visits by step that they passed; a later step implies the earlier ones."""
    ends: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Visits that were not completed, by step, outcome and reason."""
    ages: Counter[str] = field(default_factory=Counter)
    acting: Counter[str] = field(default_factory=Counter)
    lasting: int = 0
    per_person: Counter[str] = field(default_factory=Counter)
    """Completed visits by person; 0 for who only tried."""
    requests: Counter[str] = field(default_factory=Counter)
    """Requests with a token, by outcome."""
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests with a token that got no answer, by outcome and reason."""
    in_time: int = 0

    def add_visit(self, visit: CountedVisit) -> None:
        """Count a visit."""
        self.visits += 1
        self.completed += visit.outcome == "completed"
        self.lasting += visit.lasting
        for service in visit.tried or (SEVERAL,):
            self.uses[visit.use, service, visit.client, service in visit.completed] += 1
        for step in STEPS[: visit.reached + 1]:
            self.reached[step] += 1
        if visit.outcome != "completed":
            self.ends[visit.ended, visit.outcome, visit.reason] += 1
        if visit.person:
            self.ages[visit.age] += 1
            self.acting[visit.acting] += 1
            self.per_person[visit.person] += visit.outcome == "completed"

    def add_request(self, event: UsageEvent) -> None:
        """Count a request."""
        self.requests[event.outcome] += 1
        self.in_time += event.duration <= SLOW
        if event.outcome != "ok":
            self.errors[event.outcome, event.reason] += 1

    @property
    def persons(self) -> int:
        """Unique persons who logged in, as far as they can be told apart in one calendar year."""
        return len(self.per_person)

    @property
    def served(self) -> int:
        """Unique persons with at least one completed visit."""
        return sum(1 for count in self.per_person.values() if count)

    def buckets(self) -> dict[str, int]:
        """Persons who were served, by number of completed visits."""
        counted = dict.fromkeys((name for _, name in BUCKETS), 0)
        for count in self.per_person.values():
            if count:
                counted[next(name for most, name in BUCKETS if most is None or count <= most)] += 1
        return counted

    def as_data(self) -> dict[str, Any]:
        """The figures as plain data, in a fixed order. No pseudonym is in it (RP-C25)."""
        return {
            "visits": self.visits,
            "completed": self.completed,
            "not_completed": self.visits - self.completed,
            "persons": self.persons,
            "persons_served": self.served,
            "lasting": self.lasting,
            "use_cases": [
                {"use": use, "service": service, "client": client, "completed": good, "count": count}
                for (use, service, client, good), count in sorted(self.uses.items())
            ],
            "funnel": [{"step": step, "visits": self.reached[step]} for step in STEPS],
            "ends": [
                {"step": step, "outcome": outcome, "reason": reason, "visits": count}
                for (step, outcome, reason), count in sorted(self.ends.items())
            ],
            "ages": dict(sorted(self.ages.items())),
            "acting": dict(sorted(self.acting.items())),
            "visits_per_person": self.buckets(),
            "requests": {name: self.requests[name] for name in ("ok", "refused", "failed")},
            "requests_in_time": self.in_time,
            "errors": [
                {"outcome": outcome, "reason": reason, "requests": count}
                for (outcome, reason), count in sorted(self.errors.items())
            ],
        }


@dataclass
class UsePeriod:
    """The figures of a period, and beside them those of tests."""

    real: UseFigures = field(default_factory=UseFigures)
    test: UseFigures = field(default_factory=UseFigures)


@dataclass(frozen=True, slots=True)
class Window:
    """From a moment up to another, UTC."""

    start: datetime
    end: datetime

    def holds(self, at: int) -> bool:
        """Whether a moment (milliseconds) is in it."""
        return milliseconds(self.start) <= at < milliseconds(self.end)


def days(first: date, last: date) -> Window:
    """Days in the Netherlands, both included: borders are where its clocks have midnight (RP-C12)."""
    return Window(_midnight(first), _midnight(last + timedelta(days=1)))


def month(text: str) -> Window:
    """The window of ``YYYY-MM``. Raises ValueError."""
    first = date.fromisoformat(f"{text}-01")
    return days(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))


def months(window: Window) -> Iterator[str]:
    """The months that a window touches, in the Netherlands."""
    day = window.start.astimezone(ZONE).date().replace(day=1)
    while _midnight(day) < window.end:
        yield f"{day:%Y-%m}"
        day = (day + timedelta(days=31)).replace(day=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE).astimezone(UTC)


def count(connection: Connection, window: Window, now: datetime, provider: str | None = None) -> UsePeriod:
    """Count a period, month by month, so that only one is in memory. ``provider`` None: all."""
    period = UsePeriod()
    for text in months(window):
        part = month(text)
        inside = Window(max(part.start, window.start), min(part.end, window.end))
        add(period, read_events(connection, inside, provider), inside, now)
    return period


def add(period: UsePeriod, events: Iterable[UsageEvent], window: Window, now: datetime) -> None:
    """Add the visits that began in a window, and the requests in it. The events should go beyond it by a day."""
    held = list(events)
    for event in held:
        if event.step == "exchange" and window.holds(event.at):
            (period.test if event.test else period.real).add_request(event)
    for visit in visits(held, milliseconds(now)):
        if window.holds(visit.start):
            (period.test if visit.test else period.real).add_visit(visit)


def read_events(connection: Connection, window: Window, provider: str | None = None) -> Iterator[UsageEvent]:
    """The events of a window and a day around it. Raises msgspec.DecodeError for what is none."""
    column = usage_event.c.at
    asked = select(usage_event.c.event).where(column >= window.start - AROUND, column < window.end + AROUND)
    if provider is not None:
        asked = asked.where(usage_event.c.provider == provider)
    for row in connection.execute(asked, execution_options=PARTS):
        yield read_event(bytes(row.event))
