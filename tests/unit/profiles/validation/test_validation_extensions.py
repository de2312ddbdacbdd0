"""Extensions and slices that are absent, empty, or have another type of value than their profile wants."""

from typing import Any

import pytest
from unit.profiles.validation.small_definitions import TEST, element, extension, knowing, observation, profile, rules

from profiles.fhir.version import FhirVersion

CONCEPT = [{"code": "CodeableConcept"}]
URL = element("Extension.url", fixedUri=TEST + "coded")
CODED = {
    "value[x] with one type": extension("coded", "CodeableConcept"),
    "the JSON name": profile("coded", "Extension", URL, element("Extension.valueCodeableConcept", type=CONCEPT)),
    "a type slice": profile(
        "coded",
        "Extension",
        URL,
        element("Extension.value[x]", slicing={"discriminator": [{"type": "type", "path": "$this"}], "rules": "open"}),
        {**element("Extension.value[x]:valueCodeableConcept", type=CONCEPT), "path": "Extension.valueCodeableConcept"},
    ),
}
HOLDER = profile(
    "holder",
    "Observation",
    element("Observation.extension:coded", type=[{"code": "Extension", "profile": [TEST + "coded"]}]),
)
WITHIN = profile(
    "holder",
    "Observation",
    element("Observation.extension:coded", min=1, type=[{"code": "Extension", "profile": [TEST + "coded"]}]),
)


@pytest.mark.parametrize("version", list(FhirVersion))
@pytest.mark.parametrize("written", list(CODED))
@pytest.mark.parametrize("asked", [(), (TEST + "holder",)])
def test_an_extension_has_the_type_of_value_that_its_profile_wants(
    version: FhirVersion, written: str, asked: tuple[str, ...]
) -> None:
    validator = knowing(CODED[written], HOLDER, version=version)
    right = observation(extension=[{"url": TEST + "coded", "valueCodeableConcept": {"text": "x"}}])
    wrong = observation(extension=[{"url": TEST + "coded", "valueString": "x"}])
    assert rules(validator.validate(right, asked)) == []
    assert ("type", "Observation.extension[0].value") in rules(validator.validate(wrong, asked))


@pytest.mark.parametrize("version", list(FhirVersion))
@pytest.mark.parametrize(
    ("definitions", "url", "asked"),
    [
        ((), "urn:unknown", ()),
        ((CODED["the JSON name"],), TEST + "coded", ()),
        ((CODED["the JSON name"], HOLDER), TEST + "coded", (TEST + "holder",)),
    ],
)
def test_an_extension_with_neither_value_nor_extensions_is_wrong(
    version: FhirVersion, definitions: tuple[Any, ...], url: str, asked: tuple[str, ...]
) -> None:
    """ext-1, whether the extension is unknown, known by its own definition, or a slice of a profile."""
    validator = knowing(*definitions, version=version)
    report = validator.validate(observation(extension=[{"url": url}]), asked)
    assert ("invariant:ext-1", "Observation.extension[0]") in rules(report)
    nested = observation(code={"text": "x", "extension": [{"url": url}]})
    assert ("invariant:ext-1", "Observation.code.extension[0]") in rules(validator.validate(nested, asked))


def test_a_required_slice_is_missed_when_the_whole_element_is_absent() -> None:
    """https://hl7.org/fhir/R4/profiling.html#slice-cardinality: the slice has bounds of its own."""
    report = knowing(CODED["the JSON name"], WITHIN).validate(observation(), [TEST + "holder"])
    assert rules(report) == [("slicing", "Observation.extension")]
    assert "coded" in report.findings[0].text_en


def test_a_required_slice_of_values_is_missed_too_and_an_optional_one_is_not() -> None:
    by_code = {"discriminator": [{"type": "value", "path": "code"}], "rules": "open"}
    code = {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}
    definition = profile(
        "parts",
        "Observation",
        element("Observation.component", slicing=by_code),
        element("Observation.component:must", min=1),
        element("Observation.component:must.code", patternCodeableConcept=code),
        element("Observation.component:may", min=0),
        element("Observation.component:may.code", patternCodeableConcept={"text": "x"}),
    )
    validator = knowing(definition)
    assert rules(validator.validate(observation(), [TEST + "parts"])) == [("slicing", "Observation.component")]
    assert rules(validator.validate(observation(component=[{"code": code}]), [TEST + "parts"])) == []


KIND = extension("kind", "code")
NAMED = profile(
    "named",
    "Patient",
    element("Patient.name.given.extension:kind", min=1, type=[{"code": "Extension", "profile": [TEST + "kind"]}]),
    element("Patient.birthDate.extension", min=1),
)
KNOWN = {"extension": [{"url": TEST + "kind", "valueCode": "BR"}]}


@pytest.mark.parametrize("version", list(FhirVersion))
@pytest.mark.parametrize(
    ("name", "missed"),
    [
        ({"given": ["Jan"]}, [0]),
        ({"given": ["Jan", "Piet"], "_given": [KNOWN]}, [1]),
        ({"given": ["Jan", "Piet"], "_given": [None, KNOWN]}, [0]),
        ({"given": ["Jan", "Piet"], "_given": [KNOWN, {"id": "b"}]}, [1]),
        ({"given": ["Jan"], "_given": [KNOWN]}, []),
        ({"given": [None], "_given": [KNOWN]}, []),
        ({"family": "Berg"}, []),
    ],
)
def test_an_extension_that_a_primitive_needs_is_missed(version: FhirVersion, name: Any, missed: list[int]) -> None:
    """Field case v11: zib-NameInformation asks for the kind of every given name."""
    patient = {"resourceType": "Patient", "name": [name]}
    found = rules(knowing(KIND, NAMED, version=version).validate(patient, (TEST + "named",)))
    assert [path for _, path in found] == [f"Patient.name[0].given[{index}].extension" for index in missed]


def test_a_single_primitive_needs_its_extension_too() -> None:
    validator = knowing(KIND, NAMED)
    bare = {"resourceType": "Patient", "birthDate": "1970-01-01"}
    assert rules(validator.validate(bare, (TEST + "named",))) == [("cardinality", "Patient.birthDate.extension")]
    assert rules(validator.validate(bare)) == [], "only this profile asks for it"
    beside = bare | {"_birthDate": KNOWN}
    assert rules(validator.validate(beside, (TEST + "named",))) == []


def test_a_primitive_may_have_nothing_but_an_id_beside_it() -> None:
    validator = knowing()
    named = {"given": ["Jan", "Piet"], "_given": [None, {"id": "b"}]}
    patient = {"resourceType": "Patient", "birthDate": "1970-01-01", "_birthDate": {"id": "a"}, "name": [named]}
    assert rules(validator.validate(patient)) == []
    assert rules(validator.validate({"resourceType": "Patient", "_birthDate": {"id": "a"}})) != []
    assert rules(validator.validate(patient | {"_birthDate": {}})) != []
    assert rules(validator.validate(patient | {"name": [named | {"_given": [None, {}]}]})) != []
