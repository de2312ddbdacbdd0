"""Measured numbers in Observations: what was measured, when, the number, and what is normal for it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.dossier.moments import when
from gateway.dossier.words import text_of, unit_of
from profiles.fhir.tree import Resource


@dataclass(frozen=True, slots=True)
class NormalRange:
    """Between which numbers a result is normal; an open end is None."""

    low: Decimal | None
    high: Decimal | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One number that was measured."""

    what: str
    line: str
    """Which of several numbers of one measurement: the upper or the lower pressure; else empty."""
    unit: str
    moment: str
    number: Decimal
    exact: bool
    """False for "less than" and "more than": true, but no point in a plot."""
    normal: NormalRange | None


@dataclass(frozen=True, slots=True)
class Trend:
    """The readings of one quantity in one unit, oldest first, by line."""

    what: str
    unit: str
    lines: Mapping[str, tuple[Reading, ...]]
    inexact: int
    """Readings that cannot be drawn."""

    @property
    def readings(self) -> list[Reading]:
        """All of them, oldest first."""
        return sorted((one for line in self.lines.values() for one in line), key=lambda one: one.moment)

    @property
    def normal(self) -> NormalRange | None:
        """What the newest reading says is normal, when it is one line."""
        return next(iter(self.lines.values()))[-1].normal if len(self.lines) == 1 else None


def readings(resource: Resource) -> Iterator[Reading]:
    """The numbers of an Observation with a day; none of anything else."""
    moment = when(resource)
    if resource["resourceType"] != "Observation" or len(moment) < 10:
        return
    what = text_of(resource.get("code", {}), {})
    own = _reading(resource, what, "", moment)
    if own is not None:
        yield own
        return
    parts = [one for one in resource.get("component", []) if isinstance(one, dict)]
    for part in parts:
        found = _reading(part, what, text_of(part.get("code", {}), {}), moment)
        if found is not None:
            yield found


def trends(resources: Iterable[Resource]) -> list[Trend]:
    """What was measured on two days or more, in the order in which it first occurs."""
    groups: dict[tuple[str, str], list[Reading]] = {}
    for resource in resources:
        for reading in readings(resource):
            groups.setdefault((reading.what, reading.unit), []).append(reading)
    made = []
    for (what, unit), mine in groups.items():
        lines: dict[str, list[Reading]] = {reading.line: [] for reading in mine}
        for reading in sorted(
            {reading for reading in mine if reading.exact}, key=lambda reading: (reading.moment, reading.number)
        ):
            lines[reading.line].append(reading)
        kept = {name: tuple(line) for name, line in lines.items() if len({reading.moment[:10] for reading in line}) > 1}
        if kept:
            made.append(Trend(what, unit, kept, sum(not reading.exact for reading in mine)))
    return made


def normal_of(node: Mapping[str, Any]) -> NormalRange | None:
    """The first reference range with a number in it."""
    for given in node.get("referenceRange", []):
        low, high = (_number((given.get(end) or {}).get("value")) for end in ("low", "high"))
        if low is not None or high is not None:
            return NormalRange(low, high)
    return None


def _reading(node: Mapping[str, Any], what: str, line: str, moment: str) -> Reading | None:
    quantity = node.get("valueQuantity")
    number = _number(quantity.get("value")) if isinstance(quantity, dict) else None
    if not isinstance(quantity, dict) or number is None:
        return None
    unit = unit_of({**quantity, "value": "2"})
    return Reading(what, line, unit, moment, number, "comparator" not in quantity, normal_of(node))


def _number(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
