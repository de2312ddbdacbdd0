"""The mathematical functions of FHIRPath (section 5.7), and sums over a collection."""

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import reduce
from typing import Any, Final

from profiles.fhirpath.arithmetic import calculated, truncated
from profiles.fhirpath.equality import order, system_value
from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.items import Items, bare, valued
from profiles.fhirpath.makers import FunctionRow, on_items, on_value
from profiles.fhirpath.numbers import QUOTIENT, exact, is_number, kept


def _on_number(run: Callable[..., Any], least: int = 0, most: int | None = None) -> FunctionRow:
    def checked(*values: Any) -> Any:
        if not all(map(is_number, values)):
            raise FhirPathError("FHIRPath: a number is expected")
        try:
            found = run(*values)
        except ArithmeticError:
            return None
        return None if found is None else kept(found)

    return on_value(checked, least, most)


def _whole(rounding: str) -> Callable[[Any], int]:
    return lambda value: int(exact(value).to_integral_value(rounding))


def _power(base: Any, exponent: Any) -> Any:
    if base < 0 and exponent != int(exponent):
        return None
    found = QUOTIENT.power(exact(base), exact(exponent))
    whole = type(base) is int and type(exponent) is int and exponent >= 0
    return base**exponent if whole and abs(found) < 10**60 and exponent < 1_000 else found


def _rounded(value: Any, places: Any = 0) -> Decimal | None:
    if type(places) is not int or not 0 <= places <= 28:
        return None
    return exact(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _logarithm(value: Any, base: Any) -> Decimal | None:
    if value <= 0 or base <= 0 or base == 1:
        return None
    tenth = QUOTIENT.divide(QUOTIENT.ln(exact(value)), QUOTIENT.ln(exact(base)))
    return tenth.quantize(Decimal("1E-20")).normalize()


def _root(value: Any) -> Decimal | None:
    return None if value < 0 else QUOTIENT.sqrt(exact(value))


def _absolute(value: Any) -> Any:
    return abs(value)


def _summed(items: Items) -> Items:
    items = valued(items)
    return reduce(lambda total, item: calculated("+", total, [item]), items[1:], items[:1])


def _average(items: Items) -> Items:
    items = valued(items)
    return calculated("/", _summed(items), [len(items)]) if items else []


def _extreme(sign: int) -> Callable[[Items], Items]:
    def run(items: Items) -> Items:
        best = valued(items)[:1]
        for item in valued(items)[1:]:
            after = order(item, best[0])
            if after is None:
                return []
            if after == sign:
                best = [item]
        return [system_value(item) if isinstance(bare(item), dict) else bare(item) for item in best]

    return run


MATHEMATICS: Final[dict[str, FunctionRow]] = {
    "abs": _on_number(_absolute),
    "ceiling": _on_number(_whole(ROUND_CEILING)),
    "floor": _on_number(_whole(ROUND_FLOOR)),
    "truncate": _on_number(lambda value: truncated(exact(value))),
    "round": _on_number(_rounded, 0, 1),
    "exp": _on_number(lambda value: QUOTIENT.exp(exact(value))),
    "ln": _on_number(lambda value: QUOTIENT.ln(exact(value)) if value > 0 else None),
    "log": _on_number(_logarithm, 1),
    "power": _on_number(_power, 1),
    "sqrt": _on_number(_root),
    "sum": on_items(_summed),
    "avg": on_items(_average),
    "min": on_items(_extreme(-1)),
    "max": on_items(_extreme(1)),
}
"""Functions of numbers, by name."""
