"""Mutation test: valid official instances, broken in every kind of rule that their definitions hold.

The suite takes a sample; ``GATEWAY_ALL_MUTANTS=1`` runs every mutant of every instance.
"""

import os
import zlib
from collections import Counter
from collections.abc import Iterator

import pytest
from conformance.validation_data import EXAMPLES, instances, official, read
from conformance.validation_mutants import Mutant, Mutations

from profiles.validation import Validator

EVERY = os.environ.get("GATEWAY_ALL_MUTANTS") == "1"
SETS = [*EXAMPLES, "STU3/BgZ-3-0", "STU3/Geboortezorg-1-0", "R4/Immunization-2-0"]
SAMPLE = 4
KINDS = {
    "unknown",
    "list",
    "null",
    "format",
    "type",
    "empty",
    "required",
    "binding",
    "slice-maximum",
    "reference",
    "choice",
}
RARE = {"maximum", "fixed", "pattern", "minimum", "slice-minimum", "slice-absent", "slice-closed", "length", "nested"}


def mutants(name: str) -> Iterator[tuple[Validator, str, Mutant]]:
    """The mutants of a set: one for each kind at each element of each profile; in the suite a sample of those."""
    seen: set[tuple[str, ...]] = set()
    for _, path, version, packages in instances(name):
        validator = official(version, packages)
        resource = read(path, version)
        report = validator.validate(resource) if isinstance(resource, dict) else None
        if report is None or report.verdict == "wrong" or not isinstance(resource, dict):
            continue
        for profile in report.profiles:
            for mutant in Mutations(validator, resource, profile).all():
                where = (path.name, mutant.where) if EVERY else (mutant.where.partition(" @")[0],)
                key = (profile, mutant.kind, *where)
                if key in seen:
                    continue
                seen.add(key)
                if EVERY or mutant.kind in RARE or zlib.crc32("|".join(key).encode()) % SAMPLE == 0:
                    yield validator, profile, mutant


@pytest.mark.parametrize("name", SETS)
def test_broken_instances_are_found(name: str) -> None:
    """At least 99 in 100 mutants are found, in every kind of rule; survivors are named when there are more."""
    made: Counter[str] = Counter()
    survivors = []
    for validator, profile, mutant in mutants(name):
        made[mutant.kind] += 1
        if validator.validate(mutant.resource, [profile]).verdict != "wrong":
            survivors.append((mutant.kind, profile, mutant.where))
    # The examples of a small set do not have every kind of rule in them.
    assert made.keys() >= KINDS or name.startswith(("STU3/", "R4/", "new-sets/"))
    assert sum(made.values()) > (30 if name.startswith("new-sets/") else 150)
    assert len(survivors) <= 0.01 * sum(made.values()), survivors
