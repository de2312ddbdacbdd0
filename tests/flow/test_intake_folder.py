"""A laboratory puts files in a folder: taken once, answered by line, column and zib element, and put away."""

import csv
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from databases import KINDS
from hypothesis import given
from hypothesis import strategies as st
from timing import until
from world.cda_documents import cda, target
from world.flat_files import HEADS, PEOPLE, lab, lines
from world.intake_house import BSN, House, house, source

from adapters.port import AdapterMisconfigured
from gateway.intake.flat.folder import FolderBusy
from gateway.intake.flat.lines import FlatFault, rows
from gateway.intake.flat.mapping import FlatFormat, load_flat
from gateway.intake.flat.watch import watch
from gateway.wiring import recording
from profiles.fhir.codec.packing import unpack

ROOT = Path(__file__).parents[2]


@dataclass
class Laboratory:
    """The folder of a laboratory, and the hospital that watches it."""

    hospital: House
    folder: Path

    def drop(self, name: str, content: str | bytes, encoding: str = "windows-1252") -> None:
        (self.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode(encoding))

    def look(self) -> bool:
        with recording(self.hospital.engine, self.hospital.settings) as trail:
            return watch(self.hospital.parts.intake, ["lab"], trail.write_now, once=True)

    def there(self) -> set[str]:
        """Where the files are; answers and what is ours left out."""
        found = [one for one in self.folder.rglob("*") if one.is_file() and not one.name.startswith(".")]
        return {str(one.relative_to(self.folder)) for one in found if not one.name.endswith(".answer.csv")}

    def answer(self, name: str) -> list[dict[str, str]]:
        with (self.folder / f"{name}.answer.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter=";"))

    def results(self) -> dict[str, str]:
        """Values of the stored observations by id."""
        stored = self.hospital.stored()
        return {
            key.partition("/")[2]: str(one["valueQuantity"]["value"]) for key, one in stored.items() if key[0] == "O"
        }


@pytest.fixture(params=KINDS)
def laboratory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Laboratory]:
    given_source = source(auth={"kind": "folder"}, folder=lab(tmp_path), cda={})
    with house(request.param, tmp_path, lab=given_source) as hospital:
        yield Laboratory(hospital, tmp_path / "in")


def test_files_are_taken_once_in_their_order_and_answered(laboratory: Laboratory) -> None:
    """Patients before results, whatever their names; Windows-1252 and UTF-8 with a mark; comma, Dutch dates."""
    laboratory.drop("uitslagen-1.csv", f"{HEADS}\n" + lines(1, 450))
    laboratory.drop("patienten.csv", PEOPLE, "utf-8-sig")
    laboratory.drop("half.csv.tmp", "x")
    assert laboratory.look()
    assert laboratory.there() == {"done/uitslagen-1.csv", "done/patienten.csv", "half.csv.tmp"}
    assert len(laboratory.results()) == 450
    assert set(laboratory.results().values()) == {"4.1"}
    stored = laboratory.hospital.stored()
    assert b'"value":4.10' in raw(laboratory.hospital, "uitslag-1")
    assert stored["Observation/uitslag-1"]["effectiveDateTime"] == "2026-02-01"
    assert stored["Patient/4711"]["birthDate"] == "1970-01-31"
    (told,) = laboratory.answer("done/uitslagen-1.csv")
    assert told["text"] == "450 lines: 450 stored, 0 unchanged, 0 refused"
    assert len(laboratory.hospital.audit()) >= 4


def raw(hospital: House, id_: str) -> bytes:
    from sqlalchemy import select

    from gateway.store.schema import resource

    with hospital.engine.connect() as connection:
        return unpack(
            bytes(bytes(connection.execute(select(resource.c.json).where(resource.c.id == id_)).scalar_one()))
        )


def test_a_wrong_line_is_named_with_its_column_and_zib_element_and_the_rest_is_taken(laboratory: Laboratory) -> None:
    laboratory.drop("patienten.csv", PEOPLE, "utf-8")
    content = [
        HEADS,
        '1;4711;"Kalium; ""vol""bloed";01-02-2026;4,1;mmol/L;',
        "7;4711;Kalium;31-02-2026;4,1;mmol/L;",
        "8;4711;Kalium;01-02-2026;veel;mmol/L;",
        "9;4712;Kalium;01-02-2026;4,1;mmol/L;",
        "5;4711;Kalium;01-02-2026;4,1;mmol/L;",
        "5;4711;Kalium;01-02-2026;4,2;mmol/L;",
        "6;4711;Kalium;01-02-2026;4,1;mmol/L;",
        "6;4711;Kalium;01-02-2026;4,1;mmol/L;",
    ]
    laboratory.drop("uitslag.csv", "\n".join(content))
    assert not laboratory.look()
    told = {(one["line"], one["element"], one["column"], one["zib"]) for one in laboratory.answer("done/uitslag.csv")}
    assert ("3", "Observation.effectiveDateTime", "datum", "ResultaatDatumTijd") in told
    assert ("4", "Observation.valueQuantity.value", "uitslag", "TestUitslag") in told
    assert {line for line, *_ in told} == {"0", "3", "4", "5", "6", "7"}
    assert set(laboratory.results()) == {"uitslag-1", "uitslag-6"}
    assert laboratory.hospital.stored()["Observation/uitslag-1"]["code"]["text"] == 'Kalium; "vol"bloed'
    assert BSN not in str(laboratory.answer("done/uitslag.csv"))
    laboratory.drop("uitslag2.csv", f"{HEADS}\n1;4711;Kalium;;;;vervallen\n")
    assert laboratory.look()
    assert set(laboratory.results()) == {"uitslag-6"}


def test_heads_in_another_order_and_a_file_that_comes_twice(laboratory: Laboratory) -> None:
    """The same file again changes nothing, also when a later one said otherwise."""
    laboratory.drop("patienten.csv", PEOPLE, "utf-8")
    first = "UITSLAG;stand;Eenheid;Datum;bepaling;patient;nummer;extra\n4,10;;mmol/L;01-02-2026;Kalium;4711;1;x\n"
    laboratory.drop("uitslag-a.csv", first)
    laboratory.look()
    laboratory.drop("uitslag-b.csv", first.replace("4,10", "4,20"))
    laboratory.look()
    laboratory.drop("uitslag-c.csv", first)
    laboratory.look()
    assert laboratory.results() == {"uitslag-1": "4.2"}
    (told,) = laboratory.answer("done/uitslag-c.csv")
    assert "the same file as uitslag-a.csv" in told["text"]


FAULTS = {
    "a column less": (HEADS.replace(";uitslag", "") + "\n1;4711;Kalium;01-02-2026;mmol/L;\n", "2", "no such column"),
    "cut off": (f"{HEADS}\n" + lines(1, 3)[:-12], "4", "columns in place of"),
    "quoted wrongly": (f'{HEADS}\n1;4711;"Kalium;01-02-2026;4,1;mmol/L;\n', "2", "CSV"),
    "another encoding": (f"{HEADS}\n1;4711;K\x81;01-02-2026;4,1;mmol/L;\n".encode("latin-1"), "1", "encoding"),
    "a column twice": (f"{HEADS};uitslag\n", "1", "twice"),
    "nothing": ("", "1", "no line with the names"),
    "heads alone": (f"{HEADS}\n", "0", "nothing in it"),
    "no text": (f"{HEADS}\n1;\0;;;;;\n", "2", "NUL"),
}


def test_a_file_that_cannot_be_read_whole_leaves_nothing(laboratory: Laboratory) -> None:
    laboratory.drop("patienten.csv", PEOPLE, "utf-8")
    for name, (content, _, _) in FAULTS.items():
        laboratory.drop(f"uitslag {name}.csv", content)
    laboratory.drop("gewicht.txt", "000001  471120260101  80,5\n")
    laboratory.drop("onbekend.csv", "x")
    assert not laboratory.look()
    for name, (_, line, text) in FAULTS.items():
        (told,) = laboratory.answer(f"refused/uitslag {name}.csv")
        assert (told["line"], text in told["text"]) == (line, True), (name, told)
    assert "its last line is missing" in laboratory.answer("refused/gewicht.txt")[0]["text"]
    assert "no kind of file" in laboratory.answer("refused/onbekend.csv")[0]["text"]
    assert laboratory.results() == {}
    laboratory.drop("gewicht.txt", "000001  471120260101  80,5\n000002  471120260102  81,0\nEINDE 2\n")
    assert laboratory.look()
    assert laboratory.results() == {"gewicht-000001": "80.5", "gewicht-000002": "81.0"}


def test_documents_come_by_the_same_folder(laboratory: Laboratory) -> None:
    laboratory.drop("brief.xml", cda())
    laboratory.drop("fout.xml", cda(targets=target(bsn="")))
    assert not laboratory.look()
    assert laboratory.there() == {"done/brief.xml", "refused/fout.xml"}
    assert "no BSN" in laboratory.answer("refused/fout.xml")[0]["text"]
    assert any(key.startswith("DocumentReference") for key in laboratory.hospital.stored())


def test_one_process_watches_and_the_door_over_http_is_shut(laboratory: Laboratory) -> None:
    assert laboratory.hospital.send("PUT", "/intake/lab/Patient/1", {"resourceType": "Patient"}).status_code == 401
    import fcntl

    laboratory.look()
    with (laboratory.folder / "taking" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FolderBusy):
            laboratory.look()


@pytest.mark.parametrize("kind", KINDS)
def test_killed_in_the_middle_nothing_is_lost_or_doubled(kind: str, tmp_path: Path) -> None:
    """kill -9 twice, at a moment between batches that differs: every line once, and one whole answer."""
    given_source = source(auth={"kind": "folder"}, folder=lab(tmp_path))
    with house(kind, tmp_path, lab=given_source) as hospital:
        laboratory = Laboratory(hospital, tmp_path / "in")
        laboratory.drop("patienten.csv", PEOPLE, "utf-8")
        assert laboratory.look()
        wrong = "x;9999;Kalium;01-02-2026;4,1;mmol/L;\n"
        laboratory.drop("uitslag.csv", f"{HEADS}\n{lines(1, 1000)}{wrong}{lines(1001, 1000)}")
        put, mapping = laboratory.folder, tmp_path / "lab.yaml"
        settings = (
            f'database_url = "{hospital.url}"\n[intake.sources.lab]\nprovider = "ziekenhuiszandoord"\n'
            f'auth = {{kind = "folder"}}\nfolder = {{path = "{put}", mapping = "{mapping}", seconds = 0.05}}\n'
        )
        (tmp_path / "gateway.toml").write_text(settings)
        progress = laboratory.folder / "taking" / "uitslag.csv.progress"
        command = [sys.executable, "-m", "gateway", "intake", "watch", "--config", str(tmp_path / "gateway.toml")]
        for _ in range(2):
            before = progress.read_bytes() if progress.exists() else b""
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            until(lambda: progress.exists() and progress.read_bytes() != before, 60)  # noqa: B023 - called at once
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert not laboratory.look()
        assert laboratory.there() == {"done/patienten.csv", "done/uitslag.csv"}
        assert len(laboratory.results()) == 2000
        assert hospital.count("original") == 2001
        told = laboratory.answer("done/uitslag.csv")
        assert [one["line"] for one in told] == ["1002", "0"]
        hospital.audit()


def test_a_large_file_is_read_in_little_memory(tmp_path: Path) -> None:
    """The memory of reading does not grow with the file: ten times the lines, the same peak."""
    form = load_flat(Path(str(lab(tmp_path)["mapping"]))).files["results"]
    peaks = []
    for count in (2_000, 20_000):
        path = tmp_path / f"uitslag-{count}.csv"
        with path.open("w") as file:
            file.write(f"{HEADS}\n")
            file.writelines(lines(one, 1000) for one in range(0, count, 1000))
        tracemalloc.start()
        assert sum(1 for _ in rows(path, form)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5


def test_all_faults_of_a_mapping_are_told_with_their_lines(tmp_path: Path) -> None:
    path = Path(str(lab(tmp_path)["mapping"]))
    text = path.read_text("utf-8")
    for right, wrong in (
        ("file: results", "file: result"),
        ("type: Patient", "type: Pacient"),
        ("=key('ge", "=kei('ge"),
    ):
        assert right in text
        text = text.replace(right, wrong)
    path.write_text(text, "utf-8")
    with pytest.raises(AdapterMisconfigured) as fault:
        load_flat(path)
    for part in ("did you mean results?", "did you mean Patient?", "kei()"):
        assert part in str(fault.value)


@given(st.binary(max_size=300), st.sampled_from(["csv", "fixed"]))
def test_whatever_is_in_a_file_is_rows_or_a_fault(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(data)
    places = {"places": {"a": (1, 2)}} if kind == "fixed" else {}
    form = FlatFormat.model_validate({"name": "*", "format": kind, **places})
    try:
        found = list(rows(path, form))
    except FlatFault:
        return
    assert all(set(one.columns) == set(found[0].columns) for one in found)
