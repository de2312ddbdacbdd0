"""Every version is kept and can be opened, documents included; what changed can be followed (issue 6, point 7)."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from click.testing import CliRunner, Result
from databases import KINDS, database
from sqlalchemy import text
from world.intake_house import BSN, PROVIDER, House, bundle, condition, house, patient

from gateway.cli.db import SCRIPTS, upgrade
from gateway.cli.store import store
from gateway.store.engine import open_engine

LETTERS = [b"%PDF-1.7 first letter", b"%PDF-1.7 corrected letter"]


def run(hospital: House, *arguments: str) -> Result:
    environment = {"GATEWAY_DATABASE_URL": hospital.url, "GATEWAY_MODE": "test", "COLUMNS": "200"}
    result = CliRunner().invoke(store, list(arguments), env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def letter(content: bytes) -> dict[str, object]:
    """A transaction with a document and what describes it."""
    binary = {
        "resourceType": "Binary",
        "id": "b1",
        "contentType": "application/pdf",
        "content": base64.b64encode(content).decode(),
    }
    reference = {
        "resourceType": "DocumentReference",
        "id": "d1",
        "status": "current",
        "type": {"text": "Brief"},
        "subject": {"reference": "Patient/p1"},
        "indexed": "2026-01-01T00:00:00+01:00",
        "content": [{"attachment": {"contentType": "application/pdf", "url": "Binary/b1", "title": "Brief"}}],
    }
    return bundle("transaction", ("PUT", "Binary/b1", binary), ("PUT", "DocumentReference/d1", reference))


@pytest.mark.parametrize("kind", KINDS)
def test_every_version_of_a_document_can_be_opened(kind: str, tmp_path: Path) -> None:
    with house(kind, tmp_path) as hospital:
        hospital.send("PUT", "/intake/epd/Patient/p1", patient())
        for content in LETTERS:
            assert hospital.send("POST", "/intake/epd", letter(content)).status_code == 200
        assert hospital.send("POST", "/intake/epd", letter(LETTERS[1])).status_code == 200, "nothing new"

        told = run(hospital, "history", "Binary/b1", "--provider", PROVIDER).stdout.splitlines()
        assert [line.split()[0] for line in told] == ["1", "2"]
        assert all(f"document of {len(content)} bytes" in line for content, line in zip(LETTERS, told, strict=True))
        for number, content in enumerate(LETTERS, 1):
            opened = ("history", "Binary/b1", "--provider", PROVIDER, "--version", str(number), "--content")
            assert run(hospital, *opened).stdout_bytes == content
        file = tmp_path / "letter.pdf"
        run(hospital, *opened, "--output", str(file))
        assert (file.read_bytes(), file.stat().st_mode & 0o077) == (LETTERS[1], 0)

        hospital.send("DELETE", "/intake/epd/DocumentReference/d1")
        hospital.send("DELETE", "/intake/epd/Binary/b1")
        told = run(hospital, "history", "Binary/b1", "--provider", PROVIDER).stdout.splitlines()
        assert (len(told), "deleted" in told[2]) == (3, True)
        assert run(hospital, *opened).stdout_bytes == LETTERS[1]


@pytest.mark.parametrize("kind", KINDS)
def test_opening_a_version_is_in_the_access_trail(kind: str, tmp_path: Path) -> None:
    """LOG-09: under the pseudonym of the person; looking at the list of versions opens nothing."""
    with house(kind, tmp_path) as hospital:
        hospital.send("PUT", "/intake/epd/Patient/p1", patient())
        hospital.send("PUT", "/intake/epd/Condition/c1", condition())
        hospital.send("PUT", "/intake/epd/Condition/c1", condition(clinicalStatus="resolved"))
        before = hospital.audit()
        chosen = ("history", "Condition/c1", "--provider", PROVIDER)
        assert run(hospital, *chosen).exit_code == 0
        assert hospital.count("audit_record") == len(before)
        assert json.loads(run(hospital, *chosen, "--version", "1").stdout)["clinicalStatus"] == "active"
        with hospital.engine.connect() as connection:
            rows = [json.loads(row[0]) for row in connection.execute(text("select record from audit_record"))]
        (record,) = [row for row in rows if row["action"] == "operator:resource:read"]
        assert record["person"] == before[-1]["person"]
        assert (record["resources"], record["interaction"]) == ([["Condition", 1]], "history")
        assert BSN not in json.dumps(record)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with house("sqlite", tmp_path) as hospital:
        hospital.send("PUT", "/intake/epd/Patient/p1", patient())
        for wrong in (("Condition/c9",), ("Patient/p1", "--version", "2")):
            assert run(hospital, "history", *wrong, "--provider", PROVIDER).exit_code == 1
        assert run(hospital, "history", "Patient", "--provider", PROVIDER).exit_code == 2
        assert run(hospital, "history", "Patient/p1", "--provider", "another").exit_code == 2


@pytest.mark.parametrize("kind", KINDS)
def test_what_changed_can_be_followed(kind: str, tmp_path: Path) -> None:
    """Rows stay until they are taken, and only what was written is removed."""
    with house(kind, tmp_path) as hospital:
        hospital.send("PUT", "/intake/epd/Patient/p1", patient())
        hospital.send("PUT", "/intake/epd/Condition/c1", condition())
        hospital.send("DELETE", "/intake/epd/Condition/c1")
        rows = [json.loads(line) for line in run(hospital, "outbox").stdout.splitlines()]
        assert [(row["type"], row["deed"], row["version"]) for row in rows] == [
            ("Patient", "create", 1), ("Condition", "create", 1), ("Condition", "delete", 2),
        ]  # fmt: skip
        assert {row["patient"] for row in rows} == {"p1"}
        assert run(hospital, "outbox", "--take", "--limit", "2").stdout.count("\n") == 2
        (left,) = [json.loads(line) for line in run(hospital, "outbox", "--take").stdout.splitlines()]
        assert left["number"] == rows[2]["number"]
        assert run(hospital, "outbox").stdout == ""


@pytest.mark.parametrize("kind", KINDS)
def test_documents_of_before_come_along(kind: str, tmp_path: Path) -> None:
    """A store of the first schema: its documents are the content of the version that is served."""
    values = {"hash": hashlib.sha1(LETTERS[0], usedforsecurity=False).digest(), "data": LETTERS[0]}
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS))
        config.attributes["engine"] = engine
        command.upgrade(config, "0001")
        with engine.begin() as connection:
            connection.execute(text(
                "insert into resource (pk, provider, fhir, patient_id, type, id, source, version, digest, json, xml, "
                "updated, deleted) values (7, 'z', 'STU3', 'p1', 'Binary', 'b1', 'epd', 3, :hash, :hash, :hash, "
                "'2026-01-01 00:00:00', false)"
            ), values)  # fmt: skip
            connection.execute(text("insert into document values (7, 22, :hash)"), values)
            connection.execute(text("insert into document_content values (7, 0, :data)"), values)
        upgrade(engine)
        with engine.connect() as connection:
            kept = connection.execute(text("select version, number, data from document_content")).one()
            assert (kept[0], kept[1], bytes(kept[2])) == (3, 0, LETTERS[0])
            assert connection.execute(text("select version, size from document")).one() == (3, 22)
        engine.dispose()
