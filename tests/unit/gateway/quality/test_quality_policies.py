"""Which policy holds: the rule that names most, and the strictest of the standards that a resource serves."""

import pytest
from pydantic import ValidationError

from gateway.quality.serving import Serving
from gateway.quality.settings import Policy, QualitySettings
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue

SETTINGS = QualitySettings.model_validate(
    {
        "policy": "observe",
        "policies": [
            {"standard": "bgz-3", "policy": "repair"},
            {"provider": "hospital", "policy": "off"},
            {"provider": "hospital", "standard": "ggz-2", "policy": "block"},
        ],
    }
)


@pytest.mark.parametrize(
    ("provider", "standards", "policy"),
    [
        ("clinic", [], Policy.OBSERVE),
        ("clinic", ["pdfa-3"], Policy.OBSERVE),
        ("clinic", ["bgz-3"], Policy.REPAIR),
        ("hospital", ["bgz-3"], Policy.OFF),
        ("hospital", ["ggz-2"], Policy.BLOCK),
        ("hospital", ["bgz-3", "ggz-2"], Policy.BLOCK),
        ("clinic", ["pdfa-3", "bgz-3"], Policy.REPAIR),
    ],
)
def test_the_rule_that_names_most_decides_and_the_strictest_standard_holds(
    provider: str, standards: list[str], policy: Policy
) -> None:
    assert SETTINGS.of(provider, standards) is policy


def test_by_default_everything_is_delivered_and_reported() -> None:
    assert QualitySettings().of("anybody", ["bgz-3"]) is Policy.OBSERVE


@pytest.mark.parametrize(
    "wrong", [{"policy": "refuse"}, {"polices": []}, {"policies": [{"policy": "off", "zib": "x"}]}]
)
def test_a_typing_mistake_is_found_at_start(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        QualitySettings.model_validate(wrong)


def test_a_resource_serves_the_standards_that_name_its_profile() -> None:
    serving = Serving(catalogue())
    problem = {"meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-Problem|2.1"]}}
    found = serving.of(FhirVersion.STU3, {"resourceType": "Condition", **problem})
    assert {"bgz-3", "ggz-2"} <= set(found)
    assert "pdfa-3" not in found
    assert "pdfa-3" in serving.of(FhirVersion.STU3, {"resourceType": "DocumentReference"})
    assert serving.of(FhirVersion.STU3, {"resourceType": "Condition", "meta": {"profile": ["urn:own"]}}) == ()
    assert serving.of(FhirVersion.STU3, {"resourceType": "Condition", "meta": "nonsense"}) != ()
