"""The operators + - * / div mod and & (FHIRPath N1, section 6.6)."""

from decimal import ROUND_DOWN, Decimal
from typing import Any

from profiles.fhirpath.equality import system_value
from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.evaluation import MAX_TEXT
from profiles.fhirpath.items import Items, single, valued
from profiles.fhirpath.moments import Moment, moment, moved
from profiles.fhirpath.numbers import EXACT, QUOTIENT, exact, is_number, kept
from profiles.fhirpath.quantities import Quantity, side_by_side
from profiles.fhirpath.values import as_text


def concatenated(a: Items, b: Items) -> Items:
    """``&``: text beside text, an empty side counts as no text."""
    left, right = single(valued(a), "&"), single(valued(b), "&")
    return [_joined("" if left is None else as_text(left), "" if right is None else as_text(right))]


def _joined(left: str, right: str) -> str:
    if len(left) + len(right) > MAX_TEXT:
        raise FhirPathError("FHIRPath: + and & give too long a text")
    return left + right


def calculated(sign: str, a: Items, b: Items) -> Items:
    """One of + - * / div mod on two single items; empty when either is, or when there is no such number."""
    a, b = valued(a), valued(b)
    if not a or not b:
        return []
    single(a, sign)
    single(b, sign)
    left, right = system_value(a[0]), system_value(b[0])
    if is_number(left) and is_number(right):
        return _numbers(sign, left, right)
    if isinstance(right, Quantity) and sign in ("+", "-"):
        start = moment(left) if isinstance(left, str) else left
        if isinstance(start, Moment):
            found = moved(start, right, 1 if sign == "+" else -1)
            return [] if found is None else [found]
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return _quantities(sign, left, right)
    if sign == "+" and isinstance(left, str) and isinstance(right, str):
        return [_joined(left, right)]
    raise FhirPathError(f"FHIRPath: {sign} cannot be applied to these two types")


def _numbers(sign: str, left: Any, right: Any) -> Items:
    if sign in ("/", "div", "mod") and right == 0:
        return []
    if type(left) is int and type(right) is int and sign in ("+", "-", "*"):
        if max(left.bit_length(), right.bit_length()) > 1_000:
            return []
        return kept(left + right if sign == "+" else left - right if sign == "-" else left * right)
    x, y = exact(left), exact(right)
    if sign == "/":
        return kept(QUOTIENT.divide(x, y))
    if sign in ("div", "mod"):
        return _whole_division(sign, x, y, type(left) is int and type(right) is int)
    return kept({"+": EXACT.add, "-": EXACT.subtract, "*": EXACT.multiply}[sign](x, y))


def _whole_division(sign: str, x: Decimal, y: Decimal, integers: bool) -> Items:
    """div truncates toward zero; mod is what remains then, with the sign of the dividend."""
    if x.adjusted() - y.adjusted() >= 59:
        return []
    quotient = EXACT.divide_int(x, y)
    if sign == "div":
        return kept(int(quotient))
    rest = EXACT.remainder(x, y)
    return [int(rest) if integers else rest]


def _quantities(sign: str, left: Any, right: Any) -> Items:
    this, other = (Quantity(exact(side)) if is_number(side) else side for side in (left, right))
    if not isinstance(this, Quantity) or not isinstance(other, Quantity):
        raise FhirPathError(f"FHIRPath: {sign} cannot be applied to these two types")
    if sign in ("+", "-"):
        if this.unit != other.unit and (pair := side_by_side(other, Quantity(Decimal(1), this.unit, this.calendar))):
            other = Quantity(QUOTIENT.divide(*pair), this.unit, this.calendar)
        if this.unit != other.unit:
            return []
        values = _numbers(sign, this.value, other.value)
        return [Quantity(value, this.unit, this.calendar) for value in values]
    units = {this.unit, other.unit}
    if sign == "/" and len(units) == 1:
        unit = "1"
    elif other.unit == "1" and sign in ("*", "/"):
        unit = this.unit
    elif this.unit == "1" and sign == "*":
        unit = other.unit
    else:
        return []
    values = _numbers(sign, this.value, other.value)
    return [Quantity(Decimal(value), unit, (this.calendar or other.calendar) and unit != "1") for value in values]


def negated(items: Items, *, negative: bool) -> Items:
    """The operators - and + in front of one number or quantity."""
    items = valued(items)
    if not items:
        return []
    single(items, "a sign")
    value = system_value(items[0])
    if isinstance(value, Quantity):
        return [Quantity(-value.value, value.unit, value.calendar) if negative else value]
    if not is_number(value):
        raise FhirPathError("FHIRPath: a sign needs a single number")
    return [-value if negative else value]


def truncated(value: Decimal) -> int:
    """A decimal without its fraction."""
    return int(exact(value).to_integral_value(ROUND_DOWN))
