"""The closures of the validator and the general FHIRPath engine agree on the invariants of official instances."""

from collections.abc import Iterator

import pytest
from conformance.validation_data import instances, official, read
from profiles.validation.expressions import compile_expression
from profiles.validation.items import Env, Unsupported, truth

from profiles import fhirpath
from profiles.fhir.version import FhirVersion
from profiles.validation import Validator
from profiles.validation.rules.invariants import BY_HAND, SKIP


def expressions(validator: Validator, profiles: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Key and expression of the invariants at the root of the profiles of an instance."""
    for profile in profiles:
        for constraint in validator.merger.tree(profile).root.constraints.values():
            if constraint.expression and constraint.key not in SKIP and constraint.key not in BY_HAND:
                yield constraint.key, constraint.expression


@pytest.mark.parametrize("name", ["zib2017", "geboortezorg", "zib2020"])
def test_both_engines_agree(name: str) -> None:
    compared = 0
    for label, path, version, packages in instances(name):
        validator = official(version, packages)
        resource = read(path, version)
        assert isinstance(resource, dict)
        for key, expression in expressions(validator, validator.validate(resource).profiles):
            try:
                theirs = truth(fhirpath.compile(expression).evaluate(resource, version))
            except fhirpath.FhirPathError:
                continue
            env = Env(resource, resource, resource, member=validator.terminology.member)
            ours = truth(compile_expression(expression)([resource], env))
            assert ours == theirs, (label, key, expression)
            compared += 1
    assert compared > 50


def test_the_published_invariants_are_covered() -> None:
    """Every expression of the resources of STU3 compiles, but for one that is no FHIRPath at all."""
    validator = official(FhirVersion.STU3, ("hl7.fhir.r3.core@3.0.2",))
    refused = set()
    for url in validator.definitions.urls():
        data = validator.definitions.structure(url) or {}
        for element in (data.get("snapshot") or {}).get("element", ()):
            for constraint in element.get("constraint", ()):
                try:
                    compile_expression(constraint.get("expression", "true"))
                except Unsupported:
                    refused.add(constraint["key"])
    assert refused <= {"sdf-8"}
