"""Invariants know the types, references and roots of the resource that they are about."""

from typing import Any

import pytest
from unit.profiles.validation.small_definitions import TEST, element, knowing, observation, profile, rules

PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female"}


def verdict(path: str, expression: str, resource: dict[str, Any], resolve: Any = None) -> list[tuple[str, str]]:
    """What is wrong (or not checkable) with a resource by one invariant at one element."""
    rule = {"key": "t-1", "severity": "error", "human": "x", "expression": expression}
    where = {**element(path), "constraint": [rule]}
    definition = profile("ruled", "Observation", *([where] if "." in path else []))
    if "." not in path:
        definition["differential"]["element"][0] = where
    report = knowing(definition).validate(resource, [TEST + "ruled"], resolve)
    return [*rules(report), *rules(report, "information")]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("Observation", "Observation"),
        ("Observation.code", "CodeableConcept"),
        ("Observation.subject", "Reference"),
        ("Observation.component.code", "CodeableConcept"),
    ],
)
def test_the_type_of_an_element_is_known(path: str, kind: str) -> None:
    resource = observation(subject={"reference": "Patient/p"}, component=[{"code": {"text": "x"}}])
    assert verdict(path, f"$this.is({kind})", resource) == []
    assert [rule for rule, _ in verdict(path, "$this.is(Period)", resource)] == ["invariant:t-1"]


def test_backbone_elements_know_their_choices() -> None:
    resource = observation(component=[{"code": {"text": "x"}, "valueQuantity": {"value": 1}}])
    assert verdict("Observation.component", "value.is(Quantity)", resource) == []


@pytest.mark.parametrize("expression", ["resolve().gender = 'female'", "resolve().is(Patient) and resolve().id = 'p'"])
def test_references_are_followed(expression: str) -> None:
    inside = observation(contained=[PATIENT], subject={"reference": "#p"})
    outside = observation(subject={"reference": "Patient/p"})
    assert verdict("Observation.subject", expression, inside) == []
    assert verdict("Observation.subject", expression, outside, {"Patient/p": PATIENT}.get) == []
    assert verdict("Observation.subject", expression, outside) != []


def test_of_what_is_out_of_reach_only_the_type_is_known() -> None:
    """``Patient/p`` says itself that it is a Patient; a rule about the type of what is referred to needs no more."""
    outside = observation(subject={"reference": "Patient/p"})
    assert verdict("Observation.subject", "resolve() is Patient", outside) == []
    assert verdict("Observation.subject", "resolve() is Group", outside) != []
    named = observation(subject={"reference": "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8"})
    assert verdict("Observation.subject", "resolve().empty()", named) == []


def test_a_rule_on_a_choice_knows_the_type_that_was_chosen() -> None:
    rule = "($this is Quantity implies code = 'kg') and ($this is string implies $this.length() > 2)"
    for value, right in (("kg", True), ("g", False)):
        resource = observation(valueQuantity={"value": 1, "system": "http://unitsofmeasure.org", "code": value})
        assert (verdict("Observation.value[x]", rule, resource) == []) is right
    assert verdict("Observation.value[x]", rule, observation(valueString="abc")) == []
    assert verdict("Observation.value[x]", rule, observation(valueString="a")) != []


@pytest.mark.parametrize("expression", ["nothing()", "a b", "'open", "(" * 500])
def test_what_is_no_expression_is_not_checkable(expression: str) -> None:
    assert verdict("Observation.subject", expression, observation(subject={"reference": "Patient/p"})) == [
        ("invariant:t-1", "Observation.subject")
    ]


def test_dates_of_which_the_order_is_open_do_not_break_a_base_rule() -> None:
    """per-1 (start before end): the same day with and without a time may be right; a later day is not."""
    for end, right in (("2026-03-02T10:00:00+01:00", True), ("2026-03-02", True), ("2026-03-01", False)):
        resource = observation(effectivePeriod={"start": "2026-03-02", "end": end})
        report = knowing(profile("plain", "Observation")).validate(resource, [TEST + "plain"])
        assert (rules(report) == []) is right


def test_the_root_and_the_context_are_known() -> None:
    resource = observation(subject={"reference": "Patient/p"})
    assert verdict("Observation.subject", "%rootResource.id = 'o' and %resource.id = 'o'", resource) == []
    assert verdict("Observation.subject", "%context.reference = 'Patient/p'", resource) == []


def test_what_is_meant_by_context() -> None:
    """FHIR R4 2.9.2: %context is the node that the expression is about, %resource the resource that it is in."""
    expression = "%context.reference = 'Patient/p' and %resource.id = 'o' and %rootResource.id = 'o'"
    rule = {"key": "t-1", "severity": "error", "human": "x", "expression": expression}
    definition = profile("ruled", "Observation", element("Observation.subject", constraint=[rule]))
    validator = knowing(definition)
    for reference, wrong in (("Patient/p", []), ("Patient/q", [("invariant:t-1", "Observation.subject")])):
        report = validator.validate(observation(subject={"reference": reference}), [TEST + "ruled"])
        assert rules(report) == wrong
