"""The same fact from two sources: told once with both origins, and every difference is two facts."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.fhir.tree import Resource
from profiles.record.same import Told, facts_of, same_rules


def observation(id_: str = "a", **change: Any) -> Resource:
    made: Resource = {
        "resourceType": "Observation",
        "id": id_,
        "meta": {"versionId": id_},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3", "display": "Kalium"}]},
        "subject": {"reference": f"Patient/{id_}"},
        "effectiveDateTime": "2026-02-01T10:00:00+01:00",
        "valueQuantity": {
            "value": Decimal("4.10"),
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
    }
    return {name: value for name, value in (made | change).items() if value is not None}


def facts(*told: tuple[Resource, str, str]) -> list[tuple[str, ...]]:
    return [one.origins for one in facts_of(Told(*one) for one in told)]


def test_equal_facts_of_two_sources_are_one_with_both_origins() -> None:
    """The words of a code and a unit, who measured it and the zone of the clock make no other fact."""
    local = {
        "coding": [{"system": "urn:lab", "code": "K"}, {"system": "http://loinc.org", "code": "2823-3"}],
        "text": "K+",
    }
    quantity = observation()["valueQuantity"] | {"unit": "mmol per liter"}
    other = observation(
        "b",
        code=local,
        effectiveDateTime="2026-02-01T09:00:00Z",
        valueQuantity=quantity,
        performer=[{"display": "Lab"}],
    )
    found = facts_of([Told(observation(), "epd", "p"), Told(other, "lab", "p")])
    assert [(one.origins, one.rule) for one in found] == [(("epd", "lab"), "observation")]
    assert [one.resource["id"] for one in found[0].tellers] == ["a", "b"], "both are kept as they came"


@pytest.mark.parametrize(
    "change",
    [
        {"status": "preliminary"},
        {"effectiveDateTime": "2026-02-01T10:00:01+01:00"},
        {"effectiveDateTime": "2026-02-01"},
        {"valueQuantity": observation()["valueQuantity"] | {"value": Decimal("4.1")}},
        {"valueQuantity": observation()["valueQuantity"] | {"code": "mol/L"}},
        {"valueQuantity": observation()["valueQuantity"] | {"comparator": "<"}},
        {"code": {"text": "Kalium"}},
        {"code": {"coding": [{"system": "urn:x", "code": "2823-3"}]}},
        {"interpretation": {"coding": [{"system": "urn:i", "code": "H"}]}},
        {"comment": "hemolytisch"},
        {"bodySite": {"coding": [{"system": "urn:b", "code": "1"}]}},
        {"valueQuantity": None},
        {"resourceType": "CarePlan"},
    ],
)
def test_every_difference_is_two_facts(change: dict[str, Any]) -> None:
    assert facts((observation(), "epd", "p"), (observation("b", **change), "lab", "p")) == [("epd",), ("lab",)]


def test_never_across_persons_and_never_within_one_source() -> None:
    twin = observation("b")
    assert facts((observation(), "epd", "p"), (twin, "lab", "q")) == [("epd",), ("lab",)]
    assert facts((observation(), "epd", ""), (twin, "lab", "")) == [("epd",), ("lab",)]
    assert facts((observation(), "epd", "p"), (twin, "epd", "p")) == [("epd",), ("epd",)]
    three = [(observation(), "epd", "p"), (twin, "lab", "p"), (observation("c"), "epd", "p")]
    assert facts(*three) == [("epd", "lab"), ("epd",)]


def test_what_was_withdrawn_is_nobodys_fact() -> None:
    gone = observation(status="entered-in-error")
    assert facts((gone, "epd", "p"), (gone, "lab", "p")) == [("epd",), ("lab",)]


def test_each_rule_finds_its_own_type() -> None:
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}
    for rule in same_rules().values():
        told = {
            "onset": ("onsetDateTime", "2026"),
            "date|occurrence": ("date", "2026"),
            "performed": ("performedDateTime", "2026"),
            "effective": ("effectiveDateTime", "2026"),
            "value": ("valueString", "x"),
        }
        made = dict(told.get(name, (name, "active")) for name in rule.told)
        one = {"resourceType": rule.type, rule.named: code, rule.about: {"reference": "Patient/1"}, **made}
        assert facts((one, "a", "p"), (dict(one), "b", "p")) == [("a", "b")], rule.id


_VALUES = st.recursive(
    st.none() | st.booleans() | st.decimals(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
_RESOURCES = st.dictionaries(
    st.sampled_from(["code", "subject", "effectiveDateTime", "valueString", "status", "comment", "onset"]), _VALUES
)


@given(st.lists(st.tuples(_RESOURCES, st.sampled_from(["a", "b", ""]), st.sampled_from(["p", "q", ""])), max_size=6))
def test_whatever_is_told_nothing_is_lost_and_persons_stay_apart(told: list[tuple[Resource, str, str]]) -> None:
    given_ = [Told({"resourceType": "Observation", **resource}, origin, person) for resource, origin, person in told]
    found = facts_of(given_)
    assert sorted(id(one) for fact in found for one in fact.tellers) == sorted(map(id, given_))
    for fact in found:
        assert len({one.person for one in fact.tellers}) == 1
        assert len(fact.origins) == len(fact.tellers)
