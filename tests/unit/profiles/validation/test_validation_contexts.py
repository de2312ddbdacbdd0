"""Where an extension may stand: by path, by type, inside another extension, and where an expression says so."""

from typing import Any

import pytest
from unit.profiles.validation.small_definitions import HL7, TEST, extension, knowing, profile, rules

from profiles.validation.rules.contexts import contradicted


def errors(definition: dict[str, Any], resource: dict[str, Any]) -> list[str]:
    """The places of the errors about contexts."""
    report = knowing(definition).validate(resource)
    return [place for rule, place in rules(report) if rule == "extension"]


def mark(name: str = "mark") -> dict[str, Any]:
    return {"url": TEST + name, "valueString": "x"}


HOME = {"use": "home", "city": "Zandoord", "extension": [mark()]}
WORK = {"use": "work", "city": "Merwerand", "extension": [mark()]}


@pytest.mark.parametrize(
    ("kind", "expression", "parts", "right"),
    [
        ("element", "Patient", {"extension": [mark()]}, True),
        ("element", "Patient", {"address": [HOME]}, False),
        ("element", "Patient.address", {"address": [HOME]}, True),
        ("element", "Address", {"address": [HOME]}, True),
        ("element", "HumanName", {"address": [HOME]}, False),
        ("element", "Patient.birthDate", {"birthDate": "1970-01-01", "_birthDate": {"extension": [mark()]}}, True),
        ("element", "Patient.gender", {"birthDate": "1970-01-01", "_birthDate": {"extension": [mark()]}}, False),
        ("fhirpath", "Patient.address.where(use = 'home')", {"address": [HOME]}, True),
        ("fhirpath", "Patient.address.where(use = 'home')", {"address": [HOME, WORK]}, False),
        ("fhirpath", "Patient.address.where(", {"address": [WORK]}, True),
        ("extension", TEST + "outer", {"extension": [{"url": TEST + "outer", "extension": [mark()]}]}, True),
        (
            "extension",
            TEST + "outer",
            {"extension": [{"url": TEST + "outer", "valueString": "a", "_valueString": {"extension": [mark()]}}]},
            True,
        ),
        ("extension", TEST + "outer", {"extension": [{"url": TEST + "other", "extension": [mark()]}]}, False),
        ("extension", TEST + "outer", {"extension": [mark()]}, False),
        (
            "extension",
            TEST + "outer#part",
            {"extension": [{"url": TEST + "outer", "extension": [{"url": "part", "extension": [mark()]}]}]},
            True,
        ),
    ],
)
def test_an_extension_stands_where_its_context_allows(
    kind: str, expression: str, parts: dict[str, Any], right: bool
) -> None:
    definition = extension("mark", "string", context=[{"type": kind, "expression": expression}])
    found = errors(definition, {"resourceType": "Patient", "id": "p", **parts})
    assert bool(found) is not right


def test_a_place_is_seen_from_the_resource_in_a_bundle() -> None:
    definition = extension("mark", "string", context=[{"type": "fhirpath", "expression": "Patient.address"}])
    patient = {"resourceType": "Patient", "id": "p", "address": [HOME], "extension": [mark()]}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:x:y", "resource": patient}]}
    assert errors(definition, bundle) == ["Bundle.entry[0].resource.extension[0]"]


def test_a_value_in_a_definition_is_meant_for_another_place() -> None:
    definition = extension("mark", "string", context=[{"type": "element", "expression": "Patient.address"}])
    fixed = {"id": "Patient.name", "path": "Patient.name", "fixedHumanName": {"text": "x", "extension": [mark()]}}
    whole = {**profile("p", "Patient", fixed), "status": "draft", "kind": "resource", "abstract": False}
    assert errors(definition, whole) == []


def test_what_hl7_itself_places_elsewhere_is_advice() -> None:
    for url, severity in ((HL7 + "valueset-concept-comments", "warning"), (HL7 + "patient-other", "error")):
        definition = {
            **extension("mark", "string", context=[{"type": "element", "expression": "ValueSet"}]),
            "url": url,
        }
        definition["differential"]["element"][1]["fixedUri"] = url
        patient = {"resourceType": "Patient", "id": "p", "extension": [{"url": url, "valueString": "x"}]}
        found = [one.severity for one in knowing(definition).validate(patient).findings if one.rule == "extension"]
        assert found == [severity]
        assert (url in contradicted()) is (severity == "warning")
