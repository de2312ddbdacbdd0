"""By packages and by our own tables: right records are right, and wrong ones wrong in exactly the way we say."""

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache

import pytest
from shared import shared

from profiles import zibs
from profiles.fhir.version import FhirVersion
from profiles.validation import Finding, Validator, validator
from profiles.validation.schema.packages import install
from workbench.demo.world import FOLDER, WorldRecord, load

WORLD = load(date(2026, 3, 31))
PACKAGES = {
    ("", FhirVersion.STU3): (
        "hl7.fhir.r3.core-3.0.2.tgz",
        "nictiz.fhir.nl.stu3.zib2017-2.2.18.tgz",
        "nictiz.fhir.nl.stu3.eafspraak-1.0.6.tgz",
        "nictiz.fhir.nl.stu3.geboortezorg-1.3.3.tgz",
        "nictiz.fhir.nl.stu3.questionnaires-2.0.8.tgz",
    ),
    ("apotheekdevijzel", FhirVersion.STU3): ("hl7.fhir.r3.core-3.0.2.tgz", "nictiz.fhir.nl.stu3.zib2017-1.3.19.tgz"),
    ("apotheekdevijzel", FhirVersion.R4): (
        "hl7.fhir.r4.core-4.0.1.tgz",
        "nictiz.fhir.nl.r4.medicationprocess9-2.0.0-rc.7.tgz",
        "nictiz.fhir.nl.r4.nl-core-0.11.0-beta.1.tgz",
        "nictiz.fhir.nl.r4.zib2020-0.11.0-beta.1.tgz",
    ),
    ("woonzorgduinroos", FhirVersion.STU3): (
        "hl7.fhir.r3.core-3.0.2.tgz",
        "nictiz.fhir.nl.stu3.zib2017-2.2.18.tgz",
        "medmij.fhir.nl.stu3.core-1.2.1.tgz",
        "medmij.fhir.nl.stu3.longtermhealthcare-1.0.0-rc.2.tgz",
    ),
    ("tandartsdekies", FhirVersion.R4): (
        "hl7.fhir.r4.core-4.0.1.tgz",
        "medmij.fhir.nl.r4.core-1.0.1.tgz",
        "medmij.fhir.nl.r4.dentalcare-1.0.0-beta.3.tgz",
        "nictiz.fhir.nl.r4.nl-core-0.12.0-beta.4.tgz",
        "nictiz.fhir.nl.r4.zib2020-0.12.0-beta.4.tgz",
    ),
    ("ggdmerwestreek", FhirVersion.R4): (
        "hl7.fhir.r4.core-4.0.1.tgz",
        "nictiz.fhir.nl.r4.immunization-2.0.0.tgz",
        "nictiz.fhir.nl.r4.nl-core-0.11.0-beta.1.tgz",
        "nictiz.fhir.nl.r4.zib2020-0.11.0-beta.1.tgz",
    ),
}
"""The packages that the standards of a provider name; those of the first row go for everybody who is not named."""

OWN = ("ziekenhuiszandoord", "ggzmerwerand", "geboortepraktijkdelinde")
"""Whose standards our own tables cover."""


def ident(record: WorldRecord) -> str:
    return f"{record.provider}-{record.person}-{record.version.value}"


RECORDS = [pytest.param(record, id=ident(record)) for record in WORLD.records if record.resources]
OWN_RECORDS = [pytest.param(record, id=ident(record)) for record in WORLD.records if record.provider in OWN]


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Callable[[WorldRecord], Validator]:
    """The validator with the packages that a record's standards name."""
    cache = tmp_path_factory.mktemp("packages")

    @lru_cache
    def made(key: tuple[str, FhirVersion]) -> Validator:
        folders = [install(shared("packages", name).read_bytes(), cache).folder for name in PACKAGES[key]]
        return validator(key[1], folders)

    def judge(record: WorldRecord) -> Validator:
        own = (record.provider, record.version)
        return made(own if own in PACKAGES else ("", record.version))

    return judge


def errors(found: tuple[Finding, ...]) -> set[tuple[str, str]]:
    """Rule and place of every error."""
    return {(one.rule, one.expression) for one in found if one.severity in ("error", "fatal")}


def documented() -> dict[str, set[tuple[str, str]]]:
    """What defects.md says that validation finds, by resource id."""
    text = (FOLDER / "defects.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z0-9\-]+)` \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    return {id_: set(re.findall(r"`([^`]+)` `([^`]+)`", cell)) for id_, cell in rows}


def check(judge: Validator, record: WorldRecord) -> None:
    expected = {id_: found for id_, found in documented().items() if found}
    resources = (*record.resources, *record.pointed_at)
    found = {resource["id"]: errors(judge.validate(resource).findings) for resource in resources}
    wrong = {id_: places for id_, places in found.items() if places}
    assert wrong == {id_: places for id_, places in expected.items() if id_ in found}


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_has_the_errors_that_are_documented_and_no_others(
    official: Callable[[WorldRecord], Validator], record: WorldRecord
) -> None:
    check(official(record), record)


@pytest.mark.parametrize("record", OWN_RECORDS)
def test_our_own_tables_find_the_same(record: WorldRecord) -> None:
    check(zibs.validator(FhirVersion.STU3, ()), record)


def test_only_persons_with_defects_have_errors() -> None:
    defective = {
        resource["id"]
        for record in WORLD.records
        if WORLD.person(record.person).defects
        for resource in record.resources
    }
    assert set(documented()) <= defective
    assert sum(1 for places in documented().values() if places) >= 20
