"""Imports of any size and order: streaming, broken off and taken up again, releases told by what stands beside."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select
from world.intake_house import BSN, OTHER_BSN, PROVIDER, condition, patient, without

from gateway.audit.verify import verify
from gateway.cli.main import cli
from gateway.intake import bulk
from gateway.settings import TEST_KEY
from gateway.store.engine import open_engine
from gateway.store.schema import audit_record, outbox, resource
from profiles.fhir.codec.packing import unpack

Resource = dict[str, Any]
PERSONS = 30
MOMENT = re.compile(rb'"lastUpdated":"[^"]+",?')


class Shell:
    """The command on a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/gateway.db"
        self.environment = {"GATEWAY_DATABASE_URL": self.url, "GATEWAY_PACKAGE_CACHE": str(folder / "none"),
                            "COLUMNS": "300"}  # fmt: skip
        self.run("db", "upgrade")

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, env=self.environment)

    def load(self, *paths: Path, source: str = "epd", more: tuple[str, ...] = ()) -> Result:
        return self.run("import", *map(str, paths), "--provider", PROVIDER, "--source", source, *more)

    def held(self) -> set[tuple[str, str, str, str]]:
        """What is served: release, type, id, patient."""
        engine = open_engine(self.url)
        with engine.connect() as connection:
            rows = connection.execute(
                select(resource.c.fhir, resource.c.type, resource.c.id, resource.c.patient_id).where(
                    resource.c.deleted.is_(False)
                )
            ).all()
        engine.dispose()
        return {tuple(row) for row in rows}

    def count(self, table: Any) -> int:
        engine = open_engine(self.url)
        with engine.connect() as connection:
            found = connection.execute(select(func.count()).select_from(table)).scalar_one()
        engine.dispose()
        return int(found)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def population() -> Iterator[Resource]:
    """Persons with problems, contacts and letters; an organization that all of them name."""
    yield {"resourceType": "Organization", "id": "hospital", "name": "Ziekenhuis"}
    for number in range(PERSONS):
        whose = f"p{number}"
        yield patient(whose, None, managingOrganization={"reference": "Organization/hospital"})
        for turn in range(3):
            yield condition(f"c{number}-{turn}", whose)
        yield {"resourceType": "Encounter", "id": f"e{number}", "status": "finished", "class": {"code": "AMB"},
               "subject": {"reference": f"Patient/{whose}"}}  # fmt: skip
        # Names no patient: its encounter does.
        yield {"resourceType": "Specimen", "id": f"s{number}", "note": [{"text": "van de wond"}]}
        yield {
            "resourceType": "Observation", "id": f"o{number}", "status": "final", "code": {"text": "Kweek"},
            "context": {"reference": f"Encounter/e{number}"}, "subject": {"reference": f"Patient/{whose}"},
            "specimen": {"reference": f"Specimen/s{number}"},
        }  # fmt: skip


def write(folder: Path, form: str, resources: list[Resource]) -> Path:
    """The same resources as single files in any order, a Bundle per patient, or NDJSON per type."""
    folder.mkdir()
    if form == "files":
        random.Random(3).shuffle(resources)
        for number, one in enumerate(resources):
            (folder / f"{number:05}.json").write_text(json.dumps(one, indent=2))
    elif form == "ndjson":
        for one in resources:
            with (folder / f"{one['resourceType']}.ndjson").open("a") as file:
                file.write(json.dumps(one) + "\n")
    else:
        shared = [one for one in resources if one["resourceType"] == "Organization"]
        for number in range(PERSONS):
            mine = [one for one in resources if one["id"].removeprefix(one["id"][0]).split("-")[0] == str(number)]
            entries = [{"fullUrl": f"https://epd.example/{one['resourceType']}/{one['id']}", "resource": one}
                       for one in (*mine, *shared)]  # fmt: skip
            (folder / f"{number:03}.json").write_text(
                json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})
            )
    return folder


def test_a_folder_has_one_outcome_in_whatever_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bulk export, a Bundle per patient, single files in any order; in batches that cut through the persons."""
    monkeypatch.setattr(bulk, "BATCH", 20)
    found = {}
    for form in ("files", "ndjson", "bundles"):
        folder = tmp_path / form
        folder.mkdir()
        shell = Shell(folder)
        done = shell.load(write(folder / "in", form, list(population())), more=("--fhir", "stu3"))
        assert done.exit_code == 0, done.output
        assert f"{7 * PERSONS + 1} stored, 0 unchanged, 0 refused" in done.output
        assert ("29 said again" in done.output) == (form == "bundles"), "the organization is in every Bundle"
        engine = open_engine(shell.url)
        with engine.connect() as connection:
            rows = connection.execute(select(resource.c.type, resource.c.id, resource.c.patient_id, resource.c.json))
            found[form] = sorted((*row[:3], MOMENT.sub(b"", unpack(bytes(row[3])))) for row in rows)
            assert not list(verify(connection, TEST_KEY.encode()))
        engine.dispose()
        assert shell.count(outbox) == 7 * PERSONS + 1
    assert found["files"] == found["ndjson"] == found["bundles"]
    assert ("Specimen", "s7", "p7") in {row[:3] for row in found["files"]}


def test_a_person_of_more_than_a_batch_is_whole(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What names no patient follows what points at it, also when that stood in an earlier batch."""
    monkeypatch.setattr(bulk, "BATCH", 4)
    letters = [
        {"resourceType": "DocumentReference", "id": f"d{n}", "status": "current", "type": {"text": "Brief"},
         "indexed": "2026-01-01T10:00:00Z", "subject": {"reference": "Patient/p1"},
         "content": [{"attachment": {"contentType": "application/pdf", "url": f"Binary/b{n}"}}]}
        for n in range(12)
    ]  # fmt: skip
    binaries = [{"resourceType": "Binary", "id": f"b{n}", "contentType": "application/pdf", "content": "JVBERi0="}
                for n in range(12)]  # fmt: skip
    folder = write(shell.folder / "in", "ndjson", [*binaries, *letters, patient("p1"), patient("p2", OTHER_BSN)])
    done = shell.load(folder, more=("--fhir", "stu3"))
    assert done.exit_code == 0, done.output
    assert {row[3] for row in shell.held() if row[1] == "Binary"} == {"p1"}


def test_killed_half_way_it_goes_on(shell: Shell) -> None:
    """A kill leaves whole batches; the next run finds them unchanged, and nothing is there twice."""
    folder = write(shell.folder / "in", "ndjson", list(population()))
    code = "from gateway.intake import bulk; bulk.BATCH = 10; from gateway.cli.main import main; main()"
    command = [sys.executable, "-c", code, "import", str(folder), "--provider", PROVIDER, "--source", "epd",
               "--fhir", "stu3"]  # fmt: skip
    running = subprocess.Popen(command, env=os.environ | shell.environment)
    until = time.monotonic() + 60
    while shell.count(resource) < 30 and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    kept = shell.count(resource)
    assert kept >= 30
    done = shell.load(folder, more=("--fhir", "stu3"))
    assert done.exit_code == 0, done.output
    assert f"{7 * PERSONS + 1 - kept} stored, {kept} unchanged, 0 refused" in done.output
    assert shell.count(outbox) == 7 * PERSONS + 1


def test_a_person_in_another_release_is_the_same_person(shell: Shell) -> None:
    first, other = shell.folder / "a.json", shell.folder / "b.json"
    first.write_text(json.dumps(without(patient("p1"), "meta")))
    other.write_text(json.dumps(without(patient("p1", OTHER_BSN), "meta")))
    assert shell.load(first, more=("--fhir", "stu3")).exit_code == 0
    refused = shell.load(other, more=("--fhir", "r4"))
    assert refused.exit_code == 1
    assert "Patient/p1 has another BSN" in refused.output
    assert {row[0] for row in shell.held()} == {"stu3"}


R4 = {"resourceType": "Condition", "id": "r", "subject": {"reference": "Patient/p"},
      "clinicalStatus": {"coding": [{"code": "active"}]}, "recorder": {"reference": "Practitioner/d"}}  # fmt: skip
STU3 = {"resourceType": "Condition", "id": "s", "subject": {"reference": "Patient/p"}, "clinicalStatus": "active",
        "asserter": {"reference": "Practitioner/d"}}  # fmt: skip
BARE = ({"resourceType": "Patient", "id": "p", "name": [{"family": "Proef"}]},
        {"resourceType": "Practitioner", "id": "d", "name": [{"family": "Dokter"}]})  # fmt: skip


@pytest.mark.parametrize(
    ("told", "releases"),
    [((R4,), {"r4"}), ((STU3,), {"stu3"}), ((R4, STU3), {"r4", "stu3"}), ((), {"r4", "stu3"})],
    ids=["R4 beside it", "STU3 beside it", "both name it", "nothing tells"],
)
@pytest.mark.parametrize("form", ["files", "ndjson"])
def test_what_fits_both_releases_goes_where_it_is_named(
    shell: Shell, form: str, told: tuple[Resource, ...], releases: set[str]
) -> None:
    done = shell.load(write(shell.folder / "in", form, [*BARE, *told]))
    assert done.exit_code == 0, done.output
    assert f"{2 + len(told)} stored" in done.output
    assert ("could be STU3 and R4" in done.output) == (not told)
    held = shell.held()
    assert {row[0] for row in held if row[1] == "Patient"} == releases
    assert {row[0] for row in held if row[1] == "Practitioner"} == releases


def test_a_folder_of_another_release_tells_nothing_of_this_one(shell: Shell) -> None:
    """Two exports in one import: each folder tells of its own."""
    old, new = ({**BARE[0], "id": name} for name in ("old", "new"))
    write(shell.folder / "old", "files", [old, {**STU3, "subject": {"reference": "Patient/old"}}])
    write(shell.folder / "new", "files", [new, {**R4, "subject": {"reference": "Patient/new"}}])
    assert shell.load(shell.folder / "old", shell.folder / "new").exit_code == 0
    assert {row[:3] for row in shell.held() if row[1] == "Patient"} == {
        ("stu3", "Patient", "old"), ("r4", "Patient", "new"),
    }  # fmt: skip


def test_no_copy_is_left_behind(shell: Shell) -> None:
    """What is in both releases is brought up to date in both, though the second import tells one."""
    folder = write(shell.folder / "one", "files", [*BARE])
    assert shell.load(folder).exit_code == 0
    changed = {**BARE[0], "gender": "female"}
    assert shell.load(write(shell.folder / "two", "files", [changed, R4])).exit_code == 0
    engine = open_engine(shell.url)
    with engine.connect() as connection:
        bodies = connection.execute(select(resource.c.json).where(resource.c.type == "Patient")).scalars().all()
    engine.dispose()
    assert [json.loads(unpack(body)).get("gender") for body in bodies] == ["female", "female"]


def test_refusals_name_the_file_and_the_line_and_no_number(shell: Shell) -> None:
    file = shell.folder / f"{BSN}.ndjson"
    lines = [json.dumps(patient("p1")), "{", "", json.dumps(condition(whose="nobody")), '{"resourceType":"Patient",']
    file.write_text("\n".join(lines))
    done = shell.load(file, more=("--fhir", "stu3"))
    assert done.exit_code == 1
    for line in (2, 4, 5):
        assert f"{file}:{line}: " in done.output
    assert "1 stored, 0 unchanged, 3 refused" in done.output
    engine = open_engine(shell.url)
    with engine.connect() as connection:
        records = connection.execute(select(audit_record.c.record)).scalars().all()
    engine.dispose()
    assert records
    assert all(BSN.encode() not in record for record in records), "a file may be named after a person"


def test_nothing_to_read_is_said_and_is_no_success(shell: Shell) -> None:
    """A mistyped folder: who loads data every night must not take an empty one for done."""
    for name, content in {"notes.txt": "no FHIR", "empty.ndjson": ""}.items():
        (shell.folder / name).write_text(content)
    for command in (shell.load(shell.folder), shell.run("validate", str(shell.folder))):
        assert command.exit_code == 2
        assert "nothing to read here" in command.output
        assert str(shell.folder) in command.output


def test_an_import_is_recorded_as_one(shell: Shell) -> None:
    file = shell.folder / "c.ndjson"
    file.write_text("\n".join(map(json.dumps, (patient("p1"), condition()))))
    assert shell.load(file, more=("--fhir", "stu3")).exit_code == 0
    engine = open_engine(shell.url)
    with engine.connect() as connection:
        (record,) = (json.loads(one) for one in connection.execute(select(audit_record.c.record)).scalars())
    engine.dispose()
    assert (record["action"], record["interaction"]) == ("operator:resource:create", "import")
    assert record["resources"] == [["Condition", 1], ["Patient", 1]]
    assert record["reason"] == "epd: c.ndjson"
    assert record["client"]
    assert record["person"]


def test_what_a_policy_blocks_is_tried_again_by_an_operator(shell: Shell) -> None:
    file = shell.folder / "c.ndjson"
    file.write_text("\n".join(map(json.dumps, (patient("p1"), condition(clinicalStatus="present")))))
    shell.environment["GATEWAY_VALIDATION__POLICY"] = "block"
    done = shell.load(file, more=("--fhir", "stu3"))
    assert done.exit_code == 1
    assert "1 held back" in done.output
    assert "in quarantine: 1" in done.output
    shell.environment["GATEWAY_VALIDATION__POLICY"] = "observe"
    assert "1: taken in" in shell.run("intake", "retry", "1").output
    assert ("stu3", "Condition", "c1", "p1") in shell.held()
