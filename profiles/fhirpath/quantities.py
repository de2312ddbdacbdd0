"""Quantities: a number with a unit, compared where the units are of one kind (FHIRPath N1, sections 4.1.9 and 6.1)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from profiles.fhirpath.numbers import EXACT

CALENDAR: Final = {
    one: unit
    for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for one in (unit, f"{unit}s")
}
"""The words for calendar time that may stand behind a number, with the unit that each means."""

_KINDS: Final[dict[str, dict[str, str]]] = {
    "mass": {"kg": "1000", "g": "1", "mg": "0.001", "ug": "0.000001", "ng": "0.000000001"},
    "length": {"km": "1000", "m": "1", "cm": "0.01", "mm": "0.001", "um": "0.000001"},
    "volume": {"L": "1", "l": "1", "dL": "0.1", "dl": "0.1", "cL": "0.01", "cl": "0.01", "mL": "0.001", "ml": "0.001"},
    "time": {"wk": "604800", "d": "86400", "h": "3600", "min": "60", "s": "1", "ms": "0.001"},
    "calendar": {
        "week": "604800",
        "day": "86400",
        "hour": "3600",
        "minute": "60",
    },
    "months": {"year": "12", "month": "1"},
    "mean months": {"a": "12", "mo": "1"},
    "one": {"1": "1", "": "1", "%": "0.01"},
}
"""Units of which the ratio is known. Any other unit compares with itself only: what cannot be told is not said."""
_RATIOS: Final = {unit: (kind, Decimal(ratio)) for kind, units in _KINDS.items() for unit, ratio in units.items()}
_UCUM_OF: Final = {
    "year": "a",
    "month": "mo",
    "week": "wk",
    "day": "d",
    "hour": "h",
    "minute": "min",
    "second": "s",
    "millisecond": "ms",
}
_SAME_BY_DEFINITION: Final = frozenset({"second", "millisecond"})


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and its unit: a UCUM code, or (``calendar``) a word for calendar time in the singular."""

    value: Decimal
    unit: str = "1"
    calendar: bool = False

    def __str__(self) -> str:
        if self.calendar:
            return f"{self.value:f} {self.unit}{'' if self.value == 1 else 's'}"
        return f"{self.value:f} '{self.unit}'"


def quantity_of(data: Any) -> Quantity | None:
    """The quantity that a FHIR Quantity (or one of its kinds) holds; None when it has no value."""
    value = data.get("value") if isinstance(data, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    unit = data.get("code") or data.get("currency") or data.get("unit") or "1"
    return Quantity(Decimal(value), unit if isinstance(unit, str) else "1")


def side_by_side(a: Quantity, b: Quantity, *, loosely: bool = False) -> tuple[Decimal, Decimal] | None:
    """The two numbers in one unit; None when it cannot be told that the units are of one kind.

    Calendar time above seconds is of another kind than definite time, save ``loosely`` (equivalence).
    """
    unit_a, unit_b = (_unit(one, loosely) for one in (a, b))
    if unit_a == unit_b:
        return a.value, b.value
    known_a, known_b = _RATIOS.get(unit_a), _RATIOS.get(unit_b)
    if known_a is None or known_b is None or known_a[0] != known_b[0]:
        return None
    return EXACT.multiply(a.value, known_a[1]), EXACT.multiply(b.value, known_b[1])


def _unit(one: Quantity, loosely: bool) -> str:
    return _UCUM_OF[one.unit] if one.calendar and (loosely or one.unit in _SAME_BY_DEFINITION) else one.unit
