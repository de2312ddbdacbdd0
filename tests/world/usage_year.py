"""A year of an institution, drawn from a seed: visits that end in every way, written as the gateway writes them.

What is drawn is counted here too, in a way of its own: by what each kind of visit is meant to be, never by looking at
what was written.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, event

from auth.crypto import KeyRing, Pseudonyms
from auth.ports import FlowStep, Person, StepEnd
from gateway.audit.record import AuditRecord
from gateway.audit.trail import Trail, UseOf
from gateway.store.engine import open_engine
from gateway.usage.keys import YearKeys
from gateway.usage.ledger import BesideTrail, Ledger

KEY = b"a key of the audit chain, for tests only"
PROVIDER, SERVICES, CLIENTS = "ziekenhuiszandoord", ("48", "51"), ("pgo.een.example", "pgo.twee.example")
YEAR, PERSONS = 2026, 30_000
ZONE = ZoneInfo("Europe/Amsterdam")
PSEUDONYMS, RING = Pseudonyms(b"p" * 32), KeyRing("k", {"k": b"s" * 32})
REASONS = ("no-relation", "age", "empty", "delayed", "withheld")
NAMES = ("asked", "authenticated", "available", "consented", "token", "exchange")


@dataclass
class Told:
    """The independent count. Months are local; ``test`` visits are counted apart."""

    visits: Counter[str] = field(default_factory=Counter)
    completed: Counter[str] = field(default_factory=Counter)
    reached: Counter[tuple[str, str]] = field(default_factory=Counter)
    ends: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    uses: Counter[tuple[str, str, str, str, bool]] = field(default_factory=Counter)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    ages: Counter[tuple[str, str]] = field(default_factory=Counter)
    persons: set[tuple[str, str]] = field(default_factory=set)
    served: set[tuple[str, str]] = field(default_factory=set)
    test: int = 0
    written: int = 0

    def merge(self, other: "Told") -> None:
        """Add what another process counted."""
        for name in ("visits", "completed", "reached", "ends", "uses", "requests", "ages"):
            getattr(self, name).update(getattr(other, name))
        self.persons |= other.persons
        self.served |= other.served
        self.test += other.test
        self.written += other.written


@dataclass
class Visitor:
    """One visit that is being played."""

    house: "Institution"
    number: str
    start: datetime
    client: str
    service: str
    use: str = "collect"
    born: date = date(1970, 5, 5)
    acting: str | None = None
    lasting: bool = False
    pseudonyms: Pseudonyms = PSEUDONYMS
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.flow = f"{self.house.draw.getrandbits(96):024x}"
        self.now = self.start

    def step(self, name: str, outcome: str = "ok", reason: str = "", *, later: bool = False) -> StepEnd:
        """The end of a step, written in a transaction of its own, some seconds after what was before."""
        self.now += timedelta(milliseconds=self.house.draw.randrange(1, 40_000))
        known = NAMES.index(name) >= 1 and not (name == "authenticated" and outcome != "ok")
        person = Person(self.pseudonyms.of(self.number), self.number, self.born) if known else None
        end = StepEnd(
            FlowStep(name), self.now, self.flow, None if later else self.start, PROVIDER, self.client, self.use,
            (self.service,), outcome, reason, person, self.acting, self.lasting,
        )  # fmt: skip
        self.house.write(end)
        return end

    def steps(self, until: str, *, without: str = "") -> None:
        """All steps up to this one end well; the event of one of them may be lost."""
        for name in NAMES[: NAMES.index(until) + 1]:
            if name != without:
                end = self.step(name)
        self.label = self.house.label(end)

    def ask(self, status: int, interaction: str = "search-type", count: int = 3) -> None:
        """One request at the resource server, soon after what was before."""
        self.now += timedelta(milliseconds=self.house.draw.randrange(1, 9_000))
        record = AuditRecord(
            f"pgo:resource:{interaction}", self.now, status, PROVIDER, self.service, interaction,
            client=self.client, person=self.pseudonyms.of(self.number), reason="" if status < 400 else "processing",
            resources=(("Condition", count),) if count and status == 200 else (),
        )  # fmt: skip
        self.house.waiting.append((record, UseOf(self.label, 40)))
        kind = "ok" if status < 400 else "refused" if status < 500 else "failed"
        self.requests[month(self.now), kind] += 1


@dataclass
class Institution:
    """One process of the gateway, with what it wrote and what was meant by it."""

    engine: Engine
    draw: random.Random
    key: bytes = KEY
    told: Told = field(default_factory=Told)
    waiting: list[tuple[AuditRecord, UseOf]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.key, YearKeys(RING))

    def write(self, end: StepEnd) -> None:
        """Count a step in a transaction, and now and then in one that is rolled back first."""
        self.told.written += 1
        if self.draw.random() < 0.01:
            with self.engine.connect() as connection, connection.begin() as transaction:
                self.ledger.write(connection, [end])
                transaction.rollback()
        with self.engine.begin() as connection:
            self.ledger.write(connection, [end])

    def label(self, end: StepEnd) -> str:
        """What the token of a visit is counted under."""
        with self.engine.begin() as connection:
            return self.ledger.label(connection, end)

    def visit(self) -> None:
        """Play one visit, of a kind that is drawn."""
        kind = self.draw.choices(KINDS, WEIGHTS)[0]
        begin = datetime(YEAR, 1, 1, tzinfo=ZONE).astimezone(UTC)
        # A twentieth begins some minutes before a month is over.
        if self.draw.random() < 0.05:
            border = datetime(YEAR, self.draw.randrange(2, 13), 1, tzinfo=ZONE).astimezone(UTC)
            start = border - timedelta(milliseconds=self.draw.randrange(1, 120_000))
        else:
            start = begin + timedelta(milliseconds=self.draw.randrange(0, 340 * 86_400_000))
        test = self.draw.random() < 0.03
        number = f"{'999' if test else '123'}{self.draw.randrange(PERSONS):06d}"
        visitor = Visitor(self, number, start, self.draw.choice(CLIENTS), self.draw.choice(SERVICES))
        ended = kind(visitor)
        for one in ended:
            self._count(visitor, one, test)

    def _count(self, visitor: Visitor, ended: "Ended", test: bool) -> None:
        told, when = self.told, month(ended.start or visitor.start)
        # Before the login nobody knows that it is a test.
        if test and ended.logged_in:
            told.test += 1
            return
        told.visits[when] += 1
        told.uses[when, visitor.use, visitor.service, visitor.client, ended.completed] += 1
        for name in NAMES[: ended.passed]:
            told.reached[when, name] += 1
        told.requests.update(ended.requests)
        if ended.logged_in:
            told.persons.add((when, visitor.number))
            told.ages[when, "0-11" if visitor.acting else "16+"] += 1
        if ended.completed:
            told.completed[when] += 1
            told.served.add((when, visitor.number))
        else:
            told.ends[(when, *ended.end)] += 1

    def flush_now(self) -> None:
        """Write the requests."""
        asyncio.run(self.flush())
        self.waiting.clear()

    async def flush(self) -> None:
        """Write the requests, as a process does that answers many at once."""
        trail = Trail(self.engine, self.key, 60.0, beside=BesideTrail(self.key))
        for first in range(0, len(self.waiting), 500):
            await asyncio.gather(*(trail.write(*one) for one in self.waiting[first : first + 500]))
        self.told.written += len(self.waiting)
        await trail.close()


@dataclass
class Ended:
    """What a visit was meant to be: steps passed, whether completed, else step, outcome and reason."""

    passed: int
    completed: bool = False
    end: tuple[str, str, str] = ("", "", "")
    logged_in: bool = True
    start: datetime | None = None
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)


def month(at: datetime) -> str:
    """The local month of a moment."""
    return f"{at.astimezone(ZONE):%Y-%m}"


def turned_away(visitor: Visitor) -> list[Ended]:
    """A request that could not be followed."""
    visitor.step("asked", "refused", "ERR-09")
    return [Ended(0, end=("asked", "refused", "ERR-09"), logged_in=False)]


def left_landing(visitor: Visitor) -> list[Ended]:
    """Somebody who closes the first page."""
    visitor.step("asked")
    return [Ended(1, end=("asked", "abandoned", ""), logged_in=False)]


def cancelled(visitor: Visitor) -> list[Ended]:
    """Somebody who presses cancel."""
    visitor.step("asked")
    visitor.step("authenticated", "refused", "cancelled")
    return [Ended(1, end=("authenticated", "refused", "cancelled"), logged_in=False)]


def failed_login(visitor: Visitor) -> list[Ended]:
    """A login that is not good enough, after one try that found the service down."""
    visitor.step("asked")
    visitor.step("authenticated", "failed", "login-down")
    visitor.step("authenticated", "failed", "level")
    return [Ended(1, end=("authenticated", "failed", "level"), logged_in=False)]


def nothing_there(visitor: Visitor) -> list[Ended]:
    """RP-C03: availability is negative; the reason is kept."""
    reason = visitor.house.draw.choice(REASONS)
    visitor.steps("authenticated")
    visitor.step("available", "refused", reason)
    return [Ended(2, end=("available", "refused", reason))]


def source_down(visitor: Visitor) -> list[Ended]:
    """The EHR does not answer."""
    visitor.steps("authenticated")
    visitor.step("available", "failed", "source-down")
    return [Ended(2, end=("available", "failed", "source-down"))]


def no_consent(visitor: Visitor) -> list[Ended]:
    """RP-C04: consent is refused."""
    visitor.steps("available")
    visitor.step("consented", "refused", "consent-refused")
    return [Ended(3, end=("consented", "refused", "consent-refused"))]


def left_consent(visitor: Visitor) -> list[Ended]:
    """Somebody who goes away from the consent page."""
    visitor.steps("available")
    return [Ended(3, end=("available", "abandoned", ""))]


def late_code(visitor: Visitor) -> list[Ended]:
    """A code that is redeemed too late."""
    visitor.steps("consented")
    visitor.step("token", "refused", "ERR-25")
    return [Ended(4, end=("token", "refused", "ERR-25"))]


def no_request(visitor: Visitor) -> list[Ended]:
    """RP-C05: a token, and nothing after it."""
    visitor.steps("token")
    return [Ended(5, end=("token", "abandoned", ""))]


def collected(visitor: Visitor) -> list[Ended]:
    """RP-C01, RP-C06, RP-C07: one collection, however many searches, also of nothing, also when some fail."""
    visitor.steps("token", without=visitor.house.draw.choice(("", "", "available")))
    for number in range(visitor.house.draw.randrange(1, 9)):
        good = number == 0 or visitor.house.draw.random() < 0.8
        visitor.ask(200 if good else 500, count=visitor.house.draw.randrange(3))
    return [Ended(6, completed=True, requests=visitor.requests)]


def all_failed(visitor: Visitor) -> list[Ended]:
    """RP-C08: every search fails, or is refused."""
    status = visitor.house.draw.choice((500, 400))
    visitor.steps("token")
    for _ in range(3):
        visitor.ask(status)
    end = ("exchange", "failed" if status == 500 else "refused", "processing")
    return [Ended(5, end=end, requests=visitor.requests)]


def for_a_child(visitor: Visitor) -> list[Ended]:
    """RP-C24: a parent collects for a child."""
    visitor.born, visitor.acting = date(2018, 3, 3), "onbehalfofchild"
    return collected(visitor)


def lasting(visitor: Visitor) -> list[Ended]:
    """RP-C09: a lasting consent; each later day is a collection, and a pause of some minutes is none."""
    visitor.lasting = True
    ended = collected(visitor)
    for _ in range(visitor.house.draw.randrange(1, 4)):
        visitor.requests = Counter()
        visitor.now += timedelta(minutes=visitor.house.draw.randrange(40, 9 * 1440))
        if visitor.now.astimezone(ZONE).year > YEAR:
            break
        end = visitor.step("token", later=True)
        visitor.label = visitor.house.label(end)
        start = None
        for _ in range(3):
            visitor.now += timedelta(minutes=visitor.house.draw.randrange(0, 25))
            visitor.ask(200)
            start = start or visitor.now
        ended.append(Ended(6, completed=True, start=start, requests=visitor.requests))
    return ended


def shared(visitor: Visitor) -> list[Ended]:
    """RP-C10: a POST that is stored, or one that is not."""
    visitor.use = "share"
    visitor.steps("token")
    good = visitor.house.draw.random() < 0.7
    visitor.ask(201 if good else 400, "create")
    if good:
        return [Ended(6, completed=True, requests=visitor.requests)]
    return [Ended(5, end=("exchange", "refused", "processing"), requests=visitor.requests)]


KINDS: tuple[Callable[[Visitor], list[Ended]], ...] = (
    collected, lasting, for_a_child, shared, turned_away, left_landing, cancelled, failed_login, nothing_there,
    source_down, no_consent, left_consent, late_code, no_request, all_failed,
)  # fmt: skip
WEIGHTS = (30, 8, 5, 6, 5, 6, 5, 5, 8, 3, 5, 5, 3, 3, 3)


def _hurried(dialect: str) -> Callable[[Any, Any], None]:
    told = "PRAGMA synchronous=OFF" if dialect == "sqlite" else "SET synchronous_commit = off"

    def connected(connection: Any, _record: Any) -> None:
        connection.execute(told)
        if dialect != "sqlite":
            connection.commit()

    return connected


def play(url: str, seed: int, count: int) -> Told:
    """Play visits in this process; what was meant by them."""
    engine = open_engine(url)
    # What a disk takes to be sure is not what is tried here.
    event.listen(engine, "connect", _hurried(engine.dialect.name))
    house = Institution(engine, random.Random(seed))
    for _ in range(count):
        house.visit()
        if len(house.waiting) >= 2_000:
            house.flush_now()
    house.flush_now()
    engine.dispose()
    return house.told
