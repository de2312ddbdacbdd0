"""Reading the facts of published value sets and code systems into tables: which codes, where they can be listed."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from profiles.validation.schema.definitions import Definitions, plain
from profiles.validation.schema.extents import Extent
from profiles.validation.schema.terminology import Terminology
from profiles.zibs.notation import BAR

MOST: Final = 1500
"""A system of which a set holds more codes than this is written as open, and gets no table of its own."""
PROBE: Final = "urn:probe"


def collect(structures: Iterable[Mapping[str, Any]], definitions: Definitions) -> dict[str, dict[str, Any]]:
    """The value sets that the structures bind to, and those that these include, by canonical URL."""
    queue = [url for data in structures for element in data["differential"]["element"] for url in bound(element) if url]
    chosen: dict[str, dict[str, Any]] = {}
    while queue:
        url = plain(queue.pop())
        data = definitions.find("ValueSet", url)
        if data is None or data["url"] in chosen:
            continue
        chosen[data["url"]] = data
        for include in data.get("compose", {}).get("include", ()):
            queue.extend(_listed(include.get("valueSet")))
    return dict(sorted(chosen.items()))


def bound(element: Mapping[str, Any]) -> list[str | None]:
    """The value sets that an element is bound to by name."""
    binding = element.get("binding") or {}
    return [
        (binding.get("valueSetReference") or {}).get("reference"),
        binding.get("valueSetUri"),
        binding.get("valueSet"),
    ]


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def systems(
    value_sets: Iterable[Mapping[str, Any]], types: Iterable[Mapping[str, Any]], definitions: Definitions
) -> dict[str, dict[str, Any]]:
    """The code systems that came whole with the packages and that these sets take codes from, by URL.

    ``types``: definitions of base types, the value sets of whose elements count too.
    """
    of_types = {url for one in types for row in one["snapshot"]["element"] for url in bound(row) if url}
    every = [*value_sets, *filter(None, (definitions.find("ValueSet", url) for url in sorted(of_types)))]
    named = {
        str(include["system"])
        for data in every
        for include in data.get("compose", {}).get("include", ())
        if "system" in include
    }
    terminology = Terminology(definitions)
    chosen = {}
    for url in sorted(named):
        system = terminology.code_system(url)
        data = definitions.find("CodeSystem", url)
        if system is not None and data is not None and system.complete and len(system.codes) <= MOST:
            chosen[url] = {**data, "codes": system.codes}
    return chosen


def system_table(data: Mapping[str, Any]) -> dict[str, Any]:
    """The table of a code system as `systems` gives it."""
    table: dict[str, Any] = {"codesystem": data["url"], "name": str(data.get("name") or "")}
    if not data.get("caseSensitive", True):
        table["cased"] = False
    return table | {"codes": "".join(f"{code}\n" for code in sorted(data["codes"]))}


def names(sets: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """A file name for every value set or code system: its own, with the end of its id where several have that name."""
    plain_names = {url: _stem(str(data.get("name") or url.rpartition("/")[2])) for url, data in sets.items()}
    count = Counter(name.lower() for name in plain_names.values())
    short = {}
    for url, name in plain_names.items():
        if count[name.lower()] > 1:
            ident, _, date = url.rpartition("/")[2].partition("--")
            tail = "-".join(ident.split(".")[-4:])
            short[url] = f"{name}-{tail}" + (f"-{date[:8]}" if date else "")
        else:
            short[url] = name
    return short


def _stem(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")


def table(
    data: Mapping[str, Any], definitions: Definitions, each: Iterable[Definitions], name: Callable[[str], str]
) -> dict[str, Any]:
    """The table of a ValueSet.

    ``each``: the definitions of every package by itself; where packages tell different things under one URL, the table
    has what either of them allows.
    """
    rows = _rows(data, definitions, name)
    for package in each:
        other = package.find("ValueSet", data["url"])
        if other is not None and other["url"] == data["url"]:
            known = {row.get("system") or row.get("valueset") for row in rows}
            rows += [
                row
                for row in _rows(other, definitions, name)
                if (row.get("system") or row.get("valueset")) not in known
            ]
    return {"valueset": data["url"], "name": str(data.get("name") or ""), "include": rows}


def _rows(data: Mapping[str, Any], definitions: Definitions, name: Callable[[str], str]) -> list[dict[str, Any]]:
    compose = data.get("compose") or {}
    rows: list[dict[str, Any]] = []
    if compose.get("exclude") or not compose.get("include"):
        return _extents(data, definitions)
    for include in compose["include"]:
        if "valueSet" in include and "system" not in include:
            rows.extend({"valueset": name(url)} for url in _listed(include["valueSet"]))
        elif include.get("concept") and "valueSet" not in include:
            rows.append({"system": include["system"], "codes": "".join(map(_line, include["concept"]))})
        else:
            rows.extend(_extents({"url": PROBE, "compose": {"include": [include]}}, definitions))
    return rows


def _line(concept: Mapping[str, Any]) -> str:
    label = " ".join(str(concept.get("display", "")).split())
    return str(concept["code"]) + (BAR + label if label else "") + "\n"


class _Probe(Definitions):
    """Definitions with one value set more."""

    def __init__(self, definitions: Definitions, data: dict[str, Any]) -> None:
        super().__init__((), [data])
        self._rest = definitions

    def find(self, kind: str, canonical: str) -> dict[str, Any] | None:
        return super().find(kind, canonical) or self._rest.find(kind, canonical)


def _extents(data: Mapping[str, Any], definitions: Definitions) -> list[dict[str, Any]]:
    """What a set comes to, system by system, as the terminology of the validator works it out from the packages."""
    found = Terminology(_Probe(definitions, {**data, "resourceType": "ValueSet", "url": PROBE})).value_set(PROBE)
    if found is None:
        return [{"open": True}]
    rows: list[dict[str, Any]] = []
    for system, extent in sorted(found.extents.items()):
        rows.append(_row(system, extent))
    return rows or [{"open": True}]


def _row(system: str, extent: Extent) -> dict[str, Any]:
    row: dict[str, Any] = {"system": system} if system else {}
    if extent.codes and len(extent.codes) <= MOST:
        row["codes"] = "".join(f"{code}\n" for code in sorted(extent.codes))
    if extent.open or not extent.codes or len(extent.codes) > MOST:
        row["open"] = True
    return row
