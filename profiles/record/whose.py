"""Whose a resource is: the elements that say so, and the types that are about nobody in particular."""

from collections.abc import Iterator
from typing import Any

from profiles.fhir.tree import Resource
from profiles.record.walk import values

SUBJECTS: dict[str, tuple[str, ...]] = {
    "Account": ("subject",),
    "AllergyIntolerance": ("patient",),
    "Appointment": ("participant.actor",),
    "AppointmentResponse": ("actor",),
    "BodySite": ("patient",),
    "BodyStructure": ("patient",),
    "Claim": ("patient",),
    "Communication": ("subject",),
    "CommunicationRequest": ("subject",),
    "Consent": ("patient",),
    "Coverage": ("beneficiary",),
    "DetectedIssue": ("patient",),
    "DeviceRequest": ("subject",),
    "DeviceUseStatement": ("subject",),
    "EpisodeOfCare": ("patient",),
    "ExplanationOfBenefit": ("patient",),
    "FamilyMemberHistory": ("patient",),
    "Immunization": ("patient",),
    "ImmunizationEvaluation": ("patient",),
    "ImmunizationRecommendation": ("patient",),
    "MedicationDispense": ("subject",),
    "NutritionOrder": ("patient",),
    "Person": ("link.target",),
    "RelatedPerson": ("patient",),
    "Schedule": ("actor",),
    "SupplyDelivery": ("patient",),
    "SupplyRequest": ("deliverTo", "requester"),
    "Task": ("for",),
    "VisionPrescription": ("patient",),
}
"""The elements that name the patient, for the types where it is not ``subject`` or ``patient``, or only one of them."""

SHARED = frozenset(
    {
        "CodeSystem",
        "HealthcareService",
        "Location",
        "Medication",
        "MedicationKnowledge",
        "NamingSystem",
        "Organization",
        "OrganizationAffiliation",
        "PlanDefinition",
        "Practitioner",
        "PractitionerRole",
        "Questionnaire",
        "Slot",
        "Substance",
        "ValueSet",
    }
)
"""Types that are about nobody in particular."""

MAYBE = frozenset({"Binary", "Device", "Group", "List", "Provenance"})
"""Types that may name a patient and may do without; they are nobody's unless they say so."""


BY_REFERENCE = frozenset({"Specimen"})
"""Types that may lawfully be about something else than a person (a swab of a room): they are the patient's when a
resource of the patient points at them."""


def subjects(resource: Resource) -> Iterator[dict[str, Any]]:
    """Yield the references of a resource that say who it is about."""
    for path in SUBJECTS.get(str(resource.get("resourceType")), ("subject", "patient")):
        yield from (found for found in values(resource, path) if isinstance(found, dict))
