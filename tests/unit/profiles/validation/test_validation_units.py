"""A unit of UCUM is one, by its grammar and its symbols."""

import tarfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared import shared
from unit.profiles.validation.small_definitions import knowing, observation, rules

from profiles.fhir.codec import jsonio
from profiles.fhir.version import FhirVersion
from profiles.validation.rules.ucum import SYSTEM, is_unit, symbols
from profiles.zibs import validator as zibs

RIGHT = """
kg mm[Hg] /min 10*9/L 10^12/L 10*-6 kg/m2 mmol/mol {score} % mL/min/{1.73_m2} m2 [iU]/L 1 a mg/dL {beats}/min mol/kg/s
(8.h)
daL ug/kg/h Cel [degF] k[arb'U]/L /[HPF] kg.m/s2 m/s/(s.min) 10*3{cells}/uL [in_i'H2O] B[10.nV] /(12.h)
"""
WRONG = """
pond stuks IE mmHg gram KG Kg 10*x m//s kg. (kg kg) /  mg/ {open k% kmin m^2 [unknown] mL/min/1,73m2 µg 2x sec
"""


@pytest.mark.parametrize("unit", RIGHT.split())
def test_a_unit_of_ucum(unit: str) -> None:
    assert is_unit(unit)


@pytest.mark.parametrize("unit", WRONG.split())
def test_no_unit_of_ucum(unit: str) -> None:
    assert not is_unit(unit)


@given(st.text(max_size=40) | st.text("([{.}])/10*^km", max_size=400))
def test_any_text_gets_an_answer(text: str) -> None:
    assert is_unit(text) in (True, False)


@given(st.sampled_from(sorted(symbols()[2])), st.sampled_from(sorted(symbols()[2])), st.integers(-9, 9))
def test_units_make_units(one: str, other: str, power: int) -> None:
    assert is_unit(f"{one}{power or ''}/{other}")
    assert is_unit(f"({one}.{other}){{note}}")


@pytest.mark.parametrize(
    ("coded", "right"),
    [
        ({"system": SYSTEM, "code": "kg"}, True),
        ({"system": SYSTEM, "code": "pond"}, False),
        ({"system": "urn:own", "code": "pond"}, True),
        ({"unit": "pond"}, True),
        ({"system": SYSTEM, "code": "MVU"}, True),
    ],
    ids=["ucum", "pond", "another system", "a word only", "what birth care prescribes"],
)
def test_a_quantity_that_says_ucum_has_a_unit_of_it(coded: dict[str, Any], right: bool) -> None:
    found = rules(knowing().validate(observation(valueQuantity={"value": 75, **coded})))
    assert found == ([] if right else [("code", "Observation.value.code")])


def test_what_hl7_lists_as_units_is_right() -> None:
    """All of ucum-common of R4 but four, which are slips in that list."""
    path = next(shared("packages").glob("hl7.fhir.r4.core-*.tgz"))
    with tarfile.open(path) as archive:
        member = archive.extractfile("package/ValueSet-ucum-common.json")
        assert member is not None
        listed = jsonio.load(member.read())
    codes = {row["code"] for include in listed["compose"]["include"] for row in include.get("concept", ())}
    assert len(codes) > 1000
    assert {code for code in codes if not is_unit(code)} <= {"[ppt]", "mmol/kg[H20]", "{Ehrlich'U}/100g", "{G}U"}


def test_a_wrong_unit_is_one_finding() -> None:
    """A zib lists units for the quantity and for its code: the list nearest to the code says what is wanted."""
    weight: dict[str, Any] = {
        "resourceType": "Observation",
        "id": "w",
        "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-BodyWeight"]},
        "status": "final",
        "category": [{"coding": [{"system": "http://hl7.org/fhir/observation-category", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-03-31",
        "valueQuantity": {"value": 80, "unit": "kg", "system": SYSTEM, "code": "kg"},
    }
    known = zibs(FhirVersion.STU3, ())
    assert rules(known.validate(weight)) == []
    for unit in ("pond", "mm"):
        wrong = {**weight, "valueQuantity": {**weight["valueQuantity"], "code": unit}}
        (finding,) = (one for one in known.validate(wrong).findings if one.severity == "error")
        assert finding.expression.startswith("Observation.value")
        assert "kg" in finding.allowed


def test_two_places_with_a_wrong_unit_are_two_findings() -> None:
    parts = [{"code": {"text": "a"}, "valueQuantity": {"value": 1, "system": SYSTEM, "code": "pond"}}] * 2
    found = rules(knowing().validate(observation(component=parts)))
    assert found == [("code", f"Observation.component[{place}].value.code") for place in (0, 1)]


def test_a_code_of_a_list_without_a_name_is_told_without_one() -> None:
    patient = {"resourceType": "Patient", "id": "p", "gender": "man"}
    (finding,) = knowing().validate(patient).findings
    assert finding.rule == "binding"
    assert "codelijst ." not in finding.text_nl
    assert finding.text_nl.startswith("gender heeft de code man; die hoort niet bij de codes die hier mogen.")
    assert "set ." not in finding.text_en
