"""What is changed before a resource is served: the BSN masked (IDN-06), names filled in, profiles claimed."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from profiles.record.bsn import find_bsn
from profiles.record.neighbours import Neighbours
from profiles.record.repair import claim_profile, fill_display, mask_bsn, resolve_urns

BSN = "999990019"
SYSTEM = "http://fhir.nl/fhir/NamingSystem/bsn"


def test_the_bsn_is_masked_in_identifiers_and_in_text() -> None:
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [{"system": SYSTEM, "value": BSN}, {"system": "urn:oid:2.16.528", "value": "1"}],
        "text": {"status": "generated", "div": f"<div>BSN {BSN}</div>"},
        "contact": [{"name": {"given": [BSN]}}],
    }
    assert find_bsn(patient) == BSN
    repairs = mask_bsn(patient)
    assert BSN not in json.dumps(patient)
    assert patient["identifier"][0]["_value"]["extension"][0]["valueCode"] == "masked"
    assert patient["identifier"][1]["value"] == "1"
    assert repairs[0].expression == "Patient.identifier[0].value"
    assert {repair.rule for repair in repairs} == {"bsn-masked"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(BSN) | st.just(f"BSN: {BSN}."),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_a_known_bsn_is_nowhere_after_masking(resource: dict[str, Any]) -> None:
    mask_bsn(resource, [BSN])
    assert BSN not in json.dumps({"values": list(_values(resource))})


def _values(node: Any) -> Any:
    if isinstance(node, dict):
        for value in node.values():
            yield from _values(value)
    elif isinstance(node, list):
        for value in node:
            yield from _values(value)
    elif isinstance(node, str):
        yield node


def test_a_reference_gets_the_name_of_its_target() -> None:
    doctor = {"resourceType": "Practitioner", "id": "d", "name": [{"given": ["A."], "family": "Smit"}]}
    condition: dict[str, Any] = {
        "resourceType": "Condition",
        "contained": [{"resourceType": "Organization", "id": "o", "name": "Praktijk"}],
        "asserter": {"reference": "Practitioner/d"},
        "subject": {"reference": "Patient/p", "display": "J. Jansen"},
        "owner": {"reference": "#o"},
    }
    repairs = fill_display(condition, Neighbours("p", lambda key: ("", doctor) if key[1] == "d" else None))
    assert condition["asserter"]["display"] == "A. Smit"
    assert condition["owner"]["display"] == "Praktijk"
    assert condition["subject"]["display"] == "J. Jansen"
    assert len(repairs) == 2


def test_a_profile_is_claimed_only_where_none_is_and_comes_after_the_id() -> None:
    bare: dict[str, Any] = {"resourceType": "Condition", "id": "c", "code": {}}
    assert [repair.rule for repair in claim_profile(bare, ["http://x"])] == ["profile-claimed"]
    assert list(bare) == ["resourceType", "id", "meta", "code"]
    assert claim_profile(bare, ["http://y"]) == []
    assert bare["meta"]["profile"] == ["http://x"]


def test_urns_of_a_bundle_become_relative_references() -> None:
    node: dict[str, Any] = {"resourceType": "Condition", "subject": {"reference": "urn:uuid:1"}}
    assert resolve_urns(node, {"urn:uuid:1": ("Patient", "p")})[0].expression == "Condition.subject.reference"
    assert node["subject"]["reference"] == "Patient/p"


def test_a_name_never_comes_from_another_patient_nor_from_an_address_elsewhere() -> None:
    """Mother and child: his data may stand in her record, and his name is still his."""
    held = {
        ("Patient", "child"): ("child", {"resourceType": "Patient", "name": [{"text": "Kees"}]}),
        ("RelatedPerson", "kees"): ("mother", {"resourceType": "RelatedPerson", "name": [{"text": "Kees"}]}),
        ("Practitioner", "d"): ("", {"resourceType": "Practitioner", "name": [{"text": "Dr. Smit"}]}),
        ("Patient", "stray"): ("", {"resourceType": "Patient", "name": [{"text": "Niemand"}]}),
    }
    wanted = {
        "subject": ("Patient/child", None),
        "asserter": ("RelatedPerson/kees", "Kees"),
        "recorder": ("Practitioner/d", "Dr. Smit"),
        "far": ("https://other.test/fhir/Practitioner/d", None),
        "stray": ("Patient/stray", None),
        "gone": ("Practitioner/x", None),
    }
    weight: dict[str, Any] = {name: {"reference": reference} for name, (reference, _) in wanted.items()}
    fill_display(weight, Neighbours("mother", held.get))
    assert {name: weight[name].get("display") for name in wanted} == {name: text for name, (_, text) in wanted.items()}
    shared: dict[str, Any] = {name: {"reference": reference} for name, (reference, _) in wanted.items()}
    fill_display(shared, Neighbours("", held.get))
    assert [name for name in wanted if "display" in shared[name]] == ["recorder"]


def test_a_display_of_the_source_is_left_alone_whoever_it_names() -> None:
    said: dict[str, Any] = {
        "asserter": {"reference": "Patient/bram", "display": "Bram"},
        "x": {"reference": "Patient/b", "_display": {}},
    }
    assert fill_display(said, Neighbours("anna", lambda _key: ("anna", {"resourceType": "Patient", "name": "X"}))) == []
