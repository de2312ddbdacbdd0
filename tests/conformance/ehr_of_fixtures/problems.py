"""Which element is which column: problems, directives, status, way of life, nutrition, alerts, allergies."""

from collections.abc import Mapping, Sequence

from conformance.ehr_of_fixtures.paths import Column, at, fixed, key, listed, moment, named, nth, numbered, own, owner
from conformance.ehr_of_fixtures.rule import Rule

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


def _habit(kind: str, values: str, amount: str, **more: Column) -> Sequence[Rule]:
    """A way of life: its kind, the value list of its status, the code of the component that says how much."""
    columns = {
        "kind": fixed(kind),
        "value": listed(values, "valueCodeableConcept.coding"),
        "amount": at(f"component({amount}).valueQuantity.value|component({amount}).valueString"),
        "amount_unit": at(f"component({amount}).valueQuantity.unit"),
    }
    return (Rule("social_history", "history_id", own, {**HABIT, **columns, **more}),)


PROBLEMS: Mapping[str, Sequence[Rule]] = {
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
    "zib-TobaccoUse": _habit(
        "ROOK",
        "smoking",
        "266918002",
        substance=listed("tobacco", "component(53661000146106).valueCodeableConcept.coding"),
        pack_years=at("component(401201003).valueQuantity.value"),
    ),
    "zib-AlcoholUse": _habit("ALC", "drinking", "160573003"),
    "zib-DrugUse": _habit(
        "DRUG",
        "drugs",
        "228390007",
        substance=listed("drug", "component(410942007).valueCodeableConcept.coding"),
        route=listed("route", "component(410675002).valueCodeableConcept.coding"),
    ),
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
}
