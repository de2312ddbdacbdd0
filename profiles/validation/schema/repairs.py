"""Known faults in published definitions, repaired from one data file when a definition is read."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def table() -> dict[str, list[dict[str, Any]]]:
    """The repairs by canonical URL."""
    rows: dict[str, list[dict[str, Any]]] = {}
    text = Path(__file__).with_name("repairs.toml").read_text(encoding="utf-8")
    for row in tomllib.loads(text).get("repair", []):
        rows.setdefault(row["url"], []).append(row)
    return rows


def repaired(definition: dict[str, Any]) -> dict[str, Any]:
    """The definition with its known faults mended (in place; the caller owns the freshly read data)."""
    release = str(definition.get("fhirVersion", ""))
    for row in table().get(str(definition.get("url")), []):
        if not release.startswith(row["release"]):
            continue
        for view in ("differential", "snapshot"):
            elements = (definition.get(view) or {}).get("element")
            if isinstance(elements, list):
                _mend(elements, row)
    return definition


def _mend(elements: list[Any], row: dict[str, Any]) -> None:
    if row.get("remove"):
        elements[:] = [element for element in elements if element.get("id") != row["element"]]
    for element in elements:
        if element.get("id") == row["element"]:
            for name in row.get("drop", []):
                element.pop(name, None)
            element.update(row.get("set", {}))
            _mend_constraints(element, row)


def _mend_constraints(element: dict[str, Any], row: dict[str, Any]) -> None:
    added = row.get("constraint")
    gone = {row.get("drop_constraint"), added["key"] if added else None}
    kept = [one for one in element.get("constraint", []) if one.get("key") not in gone]
    if added:
        kept.append(added)
    if kept or "constraint" in element:
        element["constraint"] = kept
