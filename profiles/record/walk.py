"""The walks through a resource: every object with its path, every reference, every key that it points at."""

from collections.abc import Iterator
from typing import Any

from profiles.fhir.tree import Resource, local_reference

Key = tuple[str, str]
"""Type and id of a resource."""


def nodes(node: Any, path: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in a resource (or in a list of them) with its FHIRPath, itself first, in order.

    Without recursion: how deep it goes is for the sender to choose. ``path`` is the place of ``node``; by default its
    resource type. Objects that are taken out or put in while walking are not, or are, visited as they are found.
    """
    start = path if path is not None else str(node.get("resourceType", "")) if isinstance(node, dict) else ""
    stack: list[tuple[str, Any]] = [(start, node)]
    while stack:
        place, current = stack.pop()
        if isinstance(current, dict):
            yield place, current
            stack += [
                (f"{place}.{name}", value)
                for name, value in reversed(current.items())
                if isinstance(value, dict | list)
            ]
        elif isinstance(current, list):
            stack += [(f"{place}[{index}]", current[index]) for index in reversed(range(len(current)))]


def objects(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a resource (or in a list of them), in document order: the walk of `nodes` without its paths."""
    stack = [node]
    while stack:
        current = stack.pop()
        if type(current) is dict:
            yield current
            below = [value for value in current.values() if type(value) is dict or type(value) is list]
        elif type(current) is list:
            below = [value for value in current if type(value) is dict or type(value) is list]
        else:
            continue
        below.reverse()
        stack += below


def references(node: Any) -> Iterator[dict[str, Any]]:
    """Every Reference (an object with a textual ``reference``) in a resource, contained ones included."""
    return (found for found in objects(node) if isinstance(found.get("reference"), str))


def links(resource: Resource) -> Iterator[Key]:
    """All resources that a resource points at: by Reference, and by the url of an attachment (Binary).

    A whole address is none of them: another server gives out the same ids to others.
    """
    return iter(pointing(resource)[1])


def pointing(resource: Resource) -> tuple[list[dict[str, Any]], list[Key]]:
    """The `references` and the `links` of a resource, from one walk."""
    referring: list[dict[str, Any]] = []
    aims: list[Key] = []
    # One loop without generators inside: every resource that comes in is walked several times.
    stack: list[Any] = [resource]
    while stack:
        current = stack.pop()
        if type(current) is list:
            stack += [value for value in reversed(current) if type(value) is dict or type(value) is list]
            continue
        below = []
        for name, value in current.items():
            kind = type(value)
            if kind is dict or kind is list:
                below.append(value)
            elif kind is str:
                if name == "reference":
                    referring.append(current)
                    if (target := aim(value)) is not None:
                        aims.append(target)
                elif name == "url" and "Binary/" in value and current is not resource:
                    target = aim(value)
                    if target is not None and target[0] == "Binary":
                        aims.append(target)
        if below:
            below.reverse()
            stack += below
    return referring, aims


def aim(text: str) -> Key | None:
    """The key that a reference names, in the same record; a whole address names none of it."""
    return None if "://" in text else local_reference(text)


def values(node: Any, path: str) -> Iterator[Any]:
    """What stands at a path of element names (``participant.actor``), each item of a list by itself."""
    found = [node]
    for name in path.split("."):
        found = [one.get(name) for one in _items(found) if isinstance(one, dict)]
    return (one for one in _items(found) if one is not None)


def key_of(resource: Resource) -> Key:
    """Type and id of a resource; both must be there."""
    return str(resource["resourceType"]), str(resource["id"])


def _items(found: Any) -> Iterator[Any]:
    stack = [found]
    while stack:
        current = stack.pop()
        if isinstance(current, list):
            stack.extend(reversed(current))
        else:
            yield current
