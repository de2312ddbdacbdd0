"""What expressions walk over: plain data, or (where an expression asks for types) elements that know their type.

A collection is a list. An item is a value of the language (bool, int, Decimal, str, Moment, Quantity), a plain object
(dict), or an `ElementNode`. Plain items cost nothing; what makes them needs no types: a choice such as ``value`` is
found by the names of the JSON properties. A primitive with an id or extensions is an `ElementNode` either way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.typesystem import TypeSystem, choices

Items = list[Any]
_NOT_ELEMENTS: Final = ("resourceType", "fhir_comments")


def weight(items: Items) -> int:
    """What it costs to compare or keep items: objects by all that is in them, text by its length."""
    total = len(items)
    stack = [item.data if type(item) is ElementNode else item for item in items]
    while stack:
        value = stack.pop()
        if type(value) is str:
            total += len(value) // 50
        elif type(value) is dict or type(value) is list:
            total += len(value)
            stack.extend(value.values() if type(value) is dict else value)
    return total


class ElementNode:
    """An element: ``data`` (None for a primitive that has only extensions), its type, and where it is from.

    ``path`` is the type (``Quantity``, ``Patient.contact``; None when unknown), ``extra`` what stands in the property
    with an underscore, ``home`` the nearest resource, for ``#`` references. Without ``types`` it is a plain primitive.
    """

    __slots__ = ("below", "data", "extra", "home", "path", "types")

    def __init__(
        self, data: Any, path: str | None, extra: Any = None, home: Any = None, types: TypeSystem | None = None
    ) -> None:
        if types is not None and type(data) is dict and isinstance(data.get("resourceType"), str):
            path = data["resourceType"]
            home = home or data
        self.data = data
        self.path = path
        self.extra = extra
        self.home = home
        self.types = types
        self.below: Items | None = None

    def __repr__(self) -> str:
        return f"ElementNode({self.path})"


def bare(item: Any) -> Any:
    """The plain value of an item."""
    return item.data if type(item) is ElementNode else item


def valued(items: Items) -> Items:
    """The items without those that have extensions only."""
    for item in items:
        if type(item) is ElementNode and item.data is None:
            return [one for one in items if bare(one) is not None]
    return items


def truth(items: Items) -> bool | None:
    """A result as a criterion: empty is None, a single boolean its value, anything else holds because it is there.

    The standard wants a single item; national scripts write criteria such as ``where(coding.where(code = '1'))``.
    """
    if not items:
        return None
    if len(items) == 1:
        value = items[0]
        if type(value) is ElementNode:
            value = value.data
        return value if isinstance(value, bool) else True
    return True


def operand(items: Items) -> bool | None:
    """A result as an operand of and, or, xor, implies and not(): like `truth`, but FhirPathError for several items."""
    if len(items) == 1:
        value = items[0]
        return value if value is True or value is False else truth(items)
    if items:
        raise FhirPathError("FHIRPath: a single value is expected where a boolean is needed")
    return None


def single(items: Items, what: str) -> Any:
    """The plain value of the only item, None when there is none; FhirPathError when there are several."""
    if len(items) == 1:
        return bare(items[0])
    if items:
        raise FhirPathError(f"FHIRPath: {what} needs a single item")
    return None


def identity(item: Any) -> Any:
    """Something hashable that equal items share, for distinct, union, intersect and the like."""
    value = bare(item)
    if isinstance(value, dict):
        return frozenset((key, identity(child)) for key, child in value.items())
    if isinstance(value, list):
        return tuple(map(identity, value))
    if isinstance(value, Decimal) and not value.is_finite():
        return str(value)
    return (isinstance(value, bool), value)


def distinct(items: Items) -> Items:
    """The items without doubles, the first of each kept."""
    if len(items) < 2:
        return items
    found: dict[Any, Any] = {}
    for item in items:
        found.setdefault(identity(item), item)
    return list(found.values())


Walk = Callable[[Items], Items]


def walk_to(name: str) -> Walk:
    """The step to a name, for plain and typed items alike: the children of that name of every item."""
    beside, choice = f"_{name}", choices().get(name)

    def walk(items: Items) -> Items:
        out: Items = []
        for item in items:
            holder = item
            if type(item) is not dict:
                if type(item) is not ElementNode:
                    continue
                if item.types is not None:
                    out += member(item, name, item.types)
                    continue
                holder = item.extra
                if type(holder) is not dict:
                    continue
            value, sibling = holder.get(name), holder.get(beside)
            if value is None and sibling is None:
                if choice is None:
                    continue
                value, sibling = _chosen(holder, choice)
            if sibling is not None:
                _joined(value, sibling, out)
            elif type(value) is list:
                out += [each for each in value if each is not None] if None in value else value
            elif value is not None:
                out.append(value)
        return out

    return walk


def _chosen(holder: dict[str, Any], choice: Mapping[str, str]) -> tuple[Any, Any]:
    for key, value in holder.items():
        if key in choice:
            return value, holder.get(f"_{key}")
        if key[:1] == "_" and key[1:] in choice:
            return holder.get(key[1:]), value
    return None, None


def _joined(value: Any, sibling: Any, out: Items) -> None:
    """Append a primitive (or a list of them) together with what stands beside it."""
    if isinstance(value, list) or isinstance(sibling, list):
        out += [
            each if other is None else ElementNode(each, None, other)
            for each, other in _pairs(value, sibling)
            if each is not None or isinstance(other, dict)
        ]
    elif isinstance(sibling, dict):
        out.append(ElementNode(value, None, sibling))
    elif value is not None:
        out.append(value)


def _pairs(value: Any, sibling: Any) -> list[tuple[Any, Any]]:
    values = value if isinstance(value, list) else []
    siblings = sibling if isinstance(sibling, list) else []
    size = max(len(values), len(siblings))
    others = (one if isinstance(one, dict) else None for one in [*siblings, *[None] * (size - len(siblings))])
    return list(zip([*values, *[None] * (size - len(values))], others, strict=True))


def member(node: ElementNode, element: str, types: TypeSystem) -> Items:
    """The children of a typed node under an element name; ``value`` finds valueQuantity where the type has a choice."""
    data = node.data
    if type(data) is not dict:
        extra = node.extra
        if isinstance(extra, dict) and element in extra:
            return _nodes(node, element, extra[element], None, types.child(None, element))
        return []
    for name, kind in types.properties(node.path, element):
        value, extra = data.get(name), data.get(f"_{name}")
        if value is not None or extra is not None:
            return _nodes(node, element, value, extra, kind)
    if node.path is None and (choice := choices().get(element)) is not None:
        for name in data:
            if name in choice:
                return _nodes(node, element, data[name], data.get(f"_{name}"), choice[name])
    return []


def children_of(item: Any) -> Items:
    """All children of an item, in the order of the data."""
    holder = item
    types = None
    if type(item) is ElementNode:
        types = item.types
        holder = item.data if type(item.data) is dict else item.extra
    if type(holder) is not dict:
        return []
    children: Items = []
    for key, value in holder.items():
        if key in _NOT_ELEMENTS:
            continue
        name = key[1:] if key[:1] == "_" else key
        if name != key and holder.get(name) is not None:
            continue
        given, beside = (value, holder.get(f"_{key}")) if name == key else (None, value)
        if types is None:
            if beside is not None or isinstance(given, list):
                _joined(given, beside, children)
            elif given is not None:
                children.append(given)
        elif given is not None or beside is not None:
            path = item.path if holder is item.data else None
            children += _nodes(item, name, given, beside, types.child(path, name))
    return children


def _nodes(parent: ElementNode, element: str, value: Any, extra: Any, kind: str | None) -> Items:
    home = None if element == "resource" else parent.home
    types = parent.types
    if isinstance(value, list) or (value is None and isinstance(extra, list)):
        return [
            ElementNode(one, kind, other, home, types)
            for one, other in _pairs(value, extra)
            if one is not None or other is not None
        ]
    return [ElementNode(value, kind, extra if isinstance(extra, dict) else None, home, types)]
