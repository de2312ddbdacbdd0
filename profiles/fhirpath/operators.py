"""The operators between two collections, and three-valued logic (FHIRPath N1, sections 6.1 to 6.6)."""

from collections.abc import Callable
from functools import partial
from typing import Final

from profiles.fhirpath.arithmetic import calculated, concatenated
from profiles.fhirpath.equality import compared, equal, equivalent, same
from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.evaluation import Closure, Evaluation
from profiles.fhirpath.items import Items, distinct, operand, valued

OnItems = Callable[[Items, Items], Items]


def _answer(value: bool | None) -> Items:
    return [] if value is None else [value]


def _equals(a: Items, b: Items) -> Items:
    found = equal(a, b)
    return [] if found is None else [found]


def _differs(a: Items, b: Items) -> Items:
    found = equal(a, b)
    return [] if found is None else [not found]


def _ordered(test: Callable[[int], bool]) -> OnItems:
    def run(a: Items, b: Items) -> Items:
        found = compared(a, b)
        return [] if found is None else [test(found)]

    return run


def _inside(single: Items, many: Items) -> Items:
    single = valued(single)
    if not single:
        return []
    if len(single) > 1:
        raise FhirPathError("FHIRPath: in and contains need a single item")
    answers = [same(single[0], other) for other in many]
    return [True] if True in answers else [] if None in answers else [False]


OPERATORS: Final[dict[str, OnItems]] = {
    "=": _equals,
    "!=": _differs,
    "~": lambda a, b: [equivalent(a, b)],
    "!~": lambda a, b: [not equivalent(a, b)],
    "<": _ordered(lambda found: found < 0),
    ">": _ordered(lambda found: found > 0),
    "<=": _ordered(lambda found: found <= 0),
    ">=": _ordered(lambda found: found >= 0),
    "in": _inside,
    "contains": lambda a, b: _inside(b, a),
    "|": lambda a, b: distinct([*a, *b]),
    "&": concatenated,
    **{sign: partial(calculated, sign) for sign in ("+", "-", "*", "/", "div", "mod")},
}
"""Every operator that looks at both sides, by its sign."""


def _settled(on_left: bool, on_right: bool, answer: bool) -> Callable[[Closure, Closure], Closure]:
    """An operator of three-valued logic: one side alone can settle it (``answer``), otherwise both must be known."""

    def joined(left: Closure, right: Closure) -> Closure:
        def run(focus: Items, env: Evaluation) -> Items:
            a = operand(left(focus, env))
            if a is on_left:
                return [answer]
            b = operand(right(focus, env))
            return [answer] if b is on_right else [] if a is None or b is None else [not answer]

        return run

    return joined


both = _settled(False, False, False)
"""``and``: false when either side is."""
either = _settled(True, True, True)
"""``or``: true when either side is."""
_implied = _settled(False, True, True)
"""``implies``: true when the left side is false or the right side true."""


def _one_of_two(left: Closure, right: Closure) -> Closure:
    def run(focus: Items, env: Evaluation) -> Items:
        a, b = operand(left(focus, env)), operand(right(focus, env))
        return _answer(None if a is None or b is None else a is not b)

    return run


LOGIC: Final[dict[str, Callable[[Closure, Closure], Closure]]] = {
    "and": both,
    "or": either,
    "implies": _implied,
    "xor": _one_of_two,
}
"""The operators of three-valued logic, by name: the right side is left out when the left side settles the answer."""
