"""Which element of a resource is which column of the sample EHR: problems, status, contacts, operations, devices.

By the last part of the profile's url, because two zibs may share a type. What a value is never stands here.
"""

from collections.abc import Mapping, Sequence

from conformance.fixture_paths import (
    among,
    at,
    clock,
    day,
    fixed,
    key,
    listed,
    moment,
    named,
    nth,
    numbered,
    own,
    owner,
)
from conformance.fixture_rule import Rule

TEXT = "extension(Comment).valueString"
PERMITTED = "modifierExtension(zib-TreatmentDirective-TreatmentPermitted).valueCodeableConcept.coding"
VERIFIED = "extension(zib-TreatmentDirective-Verification)"
TREATMENT = "extension(zib-TreatmentDirective-Treatment).valueCodeableConcept.coding"

SITE = {
    "body_site": at("bodySite.coding.code"),
    "body_site_name": at("bodySite.coding.display"),
    "side": listed("side", "bodySite.extension(BodySite-Qualifier).valueCodeableConcept.coding"),
}
NAMED = {"snomed": at("code.coding.code"), "name": at("code.coding.display")}
HABIT = {
    "patient_id": owner,
    "start_date": at("effectivePeriod.start|effectiveDateTime"),
    "end_date": at("effectivePeriod.end"),
    "remark": at("comment"),
}
REASON = {"problem_id": key("reasonReference", "Condition")}


def _habit(kind: str, values: str, substances: str, kind_of: str, amount: str) -> Sequence[Rule]:
    """A way of life: the value list of its status, that of the substance, and the codes of its components."""
    columns = {
        "kind": fixed(kind),
        "value": listed(values, "valueCodeableConcept.coding"),
        "substance": listed(substances, f"component({kind_of}).valueCodeableConcept.coding"),
        "amount": at(f"component({amount}).valueQuantity.value|component({amount}).valueString"),
        "amount_unit": at(f"component({amount}).valueQuantity.unit"),
        "pack_years": at("component(401201003).valueQuantity.value"),
        "route": listed("route", "component(410675002).valueCodeableConcept.coding"),
    }
    return (Rule("social_history", "history_id", own, {**HABIT, **columns}),)


CARE: Mapping[str, Sequence[Rule]] = {
    "zib-Problem": (
        Rule(
            "problem",
            "problem_id",
            own,
            {
                "patient_id": owner,
                "kind": listed("problem_kind", "category.coding"),
                **NAMED,
                **SITE,
                "state": listed("problem_state", "clinicalStatus"),
                "certainty": listed("certainty", "verificationStatus"),
                "start_date": at("onsetDateTime"),
                "end_date": at("abatementDateTime"),
                "remark": at("note.text"),
            },
        ),
    ),
    "zib-TreatmentDirective": (
        Rule(
            "directive",
            "directive_id",
            own,
            {
                "patient_id": owner,
                "kind": fixed("BA"),
                "treatment": at(f"{TREATMENT}.code"),
                "treatment_name": at(f"{TREATMENT}.display"),
                "permitted": listed("permitted", PERMITTED),
                "restriction": at("except.extension(zib-TreatmentDirective-Restrictions).valueString"),
                "decided_on": at("period.start"),
                "ended_on": at("period.end"),
                "verified_with": listed(
                    "verified_with", f"{VERIFIED}.extension(VerifiedWith).valueCodeableConcept.coding"
                ),
                "verified_on": at(f"{VERIFIED}.extension(VerificationDate).valueDateTime"),
                "remark": at(TEXT),
                "advance_id": key("sourceReference", "Consent"),
            },
        ),
    ),
    "zib-AdvanceDirective": (
        Rule(
            "directive",
            "directive_id",
            own,
            {
                "patient_id": owner,
                "kind": fixed("WV"),
                "form": listed("directive_form", "category.coding", elsewhere=True),
                "decided_on": at("dateTime"),
                "remark": at(TEXT),
                "representative_id": named("consentingParty"),
                "scan_type": at("sourceAttachment.contentType"),
                "scan_base64": at("sourceAttachment.data"),
            },
        ),
        Rule(
            "directive_problem",
            "",
            numbered,
            {"directive_id": own, "problem_id": key("valueReference"), "patient_id": owner, "position": nth},
            at="extension(zib-AdvanceDirective-Disorder)",
        ),
    ),
    "zib-FunctionalOrMentalStatus": (
        Rule(
            "functional_status",
            "status_id",
            own,
            {
                "patient_id": owner,
                "kind": listed("status_kind", "category.coding"),
                **NAMED,
                "value_snomed": at("valueCodeableConcept.coding.code"),
                "value_name": at("valueCodeableConcept.coding.display"),
                "start_date": at("effectivePeriod.start"),
                "end_date": at("effectivePeriod.end"),
                "remark": at("comment"),
                "device_id": key("extension(zib-FunctionalOrMentalStatus-MedicalDevice).valueReference"),
            },
        ),
    ),
    "zib-LivingSituation": (
        Rule(
            "social_history",
            "history_id",
            own,
            {**HABIT, "kind": fixed("WOON"), "value": listed("housing", "valueCodeableConcept.coding")},
        ),
    ),
    "zib-TobaccoUse": _habit("ROOK", "smoking", "tobacco", "53661000146106", "266918002"),
    "zib-AlcoholUse": _habit("ALC", "drinking", "drug", "none", "160573003"),
    "zib-DrugUse": _habit("DRUG", "drugs", "drug", "410942007", "228390007"),
    "zib-NutritionAdvice": (
        Rule(
            "nutrition_advice",
            "advice_id",
            own,
            {
                "patient_id": owner,
                "employee_id": key("orderer", "Practitioner"),
                "given_at": moment("dateTime"),
                "diet": at("oralDiet.type.text"),
                "consistency": at("oralDiet.texture.modifier.text"),
                "explanation": at("extension(zib-NutritionAdvice-Explanation).valueString"),
            },
        ),
    ),
    "zib-Alert": (
        Rule(
            "alert",
            "alert_id",
            own,
            {
                "patient_id": owner,
                **NAMED,
                "start_date": at("period.start"),
                "end_date": at("period.end"),
                "problem_id": key("extension(flag-detail).valueReference", "Condition"),
            },
        ),
    ),
    "zib-AllergyIntolerance": (
        Rule(
            "allergy",
            "allergy_id",
            own,
            {
                "patient_id": owner,
                "category": listed("allergy_category", "category"),
                "snomed": at("code.coding.code"),
                "substance": at("code.coding.display"),
                "state": listed("allergy_state", "clinicalStatus"),
                "severity": listed("criticality_zib", "_criticality.extension.valueCodeableConcept.coding"),
                "start_date": at("onsetDateTime"),
                "last_reaction": at("lastOccurrence"),
                "remark": at("note.text"),
            },
        ),
        Rule(
            "allergy_reaction",
            "reaction_id",
            numbered,
            {
                "allergy_id": own,
                "patient_id": owner,
                "snomed": at("manifestation.coding.code"),
                "symptom": at("manifestation.coding.display"),
                "severity": listed("severity", "severity"),
                "description": at("description"),
                "occurred_on": at("onset"),
                "route": listed("exposure", "exposureRoute.coding"),
                "agent_snomed": at("substance.coding.code"),
                "agent": at("substance.coding.display"),
            },
            at="reaction",
        ),
    ),
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
