"""What is a matter of policy: unknown extensions, markup in text, addresses of examples."""

from typing import Any

import pytest
from unit.profiles.validation.small_definitions import HL7, TEST, element, extension, profile, rules

from profiles.fhir.version import FhirVersion
from profiles.validation import Validator
from profiles.validation.schema.definitions import Definitions
from profiles.validation.strictness import LENIENT, Strictness

KNOWN = extension("known", "string", context=[{"type": "element", "expression": "Patient"}])
RESTS = profile("rests", "Patient", element("Patient.name", type=[{"code": "HumanName", "profile": [TEST + "absent"]}]))
PARTS = profile(
    "whole",
    "Extension",
    element("Extension.extension", slicing={"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}),
    element("Extension.extension:part"),
    element("Extension.extension:part.url", fixedUri="part"),
    element("Extension.url", fixedUri=TEST + "whole"),
)


def errors(strictness: Strictness, profiles: tuple[str, ...] = (), **parts: Any) -> list[tuple[str, str]]:
    """The errors of a patient under this strictness."""
    definitions = Definitions(extra=[KNOWN, RESTS, PARTS])
    patient = {"resourceType": "Patient", "id": "p", **parts}
    return rules(Validator(FhirVersion.R4, definitions, strictness=strictness).validate(patient, profiles))


@pytest.mark.parametrize(
    ("strictness", "parts", "place"),
    [
        (Strictness(unknown=True), {"extension": [{"url": TEST + "x", "valueString": "y"}]}, "Patient.extension[0]"),
        (Strictness(markup=True), {"name": [{"text": "Jan <script>x</script>"}]}, "Patient.name[0].text"),
        (
            Strictness(examples=True),
            {"photo": [{"url": "http://files.example.org/jan"}]},
            "Patient.photo[0].url",
        ),
    ],
    ids=["unknown", "markup", "examples"],
)
def test_only_who_asks_is_strict(strictness: Strictness, parts: dict[str, Any], place: str) -> None:
    assert errors(LENIENT, **parts) == []
    assert [found[1] for found in errors(strictness, **parts)] == [place]


def test_strictness_leaves_what_is_right_alone() -> None:
    strict = Strictness(unknown=True, markup=True, examples=True)
    right = {
        "extension": [
            {"url": TEST + "known", "valueString": "y"},
            {"url": HL7 + "of-a-later-release", "valueCode": "x"},
        ],
        "name": [{"text": "Jan 3<5 en 7 > 2 <jan@zandoord.nl>"}],
        "photo": [{"url": "http://example.zandoord.nl/jan"}],
    }
    assert errors(strict, **right) == []


def test_a_profile_that_a_definition_rests_on_is_missed_by_who_asks() -> None:
    named = {"name": [{"family": "Jansen"}]}
    assert errors(LENIENT, (TEST + "rests",), **named) == []
    assert errors(Strictness(unknown=True), (TEST + "rests",), **named) == [("profile", "Patient.name[0]")]


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"url": "somewhere", "valueString": "x"}, "Patient.extension[0]"),
        (
            {"url": TEST + "whole", "extension": [{"url": "other", "valueString": "x"}]},
            "Patient.extension[0].extension[0]",
        ),
        ({"url": TEST + "whole", "extension": [{"url": "part", "valueString": "x"}]}, None),
        ({"url": TEST + "unknown", "extension": [{"url": "other", "valueString": "x"}]}, None),
    ],
    ids=["relative", "no such part", "a part", "a part of what nobody knows"],
)
def test_the_url_of_an_extension_is_absolute_or_a_part_of_one(given: dict[str, Any], wrong: str | None) -> None:
    assert [found[1] for found in errors(LENIENT, extension=[given])] == ([wrong] if wrong else [])
