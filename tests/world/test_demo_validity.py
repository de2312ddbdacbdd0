"""By packages and by our own tables: right records are right, and wrong ones wrong in exactly the way we say."""

import re
from datetime import date

import pytest
from shared import shared

from gateway.demo.world import FOLDER, Record, load
from profiles import zibs
from profiles.fhir.version import FhirVersion
from profiles.validation import Finding, Validator, validator
from profiles.validation.packages import install

WORLD = load(date(2026, 3, 31))
PACKAGES = (
    "hl7.fhir.r3.core-3.0.2.tgz",
    "nictiz.fhir.nl.stu3.zib2017-2.2.18.tgz",
    "nictiz.fhir.nl.stu3.eafspraak-1.0.6.tgz",
    "nictiz.fhir.nl.stu3.geboortezorg-1.3.3.tgz",
)
RECORDS = [pytest.param(record, id=record.person) for record in WORLD.records]


@pytest.fixture(scope="module", params=["official packages", "our own tables"])
def judge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Validator:
    """A validator with the packages that the standards name, and one with what the gateway has by itself."""
    if request.param == "our own tables":
        return zibs.validator(FhirVersion.STU3, ())
    cache = tmp_path_factory.mktemp("packages")
    return validator(
        FhirVersion.STU3, [install(shared("packages", name).read_bytes(), cache).folder for name in PACKAGES]
    )


def errors(found: tuple[Finding, ...]) -> set[tuple[str, str]]:
    """Rule and place of every error."""
    return {(one.rule, one.expression) for one in found if one.severity in ("error", "fatal")}


def documented() -> dict[str, set[tuple[str, str]]]:
    """What defects.md says that validation finds, by resource id."""
    text = (FOLDER / "defects.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z0-9\-]+)` \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    return {id_: set(re.findall(r"`([^`]+)` `([^`]+)`", cell)) for id_, cell in rows}


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_has_the_errors_that_are_documented_and_no_others(judge: Validator, record: Record) -> None:
    expected = {id_: found for id_, found in documented().items() if found}
    resources = (*record.resources, *record.pointed_at)
    found = {resource["id"]: errors(judge.validate(resource).findings) for resource in resources}
    wrong = {id_: places for id_, places in found.items() if places}
    assert wrong == {id_: places for id_, places in expected.items() if id_ in found}


def test_only_persons_with_defects_have_errors() -> None:
    defective = {
        resource["id"]
        for record in WORLD.records
        if WORLD.person(record.person).defects
        for resource in record.resources
    }
    assert set(documented()) <= defective
    assert sum(1 for places in documented().values() if places) >= 20
