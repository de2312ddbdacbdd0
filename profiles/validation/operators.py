"""The operators of FHIRPath on collections: equality, order, membership, arithmetic, three-valued logic."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from profiles.validation.items import Env, Items, as_list, bare, compared, distinct, same, truth

Closure = Callable[[Items, "Env"], Items]


def _equal(left: Items, right: Items) -> bool | None:
    if not left or not right:
        return None
    return len(left) == len(right) and all(map(same, left, right))


def _order(test: Callable[[int], bool]) -> Callable[[Items, Items], Items]:
    def run(left: Items, right: Items) -> Items:
        if len(left) != 1 or len(right) != 1:
            return []
        found = compared(left[0], right[0])
        return [] if found is None else [test(found)]

    return run


def _union(left: Items, right: Items) -> Items:
    return distinct([*left, *right])


def _text(items: Items) -> str:
    value = bare(items[0]) if items else ""
    return value if isinstance(value, str) else str(value)


def _plus(left: Items, right: Items) -> Items:
    if len(left) != 1 or len(right) != 1:
        return []
    a, b = bare(left[0]), bare(right[0])
    if isinstance(a, str) and isinstance(b, str):
        return [a + b]
    numbers = (int, Decimal)
    return [a + b] if isinstance(a, numbers) and isinstance(b, numbers) else []


def _minus(left: Items, right: Items) -> Items:
    if len(left) != 1 or len(right) != 1:
        return []
    a, b = bare(left[0]), bare(right[0])
    return [a - b] if isinstance(a, int | Decimal) and isinstance(b, int | Decimal) else []


def _inside(left: Items, right: Items) -> Items:
    return [any(same(left[0], other) for other in right)] if left else []


def _negated(value: bool | None) -> Items:
    return [] if value is None else [not value]


BINARY: Final[dict[str, tuple[int, Callable[[Items, Items], Items]]]] = {
    "in": (5, _inside),
    "contains": (5, lambda left, right: _inside(right, left)),
    "=": (6, lambda left, right: as_list(_equal(left, right))),
    "~": (6, lambda left, right: [not left and not right] if not left or not right else as_list(_equal(left, right))),
    "!=": (6, lambda left, right: _negated(_equal(left, right))),
    "!~": (
        6,
        lambda left, right: [bool(left) != bool(right)] if not left or not right else _negated(_equal(left, right)),
    ),
    "<": (7, _order(lambda found: found < 0)),
    ">": (7, _order(lambda found: found > 0)),
    "<=": (7, _order(lambda found: found <= 0)),
    ">=": (7, _order(lambda found: found >= 0)),
    "|": (8, _union),
    "+": (10, _plus),
    "-": (10, _minus),
    "&": (10, lambda left, right: [_text(left) + _text(right)]),
}


LOGIC: Final = {"implies": 1, "or": 2, "xor": 2, "and": 3}


def logic(name: str, left: Closure, right: Closure) -> Closure:
    def both(focus: Items, env: Env) -> Items:
        a = truth(left(focus, env))
        if a is False:
            return [False]
        b = truth(right(focus, env))
        return [False] if b is False else ([] if a is None or b is None else [True])

    def either(focus: Items, env: Env) -> Items:
        a = truth(left(focus, env))
        if a is True:
            return [True]
        b = truth(right(focus, env))
        return [True] if b is True else ([] if a is None or b is None else [False])

    def implies(focus: Items, env: Env) -> Items:
        a = truth(left(focus, env))
        if a is False:
            return [True]
        b = truth(right(focus, env))
        return [True] if b is True else ([] if a is None or b is None else [False])

    def differ(focus: Items, env: Env) -> Items:
        a, b = truth(left(focus, env)), truth(right(focus, env))
        return [] if a is None or b is None else [a != b]

    return {"and": both, "or": either, "implies": implies, "xor": differ}[name]
