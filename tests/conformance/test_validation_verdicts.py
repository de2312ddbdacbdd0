"""Every official example and fixture has the recorded verdict; each wrong one is listed with its reason."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conformance.validation_data import EXAMPLES, FIXTURES, instances, official, read

from profiles.fhir.codec import jsonio
from profiles.fhir.errors import FormatError
from profiles.fhir.version import FhirVersion

RECORD = tomllib.loads(Path(__file__).with_name("validation_verdicts.toml").read_text(encoding="utf-8"))
WRONG = {name: set(row["rules"]) for row in RECORD["wrong"] for name in row["files"]}
DOCS = Path(__file__).parents[2] / "docs" / "validation-verdicts.md"


def test_every_set_has_a_record() -> None:
    assert RECORD["sets"].keys() == EXAMPLES.keys() | FIXTURES.keys()


@pytest.mark.parametrize("name", sorted(RECORD["sets"]))
def test_official_instances_have_their_recorded_verdicts(name: str) -> None:
    found: Counter[str] = Counter(ok=0, unchecked=0, wrong=0, unreadable=0)
    surprises: list[Any] = []
    for label, path, version, packages in instances(name):
        resource = read(path, version)
        if isinstance(resource, FormatError):
            found["unreadable"] += 1
            rules = {"resource"}
        else:
            report = official(version, packages).validate(resource)
            found[report.verdict] += 1
            rules = {finding.rule for finding in report.findings if finding.severity == "error"}
        if rules != WRONG.get(path.name, set()):
            surprises.append((label, rules))
    assert surprises == []
    assert dict(found) == RECORD["sets"][name]


@pytest.mark.parametrize("name", sorted(RECORD["sets"]))
def test_base_facts_alone_reject_nothing_that_official_packages_accept(name: str) -> None:
    """Without any package the verdict is weaker, never harsher."""
    for label, path, version, _ in instances(name):
        resource = read(path, version)
        if isinstance(resource, FormatError) or path.name in WRONG:
            continue
        report = official(version, ()).validate(resource)
        assert report.verdict != "wrong", (label, report.findings)


CORE_FAULTS = {
    ("SearchParameter", "cardinality"),  # a dozen parameters for extensions lack base
    ("CodeSystem", "format"),  # v2-0550 has a damaged code
    ("StructureDefinition", "cardinality"),  # the three workflow patterns are no proper StructureDefinitions
    ("StructureDefinition", "invariant:sdf-4"),  # idem
    ("StructureDefinition", "invariant:sdf-19"),  # profiles on primitives with FHIRPath types
}


@pytest.mark.parametrize(
    ("version", "core"), [(FhirVersion.STU3, "hl7.fhir.r3.core@3.0.2"), (FhirVersion.R4, "hl7.fhir.r4.core@4.0.1")]
)
def test_the_resources_of_the_core_packages_are_right(version: FhirVersion, core: str) -> None:
    """Every twelfth of 8,570 definitions that HL7 published; its own known faults apart."""
    validator = official(version, (core,))
    folder = validator.definitions.packages[-1].folder
    surprises = []
    for path in sorted(folder.glob("*-*.json"))[::12]:
        resource = jsonio.load(path.read_bytes())
        for finding in validator.validate(resource).findings:
            if finding.severity == "error" and (resource["resourceType"], finding.rule) not in CORE_FAULTS:
                surprises.append((path.name, finding.rule, finding.expression))
    assert surprises == []


def test_the_documentation_names_every_wrong_instance() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in WRONG if name not in text] == []
