"""Whose a resource is: one table, and the same verdict where it is placed and where live answers are guarded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from security.pointing import Place, Pointer, owned, pointers, types

from adapters.guard import Guard, Whose
from adapters.port import Bsn
from profiles.fhir.basetypes import facts
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.place import place
from profiles.record.whose import OWNERS, Naming, contexts, is_shared, may_follow, mentions, naming, read_owners

BSN_SYSTEM = "http://fhir.nl/fhir/NamingSystem/bsn"
ANNA, BRAM = {"resourceType": "Patient", "id": "anna"}, {"resourceType": "Patient", "id": "bram"}
GUARD = Guard(frozenset({"anna"}))
EVERY = sorted({(version, type_) for version in FhirVersion for type_ in types(version) if type_ != "Patient"})


def placed(resource: Resource) -> str | None:
    """The patient to whom an import gives a resource; None when it refuses it."""
    return place([ANNA, BRAM, resource]).patients.get((resource["resourceType"], resource["id"]))


@pytest.mark.parametrize(("version", "type_"), EVERY, ids=str)
def test_every_type_is_taken_alike_through_every_door(version: FhirVersion, type_: str) -> None:
    """An Endpoint was shared when it was imported, and nobody's when a live source gave it."""
    lonely = {"resourceType": type_, "id": "x"}
    shared = OWNERS.may_be_shared(type_)
    assert placed(lonely) == ("" if shared else None)
    assert GUARD.whose(lonely) is (Whose.SHARED if shared else Whose.NOBODY)
    assert is_shared(lonely) is shared
    hers, his = owned(version, type_, "x", "anna"), owned(version, type_, "x", "bram")
    if hers != lonely:
        assert (placed(hers), placed(his)) == ("anna", "bram")
        assert (GUARD.whose(hers), GUARD.whose(his)) == (Whose.OURS, Whose.FOREIGN)
        assert not is_shared(hers)


@pytest.mark.parametrize("version", FhirVersion)
def test_what_names_a_patient_in_any_element_is_never_shared(version: FhirVersion) -> None:
    for pointer in pointers(version):
        resource = {"resourceType": pointer.type, "id": "x", **pointer.filled({"reference": "Patient/bram"})}
        if pointer.type != "Patient":
            assert GUARD.whose(resource) in (Whose.NOBODY, Whose.FOREIGN), pointer
            assert placed(resource) in ("bram", None), pointer


def test_every_element_of_the_table_is_one_that_holds_a_reference() -> None:
    """In STU3 or in R4; an element that is in neither would be a slip of the pen that nobody sees."""

    def holds(type_: str, path: str) -> bool:
        for version in FhirVersion:
            current, found = type_, True
            for name in path.split("."):
                known = facts(version).property(current, name)
                if known is None:
                    found = False
                    break
                current = known[1]
            if found and current == "Reference":
                return True
        return False

    assert not [(type_, path) for type_, paths in OWNERS.owners.items() for path in paths if not holds(type_, path)]


def test_every_type_of_the_table_exists() -> None:
    known = {type_ for version in FhirVersion for type_ in facts(version).resource_types()}
    assert not (OWNERS.shared | OWNERS.free | OWNERS.follows | OWNERS.owners.keys()) - known


@pytest.mark.parametrize(
    "change", ['free = ["Device", "Location"]', 'follows = ["Binary", "Slot"]', 'companion = ["Specimen"]']
)
def test_a_table_that_contradicts_itself_is_not_read(change: str) -> None:
    parts = {"default": '["subject"]', "shared": '["Location", "Slot"]', "free": '["Device"]', "companion": "[]"}
    parts |= {"follows": '["Binary"]', change.split(" = ", maxsplit=1)[0]: change.split(" = ")[1]}
    text = "\n".join(f"{name} = {value}" for name, value in parts.items())
    with pytest.raises(ValueError, match="two parts"):
        read_owners(f"context = []\nbelow = []\n{text}\n[owners]\n")


@pytest.mark.parametrize(
    ("said", "reference"),
    [
        (Naming.PATIENT, {"reference": "Patient/1"}),
        (Naming.PATIENT, {"reference": "Patient/1/_history/2"}),
        (Naming.ELSEWHERE, {"reference": "https://other.test/fhir/Patient/1"}),
        (Naming.ELSEWHERE, {"reference": "urn:uuid:0"}),
        (Naming.ELSEWHERE, {"identifier": {"system": BSN_SYSTEM, "value": "999 990 019"}}),
        (Naming.OTHER, {"reference": "Location/1"}),
        (Naming.VAGUE, {"reference": "Group/1"}),
        (Naming.VAGUE, {"reference": "#p"}),
        (Naming.VAGUE, {"display": "Anna"}),
        (Naming.VAGUE, {"reference": "nonsense"}),
    ],
)
def test_what_a_reference_says(said: Naming, reference: dict[str, Any]) -> None:
    assert naming(reference) is said


def test_what_names_somebody_unknown_is_never_given_to_a_neighbour() -> None:
    """An Observation with the number of Bram, in an encounter of Anna: hers was the only record that it pointed at."""
    encounter = {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/anna"}}
    for subject in (
        {"identifier": {"system": BSN_SYSTEM, "value": "999990020"}},
        {"reference": "https://other.test/fhir/Patient/anna"},
        {"reference": "urn:uuid:0"},
        {"reference": "Group/1"},
        {"display": "Bram"},
    ):
        result = {"resourceType": "Observation", "id": "o", "subject": subject, "context": {"reference": "Encounter/e"}}
        assert not may_follow(result)
        assert ("Observation", "o") in place([ANNA, encounter, result]).refused
        kept, gaps = (
            Guard(frozenset({"anna"})).check([encounter, result])
            if GUARD.whose(result) is Whose.NOBODY
            else ([encounter], [None])
        )
        assert kept == [encounter]
        assert gaps


def test_a_number_that_is_anothers_outweighs_the_reference() -> None:
    subject = {"reference": "Patient/anna", "identifier": {"system": BSN_SYSTEM, "value": "999990020"}}
    flag = {"resourceType": "Flag", "id": "f", "subject": subject}
    hers = {**ANNA, "identifier": [{"system": BSN_SYSTEM, "value": "999990019"}]}
    assert "by number" in place([hers, flag]).refused["Flag", "f"]
    assert Guard(frozenset({"anna"}), Bsn("999990019")).whose(flag) is Whose.FOREIGN
    right = {**flag, "subject": {**subject, "identifier": {"system": BSN_SYSTEM, "value": "999.990.019"}}}
    assert place([hers, right]).patients["Flag", "f"] == "anna"
    assert Guard(frozenset({"anna"}), Bsn("999990019")).whose(right) is Whose.OURS


def test_a_group_is_about_all_of_its_members() -> None:
    members = [{"entity": {"reference": "Patient/anna"}}, {"entity": {"reference": "Patient/bram"}}]
    group = {"resourceType": "Group", "id": "g", "member": members}
    assert GUARD.whose(group) is Whose.FOREIGN
    assert placed(group) is None


def test_the_contexts_that_count() -> None:
    def named(element: str, text: str) -> list[tuple[str, str]]:
        return list(contexts({"resourceType": "Observation", element: {"reference": text}}))

    assert named("context", "EpisodeOfCare/e") == [("EpisodeOfCare", "e")]
    assert named("encounter", "Encounter/e") == [("Encounter", "e")]
    assert named("context", "https://other.test/EpisodeOfCare/e") == named("subject", "EpisodeOfCare/e") == []


JUNK = st.recursive(
    st.none() | st.text(max_size=9) | st.sampled_from(["Patient/bram", "Patient/anna", "#p", "urn:x", "Group/1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["reference", "identifier", "system", "value", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)  # fmt: skip


@given(st.sampled_from([type_ for _, type_ in EVERY]), JUNK, JUNK)
def test_whatever_comes_is_shared_only_when_it_names_nobody(type_: str, subject: Any, other: Any) -> None:
    one = {"resourceType": type_, "id": "x", "subject": subject, "patient": other, "extension": [{"value": other}]}
    if is_shared(one):
        assert not list(mentions(one))
        assert placed(one) == ""
    Pointer(type_, (Place("subject", True),), ()).filled(subject)


CONTAINED: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "x",
    "identifier": [{"system": BSN_SYSTEM, "value": "999990020"}],
}


def test_a_number_that_is_not_known_to_be_hers_waits_until_it_is() -> None:
    """Her own number may come later, and be another: what came before it would be another person's."""
    subject = {"reference": "Patient/anna", "identifier": {"system": BSN_SYSTEM, "value": "999990019"}}
    flag = {"resourceType": "Flag", "id": "f", "subject": subject}
    assert "by number" in place([ANNA, flag]).refused["Flag", "f"]
    assert place([ANNA, flag], number=lambda _id: "999990019").patients["Flag", "f"] == "anna"


@pytest.mark.parametrize(("type_", "element"), [("Device", "patient"), ("Group", "member"), ("Schedule", "actor")])
@pytest.mark.parametrize("said", [{"reference": "#x"}, {"display": "Bram"}], ids=["contained", "by name"])
def test_what_is_somebodys_without_saying_whose_is_not_everybodys(
    type_: str, element: str, said: dict[str, str]
) -> None:
    named = {"member": [{"entity": said}], "actor": [said]}.get(element, said)
    one = {"resourceType": type_, "id": "d", element: named, "contained": [CONTAINED]}
    assert (type_, "d") in place([ANNA, one]).refused


@pytest.mark.parametrize("hints", [{}, {("List", "l"): "anna"}], ids=["beside hers", "by a hint"])
def test_a_contained_patient_with_another_number_is_somebody_else(hints: dict[tuple[str, str], str]) -> None:
    hers = {**ANNA, "identifier": [{"system": BSN_SYSTEM, "value": "999990019"}]}
    flag = {"resourceType": "Flag", "id": "f", "subject": {"reference": "Patient/anna"}}
    entry = [{"item": {"reference": "Flag/f"}}]
    one = {"resourceType": "List", "id": "l", "contained": [CONTAINED], "subject": {"reference": "#x"}, "entry": entry}
    assert ("List", "l") in place([hers, flag, one], hints=hints).refused
    own = {**one, "contained": [{**CONTAINED, "identifier": hers["identifier"]}]}
    assert place([hers, flag, own], hints=hints).patients["List", "l"] == "anna"
