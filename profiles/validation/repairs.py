"""Known faults in published definitions, repaired from one data file when a definition is read."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _table() -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    text = Path(__file__).with_name("repairs.toml").read_text(encoding="utf-8")
    for row in tomllib.loads(text).get("repair", []):
        rows.setdefault(row["url"], []).append(row)
    return rows


def repaired(definition: dict[str, Any]) -> dict[str, Any]:
    """The definition with its known faults mended (in place; the caller owns the freshly read data)."""
    for row in _table().get(str(definition.get("url")), []):
        for view in ("differential", "snapshot"):
            elements = (definition.get(view) or {}).get("element")
            if not isinstance(elements, list):
                continue
            if row.get("remove"):
                elements[:] = [element for element in elements if element.get("id") != row["element"]]
            for element in elements:
                if element.get("id") == row["element"]:
                    for name in row.get("drop", []):
                        element.pop(name, None)
                    element.update(row.get("set", {}))
    return definition
