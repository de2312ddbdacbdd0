"""The department that registered a resource, as far as the resource names it."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from profiles.fhir.tree import Resource, local_reference
from profiles.rows import Row, read

LONGEST = 80


class DepartmentRows(Row, frozen=True):
    """departments.toml: the types of what is a department, and where a resource names it, best first."""

    kinds: frozenset[str]
    paths: tuple[str, ...]


@cache
def _table() -> tuple[frozenset[str], tuple[tuple[str, ...], ...]]:
    table = read(Path(__file__).with_name("departments.toml"), DepartmentRows)
    return table.kinds, tuple(tuple(path.split(".")) for path in table.paths)


def department_of(resource: Resource) -> str:
    """The display of the first reference to an organisation, service, team or place; empty when there is none."""
    kinds, paths = _table()
    for path in paths:
        if path[0] not in resource:
            continue
        for node in _at(resource, path):
            name = _name(node, kinds)
            if name:
                return name[:LONGEST]
    return ""


def _name(node: Any, kinds: frozenset[str]) -> str:
    if not isinstance(node, dict) or not isinstance(node.get("reference"), str):
        return ""
    key = local_reference(node["reference"])
    display = node.get("display")
    return " ".join(display.replace("\0", "").split()) if key and key[0] in kinds and isinstance(display, str) else ""


def _at(node: Any, path: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(node, list):
        for item in node:
            yield from _at(item, path)
    elif not path:
        yield node
    elif isinstance(node, dict):
        yield from _at(node.get(path[0]), path[1:])
