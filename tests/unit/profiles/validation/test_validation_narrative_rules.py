"""Narratives: links that lead somewhere, entities that every parser knows, and what a profile asks of the text."""

from typing import Any

import pytest
from unit.profiles.validation.small_definitions import HL7, TEST, element, knowing, profile, rules

XMLNS = 'xmlns="http://www.w3.org/1999/xhtml"'


def errors(inner: str, *definitions: dict[str, Any], **parts: Any) -> list[tuple[str, str]]:
    """The errors of a patient with this narrative, and parts of its own."""
    text = {"status": "generated", "div": f"<div {XMLNS}>{inner}</div>"}
    patient = {"resourceType": "Patient", "id": "p", "language": "nl", "text": text, **parts}
    profiles = tuple(str(one["url"]) for one in definitions)
    return rules(knowing(*definitions).validate(patient, profiles))


@pytest.mark.parametrize(
    ("inner", "right"),
    [
        ('<a href="#here">a</a><p id="here">b</p>', True),
        ('<a href="#here">a</a><a name="here">b</a>', True),
        ('<a href="#inside">a</a>', True),
        ('<a href="#">up</a><a href="tel:+31201234567">bel</a>', True),
        ('<a href="#there">a</a>', False),
        ('<a href="urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0">a</a>', False),
        ("Anna &amp; Jan&nbsp;&lt;3", True),
        ("Anna &copy; Jan", False),
    ],
)
def test_what_a_narrative_says_arrives(inner: str, right: bool) -> None:
    inside = {"resourceType": "Organization", "id": "inside", "name": "Zandoord"}
    parts = {"contained": [inside], "managingOrganization": {"reference": "#inside"}}
    assert errors(inner, **parts) == ([] if right else [("narrative", "Patient.text.div")])


def controlled(name: str, code: str) -> dict[str, Any]:
    """A profile that controls the narrative."""
    return profile("text", "Patient", element("Patient.text", extension=[{"url": HL7 + name, "valueCode": code}]))


NL, EN = '<div lang="nl">Tekst</div>', '<div xml:lang="en" lang="en">Text</div>'


@pytest.mark.parametrize(
    ("code", "inner", "right"),
    [
        ("_no", "Tekst", True),
        ("_no", NL, False),
        ("_yes", EN, True),
        ("_yes", "Tekst", False),
        ("_resource", NL + EN, True),
        ("_resource", EN, False),
        ("en", EN, True),
        ("de", NL + EN, False),
    ],
)
def test_a_profile_asks_for_languages(code: str, inner: str, right: bool) -> None:
    found = errors(inner, controlled("narrative-language-control", code))
    assert found == ([] if right else [("narrative", "Patient.text")])


@pytest.mark.parametrize(
    ("inner", "right"),
    [
        ('<p class="generated">Tekst</p><!-- x -->', True),
        ('<p class="wide original"><b>Tekst</b></p>', True),
        ("<p>Tekst</p>", False),
        ('<p class="generated">Tekst</p> los', False),
    ],
)
def test_a_profile_asks_where_the_text_comes_from(inner: str, right: bool) -> None:
    found = errors(inner, controlled("narrative-source-control", "error"))
    assert found == ([] if right else [("narrative", "Patient.text")])


def test_a_guide_asks_its_profile_of_every_resource_of_a_type() -> None:
    named = profile("named", "Patient", element("Patient.name", min=1))
    guide = {
        "resourceType": "ImplementationGuide",
        "url": TEST + "g",
        "global": [{"type": "Patient", "profile": named["url"]}],
    }
    validator = knowing(named, guide)
    assert rules(validator.validate({"resourceType": "Patient", "id": "p"})) == [("cardinality", "Patient.name")]
    assert rules(validator.validate({"resourceType": "Organization", "name": "Zandoord"})) == []


def test_of_several_profiles_on_a_resource_inside_one_has_to_be_met() -> None:
    either = [profile(name, "Patient", element(f"Patient.{name}", min=1)) for name in ("name", "gender")]
    whole = profile(
        "whole",
        "Parameters",
        element(
            "Parameters.parameter.resource", type=[{"code": "Resource", "profile": [str(one["url"]) for one in either]}]
        ),
    )

    def found(**parts: Any) -> list[tuple[str, str]]:
        resource = {"resourceType": "Patient", "id": "p", **parts}
        parameters = {"resourceType": "Parameters", "parameter": [{"name": "p", "resource": resource}]}
        return rules(knowing(*either, whole).validate(parameters, (str(whole["url"]),)))

    assert found(gender="female") == []
    assert [rule for rule, _ in found()] == ["cardinality"]
