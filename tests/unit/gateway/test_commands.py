"""The command line as a user of it sees it: what it prints, and its exit codes (0 done, 1 findings, 2 usage)."""

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import COMMANDS, cli

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": "999990019"}],
    "birthDate": "1970-01-31",
}
FLAG = {
    "resourceType": "Flag",
    "id": "c1",
    "status": "active",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/p1"},
}


class Shell:
    """Runs commands against a database of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"GATEWAY_DATABASE_URL": f"sqlite:///{folder}/gateway.db", "GATEWAY_MODE": "test"}

    def run(self, *arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(cli, list(arguments), env=self.environment | environment)

    def write(self, name: str, content: object) -> str:
        path = self.folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path)
    assert made.run("db", "upgrade").exit_code == 0
    return made


def test_every_command_is_there_and_says_what_it_is_for() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    for name, (_, text) in COMMANDS.items():
        assert name in shown
        assert text.split(",")[0] in shown
        assert CliRunner().invoke(cli, [name, "--help"]).exit_code == 0


def test_import_stores_fills_in_and_masks(shell: Shell) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT}, {"resource": FLAG}]}
    done = shell.run("import", shell.write("b.json", bundle), "--provider", "ziekenhuiszandoord")
    assert done.exit_code == 0, done.output
    assert "2 stored, 0 unchanged, 0 refused" in done.output
    assert "bsn-masked 1" in done.output
    assert "profile-claimed" in done.output
    again = shell.run("import", str(shell.folder / "b.json"), "--provider", "ziekenhuiszandoord")
    assert "0 stored, 2 unchanged" in again.output


def test_import_takes_ndjson_xml_and_folders(shell: Shell) -> None:
    folder = shell.folder / "data"
    folder.mkdir()
    (folder / "a.ndjson").write_text("\n".join(json.dumps(one) for one in (PATIENT, FLAG)))
    (folder / "b.xml").write_text(
        '<Flag xmlns="http://hl7.org/fhir"><id value="f1"/><status value="active"/>'
        '<code><text value="Let op"/></code><subject><reference value="Patient/p1"/></subject></Flag>'
    )
    done = shell.run("import", str(folder), "--provider", "ziekenhuiszandoord")
    assert "3 stored" in done.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "JSON"),
        ('{"resourceType":"Condition","resourceType":"Flag"}', "resourceType"),
        ('{"resourceType":"Nonsense","id":"1"}', "unknown resource type"),
        ('{"resourceType":"Condition","id":"1"}', "no patient found"),
        ('{"resourceType":"Condition","id":"1","subject":{"reference":"Patient/x"}}', "Patient/x"),
        ("<!DOCTYPE a><Patient/>", "document type"),
        ("\x00", ""),
    ],
)
def test_import_refuses_with_the_file_and_the_reason(shell: Shell, content: str, said: str) -> None:
    path = shell.write("bad.json", content)
    done = shell.run("import", path, "--provider", "ziekenhuiszandoord")
    assert done.exit_code == 1
    assert "bad.json" in done.output
    assert said.lower() in done.output.lower()
    assert "Traceback" not in done.output


def test_import_goes_on_with_the_rest(shell: Shell) -> None:
    shell.write("good.json", PATIENT)
    shell.write("bad.json", "{")
    done = shell.run("import", str(shell.folder), "--provider", "ziekenhuiszandoord")
    assert done.exit_code == 1
    assert "1 stored" in done.output


def test_import_leaves_what_another_source_brought(shell: Shell) -> None:
    """Neither the resource nor who the patient is: two sources with one id are refused, not mixed."""
    first, second = PATIENT, PATIENT | {"birthDate": "1911-11-11"}
    to = ("--provider", "ziekenhuiszandoord")
    assert shell.run("import", shell.write("p.json", first), *to, "--source", "epd").exit_code == 0
    refused = shell.run("import", shell.write("p.json", second), *to, "--source", "archive")
    assert refused.exit_code == 1
    assert "Patient/p1: Patient/p1 belongs to another source" in refused.output
    with contextlib.closing(sqlite3.connect(shell.folder / "gateway.db")) as store:
        found = set(store.execute("select source, birth_date from patient"))
        assert found == {("epd", PATIENT.get("birthDate"))}
        assert set(store.execute("select source, version from resource")) == {("epd", 1)}


def test_usage_faults_are_exit_code_2(shell: Shell) -> None:
    assert shell.run("import", "/no/such/path", "--provider", "ziekenhuiszandoord").exit_code == 2
    assert shell.run("import", str(shell.folder), "--provider", "nobody").exit_code == 2
    assert shell.run("db", "upgrade", GATEWAY_DATABASE_URL="mysql://x/y").exit_code == 2
    assert shell.run("db", "upgrade", GATEWAY_LISTEN__PORT="abc").exit_code == 2
    assert shell.run("tokens", "load", shell.write("t.json", "[1]")).exit_code == 2
    assert shell.run("import", str(shell.folder), "--provider", "x", "--config", "/no/file.toml").exit_code == 2


def test_a_token_file_that_is_wrong_is_refused_without_repeating_it(shell: Shell) -> None:
    entry = {"token": "secret-token-of-someone", "provider": "ziekenhuiszandoord", "services": ["48"]}
    for change, said in (
        ({}, "bsn or patient"),
        ({"bsn": "123456789"}, "eleven test"),
        ({"x": 1, "bsn": "999990019"}, "x"),
    ):
        done = shell.run("tokens", "load", shell.write("t.json", [entry | change]))
        assert done.exit_code == 2
        assert said in done.output
        assert "secret-token" not in done.output


def test_audit_verify_on_an_empty_store(shell: Shell) -> None:
    done = shell.run("audit", "verify")
    assert done.exit_code == 0
    assert "0 records" in done.output


def test_production_refuses_what_is_for_tests_only(shell: Shell) -> None:
    done = shell.run("serve", GATEWAY_MODE="production")
    assert done.exit_code == 2
    assert "refused" in done.output
    tokens = shell.write("t.json", [{"token": "x" * 20, "provider": "z", "services": ["48"], "bsn": "999990019"}])
    assert shell.run("tokens", "load", tokens, GATEWAY_MODE="production").exit_code == 2
    assert shell.run("demo", "serve", GATEWAY_MODE="production").exit_code == 2


def test_doctor_says_what_is_wrong(shell: Shell) -> None:
    assert shell.run("doctor").exit_code == 0
    empty = shell.run("doctor", GATEWAY_DATABASE_URL=f"sqlite:///{shell.folder}/other.db")
    assert empty.exit_code == 1
    assert "gateway db upgrade" in " ".join(empty.output.split())
