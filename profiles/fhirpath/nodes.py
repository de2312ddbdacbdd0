"""An element of a resource as FHIRPath sees it: a value with its type, its extensions and the resource it is in."""

from collections.abc import Iterator
from typing import Any

from fhirpathpy.engine.nodes import ResourceNode

from profiles.fhirpath.typetable import TypeTable


class Node(ResourceNode):  # type: ignore[misc]
    """One element: ``data`` (None for a primitive that has only extensions), ``path`` (its type), ``extra``, ``home``.

    ``extra`` is what stands in the property with an underscore, ``home`` the nearest resource, for ``#`` references.
    It is a node of the library, so that the library's functions accept it.
    """

    propName = None  # noqa: N815 (the library's name)
    index = None
    _data = None

    def __init__(self, data: Any, path: str | None, extra: Any = None, home: Any = None) -> None:
        if isinstance(data, dict) and "resourceType" in data:
            path = data["resourceType"]
            home = home or data
        self.data = data
        self.path = path
        self.extra = extra
        self.home = home
        self.below: list[Node] | None = None

    __hash__ = ResourceNode.__hash__

    def __eq__(self, other: object) -> bool:
        return bool(self.data == (other.data if isinstance(other, ResourceNode) else other))

    def __repr__(self) -> str:
        return f"Node({self.path})"


def member(node: Node, element: str, types: TypeTable) -> list[Node]:
    """The children of a node under an element name; ``value`` finds valueQuantity where the type has a choice."""
    data = node.data
    if not isinstance(data, dict):
        extra = node.extra
        if isinstance(extra, dict) and element in extra:
            return _nodes(node, element, extra[element], None, types.child(None, element))
        return []
    for name, kind in types.properties(node.path, element):
        value, extra = data.get(name), data.get(f"_{name}")
        if value is not None or extra is not None:
            return _nodes(node, element, value, extra, kind)
    if node.path is None:
        return _untyped_choice(node, element, types)
    return []


def children(node: Node, types: TypeTable) -> Iterator[Node]:
    """All children of a node, in the order of the data."""
    data = node.data
    if isinstance(data, dict):
        for name, value in data.items():
            if name == "resourceType":
                continue
            if name[0] != "_":
                yield from _nodes(node, name, value, data.get(f"_{name}"), types.child(node.path, name))
            elif name[1:] not in data:
                yield from _nodes(node, name[1:], None, value, types.child(node.path, name[1:]))
    elif isinstance(node.extra, dict):
        for name, value in node.extra.items():
            yield from _nodes(node, name, value, None, types.child(None, name))


def descendants(node: Node, types: TypeTable) -> list[Node]:
    """Everything below a node, kept on the node: scripts ask for it five times per response."""
    if node.below is None:
        found: list[Node] = []
        level = [node]
        while level:
            level = [child for parent in level for child in children(parent, types)]
            found.extend(level)
        node.below = found
    return node.below


def _nodes(parent: Node, element: str, value: Any, extra: Any, kind: str | None) -> list[Node]:
    home = None if element == "resource" else parent.home
    if isinstance(value, list):
        extras = extra if isinstance(extra, list) else []
        pairs = zip(value, [*extras, *[None] * (len(value) - len(extras))], strict=False)
        return [Node(v, kind, e, home) for v, e in pairs if v is not None or e is not None]
    if value is None and isinstance(extra, list):
        return [Node(None, kind, e, home) for e in extra if e is not None]
    return [Node(value, kind, extra, home)]


def _untyped_choice(node: Node, element: str, types: TypeTable) -> list[Node]:
    size = len(element)
    for name, value in node.data.items():
        if name.startswith(element) and name[size : size + 1].isupper():
            return _nodes(node, element, value, node.data.get(f"_{name}"), types.named(name[size:]))
    return []
