"""The published examples of every service that the national client asks, as they leave the gateway: all shown.

Of GP data, GGZ and long-term care there is no public qualification set; their examples are in the packages.
"""

from collections.abc import Iterator

import pytest
from shared import shared

from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.receivers.judge import Outcome, judge
from profiles.receivers.load import receiver
from profiles.record.expect import Expectations
from profiles.record.leaving import Leaving
from profiles.standards.load import catalogue

MGO = receiver("mgo")


def examples() -> Iterator[Resource]:
    """Every example resource of zib2017, one by one."""
    for path in sorted(shared("examples", "zib2017", "json").glob("*.json")):
        found = jsonio.parse(path.read_bytes())
        entries = found.get("entry", []) if found["resourceType"] == "Bundle" else [{"resource": found}]
        yield from (entry["resource"] for entry in entries if "resource" in entry)


def claimed(resource: Resource) -> set[str]:
    return {str(one).partition("|")[0] for one in resource.get("meta", {}).get("profile", [])}


@pytest.mark.parametrize(("service", "least"), [("48", 23), ("49", 5), ("50", 10), ("61", 7)])
def test_every_example_that_the_facts_allow_is_shown(service: str, least: int) -> None:
    """APP-04: profiles are claimed as the client knows them, and the elements of a title are there."""
    standard, known = catalogue().service(service)
    rows = {profile for rule in standard.rules_of(known) for profile in rule.profiles}
    wanted = rows & set(MGO.known[FhirVersion.STU3].shown)
    expectations, leaving, seen = Expectations(catalogue()), Leaving(), set()
    for resource in examples():
        mine = claimed(resource) & wanted
        if not mine:
            continue
        expectations.correct(resource, FhirVersion.STU3)
        leaving(resource, FhirVersion.STU3)
        fate = judge(MGO, resource, FhirVersion.STU3)
        assert fate.outcome is Outcome.SHOWN, (resource["resourceType"], resource.get("id"), fate.why)
        seen |= mine
    assert len(seen) >= least, sorted(wanted - seen)
