"""The command, on a server of this machine: progress, reports, exit codes."""

import asyncio
import json
import threading
import time

import pytest
import uvicorn
from click.testing import CliRunner
from servers import free_port
from timing import LONG
from unit.workbench.qualify.scripts import assertion, document, operation
from unit.workbench.qualify.xis import Xis

from gateway.cli.db import upgrade
from gateway.store.engine import open_engine
from profiles.fhir.version import FhirVersion
from workbench.cli.qualify import qualify

GOOD = document(operation(resource="Patient"), assertion(responseCode="200"))
BAD = document(operation(resource="Patient"), assertion(responseCode="201"))
ODD = document(operation(resource="Patient"), assertion(path="x"))


@pytest.fixture(scope="module")
def base():
    """A server that really listens."""
    port = free_port()
    app = Xis(FhirVersion.STU3, [{"resourceType": "Patient", "id": "rich"}], {"rich-token-0001": "rich"})
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", lifespan="off", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    deadline = time.monotonic() + LONG
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}/fhir"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "_reference").mkdir()
    (tmp_path / "XIS-Server").mkdir()
    (tmp_path / "XIS-Server/good-json.xml").write_bytes(GOOD)
    return tmp_path


def run(*args):
    return CliRunner().invoke(qualify, [str(arg) for arg in args])


def test_a_server_that_passes_gives_exit_code_0_and_reports(base, folder, tmp_path):
    result = run("run", folder, "--base", base, "--report", tmp_path / "out", "--date", "2026-03-31", "--parallel", 2)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out/results.json").read_text())
    assert report["status"] == "passed"
    assert report["run"]["Dates relative to"] == "2026-03-31"
    assert (tmp_path / "out/junit.xml").exists()


def test_a_folder_alone_means_run(base, folder):
    assert run(folder, "--base", base).exit_code == 0


@pytest.mark.parametrize(("data", "said"), [(BAD, "failed"), (ODD, "not evaluated")])
def test_a_failure_or_an_unevaluated_assert_gives_exit_code_1(base, folder, data, said):
    (folder / "XIS-Server/other-json.xml").write_bytes(data)
    result = run("run", folder, "--base", base)
    assert result.exit_code == 1
    assert said in result.output


def test_scripts_can_be_chosen_by_format_name_and_role(base, folder):
    (folder / "XIS-Server/bad-json.xml").write_bytes(BAD)
    assert run("run", folder, "--base", base, "--script", "good").exit_code == 0
    assert run("run", folder, "--base", base, "--format", "xml").exit_code == 2
    assert run("run", folder, "--base", base, "--role", "PHR-Client").exit_code == 2
    assert "good-json.xml" in run("run", folder, "--list").output


def test_a_base_can_differ_per_script(base, folder):
    assert run("run", folder, "--base", f"XIS-Server={base}").exit_code == 0
    assert run("run", folder, "--base", f"Other={base}").exit_code == 2


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty gateway in test mode."""
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    monkeypatch.setenv("GATEWAY_MODE", "test")
    monkeypatch.setenv("GATEWAY_DATABASE_URL", url)
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()
    return url


PATIENT = b"""<Patient xmlns="http://hl7.org/fhir"><id value="rich"/>
  <name><family value="Testpersoon"/></name><birthDate value="${DATE, T, Y, -30}"/></Patient>"""


def test_a_set_is_loaded_into_the_gateway(store, folder):
    (folder / "_reference/p.xml").write_bytes(PATIENT)
    (folder / "QualificationTokens.json").write_text(
        json.dumps([{"accessToken": "Bearer rich-token-0001-long", "resourceId": "rich", "bsn": "999990019"}])
    )
    args = ["load", folder, "--provider", "ziekenhuiszandoord", "--service", "48", "--date", "2026-03-31"]
    result = run(*args)
    assert result.exit_code == 0, result.output
    assert "1 stored, 0 unchanged, 0 refused, 1 tokens" in result.output
    assert "0 stored, 1 unchanged" in run(*args).output
    (folder / "_reference/broken.xml").write_bytes(b"<Patient xmlns='http://hl7.org/fhir'><odd/></Patient>")
    result = run(*args)
    assert result.exit_code == 1
    assert "broken.xml" in result.output
    assert "999990019" not in result.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--provider", "nobody"], "unknown provider"),
        (["--service", "1"], "does not offer service 1"),
        (["--tokens", "TOKENS"], "token table"),
    ],
)
def test_a_set_is_not_loaded_where_it_does_not_belong(store, folder, change, said):
    (folder / "_reference/p.xml").write_bytes(PATIENT)
    (folder / "tokens.json").write_text("no json")
    change = [str(folder / "tokens.json") if part == "TOKENS" else part for part in change]
    result = run("load", folder, "--provider", "ziekenhuiszandoord", "--service", "48", *change)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    "args",
    [
        ["run"],
        ["run", "nowhere", "--base", "http://127.0.0.1:1/fhir"],
        ["run", "FOLDER"],
        ["run", "FOLDER", "--base", "ftp://x"],
        ["run", "FOLDER", "--base", "http://127.0.0.1:1/fhir"],
        ["run", "FOLDER", "--base", "http://127.0.0.1:1/fhir", "--date", "yesterday"],
        ["run", "FOLDER", "--base", "http://127.0.0.1:1/fhir", "--variable", "x"],
        ["load", "FOLDER"],
    ],
)
def test_wrong_usage_gives_exit_code_2_and_one_clear_line(folder, args):
    result = run(*[folder if arg == "FOLDER" else arg for arg in args])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
