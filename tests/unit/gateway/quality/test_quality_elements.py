"""Which zib elements are filled and coded (R1, SC-H2): from the definitions, through slices, choices and extensions."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.quality.elements import CountPlan, CountPlans
from profiles.fhir.version import FhirVersion
from profiles.zibs import validator

NICTIZ = "http://nictiz.nl/fhir/StructureDefinition/"
VALIDATOR = validator(FhirVersion.STU3, ())
PLANS = CountPlans(VALIDATOR)


def coding(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


PRESSURE: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "b",
    "meta": {"profile": [NICTIZ + "zib-BloodPressure"]},
    "status": "final",
    "code": coding("http://loinc.org", "85354-9"),
    "effectiveDateTime": "2026-03-31",
    "subject": {"reference": "Patient/p"},
    "method": {"text": "manchet"},
    "component": [
        {"code": coding("http://loinc.org", "8480-6"), "valueQuantity": {"value": 120, "unit": "mm[Hg]"}},
        {"code": coding("http://loinc.org", "8462-4"), "dataAbsentReason": coding("urn:x", "unknown")},
    ],
}


def looked(resource: dict[str, Any]) -> dict[str, tuple[bool, bool]]:
    """Filled and coded by name of the element."""
    plan = PLANS.of(resource["meta"]["profile"], resource["resourceType"])
    seen = dict(plan.look(resource, PLANS.context(resource)))
    return {one.name_nl: (number in seen, seen.get(number, False)) for number, one in enumerate(plan.elements)}


def test_a_measurement_is_found_in_the_slice_that_its_code_says() -> None:
    found = looked(PRESSURE)
    assert found["SystolischeBloeddruk"][0]
    assert not found["DiastolischeBloeddruk"][0], "a reason why it is absent is not a value"
    assert found["BloeddrukDatumTijd"][0]
    assert not found["Houding"][0]


def test_text_without_a_code_is_filled_and_not_coded() -> None:
    assert looked(PRESSURE)["Meetmethode"] == (True, False)
    coded = copy.deepcopy(PRESSURE)
    coded["method"] = coding("http://snomed.info/sct", "37931006")
    assert looked(coded)["Meetmethode"] == (True, True)


def test_an_element_in_an_extension_counts_by_its_url() -> None:
    directive = {
        "resourceType": "Consent",
        "meta": {"profile": [NICTIZ + "zib-TreatmentDirective"]},
        "extension": [
            {
                "url": NICTIZ + "zib-TreatmentDirective-Treatment",
                "valueCodeableConcept": coding("http://snomed.info/sct", "305351004"),
            }
        ],
    }
    assert looked(directive)["Behandeling"] == (True, True)
    assert looked(directive)["BehandelingToegestaan"] == (False, False)


def test_elements_carry_their_concept_and_both_names() -> None:
    plan = PLANS.of([NICTIZ + "zib-Problem"], "Condition")
    named = {element.concept: (element.name_nl, element.name_en) for element in plan.elements if element.concept}
    assert named["5.1.4"] == ("ProbleemStatus", "ProblemStatus")
    assert (plan.zib_nl, plan.zib_en) == ("Probleem", "Problem")


def test_a_fault_belongs_to_the_element_inside_the_slice_that_is_missing() -> None:
    half = copy.deepcopy(PRESSURE)
    del half["component"][1]
    plan = PLANS.of([NICTIZ + "zib-BloodPressure"], "Observation")
    faults = [plan.element_of(one) for one in VALIDATOR.validate(half).findings if one.severity == "error"]
    names = {element.key: element.name_nl for element in plan.elements}
    assert "DiastolischeBloeddruk" in [names.get(key) for key in faults]


def test_without_a_known_profile_the_places_of_the_type_are_counted() -> None:
    plan = PLANS.of(["urn:unknown"], "Flag")
    assert "Flag.status" in {element.key for element in plan.elements}
    assert not any(element.concept for element in plan.elements)
    assert PLANS.of([], "NoSuchType") == CountPlan(
        "http://hl7.org/fhir/StructureDefinition/NoSuchType", "", "", "NoSuchType", ()
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["coding", "code", "system", "component", "value", "valueQuantity", "url", "extension", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["component", "code", "method", "extension", "effectivePeriod"]), JSON))
@settings(max_examples=150, deadline=None)
def test_looking_never_raises_whatever_the_resource_holds(broken: dict[str, Any]) -> None:
    resource = {**copy.deepcopy(PRESSURE), **broken}
    for filled, coded in looked(resource).values():
        assert filled or not coded


@pytest.mark.parametrize("empty", ["", {}, {"extension": [{"url": "urn:reason"}]}])
def test_an_empty_value_does_not_fill_an_element(empty: Any) -> None:
    resource = copy.deepcopy(PRESSURE)
    resource["method"] = empty
    assert looked(resource)["Meetmethode"] == (False, False)
