"""The table of search parameters against the SearchParameter resources of FHIR and Nictiz."""

import json
import tarfile
from functools import cache
from typing import Any

import pytest
from shared import shared

from profiles.fhir.search.paths import compile_path
from profiles.fhir.search.searchparams import known_types, newest, parameter, parameters
from profiles.fhir.version import FhirVersion

CORE = {FhirVersion.STU3: "hl7.fhir.r3.core-3.0.2.tgz", FhirVersion.R4: "hl7.fhir.r4.core-4.0.1.tgz"}
SPELT = {"digitalActivity": "digital-activity"}
"""A second spelling that a published client statement uses."""
NICTIZ = {
    FhirVersion.STU3: ("nictiz.fhir.nl.stu3.zib2017-1.3.19.tgz", "nictiz.fhir.nl.stu3.zib2017-2.2.18.tgz"),
    FhirVersion.R4: (
        "nictiz.fhir.nl.r4.medicationprocess9-2.0.0-rc.7.tgz",
        "nictiz.fhir.nl.r4.nl-core-0.11.0-beta.1.tgz",
        "medmij.fhir.nl.r4.providertasks-1.0.0-alpha.2.tgz",
    ),
}


@cache
def definitions(package: str) -> dict[tuple[str, str], dict[str, Any]]:
    """SearchParameters of a package by base type and code."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    with tarfile.open(shared("packages", package)) as archive:
        for member in archive:
            if "SearchParameter" not in member.name and "SearchParameter" not in package and "nictiz" not in package:
                continue
            content = archive.extractfile(member)
            if content is None or not member.name.endswith(".json"):
                continue
            resource = json.loads(content.read())
            # The core package holds examples as well, with the codes of real parameters.
            if resource.get("resourceType") == "SearchParameter" and "/example" not in resource["url"]:
                for base in resource.get("base", []):
                    found[base, resource["code"]] = resource
    return found


@pytest.mark.parametrize("version", FhirVersion)
def test_every_core_parameter_exists_with_the_same_type_and_targets(version: FhirVersion) -> None:
    official = definitions(CORE[version])
    wrong = []
    for resource_type in sorted(known_types(version)):
        for name, param in parameters(version, resource_type).items():
            if name.startswith("_") or param.definition is not None:
                continue
            known = official.get((resource_type, name))
            if known is None or known["type"] != param.kind:
                wrong.append(f"{resource_type}.{name}: {known and known['type']}")
            elif known.get("target") and not param.targets <= set(known["target"]):
                wrong.append(f"{resource_type}.{name}: targets {set(param.targets) - set(known['target'])}")
    assert wrong == []


@pytest.mark.parametrize("version", FhirVersion)
def test_every_core_path_names_elements_of_the_official_expression(version: FhirVersion) -> None:
    official = definitions(CORE[version])
    wrong = []
    for resource_type in sorted(known_types(version)):
        for name, param in parameters(version, resource_type).items():
            if name.startswith("_") or param.definition is not None:
                continue
            expression = official[resource_type, name].get("expression", "").replace("(", " ").replace(")", " ")
            for path in param.path.split(" | "):
                for step in path.split("."):
                    element = next(
                        (one for one in expression.replace("|", " ").replace(".", " ").split() if step.startswith(one)),
                        None,
                    )
                    if element is None:
                        wrong.append(f"{resource_type}.{name}: {step} not in {expression}")
    assert wrong == []


@pytest.mark.parametrize("version", FhirVersion)
def test_every_national_parameter_has_the_official_definition(version: FhirVersion) -> None:
    official: dict[tuple[str, str], dict[str, Any]] = {}
    for package in NICTIZ[version]:
        official |= definitions(package)
    wrong = []
    for resource_type in sorted(known_types(version)):
        for name, param in parameters(version, resource_type).items():
            if param.definition is None:
                continue
            known = official.get((resource_type, SPELT.get(name, name)))
            if known is None or (known["type"], known["url"]) != (param.kind, param.definition):
                wrong.append(f"{resource_type}.{name}: {known and (known['type'], known['url'])}")
    assert wrong == []


@pytest.mark.parametrize("version", FhirVersion)
def test_types_are_ordered_by_a_date(version: FhirVersion) -> None:
    for resource_type in known_types(version):
        param = newest(version, resource_type)
        assert param is None or param.kind == "date"


def test_a_parameter_that_is_not_known_is_none() -> None:
    assert parameter(FhirVersion.STU3, "Observation", "nothing") is None
    assert parameter(FhirVersion.STU3, "Nothing", "code") is None


@pytest.mark.parametrize("path", ["", "a..b", "a b", "extension(x)", "a.extension('x'", "a[0]", "where(x)"])
def test_only_simple_paths_are_paths(path: str) -> None:
    if path == "":
        assert compile_path(path)({"a": 1}) == [{"a": 1}]
        return
    with pytest.raises(ValueError, match="not a search path"):
        compile_path(path)


def test_a_path_walks_through_lists_and_extensions() -> None:
    resource = {
        "a": [{"b": {"extension": [{"url": "u", "valueString": "1"}, {"url": "v", "valueString": "2"}]}}, {"b": {}}, 3]
    }
    assert compile_path("a.b.extension('u').valueString")(resource) == ["1"]
    assert compile_path("a.c | a.b.extension('v').valueString")(resource) == ["2"]
