"""What is remembered of live answers: of a part that is missing, nothing is forgotten."""

from gateway.collect.held import Held
from gateway.subscriptions.marks import Gave, compared
from profiles.fhir.version import FhirVersion

KEY, PLACE = b"k" * 32, ("problem", "ehr")


def gave(*ids: str, whole: bool = True) -> Gave:
    held = [Held("Condition", id_, FhirVersion.STU3, source="ehr", patient_id="anna", data={"id": id_}) for id_ in ids]
    return Gave({PLACE: held}, {PLACE: whole})


def test_the_first_answer_is_only_remembered() -> None:
    """AB-25: and a row that is asked for the first time is one."""
    marks, fresh = compared(KEY, {}, gave("a", "b"))
    assert (len(marks["problem ehr"]), fresh) == (2, [])


def test_of_an_incomplete_answer_nothing_is_forgotten() -> None:
    """AB-21: what a source left out comes back without being news; what is new in it is."""
    marks, _ = compared(KEY, {}, gave("a", "b"))
    marks, fresh = compared(KEY, marks, gave("a", "c", whole=False))
    assert [held.id for held in fresh] == ["c"]
    marks, fresh = compared(KEY, marks, gave("a", "b", "c"))
    assert fresh == []


def test_what_is_gone_is_forgotten_and_what_did_not_answer_is_not() -> None:
    """AB-21: a whole answer stands for itself; no answer changes nothing."""
    marks, _ = compared(KEY, {}, gave("a", "b"))
    assert compared(KEY, marks, Gave()) == (marks, [])
    less, _ = compared(KEY, marks, gave("a"))
    assert set(less["problem ehr"]) < set(marks["problem ehr"])


def test_another_key_makes_other_marks() -> None:
    """Nobody can tell from the marks of two subscriptions that they are of the same."""
    one, two = (compared(key, {}, gave("a"))[0]["problem ehr"] for key in (KEY, b"l" * 32))
    assert not set(one) & set(two)
