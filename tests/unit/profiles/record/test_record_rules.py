"""Repair rules are data with a trace."""

from pathlib import Path
from typing import Any

import pytest

from profiles.record.rules import Asked, RulesError, load_repairs

OWN = """
- rule: laboratory-category
  text: zib category added to a laboratory result
  types: [Observation]
  withholds: [category]
  add:
    at: category
    when: {category.coding.code: laboratory}
    value: [{coding: [{system: "http://snomed.info/sct", code: "275711006"}]}]
"""


def test_rules_of_the_ehr_itself_go_first_and_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    repairs = load_repairs(["codes"], path)
    one: dict[str, Any] = {
        "resourceType": "Observation",
        "id": "1",
        "category": [{"coding": [{"system": "urn:x", "code": "laboratory"}]}],
    }
    other: dict[str, Any] = {"resourceType": "Observation", "id": "2", "category": [{"text": "vital"}]}
    notes = repairs.apply([one, other], Asked())
    assert [(note.resource, note.rule, note.expression) for note in notes] == [
        ("Observation/1", "laboratory-category", "Observation.category")
    ]
    assert notes[0].before == [{"coding": [{"system": "urn:x", "code": "laboratory"}]}]
    assert len(one["category"]) == 2
    assert "category" in repairs.withheld
    assert repairs.apply([one], Asked()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {rule: x, text: y}", "one of replace, add, display and claim"),
        ("- {rule: x, text: y, claim: true, display: {}}", "one of replace, add, display and claim"),
        ("- {rule: x, text: y, colour: blue}", "colour"),
        ("[", "cannot be read"),
    ],
)
def test_rules_that_cannot_be_read_stop_the_start(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(RulesError) as caught:
        load_repairs([], path)
    assert words in str(caught.value)


def test_an_unknown_rule_set_is_named_with_those_that_are_known() -> None:
    with pytest.raises(RulesError, match="known are codes, displays, profiles"):
        load_repairs(["magic"])


DISPLAYS = """
- rule: names
  text: display from target
  display: {Practitioner: name, RelatedPerson: name}
"""


def test_names_come_from_what_stands_beside_it_and_never_into_what_everybody_reads(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(DISPLAYS)
    anna, partner_reference = {"reference": "Patient/a"}, {"reference": "RelatedPerson/r"}
    doctor = {"resourceType": "Practitioner", "id": "d", "name": [{"text": "Dr. Smit"}]}
    partner = {"resourceType": "RelatedPerson", "id": "r", "patient": anna, "name": {"text": "Kim"}}
    room = {"resourceType": "Location", "id": "l", "extension": [{"url": "x", "valueReference": {**partner_reference}}]}
    problem: dict[str, Any] = {
        "resourceType": "Condition",
        "id": "c",
        "subject": anna,
        "asserter": partner_reference,
        "recorder": {"reference": "https://elsewhere.test/Practitioner/d"},
        "evidence": [{"detail": [{"reference": "Practitioner/d"}]}],
    }
    notes = load_repairs([], path).apply([doctor, partner, room, problem], Asked())
    assert [(note.expression, note.after) for note in notes] == [
        ("Condition.asserter.display", "Kim"),
        ("Condition.evidence[0].detail[0].display", "Dr. Smit"),
    ]
    assert "Kim" not in str(room)
    assert "display" not in problem["recorder"]


def test_a_profile_is_claimed_for_what_answers_the_question_only() -> None:
    asked = Asked("Observation", {"Observation": ["http://p"]}, lambda one: one["id"] == "1")
    one: dict[str, Any] = {"resourceType": "Observation", "id": "1"}
    other: dict[str, Any] = {"resourceType": "Observation", "id": "2"}
    notes = load_repairs(["profiles"]).apply([one, other], asked)
    assert [(note.resource, note.after) for note in notes] == [("Observation/1", ["http://p"])]
    assert "meta" not in other
