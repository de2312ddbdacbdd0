"""The FHIRPath functions that published constraints call; a table from name to maker of a closure."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from profiles.fhir.tree import local_reference
from profiles.validation.items import (
    Env,
    Items,
    Prim,
    Unsupported,
    bare,
    children_of,
    distinct,
    key_of,
    step,
    truth,
)
from profiles.validation.operators import Closure
from profiles.validation.strings import STRINGS, Maker

_NUMBERS: Final = ("decimal", "integer", "positiveInt", "unsignedInt", "Decimal", "Integer")


def _of_type(value: Any, name: str) -> bool:
    value = bare(value)
    if isinstance(value, dict):
        kind = value.get("resourceType")
        return kind == name or (name in ("Resource", "DomainResource") and kind is not None)
    if isinstance(value, bool):
        return name in ("boolean", "Boolean")
    if isinstance(value, int | Decimal | float):
        return name in _NUMBERS and (not name.lower().startswith("int") or isinstance(value, int))
    return (isinstance(value, str) and name[:1].islower() and name not in ("boolean", *_NUMBERS)) or name == "String"


def typed(left: Closure, how: str, name: str) -> Closure:
    """``left is name`` or ``left as name``; after a path step the choice itself is looked at (``valueQuantity``)."""
    parent = getattr(left, "parent", None)
    element = getattr(left, "name", "")
    suffix = element + name[:1].upper() + name[1:]

    def picked(focus: Items, env: Env) -> Items:
        if parent is not None:
            out: Items = []
            for item in parent(focus, env):
                holder = item.element if type(item) is Prim else item
                if not isinstance(holder, dict):
                    continue
                if element in holder or "_" + element in holder:
                    out.extend(one for one in step([holder], element) if _of_type(one, name) or _complex(one))
                elif suffix in holder or "_" + suffix in holder:
                    out.extend(step([holder], suffix))
            return out
        return [item for item in left(focus, env) if _of_type(item, name) or _complex(item)]

    def asked(focus: Items, env: Env) -> Items:
        items = left(focus, env)
        if not items:
            return []
        found = picked(focus, env)
        return [bool(found) and not (_complex(found[0]) and not name[:1].isupper())]

    return picked if how == "as" else asked


def _complex(item: Any) -> bool:
    """A complex value without resourceType: its type cannot be seen, so a type test lets it pass."""
    item = bare(item)
    return isinstance(item, dict) and "resourceType" not in item


def _exists(left: Closure, arguments: list[Closure]) -> Closure:
    if arguments:
        left = _where(left, arguments)
    return lambda focus, env: [bool(left(focus, env))]


def _where(left: Closure, arguments: list[Closure]) -> Closure:
    test = _one(arguments)

    def run(focus: Items, env: Env) -> Items:
        items = left(focus, env)
        env.spend(len(items))
        return [item for item in items if truth(test([item], env)) is True]

    return run


def _all(left: Closure, arguments: list[Closure]) -> Closure:
    test = _one(arguments)
    return lambda focus, env: [all(truth(test([item], env)) is True for item in left(focus, env))]


def _select(left: Closure, arguments: list[Closure]) -> Closure:
    inner = _one(arguments)
    return lambda focus, env: [found for item in left(focus, env) for found in inner([item], env)]


def _one(arguments: list[Closure]) -> Closure:
    if len(arguments) != 1:
        raise Unsupported("one argument was expected")
    return arguments[0]


def _not(left: Closure, arguments: list[Closure]) -> Closure:
    def run(focus: Items, env: Env) -> Items:
        value = truth(left(focus, env))
        return [] if value is None else [not value]

    return run


def _has_value(left: Closure, arguments: list[Closure]) -> Closure:
    def run(focus: Items, env: Env) -> Items:
        items = left(focus, env)
        value = bare(items[0]) if len(items) == 1 else None
        return [value is not None and not isinstance(value, dict)]

    return run


def _descendants(left: Closure, arguments: list[Closure]) -> Closure:
    def run(focus: Items, env: Env) -> Items:
        out: Items = []
        queue = list(left(focus, env))
        while queue:
            found = [child for item in queue for child in children_of(item)]
            env.spend(len(found))
            out.extend(found)
            queue = found
        return out

    return run


def _on_items(run: Callable[[Items], Items]) -> Maker:
    def make(left: Closure, arguments: list[Closure]) -> Closure:
        return lambda focus, env: run(left(focus, env))

    return make


def _extension(left: Closure, arguments: list[Closure]) -> Closure:
    url = _one(arguments)

    def run(focus: Items, env: Env) -> Items:
        wanted = url(focus, env)
        found = step(left(focus, env), "extension")
        return [item for item in found if isinstance(item, dict) and wanted and item.get("url") == wanted[0]]

    return run


def _resolve(left: Closure, arguments: list[Closure]) -> Closure:
    def run(focus: Items, env: Env) -> Items:
        out: Items = []
        for item in left(focus, env):
            value = bare(item)
            text = value.get("reference") if isinstance(value, dict) else value
            target = env.resolve(text) if env.resolve is not None and isinstance(text, str) else None
            if target is None and isinstance(text, str):
                local = local_reference(text)
                target = {"resourceType": local[0]} if local else None
            if target is not None:
                out.append(target)
        return out

    return run


def _member_of(left: Closure, arguments: list[Closure]) -> Closure:
    value_set = _one(arguments)

    def run(focus: Items, env: Env) -> Items:
        items, url = left(focus, env), value_set(focus, env)
        if not items or not url or env.member is None:
            return []
        found = [env.member(bare(item), str(url[0])) for item in items]
        return [] if None in found else [any(found)]

    return run


def _subset_of(left: Closure, arguments: list[Closure]) -> Closure:
    other = _one(arguments)

    def run(focus: Items, env: Env) -> Items:
        right = other(focus, env)
        known = {key_of(item) for item in right}
        return [all(key_of(item) in known for item in left(focus, env))]

    return run


def _intersect(left: Closure, arguments: list[Closure]) -> Closure:
    other = _one(arguments)

    def run(focus: Items, env: Env) -> Items:
        right = other(focus, env)
        known = {key_of(item) for item in right}
        return distinct([item for item in left(focus, env) if key_of(item) in known])

    return run


def _skip(left: Closure, arguments: list[Closure]) -> Closure:
    count = _one(arguments)

    def run(focus: Items, env: Env) -> Items:
        number = count(focus, env)
        return left(focus, env)[number[0] :] if number and isinstance(number[0], int) else []

    return run


def _iif(left: Closure, arguments: list[Closure]) -> Closure:
    if len(arguments) not in (2, 3):
        raise Unsupported("iif needs two or three arguments")

    def run(focus: Items, env: Env) -> Items:
        if truth(arguments[0](focus, env)) is True:
            return arguments[1](focus, env)
        return arguments[2](focus, env) if len(arguments) == 3 else []

    return run


FUNCTIONS: Final[dict[str, Maker]] = {
    **STRINGS,
    "exists": _exists,
    "empty": _on_items(lambda items: [not items]),
    "not": _not,
    "where": _where,
    "all": _all,
    "select": _select,
    "count": _on_items(lambda items: [len(items)]),
    "hasValue": _has_value,
    "children": lambda left, _: lambda focus, env: [one for item in left(focus, env) for one in children_of(item)],
    "descendants": _descendants,
    "isDistinct": _on_items(lambda items: [len({key_of(item) for item in items}) == len(items)]),
    "distinct": _on_items(distinct),
    "first": _on_items(lambda items: items[:1]),
    "last": _on_items(lambda items: items[-1:]),
    "tail": _on_items(lambda items: items[1:]),
    "skip": _skip,
    "trace": lambda left, _: left,
    "allTrue": _on_items(lambda items: [all(truth([item]) is True for item in items)]),
    "anyTrue": _on_items(lambda items: [any(truth([item]) is True for item in items)]),
    "extension": _extension,
    "resolve": _resolve,
    "memberOf": _member_of,
    "subsetOf": _subset_of,
    "intersect": _intersect,
    "iif": _iif,
    "htmlChecks": lambda left, _: lambda focus, env: [True],
    "htmlchecks": lambda left, _: lambda focus, env: [True],
}


def call(name: str, left: Closure, arguments: list[Closure]) -> Closure:
    """A closure for ``left.name(arguments)``; Unsupported for a function that is not in the table."""
    maker = FUNCTIONS.get(name)
    if maker is None:
        raise Unsupported(f"function {name}() is not covered")
    return maker(left, arguments)
