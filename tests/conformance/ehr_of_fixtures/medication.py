"""Which element is which column: medicines, prescriptions, administration agreements, use, and their dosage lines."""

from collections.abc import Mapping, Sequence

from conformance.ehr_of_fixtures.paths import Column, among, at, in_unit, key, listed, moment, numbered, own, owner
from conformance.ehr_of_fixtures.rule import Rule

REPEAT = "timing.repeat"
USE = "extension(zib-Medication-PeriodOfUse).valuePeriod"
NOTE = "extension(zib-Medication-AdditionalInformation).valueCodeableConcept.coding"
STOP = "modifierExtension(zib-Medication-StopType).valueCodeableConcept.coding"
CHANGE = "extension(zib-MedicationUse-ReasonForChangeOrDiscontinuationOfUse).valueCodeableConcept.coding"

ORDER = {
    "patient_id": owner,
    "product_id": key("medicationReference"),
    "treatment_id": at("extension(zib-Medication-MedicationTreatment).valueIdentifier.value"),
    "start_at": moment(f"{USE}.start"),
    "end_at": moment(f"{USE}.end"),
    "days": at("extension(zib-MedicationUse-Duration).valueDuration.value"),
    "cycle_days": at("modifierExtension(zib-Medication-RepeatPeriodCyclicalSchedule).valueDuration.value"),
    "stop_type": listed("stop_type", STOP),
    "remark": at("note.text"),
}


def _part_of_day(code: str) -> Column:
    return among(f"{REPEAT}.when", {code: "J"})


def _dosage(path: str) -> Rule:
    """The lines of a prescription, an agreement or a use."""
    columns = {
        "patient_id": owner,
        "order_id": own,
        "line": at("sequence"),
        "instruction": at("text"),
        "extra_instruction": at("additionalInstruction.text"),
        "times_a_day": at(f"{REPEAT}.frequency"),
        "every_hours": in_unit(f"{REPEAT}.period", f"{REPEAT}.periodUnit", "h"),
        "days": at(f"{REPEAT}.boundsDuration.value"),
        "morning": _part_of_day("MORN"),
        "afternoon": _part_of_day("AFT"),
        "evening": _part_of_day("EVE"),
        "night": _part_of_day("NIGHT"),
        "route": listed("route", "route.coding"),
        "dose": at("doseQuantity.value"),
        "dose_unit": listed("dose_unit", "doseQuantity.code|doseRange.high.code"),
        "as_needed": at("asNeededCodeableConcept.coding.code"),
        "as_needed_name": at("asNeededCodeableConcept.coding.display"),
        "most_at_once": at("doseRange.high.value"),
        "most_a_day": at("maxDosePerPeriod.numerator.value"),
    }
    return Rule("dosage", "dosage_id", numbered, columns, at=path)


MEDICATION: Mapping[str, Sequence[Rule]] = {
    "zib-Product": (
        Rule(
            "product",
            "product_id",
            own,
            {
                "atc": at("code.coding(atc).code"),
                "hpk": at("code.coding(urn:oid:2.16.840.1.113883.2.4.4.7).code"),
                "hpk_name": at("code.coding(urn:oid:2.16.840.1.113883.2.4.4.7).display"),
                "name": at("code.text"),
                "description": at("extension(zib-Product-Description).valueString"),
                "form": at("form.coding.code"),
                "form_name": at("form.coding.display"),
            },
        ),
    ),
    "zib-MedicationAgreement": (
        Rule(
            "prescription",
            "prescription_id",
            own,
            {
                **ORDER,
                "prescriber_id": key("requester.agent", "Practitioner"),
                "prescribed_at": moment("authoredOn"),
                "additional": listed("prescription_note", NOTE),
                "reason": listed("medication_reason", "reasonCode.coding"),
                "problem_id": key("reasonReference", "Condition"),
            },
        ),
        _dosage("dosageInstruction"),
    ),
    "zib-AdministrationAgreement": (
        Rule(
            "administration_agreement",
            "agreement_id",
            own,
            {
                **ORDER,
                "prescription_id": key("authorizingPrescription"),
                "dispenser_id": key("performer.actor", "Practitioner"),
                "agreed_at": moment("extension(zib-AdministrationAgreement-AuthoredOn).valueDateTime"),
                "additional": listed("agreement_note", NOTE),
                "reason": at("extension(zib-AdministrationAgreement-AgreementReason).valueString"),
            },
        ),
        _dosage("dosageInstruction"),
    ),
    "zib-MedicationUse": (
        Rule(
            "medication_use",
            "use_id",
            own,
            {
                **{name: column for name, column in ORDER.items() if name != "stop_type"},
                "state": listed("use_state", "status"),
                "in_use": listed("in_use", "taken"),
                "asserted_at": moment("dateAsserted"),
                "start_at": moment("effectivePeriod.start"),
                "end_at": moment("effectivePeriod.end"),
                "days": at("effectivePeriod.extension(zib-MedicationUse-Duration).valueDuration.value"),
                "as_agreed": at("extension(zib-MedicationUse-AsAgreedIndicator).valueBoolean"),
                "reason": at("reasonCode.text"),
                "change_reason": listed("medication_reason", CHANGE),
                "prescriber_id": key("extension(zib-MedicationUse-Prescriber).valueReference"),
            },
        ),
        _dosage("dosage"),
    ),
}
