"""What expressions work on: collections of plain values, primitives with their extensions, equality and order."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from profiles.validation.rules.formats import compare_dates

Items = list[Any]


STEPS: Final = 2_000_000


class Unsupported(Exception):
    """The expression uses something that this compiler does not cover, or is not FHIRPath."""


class BudgetExceeded(Exception):
    """An evaluation took more steps than allowed."""


@dataclass(slots=True)
class Env:
    """What an evaluation knows besides its focus."""

    resource: Any = None
    root: Any = None
    context: Any = None
    resolve: Callable[[Any], Any] | None = None
    member: Callable[[Any, str], bool | None] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    steps: int = STEPS

    def spend(self, count: int) -> None:
        """Count work; raises BudgetExceeded when there was too much."""
        self.steps -= count
        if self.steps < 0:
            raise BudgetExceeded


class Prim:
    """A primitive with what FHIR JSON keeps beside it (``_name``: id and extensions)."""

    __slots__ = ("element", "value")

    def __init__(self, value: Any, element: Mapping[str, Any]) -> None:
        self.value = value
        self.element = element


def bare(item: Any) -> Any:
    """The plain value of an item."""
    return item.value if type(item) is Prim else item


def children_of(item: Any) -> Items:
    """All direct children of an item, primitives with their extensions."""
    if type(item) is Prim:
        return children_of(dict(item.element))
    if not isinstance(item, dict):
        return []
    found: Items = []
    for key in item:
        if key == "resourceType" or (key[0:1] == "_" and key[1:] in item):
            continue
        found.extend(step([item], key.lstrip("_")))
    return found


def _joined(value: Any, sibling: Any, out: Items) -> None:
    """Append a primitive (or a list of them) together with its ``_name`` sibling."""
    if isinstance(value, list) or isinstance(sibling, list):
        values = value if isinstance(value, list) else []
        siblings = sibling if isinstance(sibling, list) else []
        for index in range(max(len(values), len(siblings))):
            one = values[index] if index < len(values) else None
            other = siblings[index] if index < len(siblings) else None
            if one is not None or isinstance(other, dict):
                out.append(Prim(one, other) if isinstance(other, dict) else one)
    elif isinstance(sibling, dict):
        out.append(Prim(value, sibling))
    elif value is not None:
        out.append(value)


def step(focus: Items, name: str) -> Items:
    """The children of that name of every item; a choice is found by the name without its type."""
    out: Items = []
    for one in focus:
        item = one.element if type(one) is Prim else one
        if not isinstance(item, dict):
            continue
        value = item.get(name)
        sibling = item.get("_" + name)
        if value is None and sibling is None:
            length = len(name)
            for key in item:
                if len(key) > length and key[0] != "_" and key[length].isupper() and key.startswith(name):
                    value, sibling = item[key], item.get("_" + key)
                    break
            else:
                if item.get("resourceType") == name:
                    out.append(item)
                continue
        if sibling is not None:
            _joined(value, sibling, out)
        elif type(value) is list:
            out.extend([each for each in value if each is not None])
        else:
            out.append(value)
    return out


def truth(items: Items) -> bool | None:
    """Singleton evaluation as a boolean: empty is None, one non-boolean item is true."""
    if not items:
        return None
    value = bare(items[0])
    return value if isinstance(value, bool) else True


def as_list(value: bool | None) -> Items:
    """A boolean back into a collection."""
    return [] if value is None else [value]


def same(left: Any, right: Any) -> bool:
    """Equality of two items."""
    left, right = bare(left), bare(right)
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T.*)?)?)?\Z")


def compared(left: Any, right: Any) -> int | None:
    """-1, 0 or 1, or None when the two cannot be ordered (other kinds, or precisions that overlap)."""
    left, right = bare(left), bare(right)
    if isinstance(left, dict) and isinstance(right, dict) and "value" in left and "value" in right:
        units = [(one.get("system"), one.get("code"), one.get("unit")) for one in (left, right)]
        return compared(left["value"], right["value"]) if units[0] == units[1] else None
    if isinstance(left, dict) and "value" in left and not isinstance(right, dict):
        left = left["value"]
    if isinstance(left, str) and isinstance(right, str):
        if _DATE.match(left) and _DATE.match(right):
            return compare_dates(left, right)
        return (left > right) - (left < right)
    numbers = (int, Decimal, float)
    if isinstance(left, numbers) and isinstance(right, numbers):
        return (left > right) - (left < right)
    return None


def key_of(item: Any) -> Any:
    """Something hashable that equal items share."""
    value = bare(item)
    if isinstance(value, dict):
        return frozenset((key, key_of(child)) for key, child in value.items())
    if isinstance(value, list):
        return tuple(map(key_of, value))
    return (isinstance(value, bool), value)


def distinct(items: Items) -> Items:
    """The items without repetitions, in their order."""
    return list({key_of(item): item for item in reversed(items)}.values())[::-1]
