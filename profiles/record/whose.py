"""Whose a resource is: the elements that say so, the types that are about nobody in particular (``whose.toml``)."""

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from profiles.fhir.tree import Resource, local_reference
from profiles.record.bsn import bsn_of, bsns
from profiles.record.walk import Key, objects, values
from profiles.rows import Row, parsed


class ContextRow(Row, frozen=True):
    """An element that names the context in which something was recorded, when it names a resource of this type."""

    element: str
    type: str


class Below(Row, frozen=True):
    """Where a type may say nothing of a patient itself: ``element`` names a ``target`` that does."""

    type: str
    element: str
    target: str
    parameter: str
    """The search parameter that finds the type by its target."""


class OwnerTable(Row, frozen=True):
    """The table; see ``whose.toml`` for what each part means."""

    default: tuple[str, ...]
    shared: frozenset[str]
    free: frozenset[str]
    companion: frozenset[str]
    follows: frozenset[str]
    context: tuple[ContextRow, ...]
    below: tuple[Below, ...]
    owners: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        apart = (self.shared & self.free, self.shared & self.follows, self.free & self.follows)
        if any(apart) or self.shared & self.owners.keys() or self.companion - self.free:
            raise ValueError("a type stands in two parts of the table of owners")

    def elements(self, type_: str) -> tuple[str, ...]:
        """The paths of the elements that name the patient."""
        return () if type_ in self.shared else self.owners.get(type_, self.default)

    def stands_below(self, type_: str) -> Below | None:
        """What a resource of this type may leave its patient to."""
        return next((row for row in self.below if row.type == type_), None)

    def may_be_shared(self, type_: str) -> bool:
        """Whether a resource of this type may be nobody's."""
        return type_ in self.shared or type_ in self.free


def read_owners(text: str) -> OwnerTable:
    """Read the table. Raises ValueError when a type stands in two parts that exclude each other."""
    return parsed("whose.toml", text, OwnerTable)


OWNERS = read_owners(Path(__file__).with_name("whose.toml").read_text("utf-8"))
"""The table of the house."""


class Naming(Enum):
    """What one reference says about the patient."""

    PATIENT = "a patient here, by type and id"
    ELSEWHERE = "somebody by an address or a number: whom, only who knows that address or number can say"
    OTHER = "something that is not a patient"
    VAGUE = "nothing that can be used: a name, a group, a contained resource that is not there"


def naming(reference: Mapping[str, Any]) -> Naming:
    """What a reference in an owner element says. A reference to a contained resource is `VAGUE`: look at what it is."""
    literal = reference.get("reference")
    if not isinstance(literal, str):
        return Naming.ELSEWHERE if bsn_of(reference.get("identifier")) is not None else Naming.VAGUE
    if literal.startswith("#"):
        return Naming.VAGUE
    found = local_reference(literal)
    if found is None:
        return Naming.ELSEWHERE if literal.startswith("urn:") else Naming.VAGUE
    if found[0] == "Patient":
        return Naming.ELSEWHERE if "://" in literal else Naming.PATIENT
    return Naming.VAGUE if found[0] == "Group" else Naming.OTHER


def subjects(resource: Resource) -> Iterator[dict[str, Any]]:
    """The references of a resource that say whose it is."""
    for path in OWNERS.elements(str(resource.get("resourceType"))):
        yield from (found for found in values(resource, path) if isinstance(found, dict))


def contained_numbers(resource: Resource) -> set[str]:
    """The BSNs of the contained Patients that the owner elements of a resource point at."""
    contained = resource.get("contained")
    if not isinstance(contained, list):
        return set()
    named = {node["reference"] for node in subjects(resource) if isinstance(node.get("reference"), str)}
    people = [one for one in contained if isinstance(one, dict) and one.get("resourceType") == "Patient"]
    return {number for one in people if f"#{one.get('id')}" in named for number in bsns(one)}


def mentions(resource: Resource) -> Iterator[dict[str, Any]]:
    """Every reference to a Patient, in whichever element: for resources whose owner elements name nobody."""
    for node in objects(resource):
        literal = node.get("reference")
        found = local_reference(literal) if isinstance(literal, str) else None
        if found is not None and found[0] == "Patient":
            yield node


def is_shared(resource: Resource) -> bool:
    """Whether a resource is nobody's in particular: its type allows that, and it names no patient."""
    if not OWNERS.may_be_shared(str(resource.get("resourceType"))):
        return False
    return all(naming(node) is Naming.OTHER for node in subjects(resource)) and not any(mentions(resource))


def may_follow(resource: Resource) -> bool:
    """Whether a resource may be given to the person whose resources stand beside it.

    Only when it says nothing itself; one that names somebody who is not known is never given to another.
    """
    said = {naming(node) for node in subjects(resource)}
    if resource.get("resourceType") in OWNERS.follows:
        return Naming.ELSEWHERE not in said
    return said <= {Naming.OTHER}


def patient_of(reference: Any) -> str | None:
    """The id of the Patient that a reference names by type and id; None for everything else."""
    if not isinstance(reference, dict) or naming(reference) is not Naming.PATIENT:
        return None
    found = local_reference(str(reference["reference"]))
    return found[1] if found else None


def contexts(resource: Resource) -> Iterator[Key]:
    """The encounters and episodes of care in whose context a resource was recorded, the first that counts first."""
    for row in OWNERS.context:
        value = resource.get(row.element)
        literal = value.get("reference") if isinstance(value, dict) else None
        found = local_reference(literal) if isinstance(literal, str) and "://" not in literal else None
        if found is not None and found[0] == row.type:
            yield found


def above(resource: Resource) -> Iterator[Key]:
    """What says whose a resource is that names nobody itself: the episodes of care of an Encounter without subject."""
    row = OWNERS.stands_below(str(resource.get("resourceType")))
    if row is None or any(subjects(resource)) or any(mentions(resource)):
        return
    for value in values(resource, row.element):
        literal = value.get("reference") if isinstance(value, dict) else None
        found = local_reference(literal) if isinstance(literal, str) and "://" not in literal else None
        if found is not None and found[0] == row.target:
            yield found
