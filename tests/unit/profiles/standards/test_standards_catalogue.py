"""The standards load, are consistent, and hold the facts that were agreed."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from conformance.agreed_requests import AgreedRequest, agreed
from shared import shared

from profiles.fhir.version import FhirVersion
from profiles.standards import load
from profiles.standards.checks import check, check_standard
from profiles.standards.load import StandardError, UnknownService, catalogue, read_standard
from profiles.standards.model import RequestRule, Standard

CATALOGUE = catalogue()
AGREED = [one for one in CATALOGUE.standards.values() if one.converts is None]
"""Those that are agreed between institutions and PGOs; the others give the same data in another release."""


def as_fact(rule: RequestRule) -> tuple[object, ...]:
    """A row in the form of the agreed requests. Profiles of what comes along have no order: sets."""
    included = {kind: set(profiles) for kind, profiles in rule.included_profiles.items()}
    return (
        rule.method,
        "/" + rule.path,
        [str(one) for one in rule.required],
        [str(one) for one in rule.optional],
        list(rule.profiles),
        included,
    )


BEYOND = {
    ("immunization-2", "immunizations"): ["status=completed"],
    ("provider-tasks-1", "tasks"): ["_include=Task:digitalActivity"],
}
"""What a row offers beyond the agreed request, because clients ask it (divergences.md of the standard says so)."""


BESIDE = {("selfmeasurements-2", "sendMeasurement"), ("images-2", "sendImagesAsBundle")}
"""Rows beside the agreed requests: the capability statements of the standards offer them (divergences.md)."""


def test_every_agreed_standard_is_a_folder_and_no_other() -> None:
    assert {one.id for one in AGREED} == set(agreed())


@pytest.mark.parametrize("standard", AGREED, ids=lambda standard: standard.id)
def test_every_agreed_request_is_a_row_with_the_same_facts(standard: Standard) -> None:
    """RES-14."""
    known = agreed()[standard.id]
    assert (standard.title, standard.ring, standard.capability) == (known.title, known.ring, known.capability)
    assert standard.fhir is FhirVersion.of(known.fhir)
    expected = {
        (one.usecase, one.id): (
            one.method,
            one.path,
            list(one.must),
            [*one.may, *BEYOND.get((standard.id, one.id), ())],
            list(one.profiles),
            {kind: set(profiles) for kind, profiles in one.along.items()},
        )
        for one in known.requests
    }
    ours = [rule for rule in standard.rules if (standard.id, rule.id) not in BESIDE]
    assert {(rule.usecase, rule.id): as_fact(rule) for rule in ours} == expected


@pytest.mark.parametrize("standard", AGREED, ids=lambda standard: standard.id)
def test_packages_and_service_numbers_are_the_agreed_ones(standard: Standard) -> None:
    known = agreed()[standard.id]
    assert known.services <= {service.id for service in standard.services if not service.test}
    for name, version in known.packages.items():
        if version.replace(".", "").isdigit() and name in standard.packages:
            assert standard.packages[name] == version
    assert known.roles <= {role for service in standard.services for role in service.roles}


def test_the_agreed_requests_are_those_of_the_specification() -> None:
    """Our table against the description that it was written from, where that is there."""
    with shared("spec", "datasets.yaml").open(encoding="utf-8") as file:
        described = yaml.safe_load(file)["standards"]
    assert described.keys() <= agreed().keys()
    for id_, standard in described.items():
        known = agreed()[id_]
        assert (standard["title"], standard["ring"], standard["fhir"]) == (known.title, known.ring, known.fhir)
        assert (standard.get("capability"), standard["packages"]) == (known.capability, known.packages)
        assert {str(one).split()[0] for one in standard["gegevensdienst"]} - {"unknown"} == known.services
        assert {str(one).split()[0] for one in standard["systeemrol"]} - {"unknown"} == known.roles
        asked = [
            (
                usecase,
                one["method"],
                one["path"],
                tuple(one.get("params", ())),
                tuple(one.get("optional_params", ())),
                tuple(one.get("profiles", ())),
                {
                    kind: frozenset([urls] if isinstance(urls, str) else urls)
                    for kind, urls in one.get("included", {}).items()
                },
            )
            for usecase, content in standard["usecases"].items()
            for one in content["interactions"]
        ]
        assert asked == [
            (one.usecase, one.method, one.path, one.must, one.may, one.profiles, one.along) for one in known.requests
        ]


def test_the_new_sets_are_those_of_their_specification() -> None:
    """The granular and draft sets: services, roles, requests, what a match points at, what a set takes from another."""
    with shared("spec", "new-sets.yaml").open(encoding="utf-8") as file:
        described = yaml.safe_load(file)["standards"]
    with shared("spec", "datasets.yaml").open(encoding="utf-8") as file:
        older = yaml.safe_load(file)["standards"]
    assert described.keys() | older.keys() == agreed().keys()
    for id_, standard in described.items():
        known, mine = agreed()[id_], CATALOGUE.standards[id_]
        assert (standard["title"], standard["ring"], standard["fhir"]) == (known.title, known.ring, known.fhir)
        assert {name: tuple(rows) for name, rows in standard.get("uses", {}).items()} == known.uses == mine.uses
        assert mine.draft is (standard["status"].startswith("alpha") or id_ == "image-availability-1")
        for name, version in standard["packages"].items():
            assert known.packages[name].split()[0] == version.split()[0]
        requests = {one.id: one for one in known.requests}
        for content in standard["usecases"].values() if known.requests else ():
            for one in content["interactions"]:
                if one["method"] == "PATCH" or not one["path"][1:2].isupper() or one["id"] == "readSecondary":
                    continue  # JSON Patch, images and reads by id are no rows
                _same(one, requests.pop(one["id"]))
                if "gegevensdienst" in one:
                    service = CATALOGUE.services[one["gegevensdienst"]][1]
                    assert (service.rows, service.roles) == ((one["id"],), (one["systeemrol"]["serve"].split()[0],))
        assert not requests


def _same(described: dict[str, Any], known: AgreedRequest) -> None:
    def sets(table: dict[str, Any]) -> dict[str, frozenset[str]]:
        return {kind: frozenset([urls] if isinstance(urls, str) else urls) for kind, urls in table.items()}

    assert (described["method"], described["path"]) == (known.method, known.path)
    assert (tuple(described.get("params", ())), tuple(described["profiles"])) == (known.must, known.profiles)
    # _lastUpdated may be sent with every search (docs/standards.md).
    optional = [one for one in described.get("optional_params", ()) if not one.startswith("_lastUpdated")]
    assert tuple(optional) == known.may
    assert sets(described.get("included", {})) == known.along
    assert sets(described.get("secondary", {})) == known.leads


@pytest.mark.parametrize("standard", AGREED, ids=lambda standard: standard.id)
def test_what_a_match_points_at_can_be_read(standard: Standard) -> None:
    for one in agreed()[standard.id].requests:
        assert one.leads.keys() <= set(standard.rule(one.id).secondary)
        for kind, profiles in one.leads.items():
            assert profiles <= set(standard.reads[kind])


@pytest.mark.parametrize("standard", CATALOGUE.standards.values(), ids=lambda standard: standard.id)
def test_every_named_package_can_be_had(standard: Standard) -> None:
    for name, version in standard.packages.items():
        assert shared("packages", f"{name}-{version}.tgz").is_file()


def test_the_rows_are_consistent() -> None:
    assert check(CATALOGUE) == []


def test_services_are_found_by_number() -> None:
    standard, service = CATALOGUE.service("48")
    assert (standard.id, service.function, service.roles) == ("bgz-3", "collect", ("MM-3.0-BZB-FHIR",))
    assert CATALOGUE.service("50")[0].id == "ggz-2"
    assert CATALOGUE.service("65")[0].id == "geboortezorg-1"
    assert CATALOGUE.service("51")[0].id == "pdfa-3"
    assert CATALOGUE.service("63")[0].fhir is FhirVersion.R4
    with pytest.raises(UnknownService):
        CATALOGUE.service("1")


def test_collecting_and_sharing_are_different_services() -> None:
    pdfa = CATALOGUE.standards["pdfa-3"]
    collect, share = pdfa.services
    assert {rule.method for rule in pdfa.rules_of(collect)} == {"GET"}
    assert {rule.method for rule in pdfa.rules_of(share)} == {"POST"}


def test_every_text_for_patients_is_short_and_dutch_names_are_there() -> None:
    for standard in CATALOGUE.standards.values():
        for rule in standard.rules:
            assert rule.name_nl
            assert rule.name_en
            assert len(rule.name_nl) <= 50
        for service in standard.services:
            assert len(service.about.split()) <= 25


def test_loading_is_quick_and_done_once() -> None:
    load._catalogue.cache_clear()
    started = time.process_time()
    first = catalogue()
    assert time.process_time() - started < 0.5  # 0.02 s as measured; the limit allows a busy machine
    assert catalogue() is first


def test_profiles_that_cannot_be_had_are_not_claimed() -> None:
    standard = CATALOGUE.standards["bgz-msz-2"]
    assert standard.claims(standard.rule("problem")) == ("http://nictiz.nl/fhir/StructureDefinition/zib-Problem",)


STANDARD = """
id = "dental-1"
title = "Dental care"
nl = "Mondzorg"
en = "Dental care"
fhir = "STU3"
[[service]]
id = "9901"
test = true
name = "Mondzorg"
about = "Gegevens van uw tandarts."
en = "Dental care"
usecases = ["serve"]
"""
ROW = (
    '[[request]]\nid = "problem"\nnl = "Problemen"\nen = "Problems"\nget = "Condition"\nprofiles = ["N:zib-Problem"]\n'
)


def folder(tmp_path: Path, standard: str = STANDARD, requests: str = ROW) -> Path:
    path = tmp_path / "dental-1"
    path.mkdir()
    (path / "standard.toml").write_text(standard, encoding="utf-8")
    (path / "requests.toml").write_text(requests, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("standard", "requests", "message"),
    [
        (STANDARD.replace("dental-1", "other"), ROW, "differs from the name of the folder"),
        (STANDARD.replace("STU3", "R9"), ROW, "unknown FHIR version"),
        (STANDARD.replace('nl = "Mondzorg"\n', "", 1), ROW, "missing required field `nl`"),
        (STANDARD.replace('"Mondzorg"', "3", 1), ROW, "Expected `str`, got `int` at `nl`"),
        ("ring = true\n" + STANDARD, ROW, "Expected `int`, got `bool` at `ring`"),
        ("colour = 1\n" + STANDARD, ROW, "unknown field `colour`"),
        (STANDARD.replace('"serve"', '"nothing"'), ROW, "unknown use cases nothing"),
        (STANDARD.replace('"9901"', '"99 01"'), ROW, "service 1: Expected `str` matching regex .* at `id`"),
        (STANDARD + 'function = "sell"\n', ROW, "service 1: Invalid enum value .sell. at `function`"),
        (STANDARD, "", "no .*request.* rows"),
        (STANDARD, "[[request", "requests.toml"),
        (STANDARD, ROW + ROW, "request 2: id problem exists already"),
        (STANDARD, ROW + "colour = 1\n", "request 1 .problem.: .*unknown field `colour`"),
        (STANDARD, ROW.replace("get", "delete"), "request 1 .problem.: .*unknown field `delete`"),
        (STANDARD, ROW.replace('get = "Condition"\n', ""), "exactly one of get, post and put"),
        (STANDARD, ROW + 'put = "Condition/{id}"\n', "exactly one of get, post and put"),
        (STANDARD, ROW.replace('"Condition"', '"condition"'), "no request that a row can offer"),
        (STANDARD, ROW + 'query = ["code"]\n', "code is not name=value"),
        (STANDARD, ROW + 'query = ["code={sct|1"]\n', "unknown placeholder"),
        (STANDARD, ROW + 'query = ["code={loink}|1"]\n', "unknown placeholder {loink}"),
        (STANDARD, ROW + 'query = ["_include=Condition:nothing"]\n', "this include is not supported"),
        (STANDARD, ROW + 'answer = "some"\n', "Invalid enum value .some. at `answer`"),
        (STANDARD, ROW + "zibs = [1]\n", "Expected `str`, got `int` at `zibs.0.`"),
    ],
)
def test_a_mistake_in_a_folder_is_told_with_file_and_row(
    tmp_path: Path, standard: str, requests: str, message: str
) -> None:
    with pytest.raises(StandardError, match=message) as wrong:
        read_standard(folder(tmp_path, standard, requests))
    assert str(tmp_path) in str(wrong.value)


@pytest.mark.parametrize(
    ("requests", "line"),
    [
        (ROW.replace('profiles = ["N:zib-Problem"]\n', ""), "problem: names no profile"),
        (ROW + 'query = ["colour=red"]\n', "problem: colour: Search parameter colour is not supported"),
        (ROW + 'optional = ["onset-date=xx{date}"]\n', "problem: onset-date"),
        (ROW + 'query = ["patient={identifier}"]\n', "problem: its own request is refused"),
        (ROW.replace("N:", "X:"), "profile X:zib-Problem is not a canonical"),
    ],
)
def test_the_checks_find_what_loads_but_does_not_work(tmp_path: Path, requests: str, line: str) -> None:
    lines = check_standard(read_standard(folder(tmp_path, requests=requests)))
    assert any(line in one for one in lines), lines


def test_two_standards_cannot_have_the_same_service(tmp_path: Path) -> None:
    with pytest.raises(StandardError, match="service 48 is offered by bgz-3 already"):
        catalogue(extra=[folder(tmp_path, STANDARD.replace("9901", "48"))])


CONVERTING = STANDARD.replace("dental-1", "other-1").replace("9901", "9902").replace('fhir = "STU3"', 'fhir = "R4"')


@pytest.mark.parametrize(
    ("converts", "row", "message"),
    [
        ("nothing-1", "problem", "converts names no standard of another release: nothing-1"),
        ("mp9-3", "problem", "converts names no standard of another release: mp9-3"),
        ("bgz-2020", "problem", "converts names no standard of another release: bgz-2020"),
        ("bgz-3", "colour", "row colour has no row of this id in bgz-3 to convert"),
    ],
)
def test_what_converts_names_rows_of_another_release(tmp_path: Path, converts: str, row: str, message: str) -> None:
    path = folder(tmp_path, f'converts = "{converts}"\n' + CONVERTING, ROW.replace('"problem"', f'"{row}"'))
    path = path.rename(tmp_path / "other-1")
    with pytest.raises(StandardError, match=message):
        catalogue(extra=[path])


def test_what_converts_expects_nothing_of_data_that_come_in_and_collects_by_the_rows_it_converts() -> None:
    bgz, ips = CATALOGUE.standards["bgz-2020"], CATALOGUE.standards["ips-2"]
    assert not {"bgz-2020", "ips-2"} & {one.id for one in CATALOGUE.of_version(FhirVersion.R4)}
    assert CATALOGUE.delivering(bgz).fhir is FhirVersion.STU3
    assert {rule.id for rule in CATALOGUE.delivering(bgz).rules} == {rule.id for rule in bgz.rules}
    assert CATALOGUE.delivering(ips) is CATALOGUE.standards["bgz-3"], "a summary is made of all rows"
