"""The patient summary: what stands where, what an empty section says, who is in it and who is not."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.record.walk import references
from profiles.summary import PatientSummary, SummaryError, Wishes, summary

AT = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
HOUSE = {"resourceType": "Organization", "id": "house", "name": "Huis"}
BSN = "999911120"
PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [{"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": BSN}],
    "name": [{"text": "J. Proef"}],
    "birthDate": "1970",
}
SUBJECT = {"reference": "Patient/p"}


def coded(code: str, system: str = "http://snomed.info/sct") -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def thing(kind: str, ident: str, **elements: Any) -> Resource:
    about = {"patient" if kind in ("AllergyIntolerance", "Immunization", "Consent") else "subject": SUBJECT}
    return {"resourceType": kind, "id": ident, **about, **elements}


def made(*resources: Resource, **wishes: Any) -> PatientSummary:
    return summary([PATIENT, *resources], HOUSE, AT, Wishes(**wishes))


def parts(document: PatientSummary) -> dict[str, Resource]:
    """The sections by LOINC code."""
    rows = document.bundle["entry"][0]["resource"]["section"]
    return {row["code"]["coding"][0]["code"]: row for row in rows}


def shown(document: PatientSummary, kind: str) -> list[Resource]:
    return [row["resource"] for row in document.bundle["entry"] if row["resource"]["resourceType"] == kind]


PROBLEMS, ALLERGIES, MEDICATION, PAST = "11450-4", "48765-2", "10160-0", "11348-0"


@pytest.mark.parametrize("said", ["unavailable", "notasked"])
def test_an_empty_section_never_says_that_there_is_nothing(said: str) -> None:
    """IP-C03"""
    section = parts(made(empty=said))[ALLERGIES]
    assert section["emptyReason"]["coding"][0]["code"] == said
    assert "entry" not in section


def test_known_to_have_no_allergies_is_an_entry() -> None:
    """IP-C04"""
    document = made(thing("AllergyIntolerance", "a", code=coded("716186003")))
    assert len(parts(document)[ALLERGIES]["entry"]) == 1


def test_a_source_that_failed_leaves_the_others_whole() -> None:
    """IP-C05"""
    document = made(thing("Condition", "c", code={"text": "pijn"}), down=frozenset({"medications"}))
    assert parts(document)[MEDICATION]["emptyReason"]["coding"][0]["code"] == "unavailable"
    assert len(parts(document)[PROBLEMS]["entry"]) == 1


def test_a_refuted_problem_is_left_out_and_told() -> None:
    """IP-C06"""
    document = made(thing("Condition", "c", verificationStatus=coded("refuted")))
    assert shown(document, "Condition") == []
    assert [(loss.kind, loss.resource) for loss in document.losses] == [("not-selected", "Condition/c")]


def test_a_resolved_problem_is_of_the_past() -> None:
    """IP-C07"""
    document = made(thing("Condition", "c", clinicalStatus=coded("resolved"), code={"text": "griep"}))
    assert "griep" in parts(document)[PAST]["text"]["div"]
    assert "entry" not in parts(document)[PROBLEMS]


def test_medication_that_is_not_taken_is_left_out_and_a_missing_period_is_said() -> None:
    """IP-C08, IP-C09"""
    medicine = {"reference": "Medication/m"}
    document = made(
        thing("MedicationStatement", "n", status="not-taken", medicationReference=medicine),
        thing("MedicationStatement", "y", status="active", medicationReference=medicine),
        {"resourceType": "Medication", "id": "m", "code": {"text": "paracetamol"}},
    )
    (statement,) = shown(document, "MedicationStatement")
    assert statement["_effectiveDateTime"]["extension"][0]["valueCode"] == "unknown"
    assert len(shown(document, "Medication")) == 1


LABORATORY = {"category": [coded("laboratory", "http://terminology.hl7.org/CodeSystem/observation-category")]}


def test_a_panel_brings_its_members_and_results_name_who_measured() -> None:
    """IP-C10, IP-C11"""
    members = [thing("Observation", f"o{at}", code={"text": "x"}, valueInteger=at) for at in range(5)]
    panel = thing(
        "Observation", "panel", **LABORATORY, code=coded("1"), effectiveDateTime="2026-01",
        hasMember=[{"reference": f"Observation/{one['id']}"} for one in members],
    )  # fmt: skip
    observations = shown(made(panel, *members), "Observation")
    assert len(observations) == 6
    urls = {row["fullUrl"] for row in made(panel, *members).bundle["entry"]}
    assert observations[0]["performer"][0]["reference"] in urls


def test_of_results_the_last_of_each_code_within_a_year() -> None:
    days = {"new": "2026-01-10", "old": "2025-12-01", "ancient": "2020-01-01"}
    result = {**LABORATORY, "code": coded("1")}
    rows = [thing("Observation", ident, **result, effectiveDateTime=day) for ident, day in days.items()]
    assert [one["id"] for one in shown(made(*rows), "Observation")] == ["new"]


def test_tobacco_has_a_moment_and_words() -> None:
    """IP-C12"""
    component = {"code": {"text": "pakjaren"}, "valueInteger": 13}
    source = thing(
        "Observation", "t", code=coded("365980008"), component=[component],
        effectivePeriod={"start": "1980", "end": "1983"},
    )  # fmt: skip
    (tobacco,) = shown(made(source), "Observation")
    assert (tobacco["effectiveDateTime"], tobacco["note"][0]["text"]) == ("1983", "pakjaren: 13; 1980 - 1983")
    assert "component" not in tobacco
    assert source["component"], "what was given stays as it is"


def test_functional_status_is_told_in_words_only() -> None:
    """IP-C15"""
    meta = {"profile": ["http://nictiz.nl/fhir/StructureDefinition/nl-core-FunctionalOrMentalStatus"]}
    document = made(thing("Observation", "f", meta=meta, code={"text": "lopen"}))
    assert shown(document, "Observation") == []
    assert "lopen" in parts(document)["47420-5"]["text"]["div"]


def test_the_same_source_gives_the_same_bytes_and_another_another_identifier() -> None:
    """IP-C16, IP-C17"""
    one, same = (made(thing("Condition", "c", code={"text": "pijn"})) for _ in range(2))
    other = made(thing("Condition", "c", code={"text": "koorts"}))
    assert jsonio.dump(one.bundle) == jsonio.dump(same.bundle)
    assert one.bundle["identifier"] != other.bundle["identifier"]


def test_no_bsn_for_a_receiver_that_may_not_have_it() -> None:
    """IP-C19"""
    talking = thing("Condition", "c", code={"text": "pijn"}, note=[{"text": f"patiënt {BSN[:4]}.{BSN[4:6]}.{BSN[6:]}"}])
    written = jsonio.dump(made(talking).bundle).decode()
    assert BSN not in written
    assert BSN[:4] not in written
    assert BSN in jsonio.dump(made(talking, bsn=True).bundle).decode()


def test_markup_of_a_source_is_text() -> None:
    """IP-C22"""
    document = made(thing("Condition", "c", code={"text": "<script>x</script>"}))
    assert "&lt;script&gt;" in parts(document)[PROBLEMS]["text"]["div"]
    assert b"<script>" not in jsonio.dump(parts(document)[PROBLEMS]["text"])


def test_what_is_not_in_the_document_is_not_pointed_at() -> None:
    """IP-01"""
    contact = {"reference": "Encounter/e", "display": "opname"}
    document = made(thing("Condition", "c", code={"text": "pijn"}, encounter=contact), thing("Encounter", "e"))
    (problem,) = shown(document, "Condition")
    assert problem["encounter"] == {"display": "opname"}
    urls = {row["fullUrl"] for row in document.bundle["entry"]}
    assert {row["reference"] for row in references(document.bundle)} <= urls


def test_nobody_and_two_persons_have_no_summary() -> None:
    with pytest.raises(SummaryError, match="one patient"):
        summary([], HOUSE, AT)
    with pytest.raises(SummaryError, match="somebody else"):
        made({**thing("Condition", "c"), "subject": {"reference": "Patient/other"}})


def test_digits_of_a_result_stay() -> None:
    source = thing("Observation", "o", **LABORATORY, code=coded("1"), valueQuantity={"value": Decimal("1.50")})
    assert b"1.50" in jsonio.dump(made(source).bundle)


def test_less_than_is_said_with_what_it_is_less_than() -> None:
    """IP-07: the words of a section are those of its entries."""
    low = {"comparator": "<", "value": 5, "unit": "mg/L"}
    result = thing("Observation", "o", **LABORATORY, code={"text": "CRP"}, valueQuantity=low)
    part = {"code": {"text": "sigaretten"}, "valueQuantity": {**low, "unit": "per dag"}}
    smoking = thing("Observation", "t", code=coded("365980008"), component=[part])
    document = made(result, smoking)
    assert "CRP, &lt; 5 mg/L" in parts(document)["30954-2"]["text"]["div"]
    assert shown(document, "Observation")[1]["note"][0]["text"] == "sigaretten: < 5 per dag"


def test_words_only_have_no_bsn_either() -> None:
    """IP-C19"""
    advice = thing("ServiceRequest", "s", status="active", code={"text": f"bel {BSN}"})
    assert BSN not in jsonio.dump(made(advice).bundle).decode()


ELSEWHERE = "https://elsewhere.example/fhir/"


def test_an_address_elsewhere_is_not_one_of_this_record() -> None:
    """IP-01: the same id on another server is of somebody else; it is not followed, and it is told."""
    product = {"resourceType": "Medication", "id": "m", "code": {"text": "paracetamol"}}
    use = thing(
        "MedicationStatement", "s", status="active", medicationReference={"reference": f"{ELSEWHERE}Medication/m"}
    )
    document = made(product, use)
    assert shown(document, "Medication") == []
    assert shown(document, "MedicationStatement")[0]["medicationReference"] == {"display": "-"}
    assert ELSEWHERE not in jsonio.dump(document.bundle).decode()


def test_what_is_about_somebody_elsewhere_is_left_out_and_told() -> None:
    """IP-01"""
    stranger = {**thing("Condition", "c", code={"text": "pijn"}), "subject": {"reference": f"{ELSEWHERE}Patient/p"}}
    document = made(stranger)
    assert "pijn" not in jsonio.dump(document.bundle).decode()
    assert [(loss.kind, loss.resource) for loss in document.losses] == [("not-selected", "Condition/c")]


def test_nothing_is_said_of_what_was_withheld() -> None:
    """IP-C18: not in entries, not in words, not beside a reference."""
    reason = {"reference": "Condition/hidden", "display": "verslaving"}
    author = {"reference": "Practitioner/gone", "display": "Dr. Jansen"}
    use = thing("MedicationStatement", "s", status="active", reasonReference=[reason], informationSource=author)
    document = made(use)
    assert "verslaving" not in jsonio.dump(document.bundle).decode()
    (statement,) = shown(document, "MedicationStatement")
    assert statement["reasonReference"] == [{"display": "Condition"}]
    assert statement["informationSource"] == {"display": "Dr. Jansen"}, "who it is of is no secret"


def test_the_european_form_has_sections_of_its_own() -> None:
    """IP-C02, IP-C07"""
    resolved = thing("Condition", "c", clinicalStatus=coded("resolved"), code={"text": "griep"})
    sections = parts(made(resolved, form="eps"))
    assert {"47519-4", "46264-8"} <= set(sections)
    assert "griep" in sections["11329-0"]["text"]["div"]
    assert PAST not in sections
    assert made(form="eps").bundle["meta"]["profile"] == ["http://hl7.eu/fhir/eps/StructureDefinition/bundle-eu-eps"]


def test_a_directive_has_the_scope_of_the_european_form_before_its_own() -> None:
    """IP-C14"""
    scope = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "treatment"}]}
    source = thing("Consent", "d", status="active", scope=scope)
    assert [row["code"] for row in shown(made(source, form="eps"), "Consent")[0]["scope"]["coding"]] == [
        "adr",
        "treatment",
    ]
    assert shown(made(source), "Consent")[0]["scope"] == scope


def test_alcohol_use_with_an_amount_has_a_value_and_without_one_stays_outside_its_profile() -> None:
    """IP-C13"""
    status = {"coding": [{"system": "http://snomed.info/sct", "code": "219006", "display": "drinkt"}]}
    amount = {"value": 2, "unit": "glazen", "code": "{wine glasses}"}
    use = thing("Observation", "a", code=coded("228273003"), valueCodeableConcept=status)
    document = made({**use, "component": [{"code": {"text": "per dag"}, "valueQuantity": amount}]}, {**use, "id": "b"})
    without, with_amount = shown(document, "Observation")
    assert (with_amount["valueQuantity"], with_amount["code"]["coding"][0]["code"]) == (amount, "74013-4")
    assert with_amount["note"] == [{"text": "drinkt"}]
    assert without["valueCodeableConcept"] == status
    assert [(loss.kind, loss.resource) for loss in document.losses] == [("profile-outside", "Observation/b")]
