"""From a value set table to a ValueSet with a compose; from a code system table to a CodeSystem.

A table of a value set holds::

    valueset: http://decor.nictiz.nl/fhir/ValueSet/2.16...5.1.1--20171231000000     the canonical URL, the first line
    name: ProbleemTypeCodelijst
    include:
    - system: http://snomed.info/sct
      codes: |
        282291009 | Diagnose                                                        code | name, one per line
    - system: http://snomed.info/sct
      open: true                                                                    codes that are not listed here
    - valueset: AllergieCategorieCodelijst                                          all codes of another value set

A table of a code system, of which every code is listed::

    codesystem: http://hl7.org/fhir/consent-category
    name: ConsentCategory
    cased: false                                                                    capitals make no difference
    codes: |
      cat1
"""

from collections.abc import Mapping
from typing import Any, Final

from profiles.zibs.notation import BAR, TableError
from profiles.zibs.structures import Resolve

TOP: Final = frozenset({"valueset", "name", "include"})
SYSTEM: Final = frozenset({"codesystem", "name", "cased", "codes"})
INCLUDE: Final = frozenset({"system", "codes", "open", "valueset"})
ANYTHING: Final = "urn:uuid:00000000-0000-0000-0000-000000000000"
"""A value set that nobody has: including it leaves the set open for codes of every system."""


def value_set(table: Mapping[str, Any], file: str, resolve: Resolve) -> dict[str, Any]:
    """The ValueSet of a table; TableError says what is wrong and where."""
    _known(table, TOP, file, "")
    for key in ("valueset", "include"):
        if key not in table:
            raise TableError(file, "", f"the key {key!r} is missing")
    rows = table["include"]
    if not isinstance(rows, list):
        raise TableError(file, "include", "is no list")
    include = [one for number, row in enumerate(rows, 1) for one in _include(row, file, f"include {number}", resolve)]
    url = str(table["valueset"])
    name = str(table.get("name", ""))
    return {"resourceType": "ValueSet", "url": url, "name": name, "title": name, "compose": {"include": include}}


def code_system(table: Mapping[str, Any], file: str) -> dict[str, Any]:
    """The CodeSystem of a table; TableError says what is wrong and where."""
    _known(table, SYSTEM, file, "")
    codes = _codes(table)
    if not codes:
        raise TableError(file, "", "lists no codes")
    return {
        "resourceType": "CodeSystem",
        "url": str(table.get("codesystem", "")),
        "name": str(table.get("name", "")),
        "caseSensitive": table.get("cased") is not False,
        "content": "complete",
        "concept": codes,
    }


def _known(row: Mapping[str, Any], known: frozenset[str], file: str, place: str) -> None:
    strange = sorted(str(key) for key in row.keys() - known)
    if strange:
        raise TableError(file, place, f"unknown key {strange[0]!r}; known are {', '.join(sorted(known))}")


def _include(row: Any, file: str, place: str, resolve: Resolve) -> list[dict[str, Any]]:
    if not isinstance(row, dict):
        raise TableError(file, place, "is no mapping")
    _known(row, INCLUDE, file, place)
    if "valueset" in row:
        url = resolve(str(row["valueset"]))
        if url is None:
            raise TableError(file, place, f"{row['valueset']!r} is neither a value set table nor a URL")
        return [{"valueSet": [url]}]
    if "system" not in row:
        if row.get("open") is True:
            return [{"valueSet": [ANYTHING]}]
        raise TableError(file, place, "needs a system, a valueset, or open: true")
    system = row["system"]
    rows: list[dict[str, Any]] = []
    codes = _codes(row)
    if codes:
        rows.append({"system": system, "concept": codes})
    if row.get("open") is True:
        rows.append({"system": system})
    if not rows:
        raise TableError(file, place, "lists no codes and is not open")
    return rows


def _codes(row: Mapping[str, Any]) -> list[dict[str, str]]:
    return [_code(line) for line in str(row.get("codes", "")).splitlines() if line.strip()]


def _code(line: str) -> dict[str, str]:
    code, _, name = line.partition(BAR)
    return {"code": code.strip(), "display": name.strip()} if name else {"code": code.strip()}
