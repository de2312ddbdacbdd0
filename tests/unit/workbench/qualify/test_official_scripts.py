"""The published scripts on a stand-in server: all in them is known, and what they assert holds on their fixtures."""

import asyncio
from collections import Counter
from datetime import date
from functools import cache

import httpx
import pytest
from shared import shared
from unit.workbench.qualify.xis import BASE, Xis

from profiles.fhir.version import FhirVersion
from workbench.qualify.asserts import CHECKS
from workbench.qualify.discovery import find_sets
from workbench.qualify.engine import RunPlan, run_sets
from workbench.qualify.exchange import METHODS
from workbench.qualify.files import open_files
from workbench.qualify.loadset import load_set, token_table
from workbench.qualify.ports import ProfileVerdict
from workbench.qualify.profilecheck import OwnChecker
from workbench.qualify.results import Status
from workbench.qualify.rules import RULES
from workbench.qualify.script import Operation, Side

TODAY = date(2026, 11, 22)
NOT_EVALUATED: dict[str, str] = {}
"""Features of the published scripts that this engine does not evaluate, with the reason. None so far."""


@cache
def everything():
    files, start = open_files(shared("qualification"))
    roles = sorted({part for name in files.names for part in name.split("/")[:-1]})
    return files, find_sets(files, start, roles=roles)


def test_every_feature_of_every_script_is_known_or_named_as_not_evaluated():
    _files, sets = everything()
    scripts = [script for one in sets for script in one.scripts]
    assert len(scripts) == 578, Counter(one.title for one in sets)
    features: Counter[str] = Counter()
    for script in scripts:
        features.update(f"unknown {name}" for name in script.unknown)
        for fixture in script.fixtures.values():
            features.update(["fixture.autocreate"] if fixture.autocreate or fixture.autodelete else [])
        for variable in script.variables.values():
            features.update(["variable.path"] if variable.path else [])
        for action in (action for test in script.tests for action in test.actions):
            features.update(f"unknown {name}" for name in action.unknown)
            if isinstance(action, Operation):
                features[f"operation {action.code}"] += 1
            else:
                features.update(f"assert {name}" for name in action.checks)
                features.update([f"operator {action.operator}"] if action.operator else [])
                features.update([_rule_name(script, action)] if action.rule else [])
    known = {f"operation {code}" for code in METHODS} | {f"assert {name}" for name in CHECKS}
    known |= {f"operator {name}" for name in ("in", "notIn", "equals", "notEquals", "notContains", "notEmpty")}
    known |= {f"rule {name}" for name in RULES}
    for feature, count in sorted(features.items()):
        print(f"{count:6} {feature}{'' if feature in known else ' NOT EVALUATED'}")
    assert set(features) - known == set(NOT_EVALUATED)


def _rule_name(script, action):
    return f"rule {script.rules.get(action.rule.rule_id, '(undeclared)').replace('-', '_')}"


def test_every_script_says_its_fhir_version_and_side():
    _files, sets = everything()
    sides = Counter(script.side for one in sets for script in one.scripts)
    assert sides[Side.SERVER] > 400
    assert sides[Side.CLIENT] > 140
    assert sides[Side.LOAD] == 8
    assert all(script.version is not None for one in sets for script in one.scripts)


class Approves:
    """A validator that finds nothing wrong, so that the other asserts are what is tested here."""

    def check(self, resource, version, profiles):
        return ProfileVerdict("ok")


def qualified(*folder, roles=(), spoil=None, checker=None):
    """The result of a set's scripts against a server that holds the set's own fixtures."""
    path = shared("qualification", *folder)
    files, start = open_files(path)
    loaded = load_set(files, start, token_table(files, path), TODAY)
    tokens = {row.token: row.patient for row in loaded.patients.values()}
    server = Xis(loaded.items[0].version, [item.resource for item in loaded.items], tokens, spoil)
    plan = RunPlan(lambda _script: BASE, TODAY, checker=checker or (lambda _set: Approves()))

    async def run():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=server)) as client:
            return await run_sets(find_sets(files, start, roles), files, client, plan, parallel=4)

    (result,) = asyncio.run(run())
    return result


def faults(result):
    """What did not pass, as text for a failing test."""
    return [(script.id, one.check, one.reason) for script in result.scripts for _test, one in script.problems][:10]


@pytest.mark.parametrize(
    ("folder", "roles", "scripts"),
    [
        (("STU3", "BgZ-3-0"), (), 104),
        (("STU3", "SelfMeasurements-2-0"), ("Serving-XIS",), 20),
        (("R4", "Immunization-2-0"), (), 8),
        (("R4", "MP9-3-0-0-beta"), (), 86),
    ],
)
def test_a_server_that_searches_well_passes_whole(folder, roles, scripts):
    """SC: the reading sets, both formats; profiles are another test's subject."""
    result = qualified(*folder, roles=roles)
    assert len(result.scripts) == scripts
    assert result.count(Status.PASSED) == scripts, faults(result)


def _odd_status(bundle):
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Observation":
            entry["resource"]["status"] = "odd"


def test_profile_asserts_are_evaluated_with_the_official_packages(official_packages):
    """The gateway's own validator, with the packages that the set names: nothing unevaluated, and a fault is found."""

    def own(script_set):
        return OwnChecker(script_set.packages)

    result = qualified("STU3", "BgZ-3-0", checker=own)
    assert result.count(Status.PASSED) == 104, faults(result)
    result = qualified("STU3", "BgZ-3-0", checker=own, spoil=_odd_status)
    wrong = [one for script in result.scripts for _test, one in script.problems if "validateProfileId" in one.check]
    assert len(wrong) > 10
    assert all(one.status is Status.FAILED and "status" in one.reason for one in wrong)


def test_without_the_packages_profiles_that_are_not_known_are_not_evaluated(tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_PACKAGE_CACHE", str(tmp_path))
    checker = OwnChecker(["nictiz.fhir.nl.stu3.none@1.0.0"])
    observation = {
        "resourceType": "Observation",
        "meta": {"profile": ["http://example.org/unknown"]},
        "status": "final",
        "code": {"text": "x"},
    }
    assert checker.check(observation, FhirVersion.STU3, []).outcome == "unchecked"
    assert checker.notes == ["nictiz.fhir.nl.stu3.none@1.0.0 is not in the package cache"]


def _no_display(bundle):
    for entry in bundle["entry"]:
        for name in ("subject", "patient", "beneficiary"):
            if isinstance(entry["resource"].get(name), dict):
                entry["resource"][name].pop("display", None)


def _counts_includes(bundle):
    bundle["total"] = len(bundle["entry"]) + 1


def _forgets_parameters(bundle):
    bundle["link"][0]["url"] = bundle["link"][0]["url"].partition("?")[0]


def _serves_nothing(bundle):
    bundle["entry"], bundle["total"] = [], 0


def _shows_numbers(bundle):
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            number = {"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": "999990019"}
            entry["resource"]["identifier"] = [number]


@pytest.mark.parametrize(
    ("spoil", "failed", "said"),
    [
        (_no_display, 40, "Reference"),
        (_counts_includes, 104, "total"),
        (_forgets_parameters, 0, "rule assert-response-queryParamsInSelfLink"),
        (_serves_nothing, 50, "count()"),
        (_shows_numbers, 4, "identifier"),
    ],
)
def test_a_server_with_a_fault_fails_the_scripts_that_look_for_it(spoil, failed, said):
    result = qualified("STU3", "BgZ-3-0", spoil=spoil)
    bad = [script for script in result.scripts if script.status is Status.FAILED]
    assert len(bad) >= failed
    assert any(said in one.check for script in result.scripts for _test, one in script.problems)
    if not failed:
        assert result.count(Status.WARNING) > 50, "the self link rule is a warning"
        assert not bad


def test_every_assert_of_every_script_is_evaluated_on_some_answer():
    """Whatever a server answers, nothing is left unevaluated but for values that only a person or a server can give."""
    files, sets = everything()
    loaded = load_set(*open_files(shared("qualification", "STU3", "BgZ-3-0")), [], TODAY)
    reasons: Counter[str] = Counter()
    version = loaded.items[0].version
    server = Xis(version, [item.resource for item in loaded.items], {})
    server.tokens = _AnyToken()
    plan = RunPlan(lambda _script: BASE, TODAY, checker=lambda _set: Approves(), play_client=True)

    async def run():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=server, raise_app_exceptions=False)) as client:
            return await run_sets(sets, files, client, plan)

    for result in asyncio.run(run()):
        for script in result.scripts:
            for test in script.tests:
                for one in test.actions:
                    if one.status is Status.NOT_EVALUATED:
                        reasons[one.reason] += 1
    allowed = (
        "has no value; give one",
        "gives nothing on",
        "performer occurs more than once",
        "is no http or https URL",
        "-fixture to send",
        "${task-fullurl}: there is no such variable",
    )
    odd = {reason: count for reason, count in reasons.items() if not any(part in reason for part in allowed)}
    assert not odd


class _AnyToken(dict):
    def get(self, key, default=None):
        return "medmij-bgz-test-patA"
