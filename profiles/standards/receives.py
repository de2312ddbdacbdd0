"""What a row that takes data in lets a client send: which entries, how many, with which codes, files and transitions.

All of it is data of the row (``[request.receives]`` in requests.toml). What the words mean is carried out by
`gateway.share`; nothing there knows one standard from another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from profiles.standards.names import full_profile, full_value

Text = Annotated[str, Meta(min_length=1)]
Texts = tuple[Text, ...]
BundleType = Literal["batch", "transaction"]


class Role(StrEnum):
    """What an entry is to who receives it."""

    ITEM = "item"
    """What the citizen shares: judged, accepted or declined by itself."""
    PART = "part"
    """What belongs to the items of the same Bundle: a file, a list."""
    PERSON = "person"
    """Who sends, as the client sees it: compared with who is known, never stored."""
    HINT = "hint"
    """Whom it is meant for: routes it, and is never made in an EHR."""
    TASK = "task"
    """A request of the institution that is dealt with: it is in the record already, and only its state changes."""


class EntryTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[request.receives.entry]]``."""

    type: Text
    role: Role = Role.ITEM
    least: Annotated[int, Meta(ge=0)] = 0
    most: Annotated[int, Meta(ge=0)] = 0
    profiles: Texts = ()
    codes: Texts = ()
    kinds: Texts = ()
    media: Texts = ()
    transitions: dict[str, Texts] = {}
    output: str = ""
    fixed: Texts = ("intent", "code", "owner", "input", "requester", "restriction")
    points: dict[str, Annotated[int, Meta(ge=1)]] = {}


class PlausibleTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[[request.receives.plausible]]``."""

    code: Text
    unit: Text
    low: Text
    high: Text


class ReceivesTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[request.receives]``."""

    entry: Annotated[tuple[EntryTable, ...], Meta(min_length=1)]
    bundles: tuple[BundleType, ...] = ()
    bytes: Annotated[int, Meta(ge=1000)] = 20_000_000
    entries: Annotated[int, Meta(ge=1)] = 500
    plausible: tuple[PlausibleTable, ...] = ()
    acknowledgement: str = ""
    months: Annotated[int, Meta(ge=0)] = 0
    follow_ups: Texts = ()


@dataclass(frozen=True, slots=True)
class EntryRule:
    """Entries of one resource type in what is sent."""

    type: str
    role: Role
    least: int
    most: int
    """Most entries of the type; 0: as many as the row lets in."""
    profiles: tuple[str, ...]
    """What may be claimed; who claims nothing claims the first. Empty: claims are not looked at."""
    codes: tuple[str, ...]
    """``system|code`` of which one must be in ``code``; empty: any."""
    kinds: tuple[str, ...]
    """``system|code`` of which exactly one must be in ``category``; empty: any."""
    media: tuple[str, ...]
    """Media types of a file."""
    transitions: Mapping[str, tuple[str, ...]]
    """From which state to which: empty when the entry is no task."""
    output: str = ""
    """The type of the entry that a task must point at as its output."""
    fixed: tuple[str, ...] = ()
    """What a client gives back of a task as it got it."""
    points: Mapping[str, int] = field(default_factory=dict)
    """Most references to a type (a List with at most three Media)."""


@dataclass(frozen=True, slots=True)
class Plausible:
    """Between which values a measurement can be; outside it is shown on top, and never refused for it."""

    code: str
    unit: str
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Receives:
    """What a row takes in."""

    bundles: tuple[str, ...]
    """Bundle types; empty for a row that takes one resource."""
    bytes: int
    entries: int
    rules: Mapping[str, EntryRule]
    plausible: tuple[Plausible, ...]
    acknowledgement: str
    """What the citizen is told in an OperationOutcome that comes with the answer; empty: none."""
    follow_ups: frozenset[str]
    """Categories that can only follow on something earlier of the same person."""
    months: int = 0
    """Term in which the institution must answer, by law; 0: none."""


def read_receives(table: ReceivesTable, names: Mapping[str, str]) -> Receives:
    """The table of a row, short names in full. Raises ValueError with what is wrong."""
    rules = {}
    for row in table.entry:
        if row.type in rules:
            raise ValueError(f"receives.entry: {row.type} is there twice")
        rules[row.type] = EntryRule(
            row.type,
            row.role,
            row.least,
            row.most,
            tuple(full_profile(name, names) for name in row.profiles),
            tuple(full_value(code, names) for code in row.codes),
            tuple(full_value(code, names) for code in row.kinds),
            row.media,
            row.transitions,
            row.output,
            row.fixed,
            row.points,
        )
    plausible = tuple(_plausible(row, names) for row in table.plausible)
    return Receives(
        table.bundles, table.bytes, table.entries, rules, plausible, table.acknowledgement,
        frozenset(full_value(row, names) for row in table.follow_ups), table.months
    )  # fmt: skip


def _plausible(row: PlausibleTable, names: Mapping[str, str]) -> Plausible:
    try:
        return Plausible(full_value(row.code, names), row.unit, Decimal(row.low), Decimal(row.high))
    except InvalidOperation:
        raise ValueError(f"receives.plausible: {row.code}: low and high are numbers as text") from None
