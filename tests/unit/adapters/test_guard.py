"""The patient guard: whose is this resource? It fails closed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.guard import Guard, Whose
from adapters.port import Bsn, Reason, WrongPatient

ANNA = "999911120"
BASE = "https://ehr.test/fhir"
GUARD = Guard(frozenset({"anna", "anna-2"}), Bsn(ANNA), BASE)


def resource(kind: str = "Condition", **elements: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": "x", **elements}


def bsn(number: str) -> dict[str, str]:
    return {"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": number}


@pytest.mark.parametrize(
    ("whose", "one"),
    [
        (Whose.OURS, resource(subject={"reference": "Patient/anna"})),
        (Whose.OURS, resource(subject={"reference": "Patient/anna-2/_history/3"})),
        (Whose.OURS, resource(subject={"reference": f"{BASE}/Patient/anna"})),
        (Whose.OURS, resource(subject={"identifier": bsn(ANNA)})),
        (Whose.OURS, resource("Patient", id="anna")),
        (Whose.OURS, resource("Coverage", beneficiary={"reference": "Patient/anna"})),
        (Whose.OURS, resource("Appointment", participant=[{"actor": {"reference": "Patient/anna"}}])),
        (Whose.OURS, resource("Device", patient={"reference": "Patient/anna"})),
        (
            Whose.OURS,
            resource(
                subject={"reference": "#p"},
                contained=[{"resourceType": "Patient", "id": "p", "identifier": [bsn(ANNA)]}],
            ),
        ),
        (Whose.FOREIGN, resource(subject={"reference": "Patient/bram"})),
        (Whose.FOREIGN, resource(subject={"reference": "https://elsewhere.test/fhir/Patient/anna"})),
        (Whose.FOREIGN, resource(subject={"reference": f"{BASE}.evil.test/Patient/anna"})),
        (Whose.FOREIGN, resource(subject={"reference": "urn:uuid:0"})),
        (Whose.FOREIGN, resource(subject={"identifier": bsn("999911132")})),
        (Whose.FOREIGN, resource(subject={"reference": "Patient/anna", "identifier": bsn("999911132")})),
        (Whose.FOREIGN, resource(subject={"reference": "Patient/anna"}, patient={"reference": "Patient/bram"})),
        (Whose.FOREIGN, resource("Patient", id="bram")),
        (Whose.FOREIGN, resource("Device", patient={"reference": "Patient/bram"})),
        (
            Whose.FOREIGN,
            resource(
                subject={"reference": "#p"},
                contained=[{"resourceType": "Patient", "id": "p", "identifier": [bsn("999911132")]}],
            ),
        ),
        (
            Whose.FOREIGN,
            resource(
                "Appointment",
                participant=[{"actor": {"reference": "Patient/anna"}}, {"actor": {"reference": "Patient/bram"}}],
            ),
        ),
        (Whose.NOBODY, resource()),
        (Whose.NOBODY, resource(subject={"display": "Anna"})),
        (Whose.NOBODY, resource(subject={"reference": "Group/1"})),
        (Whose.NOBODY, resource(subject={"reference": "#gone"})),
        (Whose.NOBODY, resource("TypeOfTheFuture")),
        (Whose.SHARED, resource("Practitioner")),
        (Whose.SHARED, resource("Device")),
    ],
)
def test_whose(whose: Whose, one: dict[str, Any]) -> None:
    assert GUARD.whose(one) is whose


def test_one_foreign_resource_spoils_the_whole_answer() -> None:
    mine = resource(subject={"reference": "Patient/anna"})
    with pytest.raises(WrongPatient) as caught:
        GUARD.check([mine, mine, resource(subject={"reference": "Patient/bram"})])
    assert "bram" not in f"{caught.value} {caught.value.cause}"


def test_what_is_nobodys_is_counted_in_a_gap() -> None:
    kept, gaps = GUARD.check([resource(), resource(), resource("Practitioner")])
    assert [one["resourceType"] for one in kept] == ["Practitioner"]
    assert [(gap.what, gap.reason) for gap in gaps] == [("Condition", Reason.INVALID_BLOCKED)]
    assert gaps[0].text.startswith("2 Condition left out")


def test_a_specimen_of_a_thing_goes_with_the_result_that_points_at_it() -> None:
    swab = resource("Specimen", id="swab", subject={"display": "Toilet"})
    other = resource("Specimen", id="other", subject={"display": "Toilet"})
    result = resource("Observation", subject={"reference": "Patient/anna"}, specimen={"reference": "Specimen/swab"})
    kept, gaps = GUARD.check([swab, other, result])
    assert kept == [swab, result]
    assert [gap.text[:18] for gap in gaps] == ["1 Specimen left ou"]


def test_without_a_bsn_a_reference_by_number_is_never_ours() -> None:
    guard = Guard(frozenset({"anna"}))
    assert guard.whose(resource(subject={"identifier": bsn(ANNA)})) is Whose.NOBODY
    assert guard.whose(resource(subject={"identifier": bsn(ANNA), "reference": "Patient/anna"})) is Whose.OURS


JUNK = st.recursive(
    st.none() | st.text(max_size=12) | st.sampled_from(["Patient/anna", "Patient/bram", "#p", "Patient", "reference"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["reference", "identifier", "subject", "patient", "value", "id"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(JUNK, JUNK)
def test_nothing_that_names_someone_else_is_ever_ours(subject: Any, patient: Any) -> None:
    """Whatever an EHR sends: no crash, and a plain reference to another person is always seen."""
    one = resource(subject=[subject, {"reference": "Patient/bram"}], patient=patient)
    assert GUARD.whose(one) is Whose.FOREIGN
