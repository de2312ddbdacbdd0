"""Taking requests apart: whatever a source sends, it is a list of tasks or a refusal that names the place."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.intake.preconditions import version_is
from gateway.intake.refusal import Refusal
from gateway.intake.tasks import GivenIds, HttpCall, Push, Task, tasks_of
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.errors import FormatError
from profiles.fhir.version import FhirVersion

STU3 = FhirVersion.STU3


def asked(method: str, *path: str, body: Any = None, query: str = "", **headers: str) -> Push:
    content = jsonio.dump(body) if body is not None else b""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return tasks_of(HttpCall(method, path, query, content, Format.JSON, STU3, named), 10)


PATIENT = {"resourceType": "Patient", "id": "p1"}


def test_single_interactions() -> None:
    (update,) = asked("PUT", "Patient", "p1", body=PATIENT, if_match='W/"3"').tasks
    assert (update.method, update.key, update.only_if) == ("PUT", ("Patient", "p1"), version_is(3))
    (create,) = asked("POST", "Patient", body=PATIENT, if_none_exist="identifier=urn:x|1").tasks
    assert (create.id, create.condition) == ("", ("urn:x", "1"))
    (conditional,) = asked("DELETE", "Patient", query="identifier=urn%3Ax%7C1").tasks
    assert (conditional.condition, conditional.resource) == (("urn:x", "1"), None)


@pytest.mark.parametrize(
    ("status", "arguments", "more"),
    [
        (404, ("PUT", "Nothing", "p1"), {"body": {"resourceType": "Nothing"}}),
        (404, ("PUT", "Bundle", "p1"), {"body": {"resourceType": "Bundle"}}),
        (404, ("PUT", "HumanName", "p1"), {"body": {"resourceType": "HumanName"}}),
        (404, ("POST", "Patient", "p1"), {"body": PATIENT}),
        (400, ("PUT", "Patient", "p 1"), {"body": PATIENT}),
        (400, ("PUT", "Patient"), {"body": PATIENT}),
        (400, ("DELETE", "Patient"), {"query": "name=x"}),
        (400, ("DELETE", "Patient"), {"query": "identifier=a|b&identifier=c|d"}),
        (400, ("DELETE", "Patient"), {"query": "identifier=|b"}),
        (400, ("PUT", "Patient", "p1"), {"body": PATIENT, "if_match": "yes"}),
        (400, ("PUT", "Patient", "p2"), {"body": PATIENT}),
        (400, ("POST",), {"body": PATIENT}),
        (400, ("POST",), {"body": {"resourceType": "Bundle", "type": "collection"}}),
    ],
)
def test_what_is_refused(status: int, arguments: tuple[str, ...], more: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as found:
        asked(*arguments, **more)
    assert found.value.status == status


def test_the_entry_that_is_wrong_is_named() -> None:
    good = {"resource": PATIENT, "request": {"method": "PUT", "url": "Patient/p1"}}
    whole = {"resourceType": "Bundle", "type": "transaction", "entry": [good, {"resource": PATIENT}]}
    with pytest.raises(Refusal) as found:
        asked("POST", body=whole)
    assert found.value.issues[0].expression == "Bundle.entry[1].request"
    batch = asked("POST", body=whole | {"type": "batch"})
    assert [task.refused is None for task in batch.tasks] == [True, False]


def test_the_same_content_gets_the_same_id_and_equal_resources_in_one_request_do_not() -> None:
    def task() -> Task:
        return Task("POST", "Patient", resource={"resourceType": "Patient", "gender": "male"})

    first, second = GivenIds("z", "epd", STU3), GivenIds("z", "epd", STU3)
    assert first.assign(task()) == second.assign(task())
    assert first.assign(task()) != GivenIds("z", "epd", STU3).assign(task())
    assert GivenIds("z", "lab", STU3).assign(task()) != GivenIds("z", "epd", STU3).assign(task())


NAMES = st.sampled_from(
    [
        "resourceType",
        "type",
        "entry",
        "request",
        "method",
        "url",
        "resource",
        "fullUrl",
        "ifMatch",
        "ifNoneMatch",
        "ifNoneExist",
        "id",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(
    JSON.map(lambda body: body if isinstance(body, dict) else {"entry": body}),
    st.sampled_from(["transaction", "batch", "history"]),
)
def test_any_bundle_is_taken_apart_or_refused(body: dict[str, Any], kind: str) -> None:
    try:
        push = asked("POST", body={**body, "resourceType": "Bundle", "type": kind})
    except (Refusal, FormatError):
        return
    assert push.bundle == kind
    assert all(task.refused is not None or task.type for task in push.tasks)
