"""Resources that R4 wants beside a reference: a role for a practitioner, a location for an organisation."""

from typing import Any, Final

from profiles.conversion.paths import Node
from profiles.conversion.work import NICTIZ, Work, part_id
from profiles.fhir.tree import local_reference
from profiles.record.walk import aim

EPISODE: Final = NICTIZ + "ext-Context-EpisodeOfCare"


def kind_of(reference: Any) -> str:
    """The type that a Reference points at; empty when it does not tell."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    target = local_reference(text) if isinstance(text, str) else None
    return target[0] if target else ""


def with_role(reference: Node, work: Work) -> Node:
    """A reference to the role of a practitioner, or of an organisation, which is made; any other stays as it is."""
    target = aim(str(reference.get("reference", "")))
    name = {"Practitioner": "practitioner", "Organization": "organization"}.get(target[0] if target else "")
    if target is None or name is None:
        return reference
    role = {
        "resourceType": "PractitionerRole",
        "id": part_id(target[1], "role"),
        "meta": {"profile": [NICTIZ + "nl-core-HealthProfessional-PractitionerRole"]},
        name: reference,
    }
    return _linked(role, reference, work)


def with_location(reference: Node, work: Work) -> Node:
    """A reference to a location of an organisation, which is made; any other stays as it is."""
    target = aim(str(reference.get("reference", "")))
    if target is None or target[0] != "Organization":
        return reference
    location = {
        "resourceType": "Location",
        "id": part_id(target[1], "loc"),
        "meta": {"profile": [NICTIZ + "nl-core-HealthcareProvider"]},
        "managingOrganization": reference,
    }
    return _linked(location, reference, work)


def _linked(made: Node, reference: Node, work: Work) -> Node:
    work.made.append(made)
    pointer: Node = {"reference": f"{made['resourceType']}/{made['id']}"}
    return {**pointer, "display": reference["display"]} if "display" in reference else pointer
