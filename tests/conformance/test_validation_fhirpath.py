"""FHIRPath on all official material: every expression is read, and types change no answer that needs none."""

import json
import tarfile
from functools import cache
from typing import Any

import pytest
from conformance.validation_data import instances, official, read
from lxml import etree
from shared import shared

from profiles import fhirpath
from profiles.fhirpath import Evaluation, FhirPathError
from profiles.fhirpath.compiler import asks_types, build
from profiles.fhirpath.items import ElementNode, bare, identity
from profiles.fhirpath.parser import parse
from profiles.fhirpath.typesystem import type_system

REFUSED = {
    "sdf-8": "holds #39; where the published page has an apostrophe: no FHIRPath (STU3 core, in the differential only)",
}
"""The published constraints that are no expression, with the reason."""


@cache
def published() -> dict[str, set[str]]:
    """The expressions of all constraints in all official packages, with the keys under which they are published."""
    found: dict[str, set[str]] = {}
    for path in shared("packages").glob("*.tgz"):
        with tarfile.open(path) as package:
            for entry in package:
                if entry.name.endswith(".json") and "StructureDefinition" in entry.name:
                    data = package.extractfile(entry)
                    assert data is not None
                    for key, expression in constraints(json.load(data)):
                        found.setdefault(expression, set()).add(key)
    return found


def constraints(definition: dict[str, Any]) -> list[tuple[str, str]]:
    elements = [one for part in ("differential", "snapshot") for one in definition.get(part, {}).get("element", [])]
    rows = [row for element in elements for row in element.get("constraint", [])]
    return [(row["key"], row["expression"]) for row in rows if row.get("expression")]


def test_every_constraint_of_the_official_packages_is_read() -> None:
    refused = {key for expression, keys in published().items() if not is_read(expression) for key in keys}
    assert refused == set(REFUSED)
    assert len(published()) > 300


def is_read(expression: str) -> bool:
    try:
        fhirpath.compile(expression)
    except FhirPathError:
        return False
    return True


def test_every_expression_of_the_official_scripts_is_read() -> None:
    namespace = "{http://hl7.org/fhir}"
    expressions = set()
    for path in shared("qualification").rglob("*.xml"):
        root = etree.parse(str(path)).getroot()
        if root.tag == f"{namespace}TestScript":
            expressions |= {found.get("value") for found in root.iter(f"{namespace}expression")}
    assert len(expressions) > 1500
    for expression in expressions:
        fhirpath.compile(expression)


@pytest.mark.parametrize("name", ["zib2017", "geboortezorg", "zib2020"])
def test_types_change_no_answer_of_an_expression_that_asks_for_none(name: str) -> None:
    """Every expression that runs on plain data gives the same on elements that know their types."""
    trees = [parse(text) for text, keys in published().items() if not keys & set(REFUSED)]
    both = [(build(tree, typed=False), build(tree, typed=True)) for tree in trees if not asks_types(tree)]
    compared = 0
    for _label, path, version, _packages in list(instances(name))[:40]:
        resource = read(path, version)
        assert isinstance(resource, dict)
        types = type_system(version)
        for plain, typed in both:
            answers = []
            for closure, root in ((plain, resource), (typed, ElementNode(resource, None, None, None, types))):
                env = Evaluation(types, resource, resource, resource)
                try:
                    answers.append([identity(bare(item)) for item in closure([root], env)])
                except FhirPathError:
                    answers.append(["error"])
            assert answers[0] == answers[1], (path, plain)
            compared += answers[0] != ["error"]
    assert compared > 1_000


@pytest.mark.parametrize("name", ["zib2017", "geboortezorg", "zib2020"])
def test_every_root_invariant_of_official_instances_is_decided(name: str) -> None:
    """Nothing that the published profiles demand of a right instance ends in an error or without an answer."""
    decided = 0
    for label, path, version, packages in instances(name):
        validator = official(version, packages)
        resource = read(path, version)
        for profile in validator.validate(resource).profiles:
            for constraint in validator.merger.tree(profile).root.constraints.values():
                if constraint.expression and not constraint.best_practice:
                    rule = fhirpath.compile(constraint.expression).rule(resource["resourceType"])
                    env = Evaluation(type_system(version), resource, resource, resource)
                    assert rule(resource, env) in (True, False, None), (label, constraint.key)
                    decided += 1
    assert decided > 50
