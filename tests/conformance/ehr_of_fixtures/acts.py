"""Which element is which column: devices, vaccinations, operations, contacts, appointments."""

from collections.abc import Mapping, Sequence

from conformance.ehr_of_fixtures.paths import among, at, clock, day, fixed, key, listed, moment, own, owner
from conformance.ehr_of_fixtures.problems import NAMED, SITE
from conformance.ehr_of_fixtures.rule import Rule

REASON = {"problem_id": key("reasonReference", "Condition")}

ACTS: Mapping[str, Sequence[Rule]] = {
    "zib-MedicalDeviceProduct": (
        Rule(
            "device",
            "device_id",
            own,
            {
                "patient_id": owner,
                "snomed": at("type.coding.code"),
                "name": at("type.coding.display"),
                "description": at("note.text"),
                "gtin": at("udi.carrierHRF"),
            },
        ),
    ),
    "zib-MedicalDevice": (
        Rule(
            "device",
            "device_id",
            key("device"),
            {
                "patient_id": owner,
                **SITE,
                "remark": at("note.text"),
                "used_from": at("whenUsed.start"),
                "employee_id": key("extension(zib-MedicalDevice-Practitioner).valueReference"),
                "organisation_id": key("extension(zib-MedicalDevice-Organization).valueReference"),
                "problem_id": key("indication.extension(zib-MedicalDevice-Problem).valueReference"),
            },
        ),
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
    "zib-Procedure": (
        Rule(
            "operation",
            "operation_id",
            own,
            {
                "patient_id": owner,
                **NAMED,
                **SITE,
                **REASON,
                "surgical": among("category.coding.code", {"387713003": "J"}),
                "method": at("extension(procedure-method).valueCodeableConcept.coding.code"),
                "method_name": at("extension(procedure-method).valueCodeableConcept.coding.display"),
                "start_date": at("performedPeriod.start"),
                "end_date": at("performedPeriod.end"),
                "employee_id": key("performer.actor", "Practitioner"),
                "organisation_id": key("performer.actor", "Organization"),
                "state": listed("operation_state", "status"),
                "device_id": key("focalDevice.manipulated"),
            },
        ),
    ),
    "zib-ProcedureRequest": (
        Rule(
            "operation",
            "operation_id",
            own,
            {
                "patient_id": owner,
                **NAMED,
                **SITE,
                **REASON,
                "start_date": at("occurrencePeriod.start"),
                "end_date": at("occurrencePeriod.end"),
                "organisation_id": key("performer", "Organization"),
                "order_state": listed("order_state", "status"),
                "requester_id": key("requester.agent", "Practitioner"),
            },
        ),
    ),
    "zib-Encounter": (
        Rule(
            "admission",
            "admission_id",
            own,
            {
                "patient_id": owner,
                "kind": listed("admission_kind", "class"),
                "state": listed("admission_state", "status"),
                "start_date": day("period.start"),
                "start_time": clock("period.start"),
                "end_date": day("period.end"),
                "end_time": clock("period.end"),
                "organisation_id": key("serviceProvider"),
                "employee_id": key("participant.individual", "Practitioner"),
                "reason": at("reason.text"),
                "problem_id": key("diagnosis.condition", "Condition"),
                "operation_id": key("diagnosis.condition", "Procedure"),
                "came_from": listed("place", "hospitalization.admitSource.coding"),
                "went_to": listed("place", "hospitalization.dischargeDisposition.coding"),
            },
        ),
    ),
    "eAfspraak-Appointment": (
        Rule(
            "appointment",
            "appointment_id",
            own,
            {
                "patient_id": owner,
                "state": listed("appointment_state", "status"),
                "kind": listed("appointment_kind", "appointmentType.coding"),
                "start_at": moment("start"),
                "end_at": moment("end"),
                "problem_id": key("indication", "Condition"),
                "employee_id": key("participant.actor", "Practitioner"),
                "location_id": key("participant.actor", "Location"),
            },
        ),
    ),
}
