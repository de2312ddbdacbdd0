"""Exported AuditEvents meet what IHE BALP asks of a read and a search, or claim nothing."""

from typing import Any

import pytest

from gateway.audit.balp import faults, profile_of, table
from gateway.audit.export import audit_event

SITE = "https://dva.example"


def record(**change: Any) -> dict[str, Any]:
    """A record as the trail keeps it."""
    return {
        "action": "pgo:resource:read", "at": "2026-03-09T10:00:00.000+00:00", "outcome": 200, "interaction": "read",
        "provider": "ziekenhuiszandoord", "service": "48", "rule": "problem", "client": "een.pgo.example",
        "person": "a" * 64, "request_id": "11111111-1111-1111-1111-111111111111", "resources": [["Condition", 1]],
    } | change  # fmt: skip


@pytest.mark.parametrize(
    ("interaction", "name"),
    [("read", "PatientRead"), ("search-type", "PatientQuery"), ("operation", "PatientQuery")],
)
@pytest.mark.parametrize("actor", ["", "b" * 64])
def test_a_success_meets_its_profile(interaction: str, name: str, actor: str) -> None:
    event = audit_event("chain", 7, record(interaction=interaction, actor=actor), SITE)
    profile = profile_of(event)
    assert profile is not None
    assert profile.name == name
    assert faults(event, profile) == []
    assert event["meta"]["profile"] == [profile.url]
    # The deed, the counts and the place in the chain are still in it.
    assert event["entity"][-1]["what"]["identifier"]["value"] == "chain/7"
    assert {"type": "resources:Condition", "valueString": "1"} in event["entity"][-1]["detail"]


@pytest.mark.parametrize(
    "change",
    [{"outcome": 403}, {"outcome": 503}, {"interaction": "transaction"}, {"interaction": ""}, {"person": ""}],
)
def test_what_balp_has_no_profile_for_claims_none(change: dict[str, Any]) -> None:
    event = audit_event("chain", 7, record(**change), SITE)
    assert "meta" not in event
    assert profile_of(event) is None


def test_every_rule_of_the_table_bites() -> None:
    """Whatever is taken out or put in that a row speaks of, is found."""
    for interaction in ("read", "search-type"):
        event = audit_event("chain", 7, record(interaction=interaction), SITE)
        profile = profile_of(event)
        assert profile is not None
        for name in ("recorded", "source", "agent", "entity", "type"):
            assert faults({key: value for key, value in event.items() if key != name}, profile), name
        for index, agent in enumerate(event["agent"]):
            assert faults({**event, "agent": [one for one in event["agent"] if one is not agent]}, profile)
            changed = [*event["agent"][:index], {**agent, "media": {}}, *event["agent"][index + 1 :]]
            assert faults({**event, "agent": changed}, profile)
        for entity in event["entity"][:-1]:
            if entity["type"]["code"] == "XrequestId":
                continue
            assert faults({**event, "entity": [one for one in event["entity"] if one is not entity]}, profile)
            assert faults({**event, "entity": [*event["entity"], entity]}, profile)
    assert {one.name for one in table()} == {"PatientRead", "PatientQuery"}
