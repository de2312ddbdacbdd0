"""Validation on data of our own, table by table: a composed instance is right, and broken in any way it is wrong.

Nothing official is needed: the instances are composed of what each zib table says (own_instances.py). The same is tried
on official instances in test_validation_mutants.py where those are there.
"""

import os
import zlib
from collections import Counter
from functools import cache

import pytest
from conformance.own_instances import NOT_COMPOSED, Composer
from conformance.validation_mutants import Mutant, Mutations

from profiles import zibs
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.validation import Validator

SAMPLE = 1 if os.environ.get("GATEWAY_ALL_MUTANTS") == "1" else 5
"""One in so many of the mutants of the common kinds, all of them at night; of the rare ones all."""
RARE = {"maximum", "fixed", "pattern", "minimum", "slice-minimum", "slice-absent", "slice-closed", "length", "nested"}
KINDS = {"unknown", "list", "null", "format", "type", "empty", "required", "binding", "slice-maximum", "reference"}


@cache
def judge() -> Validator:
    return Validator(FhirVersion.STU3, zibs.definitions())


@cache
def instance(url: str) -> Resource:
    return Composer(judge()).instance(url)


def _resources() -> list[str]:
    urls = [entry.url for entry in zibs.tables().entries() if entry.type == "StructureDefinition"]
    return [url for url in urls if judge().merger.tree(url).kind == "resource"]


TABLES = [url for url in _resources() if url.rpartition("/")[2] not in NOT_COMPOSED]


def name(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.mark.parametrize("url", TABLES, ids=name)
def test_what_a_table_says_is_right_by_that_table(url: str) -> None:
    """SC-H2: every element that the table names is in the instance, and nothing is found wrong."""
    report = judge().validate(instance(url), [url])
    assert [(one.rule, one.expression) for one in report.findings if one.severity in ("error", "fatal")] == []
    assert report.verdict in ("ok", "unchecked")


@pytest.mark.parametrize("url", TABLES, ids=name)
def test_an_instance_survives_the_wire_and_keeps_its_verdict(url: str) -> None:
    """RES-10: JSON and XML carry the same."""
    made = instance(url)
    wire = xmlio.parse(xmlio.dump(made, FhirVersion.STU3), FhirVersion.STU3)
    assert wire == jsonio.parse(jsonio.dump(made))
    assert judge().validate(wire, [url]).verdict == judge().validate(made, [url]).verdict


def mutants(url: str) -> list[Mutant]:
    """One mutant for each kind at each element; of the common kinds a sample."""
    seen: dict[tuple[str, str], Mutant] = {}
    for mutant in Mutations(judge(), instance(url), url).all():
        seen.setdefault((mutant.kind, mutant.where.partition(" @")[0]), mutant)
    return [
        mutant
        for (kind, element), mutant in seen.items()
        if kind in RARE or zlib.crc32(f"{url}|{kind}|{element}".encode()) % SAMPLE == 0
    ]


def test_broken_instances_are_found() -> None:
    """At least 99 in 100, in every kind of rule and in every table; survivors are named when there are more."""
    made: Counter[str] = Counter()
    survivors = []
    for url in TABLES:
        broken = mutants(url)
        assert broken, url
        for mutant in broken:
            made[mutant.kind] += 1
            if judge().validate(mutant.resource, [url]).verdict != "wrong":
                survivors.append((mutant.kind, name(url), mutant.where))
    assert made.keys() >= KINDS | {"fixed", "pattern", "slice-minimum"}
    assert made.total() > 5_000
    assert len(survivors) <= 0.01 * made.total(), survivors


def test_every_table_on_a_resource_is_tried() -> None:
    assert len(TABLES) >= 200
    assert {name(url) for url in _resources()} >= NOT_COMPOSED
