"""Policies and counts over HTTP: a gateway that collects from another, with and without a block (SC-P2, R1)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from databases import database
from servers import Running, serving

from gateway.cli.main import cli
from gateway.quality.settings import Policy, QualitySettings
from gateway.sections import ProviderSettings
from gateway.store.engine import open_engine
from workbench.statictokens import StaticToken, issue

HOSPITAL = "ziekenhuiszandoord"
TOKEN = "test-token-of-one-patient"


def allow(server: Running) -> None:
    """A test token for Gerda, whose record has mistakes on purpose."""
    engine = open_engine(server.settings.database_url)
    issue(engine, server.settings, [StaticToken(token=TOKEN, provider=HOSPITAL, services=["48"], patient="gerda")])
    engine.dispose()


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway with Gerda's record in its store."""
    with database("sqlite", tmp_path_factory.mktemp("hospital")) as url, serving(url) as first:
        allow(first)
        yield first


@contextmanager
def collecting(hospital: Running, folder: Path, policy: Policy) -> Iterator[Running]:
    """A gateway with nothing but the hospital as its source."""
    source = {
        "type": "fhir", "name": "upstream", "url": f"{hospital.base}/{HOSPITAL}/48/fhir", "version": "stu3",
        "login": {"kind": "bearer", "token": TOKEN}, "patient_lookup": "login",
    }  # fmt: skip
    given = ProviderSettings(display_name="Ziekenhuis Zandoord", services=("48",), sources=(source,))
    chosen = QualitySettings(policy=policy)
    with (
        database("sqlite", folder) as url,
        serving(url, world=False, providers={HOSPITAL: given}, validation=chosen) as server,
    ):
        allow(server)
        yield server


def problems(server: Running) -> tuple[set[str], list[dict[str, Any]]]:
    """Gerda's problems by id, and what the answer says is missing."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/fhir+json"}
    answer = httpx.get(f"{server.base}/{HOSPITAL}/48/fhir/Condition", headers=headers, trust_env=False)
    entries = answer.raise_for_status().json().get("entry", [])
    told = [issue for one in entries if one["search"]["mode"] == "outcome" for issue in one["resource"]["issue"]]
    return {one["resource"]["id"] for one in entries if one["search"]["mode"] == "match"}, told


def reported(url: str) -> dict[str, list[dict[str, Any]]]:
    """The quality report on the store of a gateway that stopped in good order."""
    done = CliRunner().invoke(cli, ["report", "quality", "--format", "json"], env={"GATEWAY_DATABASE_URL": url})
    assert done.exit_code == 0, done.output
    return {section["key"]: section["rows"] for section in json.loads(done.stdout)["sections"]}


WRONG = {"gerda-probleem-zonder-code", "gerda-status-onbekend"}


def test_observed_everything_is_delivered_and_the_figures_are_written_at_the_stop(
    hospital: Running, tmp_path: Path
) -> None:
    with collecting(hospital, tmp_path, Policy.OBSERVE) as server:
        found, told = problems(server)
        url = server.settings.database_url
    assert found > WRONG
    assert told == []
    sections = reported(url)
    (overview,) = sections["overview"]
    assert (overview["provider"], overview["source"]) == (HOSPITAL, "upstream")
    assert {row["element"] for row in sections["defects"]} >= {"ProbleemNaam", "ProbleemStatus"}


def test_blocked_the_answer_says_that_a_part_is_missing(hospital: Running, tmp_path: Path) -> None:
    with collecting(hospital, tmp_path, Policy.BLOCK) as server:
        found, told = problems(server)
        url = server.settings.database_url
    assert found
    assert not found & WRONG
    assert [(issue["severity"], issue["code"]) for issue in told] == [("warning", "incomplete")]
    assert {row["element"] for row in reported(url)["defects"]} >= {"ProbleemNaam", "ProbleemStatus"}
