"""gateway convert: files, lines and standard input to R4; what is lost for people and for machines; exit codes."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from gateway.cli.convert import convert_command
from profiles.fhir.codec import xmlio
from profiles.fhir.version import FhirVersion

PROBLEM = {
    "resourceType": "Condition",
    "id": "c",
    "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-Problem"]},
    "clinicalStatus": "active",
    "bodySite": [{"text": "knie"}, {"text": "enkel"}],
    "subject": {"reference": "Patient/p"},
}
LAB = '{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}'


def run(folder: Path, *words: str, stdin: bytes | None = None) -> Result:
    words = ("--to", "r4", "--package-cache", str(folder / "none"), *words)
    return CliRunner().invoke(convert_command, words, input=stdin)


def file(folder: Path, name: str, *rows: Any) -> str:
    path = folder / name
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def test_lines_go_out_and_losses_are_told_beside_them(tmp_path: Path) -> None:
    done = run(tmp_path, "--lang", "en", file(tmp_path, "c.json", PROBLEM))
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["clinicalStatus"]["coding"][0]["code"] == "active"
    assert "Condition/c, Condition.bodySite: only the first body site is kept (" in done.stderr
    assert done.exit_code == 0


def test_digits_stay_on_their_way_through_the_command(tmp_path: Path) -> None:
    assert '"value":1.50' in run(tmp_path, file(tmp_path, "o.ndjson", LAB, LAB.replace('"o"', '"o2"'))).stdout


def test_machines_get_one_document_and_files_have_safe_names(tmp_path: Path) -> None:
    odd = {"resourceType": "Flag", "id": "../../evil", "status": "active"}
    done = run(tmp_path, "--json", "--out", str(tmp_path / "out"), file(tmp_path, "all.ndjson", PROBLEM, odd))
    answer = json.loads(done.stdout)
    assert (answer["to"], answer["written"]) == ("r4", 2)
    assert answer["losses"][0]["id"] == "LL-06"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["Condition-c.json", "Flag-nr2.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.ndjson", "out"], "nothing is written elsewhere"


def test_xml_in_and_out_and_a_bundle_on_standard_input(tmp_path: Path) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PROBLEM}]}
    data = xmlio.dump(bundle, FhirVersion.STU3)
    assert run(tmp_path, "--format", "xml", "--out", str(tmp_path / "x"), "-", stdin=data).exit_code == 0
    assert xmlio.parse((tmp_path / "x" / "Condition-c.xml").read_bytes(), FhirVersion.R4)["id"] == "c"


def test_lines_on_standard_input_are_told_by_number_when_one_cannot_be_read(tmp_path: Path) -> None:
    done = run(tmp_path, "-", stdin=json.dumps(PROBLEM).encode() + b"\n{oops\n" + LAB.encode())
    assert len(done.stdout.splitlines()) == 2
    assert "-:2: " in done.stderr
    assert done.exit_code == 1


def test_what_is_wrong_in_r4_is_left_out_when_that_is_asked(tmp_path: Path) -> None:
    faulty = file(tmp_path, "f.json", {"resourceType": "Observation", "id": "o", "status": "final"})
    assert run(tmp_path, faulty).exit_code == 1
    strict = run(tmp_path, "--strict", faulty)
    assert (strict.stdout, strict.exit_code) == ("", 1)


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    assert run(tmp_path, str(tmp_path / "nowhere.json")).exit_code == 2
    assert run(tmp_path, "--format", "xml", file(tmp_path, "c.json", PROBLEM)).exit_code == 2


def test_an_operation_outcome_is_written_only_when_asked_for(tmp_path: Path) -> None:
    """ZC-03"""
    source = file(tmp_path, "c.json", PROBLEM)
    assert "OperationOutcome" not in run(tmp_path, source).stdout
    *_, last = run(tmp_path, "--outcome", "--lang", "en", source).stdout.splitlines()
    told = [(issue["diagnostics"], issue["expression"]) for issue in json.loads(last)["issue"]]
    assert told[0] == ("partial LL-06", ["Condition.bodySite"])


def test_the_way_back_by_the_same_command_and_what_belongs_together(tmp_path: Path) -> None:
    home = {
        "resourceType": "Observation", "id": "h", "status": "final",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "365508006"}]},
        "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-LivingSituation"]},
        "valueCodeableConcept": {"text": "flat"},
    }  # fmt: skip
    run(tmp_path, "--out", str(tmp_path / "r4"), file(tmp_path, "h.ndjson", home, PROBLEM))
    assert sorted(path.name for path in (tmp_path / "r4").iterdir()) == [
        "Condition-c.json", "Observation-h.house.json", "Observation-h.json",
    ]  # fmt: skip
    done = run(tmp_path, "--to", "stu3", "--together", "--json", "--out", str(tmp_path / "b"), str(tmp_path / "r4"))
    answer = json.loads(done.stdout)
    assert (answer["to"], answer["written"]) == ("stu3", 2)
    made = json.loads((tmp_path / "b" / "Observation-h.json").read_bytes())
    assert made["valueCodeableConcept"] == {"text": "flat"}
    assert json.loads((tmp_path / "b" / "Condition-c.json").read_bytes())["clinicalStatus"] == "active"


def test_what_would_turn_its_meaning_is_not_written_and_ends_with_1(tmp_path: Path) -> None:
    never = {"resourceType": "MedicationRequest", "id": "m", "status": "active", "doNotPerform": True}
    done = run(tmp_path, "--to", "stu3", "--lang", "en", file(tmp_path, "m.json", never))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "MedicationRequest.doNotPerform: turns the meaning and has no place in STU3" in done.stderr
