"""gateway validate: files, folders, standard input and NDJSON; exit codes 0, 1 and 2."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.validate import validate
from profiles.fhir.codec import xmlio
from profiles.fhir.version import FhirVersion

PROFILE = "http://example.org/StructureDefinition/problem"
RIGHT = {"resourceType": "Condition", "id": "c", "clinicalStatus": "active", "subject": {"reference": "Patient/1"}}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A package cache with one small profile for STU3."""
    folder = tmp_path / "cache" / "test.problem#1.0.0" / "package"
    folder.mkdir(parents=True)
    manifest = {"name": "test.problem", "version": "1.0.0", "fhirVersions": ["3.0.2"]}
    elements = [
        {"id": "Condition", "path": "Condition", "alias": ["Probleem"]},
        {"id": "Condition.clinicalStatus", "path": "Condition.clinicalStatus", "min": 1, "alias": ["ProbleemStatus"]},
    ]
    for element, concept in zip(elements, ("5.1.1", "5.1.4"), strict=True):
        element["mapping"] = [{"identity": "hcim-problem-v4.1-2017EN", "map": f"NL-CM:{concept}", "comment": "Status"}]
    structure = {
        "resourceType": "StructureDefinition",
        "url": PROFILE,
        "type": "Condition",
        "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Condition",
        "differential": {"element": elements},
    }
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / "StructureDefinition-problem.json").write_text(json.dumps(structure))
    return tmp_path / "cache"


def run(cache: Path, *args: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(validate, ["--package-cache", str(cache), *args], input=stdin)


def lines(*rows: Any) -> bytes:
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


def test_ndjson_answers_every_line_in_order(cache: Path) -> None:
    wrong = {key: value for key, value in RIGHT.items() if key != "clinicalStatus"}
    rows = [
        {"id": "a", "fhir": "stu3", "profile": PROFILE, "resource": RIGHT},
        {"id": "b", "fhir": "3", "profile": PROFILE, "resource": wrong},
        b"{not json",
        {"id": 4, "fhir": "r5", "resource": RIGHT},
        {"id": "e", "fhir": 4, "resource": RIGHT},
        {"id": "f", "fhir": "stu3", "profile": "http://example.org/none", "resource": RIGHT},
        {"id": "g", "fhir": "stu3", "resource": None},
    ]
    result = run(cache, "--ndjson", "--lang", "en", stdin=lines(*rows))
    answers = [json.loads(line) for line in result.output.splitlines()]
    assert [answer["id"] for answer in answers] == ["a", "b", None, 4, "e", "f", "g"]
    assert [answer["valid"] for answer in answers] == [True, False, False, False, False, True, False]
    assert answers[5]["verdict"] == "unchecked", "a profile that is not here says nothing against the resource"
    issue = answers[1]["issues"][0]
    assert set(issue) == {"severity", "code", "expression", "rule", "zib", "text"}
    assert issue["zib"] == "Probleem, ProbleemStatus, NL-CM 5.1.4"
    assert (issue["severity"], issue["code"], issue["rule"]) == ("error", "required", "cardinality")
    assert issue["expression"] == "Condition.clinicalStatus"
    assert result.exit_code == 1
    assert run(cache, "--ndjson", stdin=lines(rows[0])).exit_code == 0


def test_a_profile_of_the_command_line_that_nobody_knows_is_a_wrong_option(cache: Path) -> None:
    result = run(cache, "--ndjson", "--profile", "http://example.org/typo", stdin=lines({"resource": RIGHT}))
    assert result.exit_code == 2
    assert "http://example.org/typo" in result.output + result.stderr


def test_ndjson_is_flushed_line_by_line(cache: Path) -> None:
    command = [sys.executable, "-m", "gateway.cli.validate", "--ndjson", "--package-cache", str(cache)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for name in ("een", "twee"):
            process.stdin.write(lines({"id": name, "fhir": "stu3", "resource": RIGHT}))
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == name
        process.stdin.close()
        assert process.wait(timeout=20) == 0


def test_files_and_folders_in_json_and_xml(cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(RIGHT))
    (folder / "b.xml").write_bytes(xmlio.dump({**RIGHT, "id": "b"}, FhirVersion.STU3))
    (folder / "notes.txt").write_text("not looked at")
    result = run(cache, str(folder), "--fhir", "stu3")
    assert result.exit_code == 0
    assert "2 goed, 0 fout" in result.output
    (folder / "c.json").write_text('{"resourceType": "Condition",\n "subject": {"reference": "Patient/1"},\n "foo": 1}')
    result = run(cache, str(folder), "--fhir", "stu3", "--profile", PROFILE, "--lang", "en")
    assert result.exit_code == 1
    assert "foo is not an element of Condition." in result.output
    assert "Condition.foo (3:2)" in result.output


def test_the_release_is_told_by_the_profile(cache: Path) -> None:
    claimed = {**RIGHT, "meta": {"profile": [PROFILE]}}
    assert run(cache, "-", stdin=json.dumps(claimed).encode()).exit_code == 0


@pytest.mark.parametrize("form", ["ndjson", "outcome", "html", "text"])
def test_every_form_of_output(cache: Path, form: str) -> None:
    wrong = json.dumps({**RIGHT, "clinicalStatus": "actief <b>"}).encode()
    result = run(cache, "-", "--format", form, "--fhir", "stu3", stdin=wrong)
    assert result.exit_code == 1
    assert "actief" in result.output
    if form == "html":
        assert "<b>" not in result.output
        assert "&lt;b&gt;" in result.output
    if form == "outcome":
        assert json.loads(result.output)["issue"][0]["expression"] == ["Condition.clinicalStatus"]


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"<Patient", b'{"resourceType": "Zib"}', b"\xff\xfe", b"\x00" * 9])
def test_what_cannot_be_read_is_a_finding(cache: Path, data: bytes) -> None:
    result = run(cache, "-", stdin=data)
    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    "args", [["absent.json"], ["--ndjson", "absent.ndjson"], [], ["--fhir", "r9", "-"], ["--package", "absent", "-"]]
)
def test_wrong_usage_is_exit_code_2(cache: Path, args: list[str]) -> None:
    result = run(cache, *args, stdin=b"{}")
    assert result.exit_code == 2
