"""Where a search parameter finds its values: simple paths, compiled once to closures.

A path is a row of steps joined by dots; lists are walked by themselves. A step is an element name, or
``extension('url')``. Paths that no row of steps can say are functions with a name: ``period-of-use()`` and
``first(a, b)`` (the value of the first path that has one). Alternatives are separated by ``|``.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from profiles.fhir.search.dates import span
from profiles.fhir.tree import Resource

Extract = Callable[[Resource], list[Any]]
"""Takes a resource, gives the nodes that a path points at."""

_STEP = re.compile(r"extension\('([^']+)'\)|([A-Za-z]+)")
_NICTIZ = "http://nictiz.nl/fhir/StructureDefinition/"
_PERIODS_OF_USE = (_NICTIZ + "zib-Medication-PeriodOfUse", _NICTIZ + "ext-TimeInterval.Period")
_DURATIONS = (_NICTIZ + "zib-MedicationUse-Duration", _NICTIZ + "ext-TimeInterval.Duration")
PERIOD_OF_USE = "period-of-use()"
PERIOD_URLS = frozenset((*_PERIODS_OF_USE, *_DURATIONS))
"""The extensions that `periods_of_use` looks at; besides them it takes ``effectivePeriod``."""

_UNITS = {
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "wk": timedelta(weeks=1),
    "mo": timedelta(days=30),
    "a": timedelta(days=365),
}


def compile_path(text: str) -> Extract:
    """Compile a path expression; ValueError when it is not one."""
    parts = [_compile_one(part.strip()) for part in text.split(" | ")]
    if len(parts) == 1:
        return parts[0]
    return lambda resource: [node for part in parts for node in part(resource)]


def alternatives(text: str) -> list[str]:
    """The rows of steps that an expression consists of; of functions only ``first`` has any."""
    parts = []
    for part in text.split(" | "):
        inner = part.strip()
        if inner.startswith("first(") and inner.endswith(")"):
            parts += [one.strip() for one in inner[6:-1].split(",")]
        elif not inner.endswith("()"):
            parts.append(inner)
    return parts


def _compile_one(text: str) -> Extract:
    if text == PERIOD_OF_USE:
        return periods_of_use
    if text == "unsupported()":
        return lambda _resource: []
    if text.startswith("first(") and text.endswith(")"):
        return _first([_compile_one(part.strip()) for part in text[6:-1].split(",")])
    found = list(steps(text))
    if len(found) == 1 and isinstance(found[0], str):
        return _field(found[0])
    return _walk(found)


def steps(text: str) -> Iterator[str | tuple[str]]:
    """The steps of one row: element names as text, extension urls as a tuple of one."""
    position = 0
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None or text[found.end() : found.end() + 1] not in ("", "."):
            raise ValueError(f"not a search path: {text}")
        url, name = found.groups()
        yield (url,) if url else name
        position = found.end() + 1


def _field(name: str) -> Extract:
    def extract(resource: Resource) -> list[Any]:
        value = resource.get(name)
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    return extract


def _walk(steps: list[str | tuple[str]]) -> Extract:
    def extract(resource: Resource) -> list[Any]:
        nodes: list[Any] = [resource]
        for step in steps:
            nodes = _children(nodes, step) if isinstance(step, str) else _extensions(nodes, step[0])
            if not nodes:
                break
        return nodes

    return extract


def _children(nodes: list[Any], name: str) -> list[Any]:
    below: list[Any] = []
    for node in nodes:
        value = node.get(name) if isinstance(node, dict) else None
        if isinstance(value, list):
            below.extend(value)
        elif value is not None:
            below.append(value)
    return below


def _extensions(nodes: list[Any], url: str) -> list[Any]:
    return [
        extension
        for extension in _children(nodes, "extension")
        if isinstance(extension, dict) and extension.get("url") == url
    ]


def _first(parts: list[Extract]) -> Extract:
    def extract(resource: Resource) -> list[Any]:
        for part in parts:
            if nodes := part(resource):
                return nodes
        return []

    return extract


def periods_of_use(resource: Resource) -> list[Any]:
    """The periods in which a medicine is to be used, with a missing boundary worked out from the duration.

    Source: SearchParameter periodofuse (zib2017) and period-of-use (medication process 9). The period is an extension
    of the request or dispense, and ``effectivePeriod`` of a MedicationStatement. The duration is an extension next to
    the period (STU3) or inside it (R4). A period that stays open at its end reaches into the future.
    """
    periods = [
        period
        for url in _PERIODS_OF_USE
        for period in _children(_extensions([resource], url), "valuePeriod")
        if isinstance(period, dict)
    ]
    if isinstance(effective := resource.get("effectivePeriod"), dict):
        periods.append(effective)
    return [_completed(period, _duration([period, resource])) for period in periods]


def _duration(holders: list[Any]) -> timedelta | None:
    for holder in holders:
        for key in ("extension", "modifierExtension"):
            for extension in _children([holder], key):
                if not isinstance(extension, dict) or extension.get("url") not in _DURATIONS:
                    continue
                quantity = extension.get("valueDuration")
                unit = _UNITS.get(str(quantity.get("code"))) if isinstance(quantity, dict) else None
                amount = quantity.get("value") if isinstance(quantity, dict) else None
                if unit is not None and isinstance(amount, int | Decimal) and 0 <= amount < 100_000:
                    return unit * float(amount)
    return None


def _completed(period: dict[str, Any], duration: timedelta | None) -> dict[str, Any]:
    if duration is None or ("start" in period) == ("end" in period):
        return period
    known, missing, sign = ("start", "end", 1) if "start" in period else ("end", "start", -1)
    at = span(period[known]) if isinstance(period[known], str) else None
    if at is None:
        return period
    try:
        # A use of seven days from the 1st ends with the 7th: the end of a period is inclusive (by its precision).
        moment = at.low + duration - timedelta(seconds=1) if sign > 0 else at.high - duration
    except OverflowError:
        return period
    zone = moment.replace(tzinfo=at.zone)
    return {**period, missing: zone.isoformat(timespec="seconds")}
