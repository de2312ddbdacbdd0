"""Resources of two persons that point at each other in every element that can hold a reference, from the base facts."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from profiles.fhir.basetypes import BaseFacts, ElementFacts, facts
from profiles.fhir.version import FhirVersion
from profiles.record.whose import OWNERS

DEEPEST = 4
"""Elements below the resource that are looked into: ``evidence.detail``, ``note.authorReference``, extensions."""

NEVER = {"Bundle", "Parameters", "OperationOutcome", "CapabilityStatement", "TestScript", "TestReport"}
"""Types that are no part of anybody's record."""

BRANCHES = ("Extension", "Identifier", "Annotation", "Signature", "UsageContext", "DataRequirement")
"""Data types that hold references of their own: tried once in each resource, since each is the same everywhere."""


class Place(NamedTuple):
    """A property on the way to a reference: its name, and whether it is a list."""

    name: str
    many: bool


class Pointer(NamedTuple):
    """An element of a type that can hold a reference, and what it may point at (empty: anything)."""

    type: str
    path: tuple[Place, ...]
    targets: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.type}.{'.'.join(place.name for place in self.path)}"

    def filled(self, reference: Any) -> dict[str, Any]:
        """The elements of a resource that point with this reference (or with an attachment, the last of the path)."""
        node: Any = reference
        for place in reversed(self.path):
            if isinstance(node, dict) and place.name.lower().endswith("extension"):
                node = {"url": "https://example.org/extension", **node}
            node = {place.name: [node] if place.many else node}
        return dict(node)


def types(version: FhirVersion) -> tuple[str, ...]:
    """The resource types that a record may hold."""
    return tuple(name for name in facts(version).resource_types() if name not in NEVER)


@cache
def pointers(version: FhirVersion) -> tuple[Pointer, ...]:
    """Every element that can hold a Reference, except those that say whose the resource is."""
    return tuple(
        pointer
        for type_ in types(version)
        for pointer in _below(facts(version), type_, type_, (), frozenset())
        if ".".join(place.name for place in pointer.path) not in OWNERS.elements(type_)
    )


def _below(base: BaseFacts, root: str, type_: str, path: tuple[Place, ...], above: frozenset[str]) -> Iterator[Pointer]:
    seen: set[str] = set()
    for name, (element, kind) in base.types[type_].properties.items():
        if name in ("contained", "id") or len(path) >= DEEPEST:
            continue
        here = (*path, Place(name, element.many))
        if kind == "Reference":
            yield Pointer(root, here, element.targets)
        elif _looked_into(base, kind, above, seen, element, path):
            seen.add(kind)
            yield from _below(base, root, kind, here, above | {kind})


def _looked_into(
    base: BaseFacts, kind: str, above: frozenset[str], seen: set[str], element: ElementFacts, path: tuple[Place, ...]
) -> bool:
    if base.kind(kind) == "backbone":
        return kind not in above
    if kind not in BRANCHES or kind in above or kind in seen:
        return False
    # An extension of a resource and of its parts; not of each part of a part.
    return kind != "Extension" or (not path and element.name == "extension")


def owned(version: FhirVersion, type_: str, id_: str, patient: str, **elements: Any) -> dict[str, Any]:
    """A resource that names its patient, where its type can do that."""
    made: dict[str, Any] = {"resourceType": type_, "id": id_}
    for path in OWNERS.elements(type_):
        found = _way(facts(version), type_, path.split("."))
        if found is not None:
            return made | Pointer(type_, found, ()).filled({"reference": f"Patient/{patient}"}) | elements
    return made | elements


def _way(base: BaseFacts, type_: str, names: list[str]) -> tuple[Place, ...] | None:
    found: list[Place] = []
    for name in names:
        known = base.property(type_, name)
        if known is None:
            return None
        element, type_ = known
        found.append(Place(name, element.many))
    return tuple(found) if type_ == "Reference" else None


def ownable(version: FhirVersion, type_: str) -> bool:
    """Whether a type has an element that says whose it is."""
    return type_ == "Patient" or owned(version, type_, "", "x") != owned(version, type_, "", "y")


def marked(version: FhirVersion, type_: str, id_: str, patient: str, mark: str) -> dict[str, Any]:
    """A resource full of a text: names, titles, codes, displays."""
    values = {
        "string": mark,
        "HumanName": {"text": mark, "family": mark},
        "CodeableConcept": {"text": mark, "coding": [{"system": "urn:x", "code": "1", "display": mark}]},
        "markdown": mark,
    }
    made = owned(version, type_, id_, patient)
    for name in ("name", "title", "description", "code", "type", "vaccineCode", "medicationCodeableConcept", "comment"):
        known = facts(version).property(type_, name)
        if known is not None and known[1] in values and name not in made:
            made[name] = [values[known[1]]] if known[0].many else values[known[1]]
    return made
