"""Which resources stand in which section: the rows of sections.toml over one person's record."""

import datetime as dt
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from profiles.conversion.paths import codings, listed
from profiles.fhir.tree import Resource
from profiles.rows import Row, read

TABLE = Path(__file__).parent / "sections.toml"
MOMENTS = (
    "effectiveDateTime", "effectivePeriod", "performedDateTime", "performedPeriod", "onsetDateTime",
    "occurrenceDateTime", "timingPeriod", "authoredOn", "dateAsserted", "dateTime", "period", "recordedDate",
)  # fmt: skip
"""Where a resource tells when it was, the best first."""


class Take(Row, frozen=True):
    """Which resources of a type: by codes at an element, by claim, by time, the latest of each code."""

    type: str
    keep: dict[str, list[str]] = msgspec.field(default_factory=dict)
    drop: dict[str, list[str]] = msgspec.field(default_factory=dict)
    known: bool = False
    claim: str = ""
    running: bool = False
    past: bool = False
    latest: int = 0
    months: int = 0
    most: int = 0


class Section(Row, frozen=True):
    """A section: its code, its names, what it takes; of one with ``narrative`` only the text stands there.

    ``eps_``: where the European form differs.
    """

    id: str
    loinc: str
    nl: str
    en: str
    take: list[Take]
    required: bool = False
    narrative: bool = False
    eps_required: bool = False
    eps_loinc: str = ""


class Sections(Row, frozen=True):
    """sections.toml."""

    section: list[Section]
    words: dict[str, dict[str, str]]


@cache
def sections() -> Sections:
    """The sections of the summary, in their order."""
    return read(TABLE, Sections)


def moment(resource: Resource) -> str:
    """When it was: as it is written, start before end; empty when it does not tell."""
    for name in MOMENTS:
        value = resource.get(name)
        if isinstance(value, dict):
            value = value.get("start") or value.get("end")
        if isinstance(value, str):
            return value
    return ""


def codes(resource: Resource, name: str) -> set[str]:
    """The codes at an element: of a code itself, or of its codings."""
    rows = listed(resource.get(name))
    return {str(c.get("code")) for row in rows for c in codings(row)} | {row for row in rows if isinstance(row, str)}


def taken(section: Section, resources: Iterable[Resource], day: dt.date) -> list[Resource]:
    """What stands in a section, newest first."""
    chosen: list[Resource] = []
    for take in section.take:
        fitting = [one for one in resources if _fits(take, one, day)]
        fitting.sort(key=lambda one: (moment(one), str(one.get("id"))), reverse=True)
        chosen += _latest(take, fitting)
    return chosen


def _fits(take: Take, resource: Resource, day: dt.date) -> bool:
    if resource.get("resourceType") != take.type:
        return False
    claims = listed((resource.get("meta") or {}).get("profile"))
    if take.claim and not any(str(one).endswith(take.claim) for one in claims):
        return False
    for name, wanted in take.keep.items():
        there = codes(resource, name)
        if (there or take.known) and not there.intersection(wanted):
            return False
    if any(codes(resource, name).intersection(unwanted) for name, unwanted in take.drop.items()):
        return False
    when = moment(resource)
    if take.past and when[:10] > day.isoformat()[: len(when[:10])]:
        return False
    if take.months and when and when[:10] < _before(day, take.months)[: len(when[:10])]:
        return False
    return not (take.running and _ended(resource, day))


def _before(day: dt.date, months: int) -> str:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return dt.date(year, month + 1, min(day.day, 28)).isoformat()


def _ended(resource: Resource, day: dt.date) -> bool:
    """Whether an agreement has a stop type, or a period of use that has ended."""
    rows = [*listed(resource.get("extension")), *listed(resource.get("modifierExtension"))]
    if any(str(row.get("url", "")).endswith("ext-StopType") for row in rows):
        return True
    ends = [str(row["valuePeriod"]["end"])[:10] for row in rows if "end" in (row.get("valuePeriod") or {})]
    return any(end < day.isoformat()[: len(end)] for end in ends)


def _latest(take: Take, resources: list[Resource]) -> list[Resource]:
    if not take.latest:
        return resources
    count: dict[Any, int] = {}
    kept = []
    for resource in resources:
        key = frozenset(codes(resource, "code")) or str(resource.get("id"))
        count[key] = count.get(key, 0) + 1
        if count[key] <= take.latest:
            kept.append(resource)
    return kept[: take.most] if take.most else kept
