"""Comparing and converting FHIRPath values: equality, order, identity, truth, arithmetic."""

import json
import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhirpathpy.engine import util
from fhirpathpy.engine.invocations import math as library_math
from fhirpathpy.engine.nodes import FP_DateTime, FP_Quantity, FP_Time, FP_TimeBase

from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.nodes import Node

_TEMPORAL = frozenset({"date", "dateTime", "instant"})
_QUANTITIES = frozenset({"Quantity", "SimpleQuantity", "Age", "Duration", "Count", "Distance", "MoneyQuantity"})
_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def plain(item: Any) -> Any:
    """The data behind an item."""
    return item.data if isinstance(item, Node) else item


def with_values(items: list[Any]) -> list[Any]:
    """The items without those that have extensions only."""
    return [item for item in items if not (isinstance(item, Node) and item.data is None)]


def is_number(value: Any) -> bool:
    """Whether a value is an integer or a decimal; a boolean is not."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def truth(items: list[Any]) -> bool:
    """Whether a result counts as true: a single boolean by its value, anything else when it is not empty."""
    if len(items) == 1:
        value = plain(items[0])
        return value if isinstance(value, bool) else True
    return bool(items)


def logical(items: list[Any]) -> bool | None:
    """An operand of and, or, xor, implies: None for empty; several items are an error (singleton evaluation)."""
    if not items:
        return None
    if len(items) > 1:
        raise FhirPathError("FHIRPath: a single value is expected where a boolean is needed")
    return truth(items)


def identity(item: Any) -> tuple[str, Any]:
    """A key that is the same for equal items: for distinct, intersect, subsetOf and the like."""
    value = plain(item)
    if isinstance(value, bool) or value is None:
        return "b", value
    if is_number(value):
        return "n", Decimal(value)
    if isinstance(value, dict | list):
        return "o", json.dumps(value, sort_keys=True, default=str)
    return "s", str(value)


def _typed(item: Any) -> Any:
    """A node's value as the library's date, time or quantity, where its type says so."""
    if not isinstance(item, Node):
        return item
    if item.path in _TEMPORAL:
        return FP_DateTime(item.data) or item.data
    if item.path == "time":
        return FP_Time(item.data) or item.data
    if item.path in _QUANTITIES and isinstance(item.data, dict):
        unit = item.data.get("code") or item.data.get("unit") or "1"
        return FP_Quantity(item.data["value"], f"'{unit}'") if item.data.get("value") is not None else None
    return item.data


def same(a: Any, b: Any) -> bool | None:
    """Whether two items are equal; None when dates of different precision leave it open."""
    left, right = plain(a), plain(b)
    if isinstance(left, str) and isinstance(right, str):
        if left == right:
            return True
        if not (isinstance(a, Node) and isinstance(b, Node) and a.path in _TEMPORAL and b.path in _TEMPORAL):
            return False
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, FP_TimeBase) or isinstance(right, FP_TimeBase) or isinstance(left, str):
        return _same_moment(a, b)
    if isinstance(left, FP_Quantity) or isinstance(right, FP_Quantity):
        left, right = _typed(a), _typed(b)
        return isinstance(left, FP_Quantity) and isinstance(right, FP_Quantity) and bool(left == right)
    return bool(left == right)


def _same_moment(a: Any, b: Any) -> bool | None:
    left, right = (_moment(item) for item in (a, b))
    if left is None or right is None or type(left) is not type(right):
        return False
    order = left.compare(right)
    return None if order is None else order == 0


def _moment(item: Any) -> FP_TimeBase | None:
    value = _typed(item)
    if isinstance(value, str):
        value = FP_DateTime(value) or FP_Time(value)
    return value if isinstance(value, FP_TimeBase) else None


def equal(a: list[Any], b: list[Any]) -> bool | None:
    """The ``=`` operator; None when either side is empty or the answer is open."""
    left, right = with_values(a), with_values(b)
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    answers = [same(x, y) for x, y in zip(left, right, strict=True)]
    return False if False in answers else None if None in answers else True


def equivalent(a: list[Any], b: list[Any]) -> bool:
    """The ``~`` operator: like =, but text without regard to case and spacing, and empty is equivalent to empty."""
    if len(a) != len(b):
        return False

    def normal(item: Any) -> Any:
        value = plain(item)
        return " ".join(value.lower().split()) if isinstance(value, str) else item

    rest = list(b)
    for x in a:
        match = next((i for i, y in enumerate(rest) if same(normal(x), normal(y))), None)
        if match is None:
            return False
        rest.pop(match)
    return True


def compare(sign: str, a: list[Any], b: list[Any]) -> bool | None:
    """The operators < > <= >=; None when either side is empty or the precision of dates leaves it open."""
    left, right = with_values(a), with_values(b)
    if not left or not right:
        return None
    if len(left) > 1 or len(right) > 1:
        raise FhirPathError(f"FHIRPath: {sign} compares single values, not collections")
    x, y = _typed(left[0]), _typed(right[0])
    if isinstance(x, FP_TimeBase) or isinstance(y, FP_TimeBase):
        x, y = _moment(left[0]), _moment(right[0])
        order = x.compare(y) if x is not None and y is not None and type(x) is type(y) else None
        return None if order is None else bool(_ORDERS[sign](order, 0))
    if isinstance(x, FP_Quantity) and isinstance(y, FP_Quantity) and x.unit == y.unit:
        x, y = x.value, y.value
    if (is_number(x) and is_number(y)) or (isinstance(x, str) and isinstance(y, str)):
        return bool(_ORDERS[sign](x, y))
    raise FhirPathError(f"FHIRPath: {sign} cannot compare these two types")


def arithmetic(sign: str, a: list[Any], b: list[Any]) -> list[Any]:
    """The operators + - * / div mod and &."""
    left, right = with_values(a), with_values(b)
    if sign == "&":
        return ["".join(str(plain(item)) for item in _single(left) + _single(right))]
    if not left or not right:
        return []
    x, y = plain(_single(left)[0]), plain(_single(right)[0])
    if is_number(x) and is_number(y):
        return _calculate(sign, x, y)
    if sign in "+-" and not isinstance(x, bool) and not isinstance(y, bool):
        function = library_math.plus if sign == "+" else library_math.minus
        moment = _moment(left[0]) if isinstance(y, FP_Quantity) else None
        return list(util.arraify(function(None, [moment or x], [y])))
    raise FhirPathError(f"FHIRPath: {sign} cannot be applied to these two types")


def _calculate(sign: str, x: Any, y: Any) -> list[Any]:
    if sign in ("/", "div", "mod") and y == 0:
        return []
    if sign == "+":
        return [x + y]
    if sign == "-":
        return [x - y]
    if sign == "*":
        return [x * y]
    if sign == "/":
        return [Decimal(x) / Decimal(y)]
    return [int(Decimal(x) // Decimal(y))] if sign == "div" else [Decimal(x) % Decimal(y)]


def _single(items: list[Any]) -> list[Any]:
    if len(items) > 1:
        raise FhirPathError("FHIRPath: an operator needs single values, not collections")
    return items


def as_text(item: Any) -> str:
    """A value as toString() gives it: true, 1.50, a date as written."""
    value = plain(item)
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)
