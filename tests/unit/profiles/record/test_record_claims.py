"""What a resource claims when it leaves: the profiles that receivers know, letter by letter (APP-02)."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.fhir.version import FhirVersion
from profiles.record.claims import claim_parents, judged_by
from profiles.record.expect import Expectations
from profiles.standards.load import catalogue

N, STU3, R4 = "http://nictiz.nl/fhir/StructureDefinition/", FhirVersion.STU3, FhirVersion.R4
EXPECTED = Expectations(catalogue())


def problem(*claims: str) -> dict[str, Any]:
    found: dict[str, Any] = {"resourceType": "Condition", "id": "c", "code": {"text": "Astma"}}
    return {**found, "meta": {"versionId": "1", "profile": list(claims)}} if claims else found


@pytest.mark.parametrize(
    ("given_", "claimed", "rules"),
    [
        ((f"{N}zib-Problem",), [f"{N}zib-Problem"], []),
        ((), [f"{N}zib-Problem"], ["profile-claimed"]),
        ((f"{N}zib-Problem|2.2.18",), [f"{N}zib-Problem"], ["profile-version-removed"]),
        ((f"{N}ZIB-problem",), [f"{N}zib-Problem"], ["profile-case-corrected"]),
        (
            (f"{N}zib-problem|1.0", f"{N}zib-Problem"),
            [f"{N}zib-Problem"],
            ["profile-version-removed", "profile-case-corrected"],
        ),
        (
            ("https://epd.example/Condition",),
            [f"{N}zib-Problem", "https://epd.example/Condition"],
            ["profile-claimed"],
        ),
    ],
)
def test_a_claim_that_receivers_do_not_know_is_repaired_and_told(
    given_: tuple[str, ...], claimed: list[str], rules: list[str]
) -> None:
    resource = problem(*given_)
    assert [repair.rule for repair in EXPECTED.correct(resource, STU3)] == rules
    assert resource["meta"]["profile"] == claimed
    assert EXPECTED.correct(resource, STU3) == []


def test_what_is_no_list_of_addresses_is_left_to_validation() -> None:
    for wrong in ("http://x", [1], {"a": 1}):
        resource = {"resourceType": "Condition", "meta": {"profile": wrong}}
        kept = copy.deepcopy(resource)
        assert EXPECTED.correct(resource, STU3) == claim_parents(resource, STU3) == []
        assert resource == kept


def test_a_vaccination_claims_the_parent_that_the_national_client_knows() -> None:
    resource: dict[str, Any] = {"resourceType": "Immunization", "meta": {"profile": [f"{N}imm-Vaccination-event"]}}
    assert [repair.rule for repair in claim_parents(resource, R4)] == ["profile-parent-claimed"]
    assert resource["meta"]["profile"] == [f"{N}imm-Vaccination-event", f"{N}nl-core-Vaccination-event"]
    assert claim_parents(resource, R4) == []


def test_every_profile_that_a_row_names_is_known_in_its_own_spelling() -> None:
    for version in FhirVersion:
        for lower, address in EXPECTED.named(version).items():
            assert lower == address.lower()
            assert "|" not in address


@given(st.lists(st.sampled_from([*EXPECTED.named(STU3).values(), "https://epd.example/x", ""]), max_size=4))
def test_nothing_but_the_claims_is_touched_and_none_is_lost(claims: list[str]) -> None:
    resource = problem(*claims)
    rest = {name: value for name, value in resource.items() if name != "meta"}
    EXPECTED.correct(resource, STU3)
    claim_parents(resource, STU3)
    assert {name: value for name, value in resource.items() if name != "meta"} == rest
    assert set(claims) <= set(resource.get("meta", {}).get("profile", []))


def test_the_profile_that_a_copy_was_made_from_may_be_left_out() -> None:
    """APP-02: a copy does not conform to it by itself, so a deployment decides; a true parent is always claimed."""
    copy_: dict[str, Any] = {"resourceType": "Immunization", "meta": {"profile": [f"{N}imm-Vaccination-event"]}}
    assert claim_parents(copy_, R4, copied=False) == []
    woman: dict[str, Any] = {"resourceType": "Condition", "meta": {"profile": [f"{N}zib-Pregnancy"]}}
    assert claim_parents(woman, STU3, copied=False)
    assert woman["meta"]["profile"] == [f"{N}zib-Pregnancy", f"{N}zib-Problem"]
    assert judged_by(woman, STU3) == woman, "what conforms to a derived profile conforms to its base"


def test_the_profile_that_a_copy_was_made_from_is_not_judged() -> None:
    """A verdict is by what the source and its row mean; such a profile claimed alone is judged."""
    both = {"resourceType": "Immunization", "meta": {"profile": [f"{N}imm-Vaccination-event"]}}
    claim_parents(both, R4)
    alone = {"resourceType": "Immunization", "meta": {"profile": [f"{N}nl-core-Vaccination-event"]}}
    bundle = {"resourceType": "Bundle", "entry": [{"resource": both}, {"resource": alone}, {"fullUrl": "x"}, 1]}
    seen = judged_by(bundle, R4)["entry"]
    assert seen[0]["resource"]["meta"]["profile"] == [f"{N}imm-Vaccination-event"]
    assert seen[1:] == bundle["entry"][1:]
    assert len(both["meta"]["profile"]) == 2


LOOKS = st.fixed_dictionaries(
    {},
    optional={
        "code": st.builds(
            lambda code: {"coding": [{"system": "http://loinc.org", "code": code}]},
            st.sampled_from(["85354-9", "29463-7", "8302-2", "2823-3", "72166-2"]),
        ),
        "category": st.lists(
            st.sampled_from(["49581000146104", "275711006", "vital-signs", "imaging"]).map(
                lambda code: {"coding": [{"system": "http://snomed.info/sct", "code": code}]}
            ),
            max_size=2,
        ),
        "status": st.sampled_from(["final", "booked", "current", "active"]),
        "valueString": st.text(max_size=3),
    },
)


@settings(max_examples=25, deadline=None)
@given(LOOKS, st.sampled_from(["Observation", "MedicationRequest", "Appointment"]), st.sampled_from([STU3, R4]))
def test_what_is_remembered_is_what_the_rows_say(look: dict[str, Any], type_: str, version: FhirVersion) -> None:
    """Of thousands that look alike only the first is held against the rows: each gets what it would get alone."""
    resource = {"resourceType": type_, **look}
    alone = Expectations(catalogue())
    assert EXPECTED(resource, version) == alone(resource, version)
    assert EXPECTED({**resource, "id": "other"}, version) == alone({**resource, "id": "other"}, version)
