"""Where definitions, codes and names come from when several sources tell something about one thing."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from unit.profiles.validation.small_definitions import TEST, element, knowing, observation, profile, rules, value_set

from profiles.fhir.version import FhirVersion
from profiles.validation import Validator
from profiles.validation.schema.basefacts import invariants
from profiles.validation.schema.definitions import Definitions
from profiles.validation.schema.package import Package, open_package

SET = "http://example.org/ValueSet/"
ONE, TWO = value_set("one", "urn:a", "a1", "both"), value_set("two", "urn:a", "a2", "both")


def package(folder: Path, name: str, *resources: dict[str, Any]) -> Package:
    """A package in a folder, with these resources."""
    inner = folder / name / "package"
    inner.mkdir(parents=True)
    about = {"name": name, "version": "1.0.0", "fhirVersions": ["4.0.1"]}
    for file, content in [("package.json", about), *((f"r{n}.json", one) for n, one in enumerate(resources))]:
        (inner / file).write_bytes(msgspec.json.encode(content))
    return open_package(folder / name)


def test_an_earlier_package_wins_when_no_version_is_asked(tmp_path: Path) -> None:
    """Even where a later package holds an entry that tells no version."""
    versioned, bare = {**ONE, "version": "2.0.0", "title": "first"}, {**ONE, "title": "second"}
    packages = [package(tmp_path, "a.first", versioned), package(tmp_path, "b.second", bare)]

    def found(canonical: str, order: list[Package]) -> Any:
        return (Definitions(order).find("ValueSet", canonical) or {}).get("title")

    assert found(SET + "one", packages) == "first"
    assert found(SET + "one", packages[::-1]) == "second"
    assert found(SET + "one|2.0.0", packages[::-1]) == "first"


def composed(**include: Any) -> dict[str, Any]:
    """A value set with one include."""
    return {"resourceType": "ValueSet", "url": SET + "composed", "compose": {"include": [include]}}


@pytest.mark.parametrize("version", list(FhirVersion))
@pytest.mark.parametrize(
    ("include", "answers"),
    [
        ({"valueSet": [SET + "one", SET + "two"]}, {"a1": True, "a2": True, "both": True, "x": False}),
        ({"valueSet": [SET + "one"]}, {"a1": True, "a2": False}),
        (
            {
                "system": "urn:a",
                "concept": [{"code": "a1"}, {"code": "x"}],
                "valueSet": [SET + "one", SET + "two"],
            },
            {"a1": True, "a2": False, "x": False},
        ),
        ({"valueSet": [SET + "one", SET + "absent"]}, {"a1": True, "x": None}),
        (
            {"system": "urn:a", "concept": [{"code": "a1"}, {"code": "x"}], "valueSet": [SET + "one", SET + "absent"]},
            {"a1": True, "x": None},
        ),
    ],
)
def test_value_sets_of_one_include_are_taken_together(
    version: FhirVersion, include: dict[str, Any], answers: dict[str, bool | None]
) -> None:
    """A code that may be in a set that is not here is "cannot tell", never "no"."""
    found = knowing(ONE, TWO, composed(**include), version=version).terminology.value_set(SET + "composed")
    assert found is not None
    assert {code: found.has("urn:a", code) for code in answers} == answers


def test_a_profile_that_restates_the_strength_keeps_the_codes_of_the_base() -> None:
    restated = profile("restated", "Observation", element("Observation.status", binding={"strength": "required"}))
    report = knowing(restated).validate(observation(status="klaar"), [TEST + "restated"])
    assert rules(report) == [("binding", "Observation.status")]


def test_base_invariants_of_stu3_types_hold_without_a_core_package() -> None:
    stu3 = invariants(FhirVersion.STU3)
    assert {"ctm-1"} <= {row.key for row in stu3["CareTeam.participant"]}
    assert "CareTeam.participant" not in invariants(FhirVersion.R4)
    consent = {"resourceType": "Consent", "patient": {"reference": "Patient/1"}, "status": "active"}
    validator = knowing(version=FhirVersion.STU3)
    assert ("invariant:ppc-1", "Consent") in rules(validator.validate(consent))
    assert ("invariant:ppc-1", "Consent") not in rules(validator.validate(consent | {"policyRule": "urn:rule"}))


def mapped(*maps: tuple[str, str]) -> list[dict[str, str]]:
    """Mappings to concepts of data sets."""
    return [{"identity": concept.partition("-")[0], "map": concept, "comment": name} for concept, name in maps]


ROOT = {
    **element("Observation"),
    "mapping": mapped(("peri23-dataelement-1", "Oud"), ("peri32-dataelement-2", "Zwangerschap (Meting)")),
}
DATED = element("Observation.effective[x]", min=1, mapping=mapped(("peri32-dataelement-3", "MeetDatumTijd")))


class TestNamesOfDataSets:
    """Birth care has no zib concepts of its own: its data set gives the names of elements."""

    def test_a_finding_is_called_by_the_newest_data_set(self) -> None:
        report = knowing(profile("bc", "Observation", ROOT, DATED)).validate(observation(), [TEST + "bc"])
        [finding] = report.findings
        assert finding.zib == "Zwangerschap, MeetDatumTijd, peri32-dataelement-3"
        assert finding.text_nl.startswith("MeetDatumTijd (effective) ontbreekt")

    def test_a_zib_concept_goes_before_a_data_set(self) -> None:
        zib = {"identity": "hcim-x-v1.0-2017EN", "map": "NL-CM:12.4.9", "comment": "DateTime"}
        dated = element("Observation.effective[x]", alias=["DatumTijd"], mapping=[zib], min=1)
        parent = profile("parent", "Observation", dated)
        child = profile("child", "Observation", DATED, base=TEST + "parent")
        [finding] = knowing(parent, child).validate(observation(), [TEST + "child"]).findings
        assert finding.zib == "DatumTijd, NL-CM 12.4.9"

    def test_a_sentence_is_no_name(self) -> None:
        told = element("Observation.effective[x]", min=1, mapping=mapped(("peri32-dataelement-3", "woord " * 20)))
        [finding] = knowing(profile("bc", "Observation", told)).validate(observation(), [TEST + "bc"]).findings
        assert finding.zib == ""


def test_a_verdict_that_a_terminology_service_left_open_is_asked_again() -> None:
    """A service that did not answer in time may answer the next time; what it decided is kept."""
    answers: list[bool | None] = [None, True]
    asked = []

    def server(url: str, system: str, code: str) -> bool | None:
        asked.append(code)
        return answers.pop(0)

    many = {"resourceType": "ValueSet", "url": SET + "many", "compose": {"include": [{"system": "urn:many"}]}}
    bound = element("Observation.code", binding={"strength": "required", "valueSet": SET + "many"})
    definitions = Definitions(extra=[many, profile("bound", "Observation", bound)])
    validator = Validator(FhirVersion.R4, definitions, server)
    resource = observation(code={"coding": [{"system": "urn:many", "code": "1"}]})
    verdicts = [validator.validate_cached(b"1", resource, [TEST + "bound"]).verdict for _ in range(3)]
    assert verdicts == ["unchecked", "ok", "ok"]
    assert len(asked) == 2
