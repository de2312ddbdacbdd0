"""Names that a mapping uses and others own: request rows, resource types, elements.

A row that no standard has would never be asked for, and an element that its type does not have never be read: the data
would be lost in silence. So both are faults of the mapping, found when it is compiled, and told with the nearest name.
"""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from adapters.mapping.faults import MappingFault, Steps
from adapters.mapping.file import MappingSection
from profiles.fhir.basetypes import BaseFacts, TypeFacts, facts
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue


def row_faults(section: MappingSection, place: Steps, version: FhirVersion) -> Iterator[MappingFault]:
    """The rows of a section that no standard has, or that ask for another type or FHIR version."""
    standards = catalogue().standards
    for index, row in enumerate(section.rows):
        name, _, rule = row.partition("/")
        here = (*place, "rows", index)
        if name not in standards:
            yield MappingFault(here, f"there is no standard {name!r}{nearest(name, standards)}")
            continue
        standard = standards[name]
        rules = {one.id: one for one in standard.rules}
        if rule not in rules:
            yield MappingFault(here, f"there is no row {rule!r} in {name}{nearest(rule, rules)}")
        elif rules[rule].type != section.type:
            yield MappingFault(here, f"{row} asks for {rules[rule].type}, and this section makes {section.type}")
        elif standard.fhir is not version:
            yield MappingFault(here, f"{row} is of FHIR {standard.fhir}, and this mapping of {version}")


def element_faults(section: MappingSection, place: Steps, version: FhirVersion) -> Iterator[MappingFault]:
    """A type that FHIR does not have, and elements of the template that their type does not have."""
    known = facts(version)
    if not known.is_resource(section.type):
        words = f"FHIR has no resource {section.type}{nearest(section.type, known.resource_types())}"
        yield MappingFault((*place, "type"), words)
        return
    yield from _elements(section.resource, known.types[section.type], (*place, "resource"), known)


def nearest(name: str, names: Iterable[str]) -> str:
    """The words that name what was probably meant; nothing when nothing is near."""
    found = get_close_matches(name, list(names), 1)
    return f"; did you mean {found[0]}?" if found else ""


def _elements(node: Any, of: TypeFacts, place: Steps, known: BaseFacts) -> Iterator[MappingFault]:
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _elements(item, of, (*place, index), known)
    if not isinstance(node, dict):
        return
    for name, value in node.items():
        if not isinstance(name, str) or name.startswith(("$", "_")) or name == "resourceType":
            continue
        found = of.properties.get(name)
        if found is None:
            words = f"{of.name} has no element {name}{nearest(name, of.properties)}"
            yield MappingFault((*place, name), words)
            continue
        element, kind = found
        repeated = isinstance(value, list) or (isinstance(value, dict) and "$each" in value)
        if element.many and not repeated:
            yield MappingFault((*place, name), "a list is expected here")
        elif isinstance(value, list) and not element.many:
            yield MappingFault((*place, name), "no list is possible here")
        if known.kind(kind) not in (None, "resource"):
            yield from _elements(value, known.types[kind], (*place, name), known)
