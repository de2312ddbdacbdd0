"""Invariants that the small compiler leaves to the general FHIRPath engine: these know types, references and roots."""

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


@pytest.mark.parametrize("expression", ["resolve().gender = 'female'", "resolve().is(Patient)"])
def test_references_are_followed(expression: str) -> None:
    inside = observation(contained=[PATIENT], subject={"reference": "#p"})
    outside = observation(subject={"reference": "Patient/p"})
    assert verdict("Observation.subject", expression, inside) == []
    assert verdict("Observation.subject", expression, outside, {"Patient/p": PATIENT}.get) == []
    assert verdict("Observation.subject", expression, outside) != []


def test_the_root_and_the_context_are_known() -> None:
    resource = observation(subject={"reference": "Patient/p"})
    assert verdict("Observation.subject", "%rootResource.id = 'o' and %resource.id = 'o'", resource) == []
    assert verdict("Observation.subject", "%context.reference = 'Patient/p'", resource) == []


def test_the_small_compiler_means_the_same_by_context() -> None:
    """FHIR R4 2.9.2: %context is the node that the expression is about, %resource the resource that it is in."""
    expression = "%context.reference = 'Patient/p' and %resource.id = 'o' and %rootResource.id = 'o'"
    rule = {"key": "t-1", "severity": "error", "human": "x", "expression": expression}
    definition = profile("ruled", "Observation", element("Observation.subject", constraint=[rule]))
    validator = knowing(definition)
    for reference, wrong in (("Patient/p", []), ("Patient/q", [("invariant:t-1", "Observation.subject")])):
        report = validator.validate(observation(subject={"reference": reference}), [TEST + "ruled"])
        assert rules(report) == wrong
