"""Where the gateway's resource and the official fixture differ when the data went through the sample EHR, and why.

Everything that is not listed here came back with the value it had: ``test_qualification_sql`` compares every path.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from conformance.ehr_of_fixtures.values import Values

LESS, MORE, OTHER = "not held", "more", "otherwise"


class Difference(NamedTuple):
    """A path of a profile that one side lacks, or that has other values."""

    profile: str
    how: str
    path: str


class Line(NamedTuple):
    """Differences that are known: patterns of the profile and the path, and the reason."""

    how: str
    profile: str
    path: str
    why: str

    def explains(self, found: Difference) -> bool:
        """Whether this line is about a difference."""
        same = self.how == found.how and fnmatchcase(found.profile, self.profile)
        return same and fnmatchcase(found.path, self.path)


def compared(fixture: Values, given: Values) -> Iterator[tuple[str, str]]:
    """How and where two resources differ."""
    for path in fixture.keys() | given.keys():
        if fixture.get(path) != given.get(path):
            yield LESS if path not in given else MORE if path not in fixture else OTHER, path


NUMBER = "the EHR numbers its records itself"
STAFF = "the EHR makes the name of staff from its parts"
LIST = "the mapping's value list has its own words for the code"
FIXED = "the mapping has its own words for the code"
TEXT = "the name is given as text too"

LAB = "zib-LaboratoryTestResult-*"

LISTED = (
    # Not held.
    Line(LESS, "*", "*identifier(urn:oid:2.16.840.1.113883.2.4.3.11.999.7).value", NUMBER),
    Line(LESS, "zib-MedicationAgreement", "identifier(MedicationRequest-ID).value", NUMBER),
    Line(LESS, "nl-core-*", "*.coding(urn:iso:std:iso:3166).version", "a country has no version in the EHR"),
    Line(LESS, "nl-core-organization", "address.extension*", "which kind of address is not kept for organisations"),
    Line(LESS, "nl-core-organization", "address.type", "which kind of address is not kept for organisations"),
    Line(LESS, "nl-core-organization", "address.use", "which kind of address is not kept for organisations"),
    Line(LESS, "nl-core-organization", "type.coding(urn:oid:2.16.840.1.113883.2.4.6.7).*", "one code for the kind"),
    Line(LESS, "nl-core-practitioner", "address.*", "no addresses of staff"),
    Line(LESS, "zib-Encounter", "class.extension*", "the class says the same"),
    Line(LESS, LAB, "*.extension(BodySite-Morphology).*", "morphology is not registered"),
    Line(LESS, LAB, "contained.*", "a specimen is of the patient, not of a thing"),
    Line(OTHER, LAB, "subject.*", "a specimen is of the patient, not of a thing"),
    Line(LESS, "nl-core-patient", "maritalStatus.coding(urn:oid:2.16.840.1.113883.5.2).*", "the system has a url too"),
    Line(MORE, "nl-core-patient", "maritalStatus.coding(MaritalStatus).*", "the system has a url too"),
    # More than the fixture says.
    Line(MORE, "*", "*identifier(urn:oid:2.16.840.1.113883.2.4.3.11.999.77.1).value", NUMBER),
    Line(OTHER, "zib-*Directive", "identifier.*", NUMBER),
    Line(MORE, "nl-core-patient", "active", "who is in the EHR is active"),
    Line(MORE, "nl-core-p*", "*name.text", "the name as people write it"),
    Line(MORE, "nl-core-p*", "*name.use", "the EHR has official names"),
    Line(MORE, "zib-Payer", "status", "a policy in the EHR is active"),
    Line(MORE, "zib-ProcedureRequest", "_status.*", "the zib's own code for an active order"),
    Line(MORE, LAB, "interpretation.coding(sct).*", "the zib's own code for the flag"),
    Line(MORE, "zib-*", "*ode.text", TEXT),
    Line(MORE, "zib-AllergyIntolerance", "reaction.*.text", TEXT),
    Line(MORE, "zib-MedicalDevice", "indication.text", TEXT),
    # The same code or reference in other words.
    Line(OTHER, "*", "*.extension(practitionerrole-reference).valueReference.display", STAFF),
    Line(OTHER, "nl-core-patient", "generalPractitioner.display", STAFF),
    Line(OTHER, "*", "*.actor.display", STAFF),
    Line(OTHER, "*", "*.individual.display", STAFF),
    Line(OTHER, "*", "*.agent.display", STAFF),
    Line(OTHER, "zib-MedicalDevice", "extension(zib-MedicalDevice-Practitioner).valueReference.display", STAFF),
    Line(OTHER, "zib-MedicationUse", "extension(zib-MedicationUse-Prescriber).valueReference.display", STAFF),
    Line(OTHER, "zib-AdvanceDirective", "consentingParty.*", "a contact person is a record of the patient's"),
    Line(OTHER, "zib-TreatmentDirective", "sourceReference.display", "a directive is called by its kind"),
    Line(OTHER, LAB, "specimen.display", "the specimen is called by its own type"),
    Line(OTHER, LAB, "parent.display", "the specimen is called by its own type"),
    Line(OTHER, "zib-VaccinationRecommendation", "*.supportingImmunization.display", "a name has no space at its end"),
    Line(OTHER, "*", "*.extension(code-specification).*.display", LIST),
    Line(OTHER, "*", "*telecom(phone).extension(zib-ContactInformation-TelecomType).*.display", FIXED),
    Line(OTHER, "nl-core-patient", "contact.relationship.coding(RoleCode).display", LIST),
    Line(OTHER, "nl-core-organization", "type.coding(organization-type).display", LIST),
    Line(OTHER, "zib-Payer", "type.coding(*).display", LIST),
    Line(OTHER, "zib-*", "category.coding(*).display", LIST),
    Line(OTHER, "zib-*", "*.extension(BodySite-Qualifier).*.display", LIST),
    Line(OTHER, "zib-TreatmentDirective", "*.extension(VerifiedWith).*.display", LIST),
    Line(OTHER, "zib-*Use", "valueCodeableConcept.coding(sct).display", LIST),
    Line(OTHER, "zib-*", "component(*).valueCodeableConcept.coding(*).display", LIST),
    Line(OTHER, "zib-*", "component(*).code.coding(*).display", FIXED),
    Line(OTHER, "zib-B*", "code.coding(loinc.org).display", FIXED),
    Line(OTHER, "zib-LivingSituation", "code.coding(sct).display", FIXED),
    Line(OTHER, "zib-TobaccoUse", "code.coding(sct).display", FIXED),
    Line(OTHER, "zib-BloodPressure", "bodySite.coding(sct).display", LIST),
    Line(OTHER, "zib-BloodPressure", "method.coding(sct).display", LIST),
    Line(OTHER, "zib-Medication*", "dosage*.route.coding(*).display", LIST),
    Line(OTHER, "zib-AdministrationAgreement", "dosageInstruction.route.coding(*).display", LIST),
    Line(OTHER, LAB, "interpretation.coding(0078).display", LIST),
    Line(OTHER, LAB, "referenceRange.type.coding(*).display", FIXED),
    Line(OTHER, "zib-Vaccination", "practitioner.role.coding(*).display", LIST),
    Line(OTHER, "zib-VaccinationRecommendation", "recommendation.forecastStatus.coding(*).display", FIXED),
    Line(OTHER, "zib-Encounter", "class.display", LIST),
    Line(OTHER, "zib-Encounter", "hospitalization.*.coding(sct).display", LIST),
    Line(OTHER, "*", "participant.type.coding(ParticipationType).display", FIXED),
    Line(OTHER, "eAfspraak-Appointment", "appointmentType.coding(ActCode).display", LIST),
)
