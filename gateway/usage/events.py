"""One event: what is counted of the end of a step. It has no field for a person, a number, a name or a date of birth.

Persons and visits stand in it as pseudonyms under a key per provider and calendar year (`gateway.usage.keys`), so that
what was counted in two years cannot be put together, and once a key is destroyed not with anything else either.
"""

import hmac
from datetime import date, datetime

import msgspec

from auth.ages import age, today
from auth.ports import FlowStep, Representation
from auth.store.rows import milliseconds, moment
from gateway.audit.chain import derived
from gateway.audit.record import AuditRecord

STEPS = tuple(str(step) for step in FlowStep)
"""In the order of a visit."""
ACTING = {None: "", str(Representation.VOLUNTARY): "voluntary", str(Representation.PARENTAL): "parent"}
SEARCHES = frozenset({"search-type", "operation"})
STORED = frozenset({"create", "transaction", "batch"})
"""Interactions by which a share is done; a collect is done by a search (RP-06)."""


class UsageEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The end of one step. ``at`` and ``started`` are UTC milliseconds since 1970."""

    at: int
    step: str
    flow: str
    """Pseudonym of the visit; empty in what belongs to none."""
    started: int = 0
    """When the visit began; 0 for what a lasting consent brought later, without the person."""
    outcome: str = "ok"
    reason: str = ""
    provider: str = ""
    client: str = ""
    use: str = ""
    services: tuple[str, ...] = ()
    person: str = ""
    age: str = ""
    acting: str = ""
    lasting: bool = False
    test: bool = False
    interaction: str = ""
    duration: int = 0
    """Milliseconds, of an exchange."""
    resources: int = 0

    def canonical(self) -> bytes:
        """The bytes that are stored and chained."""
        return msgspec.json.encode(self)


class UseLabel(msgspec.Struct, frozen=True, array_like=True):
    """What the use of one token is counted under: kept with the token, so that a read needs no key."""

    flow: str
    started: int
    person: str
    age: str
    acting: str
    lasting: bool
    test: bool
    use: str

    def text(self) -> str:
        """As it is kept."""
        return msgspec.json.encode(self).decode()


def age_group(born: date | None, at: datetime) -> str:
    """``0-11``, ``12-15`` or ``16+`` on the day of the event, in the Netherlands; empty without a birth date."""
    if born is None:
        return ""
    years = age(born, today(at))
    return "0-11" if years < 12 else "12-15" if years < 16 else "16+"


def exchanged(record: AuditRecord, label: str, took: int) -> UsageEvent | None:
    """The event of one request at the resource server, from its audit record; None for what is not counted."""
    if not label:
        return None
    under = msgspec.json.decode(label, type=UseLabel)
    status = record.outcome
    outcome = "ok" if status < 400 else "refused" if status < 500 else "failed"
    return UsageEvent(
        at=milliseconds(record.moment),
        step="exchange",
        flow=under.flow,
        started=under.started,
        outcome=outcome,
        reason="" if outcome == "ok" else record.reason or str(status),
        provider=record.provider,
        client=record.client,
        use=under.use,
        services=(record.service,) if record.service else (),
        person=under.person,
        age=under.age,
        acting=under.acting,
        lasting=under.lasting,
        test=under.test,
        interaction=record.interaction,
        duration=took,
        resources=sum(count for _, count in record.resources),
    )


def read_event(body: bytes) -> UsageEvent:
    """An event as it was stored. Raises msgspec.DecodeError."""
    return msgspec.json.decode(body, type=UsageEvent)


def mac_of(key: bytes, previous: bytes, chain: str, sequence: int, event: bytes) -> bytes:
    """What links an event to the one before it, under the audit key."""
    return hmac.digest(derived(key, "usage 1"), previous + f"{chain}|{sequence}|".encode() + event, "sha256")


def at_of(event: UsageEvent) -> datetime:
    """When it was, as the column beside it says."""
    return moment(event.at)
