"""The way back: zib 2020 in R4 as zib 2017 in STU3; what was split off comes together, what has no place is told."""

import copy
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from profiles.conversion import convert
from profiles.conversion.back import convert_back
from profiles.conversion.back.special import UNDONE
from profiles.conversion.special import SPECIAL
from profiles.fhir.tree import Resource

DAY = dt.date(2026, 1, 15)
NICTIZ = "http://nictiz.nl/fhir/StructureDefinition/"
HL7 = "http://terminology.hl7.org/CodeSystem/"
SNOMED = "http://snomed.info/sct"


def concept(code: str, system: str = SNOMED) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def zib(kind: str, profile: str, **elements: Any) -> Resource:
    return {"resourceType": kind, "id": "x", "meta": {"profile": [NICTIZ + profile]}, **elements}


def back(*resources: Resource) -> tuple[list[Resource], list[tuple[str, str]]]:
    """What becomes of resources of R4, without their narratives, and what was lost."""
    before = copy.deepcopy(resources)
    result = convert_back(resources, DAY)
    assert resources == before, "the source is never touched"
    for one in result.resources:
        one.pop("text", None)
    return result.resources, [(loss.id, loss.path) for loss in result.losses]


def there_and_back(*resources: Resource) -> list[Resource]:
    return back(*convert(resources, DAY, told=False).resources)[0]


def test_a_problem_has_codes_again_with_those_of_the_zib_beside_them() -> None:
    source = zib(
        "Condition", "nl-core-Problem",
        clinicalStatus=concept("active", HL7 + "condition-clinical"),
        verificationStatus={
            "coding": [
                {"system": HL7 + "condition-ver-status", "code": "unconfirmed"},
                {"system": HL7 + "v3-NullFlavor", "code": "UNK"},
            ]
        },
        recordedDate="2020-01", encounter={"reference": "Encounter/e"},
    )  # fmt: skip
    (made,), lost = back(source)
    assert made["meta"]["profile"] == [NICTIZ + "zib-Problem"]
    assert (made["clinicalStatus"], made["verificationStatus"]) == ("active", "unknown")
    (row,) = made["_clinicalStatus"]["extension"]
    assert (row["url"], row["valueCodeableConcept"]) == (NICTIZ + "code-specification", concept("55561003"))
    (row,) = made["_verificationStatus"]["extension"]
    assert row["valueCodeableConcept"] == concept("UNK", "http://hl7.org/fhir/v3/NullFlavor")
    assert (made["assertedDate"], made["context"], lost) == ("2020-01", {"reference": "Encounter/e"}, [])


def test_a_type_of_home_a_panel_and_a_made_role_come_together_again() -> None:
    """ZC-C18, ZC-C22, ZC-C03: the other way round."""
    home = zib("Observation", "zib-LivingSituation", valueCodeableConcept=concept("1"), status="final")
    rows = [{"code": {"text": name}, "valueString": "1"} for name in ("Na", "K")]
    panel = zib("Observation", "zib-LaboratoryTestResult-Observation", status="final", component=rows) | {"id": "p"}
    patient = {
        "resourceType": "Patient", "id": "p", "meta": {"profile": ["http://fhir.nl/fhir/StructureDefinition/nl-core-patient"]},
        "generalPractitioner": [{"reference": "Practitioner/h", "display": "H. Arts"}],
    }  # fmt: skip
    assert len(convert([home, panel, patient], DAY).resources) == 7
    house, results, person = there_and_back(home, panel, patient)
    assert house["valueCodeableConcept"] == concept("1")
    assert "related" not in house
    assert results["component"] == rows
    assert person["generalPractitioner"] == patient["generalPractitioner"]
    assert person["meta"] == patient["meta"]


def test_a_role_that_says_more_stands_beside_the_practitioner_it_names() -> None:
    """ZC-09, the other way round."""
    pointer = {"reference": "PractitionerRole/r", "display": "H. Arts, huisarts"}
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/h"},
            "specialty": [concept("1")]}  # fmt: skip
    source = zib("Procedure", "nl-core-Procedure-event", performer=[{"actor": pointer}], status="completed")
    (made, _), _ = back(source, role)
    actor = made["performer"][0]["actor"]
    assert actor["reference"] == "Practitioner/h"
    assert actor["extension"] == [{"url": NICTIZ + "practitionerrole-reference", "valueReference": pointer}]
    (alone,), _ = back(source)
    assert "reference" not in alone["performer"][0]["actor"], "whom an unknown role names is not made up"


def test_the_name_somebody_is_called_by_and_a_mobile_number_go_back_to_their_places() -> None:
    """ZC-C02, ZC-C05: the other way round."""
    qualified = {"url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-qualifier", "valueCode": "IN"}
    number = {"url": NICTIZ + "ext-CodeSpecification", "valueCodeableConcept": concept("MC", HL7 + "v3-AddressUse")}
    official = {"use": "official", "given": ["J."], "_given": [{"extension": [qualified]}]}
    source = zib(
        "Patient", "nl-core-Patient",
        name=[official, {"use": "usual", "given": ["Jo"]}],
        telecom=[{"system": "phone", "_system": {"extension": [number]}, "value": "06"}],
    )  # fmt: skip
    (made,), lost = back(source)
    (name,) = made["name"]
    assert name["given"] == ["J.", "Jo"]
    assert [row["extension"][0]["valueCode"] for row in name["_given"]] == ["IN", "CL"]
    assert made["telecom"][0]["use"] == "mobile"
    assert made["telecom"][0]["extension"][0]["url"] == NICTIZ + "zib-ContactInformation-TelecomType"
    assert lost == []


def test_pack_years_keep_the_fraction_that_was_recorded() -> None:
    """ZC-C19, there and back."""
    quantity = {
        "value": Decimal("12.50"),
        "unit": "PackYears",
        "system": "http://unitsofmeasure.org",
        "code": "{PackYears}",
    }
    rows = [{"code": concept("401201003"), "valueQuantity": quantity}]
    (made,) = there_and_back(zib("Observation", "zib-TobaccoUse", status="final", component=rows))
    assert str(made["component"][0]["valueQuantity"]["value"]) == "12.50"
    assert made["component"] == rows


@pytest.mark.parametrize(("decision", "text"), [("JA", None), ("NEE", None), ("JA_MAAR", "eerst bellen")])
def test_a_treatment_directive_decides_the_same_after_the_way_back(decision: str, text: str | None) -> None:
    """ZC-C12 to ZC-C15, there and back."""
    system = "urn:oid:2.16.840.1.113883.2.4.3.11.60.40.4"
    url = NICTIZ + "zib-TreatmentDirective-"
    source = zib(
        "Consent", "zib-TreatmentDirective",
        extension=[{"url": url + "Treatment", "valueCodeableConcept": concept("40617009")}],
        modifierExtension=[{"url": url + "TreatmentPermitted", "valueCodeableConcept": concept(decision, system)}],
        status="active", category=[concept("11291000146105")], patient={"reference": "Patient/p"},
        policy=[{"uri": "http://wetten.overheid.nl/"}],
    )  # fmt: skip
    if text:
        restriction = {"url": url + "Restrictions", "valueString": text}
        source["except"] = [{"extension": [restriction], "type": "deny"}]
    (made,) = there_and_back(source)
    assert {key: made.get(key) for key in source} == source


def test_what_would_turn_the_meaning_stays_behind() -> None:
    sources: list[Resource] = [
        zib("MedicationRequest", "mp-MedicationAgreement", doNotPerform=True, status="active"),
        {"resourceType": "Consent", "id": "c", "status": "active", "provision": {"type": "deny"}},
        zib("MedicationRequest", "mp-MedicationAgreement", doNotPerform=False, status="active"),
    ]
    never = {"url": "http://x/never", "valueBoolean": True}
    dosed = zib("MedicationRequest", "mp-MedicationAgreement", dosageInstruction=[{"modifierExtension": [never]}])
    assert back(dosed) == ([], [("LB-13", "MedicationRequest.dosageInstruction.modifierExtension")])
    inside = {"resourceType": "List", "id": "l", "contained": [sources[0]]}
    (around,), _ = back(inside)
    assert "contained" not in around
    made, lost = back(*sources)
    assert len(made) == 1
    assert lost[:2] == [("LB-13", "MedicationRequest.doNotPerform"), ("LB-13", "Consent.provision")]
    assert [loss.whole for loss in convert_back(sources, DAY).losses] == [True, True, False]


def test_what_stu3_has_no_place_or_code_for_is_told() -> None:
    source = zib(
        "MedicationStatement", "mp-MedicationUse2", status="stopped", category=concept("422979000"),
        dosage=[{"doseAndRate": [{"doseQuantity": {"value": 1}}, {"doseQuantity": {"value": 2}}]}],
        extension=[{"url": NICTIZ + "ext-New", "valueString": "n"}],
    )  # fmt: skip
    (made,), lost = back(source)
    assert made["taken"] == "unk"
    assert made["category"] == concept("6", "urn:oid:2.16.840.1.113883.2.4.3.11.60.20.77.5.3")
    assert made["dosage"] == [{"doseQuantity": {"value": 1}}]
    assert made["extension"] == source["extension"], "an extension stays, outside the zib"
    assert set(lost) == {
        ("LB-05", "MedicationStatement.status"),
        ("LB-02", "MedicationStatement.dosage.doseAndRate"),
        ("LB-04", "MedicationStatement.extension"),
    }
    (odd,), lost = back({"resourceType": "MedicationRequest", "id": "m", "intent": "filler-order", "status": "active"})
    assert "intent" not in odd
    assert odd["_intent"]["extension"][0]["valueCode"] == "unknown"
    assert ("LB-12", "MedicationRequest.intent") in lost


def test_what_was_lost_is_told_in_the_narrative_and_a_type_of_r4_alone_is_not_converted() -> None:
    source = zib("Condition", "nl-core-Problem", code=concept("1"), recorder={"display": "x"})
    (made,) = convert_back([source], DAY, language="en").resources
    assert "recorder" not in made
    assert "Condition.recorder: has no place in STU3 and is lost" in made["text"]["div"]
    result = convert_back([{"resourceType": "ServiceRequest"}, {"resourceType": "MolecularSequence"}, {}], DAY)
    assert [one["resourceType"] for one in result.resources] == ["ProcedureRequest"]
    assert [loss.resource for loss in result.losses if loss.whole] == ["MolecularSequence", "?"]


def test_every_function_that_a_row_calls_has_a_way_back() -> None:
    assert set(UNDONE) == set(SPECIAL)


@pytest.mark.parametrize(("kind", "code"), [("permit", "JA_MAAR"), ("deny", "NEE"), ("", "JA_MAAR")])
def test_a_specification_restricts_a_permission_and_never_softens_a_refusal(kind: str, code: str) -> None:
    other = {"url": NICTIZ + "ext-TreatmentDirective2.SpecificationOther", "valueString": "eerst bellen"}
    provision = {"code": [concept("89666000")], **({"type": kind} if kind else {})}
    source = zib("Consent", "nl-core-TreatmentDirective2", modifierExtension=[other], provision=provision)
    (made,), _ = back(source)
    (row,) = made["modifierExtension"]
    assert row["valueCodeableConcept"]["coding"][0]["code"] == code
    assert made["except"][0]["extension"][0]["valueString"] == "eerst bellen"


def test_what_stands_beside_the_code_of_the_zib_is_kept_or_told() -> None:
    will = concept("acd", HL7 + "consentcategorycodes")
    (made,), lost = back(zib("Consent", "nl-core-AdvanceDirective", category=[will, concept("1")]))
    assert made["category"] == [concept("11341000146107"), concept("1")]
    assert lost == []
    agreement = zib("MedicationRequest", "mp-MedicationAgreement", category=[concept("33633005"), concept("1")])
    (made,), lost = back(agreement)
    assert made["category"] == concept("16076005")
    assert lost == [("LB-01", "MedicationRequest.category")]
    comment = {"url": NICTIZ + "ext-Comment", "valueString": "schatting"}
    row = {"code": concept("401201003"), "valueInteger": 20, "extension": [comment]}
    (made,), _ = back(zib("Observation", "nl-core-TobaccoUse", component=[row]))
    assert made["component"][0]["valueQuantity"]["value"] == 20
    assert made["component"][0]["extension"][0]["valueString"] == "schatting"


def test_two_homes_stay_observations_of_their_own() -> None:
    houses = [
        zib(
            "Observation",
            "nl-core-LivingSituation.HouseType",
            code=concept("272497004"),
            valueCodeableConcept=concept(code),
        )
        | {"id": code}
        for code in ("1", "2")
    ]
    members = [{"reference": f"Observation/{one['id']}"} for one in houses]
    made, _ = back(zib("Observation", "nl-core-LivingSituation", hasMember=members), *houses)
    assert [one["id"] for one in made] == ["x", "1", "2"]
    assert [row["target"] for row in made[0]["related"]] == members
