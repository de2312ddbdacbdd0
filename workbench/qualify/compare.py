"""The operators of asserts, on text as TestScript compares it."""

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation


class UnknownOperator(ValueError):
    """An operator that this engine does not know."""


def _alternatives(wanted: str) -> list[str]:
    return [part.strip() for part in wanted.split(",")]


def _ordered(sign: int) -> Callable[[str, str], bool]:
    def test(found: str, wanted: str) -> bool:
        try:
            a, b = Decimal(found), Decimal(wanted)
            return (a > b) - (a < b) == sign
        except InvalidOperation:
            return (found > wanted) - (found < wanted) == sign

    return test


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "equals": lambda found, wanted: found == wanted,
    "notEquals": lambda found, wanted: found != wanted,
    "in": lambda found, wanted: found in _alternatives(wanted),
    "notIn": lambda found, wanted: found not in _alternatives(wanted),
    "contains": lambda found, wanted: wanted in found,
    "notContains": lambda found, wanted: wanted not in found,
    "greaterThan": _ordered(1),
    "lessThan": _ordered(-1),
}
_EMPTINESS = {"empty": True, "notEmpty": False}
_NEGATIVE = frozenset({"notEquals", "notIn", "notContains"})


def holds(operator: str | None, actual: Sequence[str], wanted: str) -> bool:
    """Whether the values found stand in this relation to the value wanted.

    No value satisfies only ``empty`` and the negative operators; of several values all must satisfy a negative
    operator, while for the others they count as one text, joined by commas. UnknownOperator for any other name.
    """
    name = operator or "equals"
    if name in _EMPTINESS:
        return (not any(actual)) is _EMPTINESS[name]
    test = _TESTS.get(name)
    if test is None:
        raise UnknownOperator(f"the operator {name!r} is not known")
    if not actual or name in _NEGATIVE:
        return name in _NEGATIVE and all(test(value, wanted) for value in actual)
    return test(",".join(actual), wanted)


def difference(wanted: object, actual: object, path: str = "") -> str | None:
    """Where ``found`` lacks something that ``wanted`` has (minimumId); None when it has everything.

    Properties of ``wanted`` must be in ``found`` with the same value; each item of a list must be matched by some item.
    """
    if isinstance(wanted, dict):
        if not isinstance(actual, dict):
            return f"{path} is missing"
        for name, value in wanted.items():
            place = f"{path}.{name}"
            fault = difference(value, actual[name], place) if name in actual else f"{place} is missing"
            if fault:
                return fault.lstrip(".")
        return None
    if isinstance(wanted, list):
        items = actual if isinstance(actual, list) else []
        for index, value in enumerate(wanted):
            if all(difference(value, item, path) for item in items):
                return f"{path}[{index}] is not in the answer"
        return None
    same = wanted == actual and isinstance(wanted, bool) == isinstance(actual, bool)
    return None if same else f"{path} is {actual!r}, not {wanted!r}"
