"""The functions of FHIRPath: those that need types, scope or care of our own; the library does the rest.

Each builder takes the compiled arguments and gives the compiled call.
"""

from collections.abc import Callable
from typing import Any

from fhirpathpy.engine.nodes import FP_DateTime, FP_Time

from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.nodes import Node, children, descendants, member
from profiles.fhirpath.state import Build, Evaluate, Items, Scope
from profiles.fhirpath.texts import TEXTS
from profiles.fhirpath.values import identity, is_number, plain, truth

_SYSTEM_TYPES = {bool: "Boolean", int: "Integer", str: "String", FP_DateTime: "DateTime", FP_Time: "Time"}


def _each(scope: Scope, focus: Items, criterion: Evaluate) -> list[tuple[Any, Items]]:
    scope.state.spend(len(focus))
    return [
        (item, criterion(Scope(scope.state, [item], index, scope.total), [item])) for index, item in enumerate(focus)
    ]


def _where(args: list[Evaluate]) -> Evaluate:
    criterion = args[0]
    return lambda scope, focus: [item for item, answer in _each(scope, focus, criterion) if truth(answer)]


def _all(args: list[Evaluate]) -> Evaluate:
    criterion = args[0]
    return lambda scope, focus: [all(truth(answer) for _, answer in _each(scope, focus, criterion))]


def _exists(args: list[Evaluate]) -> Evaluate:
    if not args:
        return lambda scope, focus: [bool(focus)]
    criterion = args[0]
    return lambda scope, focus: [any(truth(answer) for _, answer in _each(scope, focus, criterion))]


def _select(args: list[Evaluate]) -> Evaluate:
    projection = args[0]
    return lambda scope, focus: [one for _, answer in _each(scope, focus, projection) for one in answer]


def _repeat(args: list[Evaluate]) -> Evaluate:
    projection = args[0]

    def repeat(scope: Scope, focus: Items) -> Items:
        found: dict[tuple[str, Any], Any] = {}
        level = focus
        while level:
            fresh = {identity(one): one for _, answer in _each(scope, level, projection) for one in answer}
            level = [one for key, one in fresh.items() if key not in found]
            found |= {key: one for key, one in fresh.items() if key not in found}
        return list(found.values())

    return repeat


def _aggregate(args: list[Evaluate]) -> Evaluate:
    def aggregate(scope: Scope, focus: Items) -> Items:
        scope.state.spend(len(focus))
        total = args[1](scope, scope.this) if len(args) > 1 else []
        for index, item in enumerate(focus):
            total = args[0](Scope(scope.state, [item], index, total), [item])
        return total

    return aggregate


def _iif(args: list[Evaluate]) -> Evaluate:
    def iif(scope: Scope, focus: Items) -> Items:
        inner = Scope(scope.state, focus, scope.index, scope.total) if focus else scope
        if truth(args[0](inner, focus)):
            return args[1](inner, focus)
        return args[2](inner, focus) if len(args) > 2 else []

    return iif


def _children(args: list[Evaluate]) -> Evaluate:
    def below(scope: Scope, focus: Items) -> Items:
        found = [one for item in focus if isinstance(item, Node) for one in children(item, scope.state.types)]
        scope.state.spend(len(found))
        return found

    return below


def _descendants(args: list[Evaluate]) -> Evaluate:
    def below(scope: Scope, focus: Items) -> Items:
        found = [one for item in focus if isinstance(item, Node) for one in descendants(item, scope.state.types)]
        scope.state.spend(len(found))
        return found

    return below


def _extension(args: list[Evaluate]) -> Evaluate:
    def extension(scope: Scope, focus: Items) -> Items:
        urls = {plain(url) for url in args[0](scope, scope.this)}
        found = [
            one for item in focus if isinstance(item, Node) for one in member(item, "extension", scope.state.types)
        ]
        return [one for one in found if isinstance(one.data, dict) and one.data.get("url") in urls]

    return extension


def _resolve(args: list[Evaluate]) -> Evaluate:
    return lambda scope, focus: [one for one in map(scope.state.resolve, focus) if one is not None]


def _has_value(args: list[Evaluate]) -> Evaluate:
    return lambda scope, focus: [len(focus) == 1 and not isinstance(plain(focus[0]), dict | list | None)]


def _get_value(args: list[Evaluate]) -> Evaluate:
    return lambda scope, focus: [plain(one) for one in focus[:1] if not isinstance(plain(one), dict | list | None)]


def _not(args: list[Evaluate]) -> Evaluate:
    return lambda scope, focus: [not truth(focus)] if focus else []


def _set_function(pick: Callable[[Items, Items], Items]) -> Build:
    def build(args: list[Evaluate]) -> Evaluate:
        return lambda scope, focus: pick(focus, args[0](scope, scope.this))

    return build


def distinct(items: Items) -> Items:
    """The items without doubles, the first of each kept."""
    return list({identity(item): item for item in reversed(items)}.values())[::-1] if len(items) > 1 else items


def _within(items: Items, others: Items) -> Items:
    keys = {identity(other) for other in others}
    return [item for item in items if identity(item) in keys]


def _without(items: Items, others: Items) -> Items:
    keys = {identity(other) for other in others}
    return [item for item in items if identity(item) not in keys]


def _plain_function(function: Callable[[Items], Items]) -> Build:
    return lambda args: lambda scope, focus: function(focus)


def _count_argument(pick: Callable[[Items, int], Items]) -> Build:
    def build(args: list[Evaluate]) -> Evaluate:
        def call(scope: Scope, focus: Items) -> Items:
            number = args[0](scope, scope.this)
            if len(number) != 1 or not is_number(plain(number[0])):
                raise FhirPathError("FHIRPath: a number is expected")
            return pick(focus, max(0, int(plain(number[0]))))

        return call

    return build


def _one(items: Items) -> Items:
    if len(items) > 1:
        raise FhirPathError("FHIRPath: single() on more than one item")
    return items


def type_name(item: Any) -> str:
    """The name of an item's type, FHIR's or System's."""
    if isinstance(item, Node):
        return item.path or "Element"
    return _SYSTEM_TYPES.get(type(item), "Decimal" if is_number(item) else "Quantity")


def is_type(scope: Scope, item: Any, wanted: str) -> bool:
    """Whether an item is of a type or of a kind of it: ``Coding``, ``FHIR.Patient``, ``System.String``."""
    name = wanted.rpartition(".")[2]
    if not isinstance(item, Node):
        return not wanted.startswith("FHIR.") and type_name(item).lower() == name.lower()
    types = scope.state.types
    return not wanted.startswith("System.") and types.named(name) in types.lineage(item.path or "Element")


OWN: dict[str, tuple[int, int, Build]] = {
    "where": (1, 1, _where),
    "all": (1, 1, _all),
    "exists": (0, 1, _exists),
    "select": (1, 1, _select),
    "repeat": (1, 1, _repeat),
    "aggregate": (1, 2, _aggregate),
    "iif": (2, 3, _iif),
    "children": (0, 0, _children),
    "descendants": (0, 0, _descendants),
    "extension": (1, 1, _extension),
    "resolve": (0, 0, _resolve),
    "hasValue": (0, 0, _has_value),
    "getValue": (0, 0, _get_value),
    "not": (0, 0, _not),
    "empty": (0, 0, _plain_function(lambda items: [not items])),
    "count": (0, 0, _plain_function(lambda items: [len(items)])),
    "first": (0, 0, _plain_function(lambda items: items[:1])),
    "last": (0, 0, _plain_function(lambda items: items[-1:])),
    "tail": (0, 0, _plain_function(lambda items: items[1:])),
    "single": (0, 0, _plain_function(_one)),
    "skip": (1, 1, _count_argument(lambda items, number: items[number:])),
    "take": (1, 1, _count_argument(lambda items, number: items[:number])),
    "distinct": (0, 0, _plain_function(distinct)),
    "isDistinct": (0, 0, _plain_function(lambda items: [len(distinct(items)) == len(items)])),
    "subsetOf": (1, 1, _set_function(lambda items, others: [not _without(items, others)])),
    "supersetOf": (1, 1, _set_function(lambda items, others: [not _without(others, items)])),
    "intersect": (1, 1, _set_function(lambda items, others: distinct(_within(items, others)))),
    "exclude": (1, 1, _set_function(_without)),
    "union": (1, 1, _set_function(lambda items, others: distinct(items + others))),
    "combine": (1, 1, _set_function(lambda items, others: items + others)),
    **TEXTS,
    "trace": (0, 2, lambda args: lambda scope, focus: focus),
    "today": (0, 0, lambda args: lambda scope, focus: [FP_DateTime(scope.state.now.date().isoformat())]),
    "now": (0, 0, lambda args: lambda scope, focus: [FP_DateTime(scope.state.now.isoformat("T", "milliseconds"))]),
}
