"""What the library does not know, or knows otherwise than the specification: the reviewed corrections."""

import re
from typing import TypedDict

from profiles.fhir.tables.lines import FactsTable, TypeTable

_CODES = re.compile(r" #(\S+)$")


class Corrections(TypedDict):
    """Kept as ``data/corrections-*.json``.

    ``absent``: types of the library that the release does not have. ``types``: types that the library lacks or has
    with other elements. ``elements``: single lines that differ. ``bindings``: required code sets by element.
    """

    open: list[str]
    absent: list[str]
    elements: dict[str, str]
    bindings: dict[str, str]
    codes: dict[str, list[str]]
    types: dict[str, TypeTable]


def corrected(library: FactsTable, corrections: Corrections) -> FactsTable:
    """The facts of the library with the corrections applied."""
    types = {name: table for name, table in library["types"].items() if name not in corrections["absent"]}
    for name, table in types.items():
        lines = [corrections["elements"].get(f"{name}.{_label(line)}", line) for line in table["elements"]]
        types[name] = TypeTable(kind=table["kind"], base=table["base"], elements=lines)
    types |= corrections["types"]
    for name, table in types.items():
        lines = [_bound(line, corrections["bindings"].get(f"{name}.{_label(line)}")) for line in table["elements"]]
        types[name] = TypeTable(kind=table["kind"], base=table["base"], elements=lines)
    return FactsTable(open=corrections["open"], codes=corrections["codes"], types=dict(sorted(types.items())))


def differences(library: FactsTable, official: FactsTable) -> Corrections:
    """The corrections that turn the facts of the library into the official ones, to be reviewed and committed."""
    corrections = Corrections(
        open=official["open"],
        absent=sorted(library["types"].keys() - official["types"].keys()),
        elements={},
        bindings={},
        codes=official["codes"],
        types={},
    )
    for name, right in sorted(official["types"].items()):
        bare = [_CODES.sub("", line) for line in right["elements"]]
        for line in right["elements"]:
            if codes := _CODES.search(line):
                corrections["bindings"][f"{name}.{_label(line)}"] = codes[1]
        ours = library["types"].get(name)
        if ours is None or _head(ours) != _head(right):
            corrections["types"][name] = TypeTable(kind=right["kind"], base=right["base"], elements=bare)
            continue
        for mine, theirs in zip(ours["elements"], bare, strict=True):
            if mine != theirs:
                corrections["elements"][f"{name}.{_label(theirs)}"] = theirs
    return corrections


def _head(table: TypeTable) -> tuple[str, str | None, list[str]]:
    return table["kind"], table["base"], [_label(line) for line in table["elements"]]


def _label(line: str) -> str:
    return line.partition(" ")[0]


def _bound(line: str, codes: str | None) -> str:
    return f"{line} #{codes}" if codes else line
