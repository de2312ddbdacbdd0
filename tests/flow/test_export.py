"""gateway store export: every record of a provider as lines, in the release it came in or converted, and recorded."""

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from databases import KINDS, database
from sqlalchemy import select

from gateway.cli.db import upgrade
from gateway.cli.export import export_command
from gateway.settings import load
from gateway.store.engine import open_engine, reading
from gateway.store.schema import audit_record
from workbench.demo.seed import seed

HOUSE = "ziekenhuiszandoord"


@pytest.fixture(scope="module", params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with database(request.param, tmp_path_factory.mktemp("store")) as where:
        engine = open_engine(where)
        upgrade(engine)
        seed(engine, load().model_copy(update={"database_url": where}), datetime.now(UTC).date())
        engine.dispose()
        yield where


def run(url: str, *words: str) -> Result:
    return CliRunner(env={"GATEWAY_DATABASE_URL": url}).invoke(export_command, ["--provider", HOUSE, *words])


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_record_is_written_and_the_access_recorded(url: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(url, "--out", str(out), "--json")
    assert done.exit_code == 0, done.output
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    written = json.loads(done.stdout)["written"]
    assert {row["type"]: row["count"] for row in manifest["output"]} == written
    assert manifest["error"] == []
    assert {row["id"] for row in lines(out / "Patient.ndjson")} >= {"joke", "bram", "gerda"}
    assert any("content" in row for row in lines(out / "Binary.ndjson")), "documents come with their content"
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}
    engine = open_engine(url)
    with reading(engine).connect() as connection:
        records = [json.loads(row.record) for row in connection.execute(select(audit_record.c.record))]
    engine.dispose()
    (record,) = [one for one in records if one.get("interaction") == "export"]
    assert record["provider"] == HOUSE
    assert dict(record["resources"]) == written


def test_converted_to_r4_with_what_was_lost(url: str, tmp_path: Path) -> None:
    """ZC-03: nothing disappears without a word."""
    out = tmp_path / "out"
    assert run(url, "--to", "r4", "--out", str(out)).exit_code == 0
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert [row["type"] for row in manifest["error"]] == ["OperationOutcome"]
    assert isinstance(lines(out / "Condition.ndjson")[0]["clinicalStatus"], dict)
    assert any("data" in row for row in lines(out / "Binary.ndjson"))


def test_a_folder_that_is_there_stays_as_it_is(url: str, tmp_path: Path) -> None:
    done = run(url, "--out", str(tmp_path))
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert run(url, "--fhir", "r4", "--to", "r4", "--out", str(tmp_path / "x")).exit_code == 2


def test_what_an_institution_has_in_r4_goes_out_in_stu3(url: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(url, "--provider", "ggdmerwestreek", "--fhir", "r4", "--to", "stu3", "--out", str(out)).exit_code == 0
    given = lines(out / "Immunization.ndjson")
    assert {one["notGiven"] for one in given} == {False}
    assert not any("occurrenceDateTime" in one for one in given)
    assert run(url, "--to", "stu3", "--out", str(tmp_path / "x")).exit_code == 2
