"""Equality, equivalence and order of items (FHIRPath N1, sections 6.1 and 6.2): the one place where both stand."""

from decimal import Decimal
from typing import Any, Final

from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.items import ElementNode, Items, bare, valued
from profiles.fhirpath.moments import Moment, moment, order_of
from profiles.fhirpath.numbers import ROUNDING, as_decimal, exact, is_number
from profiles.fhirpath.quantities import Quantity, quantity_of, side_by_side

TEMPORAL: Final = frozenset({"date", "dateTime", "instant", "time"})
QUANTITIES: Final = frozenset(
    {"Quantity", "SimpleQuantity", "Age", "Duration", "Count", "Distance", "MoneyQuantity", "Money"}
)
_EXACT: Final = (int, Decimal)
MAX_MATCHED: Final = 2_000
"""The longest collections that are compared without regard to order."""


def system_value(item: Any) -> Any:
    """An item as a value of the language: dates, times and quantities by the type of the element, else plain."""
    if type(item) is not ElementNode:
        return item
    data = item.data
    if isinstance(data, str) and item.path in TEMPORAL:
        return moment(data) or data
    if type(data) is dict and item.path in QUANTITIES:
        return quantity_of(data) or data
    return data


def same(a: Any, b: Any) -> bool | None:
    """Whether two items are equal; None when it cannot be told (dates of other precision, units of unknown ratio)."""
    left, right = bare(a), bare(b)
    if type(left) is str and type(right) is str:
        if left == right:
            return True
        if type(a) is not ElementNode or type(b) is not ElementNode:
            return False
    elif isinstance(left, bool) or isinstance(right, bool):
        return left is right
    elif is_number(left) and is_number(right):
        return bool(as_decimal(left) == as_decimal(right))
    elif (type(left) is str and is_number(right)) or (type(right) is str and is_number(left)):
        # Beside the standard, with the reference engine: national scripts write ``code = 118185001`` without quotes.
        return str(left) == str(right)
    left, right = _alike(system_value(a), system_value(b))
    if isinstance(left, Moment) and isinstance(right, Moment):
        if (left.kind == "Time") != (right.kind == "Time"):
            return False
        order = order_of(left, right)
        return None if order is None else order == 0
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        pair = side_by_side(left, right)
        return None if pair is None else pair[0] == pair[1]
    return same_data(left, right)


def same_data(left: Any, right: Any) -> bool:
    """Whether two pieces of plain data are equal, all the way down; ``true`` is no number."""
    if isinstance(left, dict):
        return left is right or (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(same_data(left[key], right[key]) for key in left)
        )
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(same_data, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if is_number(left) and is_number(right):
        return bool(as_decimal(left) == as_decimal(right))
    return type(left) is type(right) and bool(left == right)


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Two values brought to one type where the language converts: text beside a date, a number beside a quantity."""
    if isinstance(left, Moment) != isinstance(right, Moment):
        return _as_moment(left), _as_moment(right)
    if isinstance(left, Quantity) != isinstance(right, Quantity) or (isinstance(left, dict) != isinstance(right, dict)):
        return _as_quantity(left), _as_quantity(right)
    return left, right


def _as_moment(value: Any) -> Any:
    return (moment(value) or value) if isinstance(value, str) else value


def _as_quantity(value: Any) -> Any:
    if type(value) is dict:
        return quantity_of(value) or value
    return Quantity(as_decimal(value)) if is_number(value) else value


def equal(a: Items, b: Items) -> bool | None:
    """The ``=`` operator on collections; None when either side is empty or the answer is open."""
    a, b = valued(a), valued(b)
    if not a or not b:
        return None
    if len(a) == 1 and len(b) == 1:
        return same(a[0], b[0])
    if len(a) != len(b):
        return False
    answers = [same(x, y) for x, y in zip(a, b, strict=True)]
    return False if False in answers else None if None in answers else True


def equivalent(a: Items, b: Items) -> bool:
    """The ``~`` operator: without regard to order, case and spacing of text, and digits that one side does not have."""
    if len(a) != len(b):
        return False
    if len(a) > MAX_MATCHED:
        raise FhirPathError(f"FHIRPath: collections of more than {MAX_MATCHED} items are not compared by ~")
    rest = [system_value(item) for item in b]
    for item in a:
        value = system_value(item)
        match = next((index for index, other in enumerate(rest) if _equivalent(value, other)), None)
        if match is None:
            return False
        rest.pop(match)
    return True


def _equivalent(a: Any, b: Any) -> bool:
    left, right = _alike(a, b)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, str) and isinstance(right, str):
        return " ".join(left.lower().split()) == " ".join(right.lower().split())
    if is_number(left) and is_number(right):
        return _equal_in_common_digits(exact(left), exact(right))
    if isinstance(left, Moment) and isinstance(right, Moment):
        return (
            left.precision == right.precision
            and (left.kind == "Time") == (right.kind == "Time")
            and order_of(left, right) == 0
        )
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        pair = side_by_side(left, right, loosely=True)
        return pair is not None and _equal_in_common_digits(*pair)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equivalent(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return equivalent(left, right)
    return type(left) is type(right) and bool(left == right)


def _equal_in_common_digits(left: Decimal, right: Decimal) -> bool:
    if left == right:
        return True
    exponents = [one.normalize().as_tuple().exponent for one in (left, right)]
    coarsest = max(one if isinstance(one, int) else 0 for one in exponents)
    digits = Decimal(1).scaleb(min(coarsest, 0))
    return left.quantize(digits, context=ROUNDING) == right.quantize(digits, context=ROUNDING)


def order(a: Any, b: Any) -> int | None:
    """-1, 0 or 1 for two items; None when it is not known. FhirPathError when their types have no order together."""
    if type(a) in _EXACT and type(b) in _EXACT:
        return int(a > b) - int(a < b)
    left, right = _alike(system_value(a), system_value(b))
    if is_number(left) and is_number(right):
        x, y = exact(left), exact(right)
        return (x > y) - (x < y)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    if isinstance(left, Moment) and isinstance(right, Moment):
        return order_of(left, right)
    if type(left) is dict and type(right) is dict:
        left, right = _as_quantity(left), _as_quantity(right)
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        pair = side_by_side(left, right)
        return None if pair is None else (pair[0] > pair[1]) - (pair[0] < pair[1])
    raise FhirPathError("FHIRPath: two values of these types have no order")


def compared(a: Items, b: Items) -> int | None:
    """The order of two collections of one item; None when either is empty or the order is not known."""
    a, b = valued(a), valued(b)
    if not a or not b:
        return None
    if len(a) > 1 or len(b) > 1:
        raise FhirPathError("FHIRPath: single values are compared, not collections")
    return order(a[0], b[0])
