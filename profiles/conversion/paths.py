"""Taking values from, and putting them at, a path of element names; what belongs to a primitive (``_x``) goes along."""

from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]


def holders(node: Any, path: list[str]) -> Iterator[Node]:
    """The objects at a path, each item of a list by itself; an empty path is the node itself."""
    if isinstance(node, list):
        for item in node:
            yield from holders(item, path)
    elif isinstance(node, dict):
        if path:
            yield from holders(node.get(path[0]), path[1:])
        else:
            yield node


def split(path: str) -> tuple[list[str], str]:
    """The way to the holder of an element, and the name of the element."""
    *way, name = path.split(".")
    return way, name


def every(node: Node, path: str) -> Iterator[tuple[Node, str]]:
    """Every object that holds the element at a path, with the name of the element."""
    way, name = split(path)
    for holder in holders(node, way):
        if name in holder or f"_{name}" in holder:
            yield holder, name


def listed(value: Any) -> list[Any]:
    """A value as a list; None is no value."""
    return [] if value is None else value if isinstance(value, list) else [value]


def take(holder: Node, name: str) -> tuple[Any, Any]:
    """Take an element out: its value, and what belongs to its primitive (id, extensions)."""
    return holder.pop(name, None), holder.pop(f"_{name}", None)


def put(holder: Node, name: str, value: Any, beside: Any = None) -> None:
    """Put an element where there is none; a list is added to what is there."""
    if value is not None:
        present = holder.get(name)
        holder[name] = [*listed(present), *listed(value)] if present is not None else value
    if beside is not None:
        holder[f"_{name}"] = beside


def extensions(holder: Node, url: str, *, modifier: bool = False) -> list[Node]:
    """The extensions of an object with this url."""
    rows = holder.get("modifierExtension" if modifier else "extension")
    return [row for row in listed(rows) if isinstance(row, dict) and row.get("url") == url]


def extension_value(row: Node) -> Any:
    """The value of an extension; None when it has none."""
    return next((value for key, value in row.items() if key.startswith("value")), None)


def take_extensions(holder: Node, url: str, *, modifier: bool = False) -> list[Node]:
    """Take the extensions with this url out of an object."""
    name = "modifierExtension" if modifier else "extension"
    rows = listed(holder.get(name))
    taken = extensions(holder, url, modifier=modifier)
    if taken:
        rest = [row for row in rows if row not in taken]
        holder.pop(name)
        if rest:
            holder[name] = rest
    return taken


def add_extension(holder: Node, url: str, kind: str, value: Any, *, modifier: bool = False) -> None:
    """Give an object an extension; ``kind`` is the type of the value (``String``, ``CodeableConcept``)."""
    name = "modifierExtension" if modifier else "extension"
    holder[name] = [*listed(holder.get(name)), {"url": url, f"value{kind}": value}]


def beside(holder: Node, name: str) -> Node:
    """What belongs to a primitive, made when there is none."""
    found: Node = holder.setdefault(f"_{name}", {})
    return found


def codings(concept: Any) -> list[Node]:
    """The codings of a CodeableConcept, or of anything else none."""
    rows = concept.get("coding") if isinstance(concept, dict) else None
    return [row for row in listed(rows) if isinstance(row, dict)]


def holds(concept: Any, system: str, code: str) -> bool:
    """Whether a CodeableConcept (or one of a list of them) has a coding."""
    return any(
        row.get("system") == system and row.get("code") == code for one in listed(concept) for row in codings(one)
    )
