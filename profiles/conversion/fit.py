"""The last step: nothing leaves that R4 does not know, lists are lists, and what could not stay is told."""

from collections.abc import Mapping
from typing import Any, Final

from profiles.conversion.paths import Node, listed
from profiles.conversion.work import Work
from profiles.fhir.basetypes import ElementFacts, facts
from profiles.fhir.version import FhirVersion

KNOWN: Final = ("http://hl7.org/fhir/", "http://nictiz.nl/fhir/StructureDefinition/ext-")
"""How the addresses of extensions begin that R4 has too."""


def fitted(node: Node, kind: str, work: Work, path: str) -> Node:
    """An object with only what its type has in R4, lists where R4 has lists; the rest is told as ``unmapped``."""
    made: Node = {}
    known = facts(FhirVersion.R4)
    for key, value in node.items():
        name = key.removeprefix("_")
        element = known.property(kind, name)
        place = f"{path}.{name}"
        if key == "resourceType":
            made[key] = value
        elif element is None:
            work.lose("unmapped", "", place, value)
        elif key != name:
            made[key] = _beside(value, element[0], work, place)
        else:
            made[key] = _value(value, element, work, place)
    _tell_extension(made, kind, work, path)
    return made


def _value(value: Any, element: tuple[ElementFacts, str], work: Work, place: str) -> Any:
    found, kind = element
    rows = [_below(row, kind, work, place) for row in listed(value)]
    if found.many:
        return rows
    if len(rows) > 1:
        work.lose("unmapped", "", place, rows[1:])
    return rows[0] if rows else value


def _below(row: Any, kind: str, work: Work, place: str) -> Any:
    return fitted(row, kind, work, place) if isinstance(row, dict) and kind != "Resource" else row


def _beside(value: Any, element: ElementFacts, work: Work, place: str) -> Any:
    rows = [fitted(row, "Element", work, place) if isinstance(row, dict) else row for row in listed(value)]
    return rows if element.many else rows[0] if rows else value


def _tell_extension(node: Mapping[str, Any], kind: str, work: Work, path: str) -> None:
    url = node.get("url")
    if kind == "Extension" and isinstance(url, str) and ":" in url and not url.startswith(KNOWN):
        work.lose("unmapped", "", path, url)
