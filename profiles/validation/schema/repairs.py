"""Known faults in published definitions, repaired from one data file when a definition is read."""

from functools import cache
from pathlib import Path
from typing import Any

from msgspec import field

from profiles.rows import Row, read


class DefinitionRepair(Row, frozen=True):
    """``[[repair]]`` of repairs.toml."""

    release: str
    url: str
    element: str
    fault: str
    source: str
    set: dict[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    remove: bool = False
    drop_constraint: str | None = None
    constraint: dict[str, Any] | None = None


class DefinitionRepairs(Row, frozen=True):
    """repairs.toml."""

    repair: tuple[DefinitionRepair, ...]


@cache
def table() -> dict[str, list[DefinitionRepair]]:
    """The repairs by canonical URL."""
    rows: dict[str, list[DefinitionRepair]] = {}
    for row in read(Path(__file__).with_name("repairs.toml"), DefinitionRepairs).repair:
        rows.setdefault(row.url, []).append(row)
    return rows


def repaired(definition: dict[str, Any]) -> dict[str, Any]:
    """The definition with its known faults mended (in place; the caller owns the freshly read data)."""
    release = str(definition.get("fhirVersion", ""))
    for row in table().get(str(definition.get("url")), []):
        if not release.startswith(row.release):
            continue
        for view in ("differential", "snapshot"):
            elements = (definition.get(view) or {}).get("element")
            if isinstance(elements, list):
                _mend(elements, row)
    return definition


def _mend(elements: list[Any], row: DefinitionRepair) -> None:
    if row.remove:
        elements[:] = [element for element in elements if element.get("id") != row.element]
    for element in elements:
        if element.get("id") == row.element:
            for name in row.drop:
                element.pop(name, None)
            element.update(row.set)
            _mend_constraints(element, row)


def _mend_constraints(element: dict[str, Any], row: DefinitionRepair) -> None:
    added = row.constraint
    gone = {row.drop_constraint, added["key"] if added else None}
    kept = [one for one in element.get("constraint", []) if one.get("key") not in gone]
    if added:
        kept.append(added)
    if kept or "constraint" in element:
        element["constraint"] = kept
