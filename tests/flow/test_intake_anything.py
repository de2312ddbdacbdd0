"""Whatever a source sends: an answer with a reason, never a fault of ours, and nothing half stored (issue 6)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world.intake_house import House, bundle, condition, house, patient

NAMES = st.sampled_from(
    ["reference", "display", "identifier", "system", "value", "url", "contentType", "id", "code", "coding", "text",
     "resourceType", "extension", "hash"]
)  # fmt: skip
PLAIN = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4)
VALUES = st.recursive(
    PLAIN | st.sampled_from(["Patient/p1", "#x", "urn:x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
TOP = ["identifier", "subject", "contained", "meta", "code", "text", "extension", "name", "content", "author",
       "context", "birthDate", "related", "_id", "id"]  # fmt: skip


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house("sqlite", Path(tmp_path_factory.mktemp("anything"))) as found:
        found.send("PUT", "/intake/epd/Patient/p1", patient())
        yield found


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["Condition", "Patient", "DocumentReference", "Binary", "Observation", "Encounter"]),
    st.dictionaries(st.sampled_from(TOP), VALUES, max_size=4),
)
def test_any_resource_is_stored_or_refused(hospital: House, kind: str, body: dict[str, Any]) -> None:
    base = {"Condition": condition(), "Patient": patient("p2", None)}.get(
        kind, {"subject": {"reference": "Patient/p1"}}
    )
    sent = {**base, **body, "resourceType": kind}
    answer = hospital.send("POST", f"/intake/epd/{kind}", sent)
    assert answer.status_code < 500, (sent, answer.text)
    assert answer.json()["issue"][0]["details"]["text"]
    both = bundle(
        "transaction", ("PUT", "Condition/steady", condition("steady")), ("PUT", f"{kind}?identifier=a|b", sent)
    )
    assert hospital.send("POST", "/intake/epd", both).status_code < 500
