"""gateway summary: one person's files become a document; two persons and unreadable files are told."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from gateway.cli.summary import summary_command

PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "identifier": [{"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": "999911120"}],
    "name": [{"text": "J. Proef"}],
}
PROBLEM = {
    "resourceType": "Condition",
    "id": "c",
    "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-Problem"]},
    "clinicalStatus": "active",
    "verificationStatus": "confirmed",
    "code": {"text": "pijn"},
    "subject": {"reference": "Patient/p"},
}


def run(folder: Path, *rows: Any) -> Result:
    lines = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()
    words = ["--institution", "Huis", "--lang", "en", "--package-cache", str(folder / "none"), "-"]
    return CliRunner().invoke(summary_command, words, input=lines)


def test_files_of_stu3_become_a_document_without_a_bsn(tmp_path: Path) -> None:
    done = run(tmp_path, PATIENT, PROBLEM)
    document = json.loads(done.stdout)
    assert (done.exit_code, document["type"]) == (0, "document")
    kinds = [row["resource"]["resourceType"] for row in document["entry"]]
    assert kinds == ["Composition", "Patient", "Organization", "Condition"]
    assert document["entry"][0]["resource"]["section"][0]["title"] == "Problems"
    assert "999911120" not in done.stdout


def test_what_cannot_be_read_or_is_wrong_is_left_out_and_told(tmp_path: Path) -> None:
    wrong = {**PROBLEM, "id": "w", "onsetDateTime": "yesterday"}
    done = run(tmp_path, PATIENT, "{oops", wrong)
    assert done.exit_code == 1
    assert "-:2: " in done.stderr
    assert "Condition/w is left out: " in done.stderr
    assert "yesterday" not in done.stdout


def test_two_persons_have_no_summary(tmp_path: Path) -> None:
    done = run(tmp_path, PATIENT, {**PATIENT, "id": "q"})
    assert (done.exit_code, done.stdout) == (2, "")
    assert "one patient" in done.stderr
