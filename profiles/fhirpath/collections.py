"""The functions of FHIRPath on collections: existence, filters, subsets, combinations (sections 5.1 to 5.4, 5.8, 7)."""

from collections.abc import Callable
from typing import Any, Final

from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.evaluation import Closure, Evaluation
from profiles.fhirpath.items import ElementNode, Items, bare, children_of, distinct, identity, operand, truth, weight
from profiles.fhirpath.makers import FunctionRow, counted, on_items, on_two


def each(items: Items, env: Evaluation, criterion: Closure) -> list[Items]:
    """What an expression gives for every item, with $this and $index set."""
    env.spend(len(items))
    outer = env.index
    try:
        found = []
        for index, item in enumerate(items):
            env.index = index
            found.append(criterion([item], env))
        return found
    finally:
        env.index = outer


def _where(left: Closure, arguments: list[Closure]) -> Closure:
    criterion = arguments[0]

    def run(focus: Items, env: Evaluation) -> Items:
        items = left(focus, env)
        if not items:
            return items
        answers = each(items, env, criterion)
        return [item for item, answer in zip(items, answers, strict=True) if truth(answer) is True]

    return run


def _exists(left: Closure, arguments: list[Closure]) -> Closure:
    if arguments:
        left = _where(left, arguments)
    return lambda focus, env: [bool(left(focus, env))]


def _all(left: Closure, arguments: list[Closure]) -> Closure:
    criterion = arguments[0]

    def run(focus: Items, env: Evaluation) -> Items:
        return [all(truth(answer) is True for answer in each(left(focus, env), env, criterion))]

    return run


def _select(left: Closure, arguments: list[Closure]) -> Closure:
    projection = arguments[0]

    def run(focus: Items, env: Evaluation) -> Items:
        found = [one for answer in each(left(focus, env), env, projection) for one in answer]
        env.spend(len(found))
        return found

    return run


def _repeat(left: Closure, arguments: list[Closure]) -> Closure:
    projection = arguments[0]

    def run(focus: Items, env: Evaluation) -> Items:
        reached: dict[Any, Any] = {}
        level = left(focus, env)
        while level:
            fresh = {identity(one): one for answer in each(level, env, projection) for one in answer}
            level = [one for key, one in fresh.items() if key not in reached]
            env.spend(30 * len(level) + weight(level))
            reached |= {key: one for key, one in fresh.items() if key not in reached}
        return list(reached.values())

    return run


def _aggregate(left: Closure, arguments: list[Closure]) -> Closure:
    step = arguments[0]

    def run(focus: Items, env: Evaluation) -> Items:
        items = left(focus, env)
        env.spend(len(items))
        total = arguments[1](focus, env) if len(arguments) > 1 else []
        outer = env.total, env.index
        try:
            for index, item in enumerate(items):
                env.total, env.index = total, index
                total = step([item], env)
                env.spend(weight(total))
            return total
        finally:
            env.total, env.index = outer

    return run


def _children(left: Closure, arguments: list[Closure]) -> Closure:
    def run(focus: Items, env: Evaluation) -> Items:
        found = [one for item in left(focus, env) for one in children_of(item)]
        env.spend(len(found))
        return found

    return run


def _descendants(left: Closure, arguments: list[Closure]) -> Closure:
    def run(focus: Items, env: Evaluation) -> Items:
        found: Items = []
        for item in left(focus, env):
            below = descendants_of(item, env)
            env.spend(len(below))
            found += below
        return found

    return run


def descendants_of(item: Any, env: Evaluation) -> Items:
    """Everything below an item; kept on an element that knows its type: scripts ask five times per answer."""
    node = item if type(item) is ElementNode and item.types is not None else None
    if node is not None and node.below is not None:
        return node.below
    below: Items = []
    level = [item]
    while level:
        level = [child for one in level for child in children_of(one)]
        env.spend(len(level))
        below += level
    if node is not None:
        node.below = below
    return below


def _not(items: Items) -> Items:
    value = operand(items)
    return [] if value is None else [not value]


def _single(items: Items) -> Items:
    if len(items) > 1:
        raise FhirPathError("FHIRPath: single() on more than one item")
    return items


def _part(pick: Callable[[Items, int], Items]) -> FunctionRow:
    def make(left: Closure, arguments: list[Closure]) -> Closure:
        return lambda focus, env: pick(left(focus, env), max(0, counted(arguments[0](focus, env))))

    return FunctionRow(1, 1, make)


def _every(wanted: bool) -> Callable[[Items], Items]:
    return lambda items: [all(_boolean(item) is wanted for item in items)]


def _any(wanted: bool) -> Callable[[Items], Items]:
    return lambda items: [any(_boolean(item) is wanted for item in items)]


def _boolean(item: object) -> bool:
    value = bare(item)
    if not isinstance(value, bool):
        raise FhirPathError("FHIRPath: a collection of booleans is expected")
    return value


def _within(items: Items, others: Items) -> Items:
    keys = {identity(other) for other in others}
    return [item for item in items if identity(item) in keys]


def _without(items: Items, others: Items) -> Items:
    keys = {identity(other) for other in others}
    return [item for item in items if identity(item) not in keys]


def _iif(left: Closure, arguments: list[Closure]) -> Closure:
    criterion, hit, *miss = arguments

    def run(focus: Items, env: Evaluation) -> Items:
        items = left(focus, env)
        if truth(criterion(items, env)) is True:
            return hit(items, env)
        return miss[0](items, env) if miss else []

    return run


COLLECTIONS: Final[dict[str, FunctionRow]] = {
    "empty": on_items(lambda items: [not items]),
    "not": on_items(_not),
    "count": on_items(lambda items: [len(items)]),
    "exists": FunctionRow(0, 1, _exists),
    "all": FunctionRow(1, 1, _all),
    "allTrue": on_items(_every(True)),
    "anyTrue": on_items(_any(True)),
    "allFalse": on_items(_every(False)),
    "anyFalse": on_items(_any(False)),
    "distinct": on_items(distinct),
    "isDistinct": on_items(lambda items: [len(distinct(items)) == len(items)]),
    "subsetOf": on_two(lambda items, others: [not _without(items, others)]),
    "supersetOf": on_two(lambda items, others: [not _without(others, items)]),
    "where": FunctionRow(1, 1, _where),
    "select": FunctionRow(1, 1, _select),
    "repeat": FunctionRow(1, 1, _repeat),
    "aggregate": FunctionRow(1, 2, _aggregate),
    "single": on_items(_single),
    "first": on_items(lambda items: items[:1]),
    "last": on_items(lambda items: items[-1:]),
    "tail": on_items(lambda items: items[1:]),
    "skip": _part(lambda items, number: items[number:]),
    "take": _part(lambda items, number: items[:number]),
    "intersect": on_two(lambda items, others: distinct(_within(items, others))),
    "exclude": on_two(_without),
    "union": on_two(lambda items, others: distinct([*items, *others])),
    "combine": on_two(lambda items, others: [*items, *others]),
    "children": FunctionRow(0, 0, _children),
    "descendants": FunctionRow(0, 0, _descendants),
    "iif": FunctionRow(2, 3, _iif),
}
"""Functions of collections, by name."""
