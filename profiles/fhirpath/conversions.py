"""The conversions of FHIRPath (section 5.5): each toX() with its convertsToX()."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from profiles.fhirpath.equality import system_value
from profiles.fhirpath.evaluation import Closure, Evaluation
from profiles.fhirpath.items import Items, single, valued
from profiles.fhirpath.makers import FunctionRow
from profiles.fhirpath.moments import Moment, moment
from profiles.fhirpath.numbers import exact, is_number
from profiles.fhirpath.quantities import CALENDAR, Quantity
from profiles.fhirpath.values import as_text

_TRUE: Final = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE: Final = frozenset({"false", "f", "no", "n", "0", "0.0"})
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII).fullmatch
_DECIMAL: Final = re.compile(r"[+-]?\d{1,60}(?:\.\d{1,60})?", re.ASCII).fullmatch
_QUANTITY: Final = re.compile(r"([+-]?\d{1,60}(?:\.\d{1,60})?)\s*(?:'([^']+)'|([a-z]+))?", re.ASCII).fullmatch


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if is_number(value):
        return True if value == 1 else False if value == 0 else None
    text = value.lower() if isinstance(value, str) else ""
    return True if text in _TRUE else False if text in _FALSE else None


def _integer(value: Any) -> int | None:
    if isinstance(value, bool | int):
        return int(value)
    return int(value) if isinstance(value, str) and _INTEGER(value) else None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or is_number(value):
        return exact(int(value) if isinstance(value, bool) else value)
    return Decimal(value) if isinstance(value, str) and _DECIMAL(value) else None


def _string(value: Any) -> str | None:
    return None if isinstance(value, dict | list) else as_text(value)


def _moment(*kinds: str) -> Callable[[Any], Moment | None]:
    def convert(value: Any) -> Moment | None:
        found = moment(value) if isinstance(value, str) else value
        if not isinstance(found, Moment) or (found.kind == "Time") != ("Time" in kinds):
            return None
        if found.kind == "DateTime" and "DateTime" not in kinds:
            return moment(found.text.partition("T")[0])
        return moment(f"{found.text}T", literal=True) if found.kind == "Date" and "Date" not in kinds else found

    return convert


def _quantity(value: Any) -> Quantity | None:
    if isinstance(value, Quantity):
        return value
    if isinstance(value, bool) or is_number(value):
        return Quantity(exact(int(value) if isinstance(value, bool) else value))
    found = _QUANTITY(value) if isinstance(value, str) else None
    if found is None or (found[3] and found[3] not in CALENDAR):
        return None
    number = Decimal(found[1])
    return Quantity(number, CALENDAR[found[3]], calendar=True) if found[3] else Quantity(number, found[2] or "1")


def _converted(convert: Callable[[Any], Any], name: str, *, asked: bool) -> FunctionRow:
    def make(left: Closure, arguments: list[Closure]) -> Closure:
        def run(focus: Items, env: Evaluation) -> Items:
            items = valued(left(focus, env))
            if not items:
                return []
            single(items, name)
            found = convert(system_value(items[0]))
            return [found is not None] if asked else [] if found is None else [found]

        return run

    return FunctionRow(0, 1 if name == "Quantity" else 0, make)


_TARGETS: Final[dict[str, Callable[[Any], Any]]] = {
    "Boolean": _boolean,
    "Integer": _integer,
    "Decimal": _decimal,
    "String": _string,
    "Date": _moment("Date"),
    "DateTime": _moment("DateTime"),
    "Time": _moment("Time"),
    "Quantity": _quantity,
}
CONVERSIONS: Final[dict[str, FunctionRow]] = {
    **{f"to{name}": _converted(convert, name, asked=False) for name, convert in _TARGETS.items()},
    **{f"convertsTo{name}": _converted(convert, name, asked=True) for name, convert in _TARGETS.items()},
}
"""Conversions, by name."""
