"""The official BgZ scripts when their data stand behind an EHR that speaks FHIR: the fhir adapter gives all of them.

Once with the simulated EHR, which logs in and searches by patient, and once with fhirsnake, a server that is not ours.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from contract.foreign import snake
from databases import database
from live_house import listening
from qualifying import PROVIDER, complaint, run_scripts, today
from servers import free_port, serving
from shared import shared

from adapters.guard import Guard, Whose
from adapters.testing.fake_ehr import FakeEhr
from gateway.sections import ProviderSettings
from gateway.store.engine import open_engine
from profiles.fhir.tree import Resource
from workbench.qualify.files import open_files
from workbench.qualify.loadset import load_set, token_table
from workbench.qualify.results import ScriptResult, Status
from workbench.qualify.stored import StoredSet

FOLDER = ("qualification", "STU3/BgZ-3-0/MedMij/Test")


def run(folder: Path, source: Mapping[str, Any]) -> list[ScriptResult]:
    """All scripts against a gateway with this one source."""
    place = shared(*FOLDER)
    files, start = open_files(place)
    loaded = load_set(files, start, token_table(files, place), today())
    given = ProviderSettings(display_name="Ziekenhuis Zandoord", services=("48",), sources=(dict(source),))
    with (
        database("sqlite", folder) as url,
        serving(url, world=False, providers={PROVIDER: given}) as server,
    ):
        engine = open_engine(url)
        StoredSet(engine, server.settings, loaded.bsn).tokens(loaded.tokens(PROVIDER, ["48"]))
        engine.dispose()
        return list(run_scripts(server, files, start, "48", ["XIS-Server"]))


def fixtures() -> list[Resource]:
    """The official data."""
    place = shared(*FOLDER)
    files, start = open_files(place)
    return [item.resource for item in load_set(files, start, token_table(files, place), today()).items]


def test_all_scripts_pass_over_the_fhir_adapter(official_packages: None, tmp_path: Path) -> None:
    ehr = FakeEhr(fixtures(), login="basic", username="gateway", password="for-tests")
    port = free_port()
    login = {"kind": "basic", "username": ehr.username, "password": ehr.password}
    source = {"type": "fhir", "name": "epd", "url": f"http://127.0.0.1:{port}/fhir", "version": "stu3", "login": login}
    with listening(ehr, port):
        scripts = run(tmp_path, source)
    assert len(scripts) == 104
    assert [complaint(script) for script in scripts if script.status is not Status.PASSED] == []
    assert ehr.calls


@pytest.mark.parametrize(("number", "scenario"), [(0, "xis-1-"), (1, "xis-2-")])
def test_all_scripts_pass_on_a_foreign_server(
    official_packages: None, tmp_path: Path, number: int, scenario: str
) -> None:
    """fhirsnake pays no attention to the patient in a search: a server with two would give an incident, so one each."""
    every = fixtures()
    patients = [one["id"] for one in every if one["resourceType"] == "Patient"]
    guard = Guard(frozenset({patients[number]}))
    own, _ = guard.check([one for one in every if guard.whose(one) is not Whose.FOREIGN])
    place = tmp_path / "snake"
    place.mkdir()
    with snake(own, place) as url:
        scripts = run(tmp_path, {"type": "fhir", "name": "epd", "url": url, "version": "stu3", "statement": "optional"})
    mine = [script for script in scripts if scenario in script.id]
    assert len(mine) == 52
    assert [complaint(script) for script in mine if script.status is not Status.PASSED] == []
