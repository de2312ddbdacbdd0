"""Which element of a resource is which column of the sample EHR: medication, vaccination, measurements, laboratory."""

from collections.abc import Mapping, Sequence

from conformance.fixture_paths import (
    Column,
    among,
    at,
    contained,
    fixed,
    in_unit,
    key,
    listed,
    moment,
    numbered,
    own,
    owner,
)
from conformance.fixture_rule import Rule

REPEAT = "timing.repeat"
USE = "extension(zib-Medication-PeriodOfUse).valuePeriod"
NOTE = "extension(zib-Medication-AdditionalInformation).valueCodeableConcept.coding"
STOP = "modifierExtension(zib-Medication-StopType).valueCodeableConcept.coding"
CHANGE = "extension(zib-MedicationUse-ReasonForChangeOrDiscontinuationOfUse).valueCodeableConcept.coding"
SITE = "collection.bodySite"

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
MEASURED = {"patient_id": owner, "measured_at": moment("effectiveDateTime"), "remark": at("comment")}
SPECIMEN: Mapping[str, Column] = {
    "patient_id": owner,
    "snomed": at("type.coding.code"),
    "name": at("type.coding.display"),
    "taken_at": moment("collection.collectedDateTime"),
    "received_at": moment("receivedTime"),
    "method": at("collection.method.coding.code"),
    "method_name": at("collection.method.coding.display"),
    "volume": at("collection.quantity.value"),
    "volume_unit": at("collection.quantity.unit"),
    "body_site": at(f"{SITE}.coding.code"),
    "body_site_name": at(f"{SITE}.coding.display"),
    "side": listed("side", f"{SITE}.extension(BodySite-Qualifier).valueCodeableConcept.coding"),
    "container_number": at("container.identifier.value"),
    "container": at("container.type.coding.code"),
    "container_name": at("container.type.coding.display"),
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


def _measured(kind: str, columns: Mapping[str, Column]) -> Sequence[Rule]:
    return (Rule("measurement", "measurement_id", own, {**MEASURED, "kind": fixed(kind), **columns}),)


def _component(code: str) -> str:
    return f"component({code}).valueCodeableConcept.coding"


CURE: Mapping[str, Sequence[Rule]] = {
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
    "zib-Vaccination": (
        Rule(
            "vaccination",
            "vaccination_id",
            own,
            {
                "patient_id": owner,
                "atc": at("vaccineCode.coding(atc).code"),
                "prk": at("vaccineCode.coding(urn:oid:2.16.840.1.113883.2.4.4.10).code"),
                "name": at("vaccineCode.coding.display"),
                "given_on": at("date"),
                "state": fixed("G"),
                "dose": at("doseQuantity.value"),
                "dose_unit": at("doseQuantity.unit"),
                "dose_ucum": at("doseQuantity.code"),
                "given_here": at("primarySource"),
                "employee_id": key("practitioner.actor", "Practitioner"),
                "part": listed("participation", "practitioner.role.coding"),
                "remark": at("note.text"),
            },
        ),
    ),
    # The next dose stands with the dose that it follows.
    "zib-VaccinationRecommendation": (
        Rule(
            "vaccination",
            "vaccination_id",
            key("recommendation.supportingImmunization"),
            {"patient_id": owner, "planned_on": at("recommendation.date")},
        ),
    ),
    "zib-BloodPressure": _measured(
        "RR",
        {
            "value": at("component(8480-6).valueQuantity.value"),
            "second_value": at("component(8462-4).valueQuantity.value"),
            "mean_value": at("component(6797001).valueQuantity.value"),
            "detail": listed("body_position", _component("424724000")),
            "site": listed("pressure_site", "bodySite.coding"),
            "method": listed("pressure_method", "method.coding"),
            "cuff": listed("cuff", _component("70665002")),
            "end_point": listed("diastolic_end", _component("85549003")),
        },
    ),
    "zib-BodyWeight": _measured(
        "GEW", {"value": at("valueQuantity.value"), "detail": listed("clothing", _component("8352-7"))}
    ),
    "zib-BodyHeight": _measured(
        "LEN",
        {"value": at("valueQuantity.value"), "detail": among("code.coding.code", {"8308-9": "ST", "8306-3": "LI"})},
    ),
    "zib-LaboratoryTestResult-Observation": (
        Rule(
            "lab_result",
            "result_id",
            own,
            {
                "patient_id": owner,
                "specimen_id": key("specimen"),
                "discipline": listed("discipline", "category.coding", elsewhere=True),
                "loinc": at("code.coding.code"),
                "name": at("code.coding.display"),
                "value": at("valueQuantity.value"),
                "unit": at("valueQuantity.unit"),
                "ucum": at("valueQuantity.code"),
                "finding": at("valueString"),
                "low": at("referenceRange.low.value"),
                "high": at("referenceRange.high.value"),
                "flag": listed("flag", "interpretation.coding"),
                "state": listed("lab_state", "status"),
                "method": at("method.coding.code"),
                "method_name": at("method.coding.display"),
                "remark": at("comment"),
                "measured_at": moment("effectiveDateTime"),
            },
        ),
        # A result says of which panel it is, a panel in FHIR which results it has.
        Rule("lab_result", "result_id", key("target"), {"panel_id": own}, at="related"),
    ),
    "zib-LaboratoryTestResult-Specimen": (Rule("specimen", "specimen_id", own, SPECIMEN),),
    "zib-LaboratoryTestResult-Specimen-Isolate": (
        Rule("specimen", "specimen_id", own, {**SPECIMEN, "parent_id": contained("parent")}),
        Rule("specimen", "specimen_id", lambda source: f"{source.parent}-{source.node['id']}", SPECIMEN, at="contained"),
    ),
}
