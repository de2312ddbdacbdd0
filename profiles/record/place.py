"""Finding the patient of each resource, through its own references and through those of others.

A resource whose patient cannot be found is refused: a gateway that guesses here shows one patient another's data.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from profiles.fhir.tree import Resource, local_reference
from profiles.record.walk import Key, key_of, links

SHARED_TYPES = frozenset(
    {
        "Practitioner", "PractitionerRole", "Organization", "Location", "HealthcareService", "Endpoint", "Medication",
        "Substance", "Device", "Schedule", "Slot", "Questionnaire", "ValueSet", "CodeSystem", "StructureDefinition",
        "PlanDefinition", "ActivityDefinition", "OrganizationAffiliation", "InsurancePlan", "Library", "Contract",
    }
)  # fmt: skip
"""Types that may stand without a patient. They are reached only from a patient's own resources."""

OWNER_ELEMENTS = ("subject", "patient", "beneficiary", "for", "individual", "policyHolder")
"""Elements that name the patient whose record it is, when a resource speaks of more than one."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where everything goes: patient id per resource key (empty: shared), and why the rest is refused."""

    patients: Mapping[Key, str] = field(default_factory=dict)
    refused: Mapping[Key, str] = field(default_factory=dict)


def place(
    resources: Iterable[Resource],
    stored: Callable[[Key], str | None] = lambda _key: None,
    hints: Mapping[Key, str] | None = None,
) -> Placement:
    """Place resources that come together.

    ``stored`` says to which patient (empty: shared) a resource belongs that is already in the store, None when it is
    not there. ``hints`` names a patient for resources that nothing else places: who sent them knows. Returns a
    Placement; every resource is in exactly one of its two mappings.
    """
    given = {key_of(resource): resource for resource in resources}
    targets = {key: list(links(resource)) for key, resource in given.items()}
    patients: dict[Key, str] = {}
    refused: dict[Key, str] = {}
    for key, resource in given.items():
        try:
            owner = _own_patient(key, resource, targets[key])
        except ValueError as fault:
            refused[key] = str(fault)
            continue
        owner = _context_patient(resource, given, targets, stored) or owner
        known = owner is None or ("Patient", owner) in given or stored(("Patient", owner)) is not None
        if not known and hints and key in hints:
            patients[key] = hints[key]
        elif not known:
            refused[key] = f"refers to Patient/{owner}, which is neither in this import nor in the store"
        elif owner is not None:
            patients[key] = owner
    _spread(given, targets, patients, refused, stored)
    for key in given.keys() - patients.keys() - refused.keys():
        if key[0] in SHARED_TYPES:
            patients[key] = ""
        elif hints and key in hints:
            patients[key] = hints[key]
        else:
            refused[key] = "no patient found: it refers to none, and nothing of a patient refers to it"
    return Placement(patients, refused)


def _own_patient(key: Key, resource: Resource, targets: list[Key]) -> str | None:
    if key[0] == "Patient":
        return key[1]
    for name in OWNER_ELEMENTS:
        value = resource.get(name)
        if isinstance(value, dict) and isinstance(value.get("reference"), str):
            found = local_reference(value["reference"])
            if found and found[0] == "Patient":
                return found[1]
    named = {id_ for type_, id_ in targets if type_ == "Patient"}
    if len(named) > 1:
        raise ValueError("refers to more than one patient, and no element says whose record it is")
    return named.pop() if named else None


def _context_patient(
    resource: Resource,
    given: Mapping[Key, Resource],
    targets: Mapping[Key, list[Key]],
    stored: Callable[[Key], str | None],
) -> str | None:
    """The patient of the episode of care in whose context something was recorded.

    What a midwife records of a newborn has the child as its subject and stands in the mother's record (PWD).
    """
    for element, type_ in (("context", "EpisodeOfCare"), ("context", "Encounter"), ("encounter", "Encounter")):
        value = resource.get(element)
        found = local_reference(str(value.get("reference"))) if isinstance(value, dict) else None
        if not found or found[0] != type_:
            continue
        if type_ == "EpisodeOfCare":
            return _own_patient(found, given[found], targets[found]) if found in given else stored(found)
        for target in targets[found] if found in given else ():
            if target[0] == "EpisodeOfCare":
                return _own_patient(target, given[target], []) if target in given else stored(target)
    return None


def _spread(
    given: Mapping[Key, Resource],
    targets: Mapping[Key, list[Key]],
    patients: dict[Key, str],
    refused: dict[Key, str],
    stored: Callable[[Key], str | None],
) -> None:
    """Carry patients along references, in both directions, until nothing changes."""
    incoming: dict[Key, set[Key]] = {key: set() for key in given}
    for key, aims in targets.items():
        for aim in aims:
            if aim in incoming:
                incoming[aim].add(key)
    while True:
        found: dict[Key, str] = {}
        for key in given.keys() - patients.keys() - refused.keys():
            near = {patients.get(other) for other in incoming[key]} - {None, ""}
            if key[0] not in SHARED_TYPES:
                near |= {patients.get(aim) or stored(aim) for aim in targets[key]} - {None, ""}
            elif key[0] != "Device":
                continue
            if len(near) == 1:
                found[key] = str(near.pop())
            elif len(near) > 1 and key[0] not in SHARED_TYPES:
                refused[key] = "belongs to resources of more than one patient"
        if not found:
            return
        patients.update(found)


def birth_date(patient: Resource) -> date | None:
    """The birth date of a Patient; None when it is not known to the day."""
    try:
        return date.fromisoformat(str(patient.get("birthDate")))
    except ValueError:
        return None
