"""The folder of a laboratory when things are not as they should be: names, encodings, delimiters, a full disk."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flow.test_disk_full import fill, small_disk
from world.flat_files import HEADS, PEOPLE, lab, lines
from world.intake_house import House, house, source

from gateway.intake.flat.watch import SourceFolder, watch
from gateway.wiring import recording


@dataclass
class Hospital:
    """A hospital, and the folder where its laboratory leaves files."""

    house: House
    folder: Path

    def drop(self, name: str, content: str | bytes) -> None:
        (self.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode("windows-1252"))

    def look(self) -> bool:
        with recording(self.house.engine, self.house.settings) as trail:
            return watch(self.house.parts.intake, ["lab"], trail.write_now, once=True)

    def told(self, name: str) -> str:
        """Line and text of the first thing in an answer."""
        with (self.folder / f"{name}.answer.csv").open(encoding="utf-8", newline="") as file:
            first = next(csv.DictReader(file, delimiter=";"))
        return f"{first['line']}: {first['text']}"

    def results(self) -> set[str]:
        return {key.partition("/")[2] for key in self.house.stored() if key.startswith("Observation/")}


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    given = source(auth={"kind": "folder"}, folder=lab(tmp_path))
    with house("sqlite", tmp_path, lab=given) as made:
        laboratory = Hospital(made, tmp_path / "in")
        (laboratory.folder / "patienten.csv").write_text(PEOPLE, "utf-8")
        laboratory.look()
        yield laboratory


def test_text_that_is_not_in_the_encoding_of_the_mapping(hospital: Hospital) -> None:
    """UTF-8 read as Windows-1252 would be stored with two letters for one, and nobody would see it: refused, by line.
    With a byte order mark it tells itself what it is."""
    content = f"{HEADS}\n{lines(1, 2)}" + lines(3, 1).replace("Kalium", "Kälium")
    hospital.drop("uitslag-zonder.csv", content.encode())
    hospital.drop("uitslag-met.csv", content.encode("utf-8-sig"))
    hospital.drop("uitslag-utf16.csv", content.encode("utf-16"))
    hospital.drop("uitslag-1252.csv", content.replace("Kälium", "K€lium ä"))
    assert not hospital.look()
    assert hospital.told("refused/uitslag-zonder.csv").endswith("not in the encoding windows-1252: this is UTF-8")
    assert hospital.told("refused/uitslag-zonder.csv").startswith("4: ")
    for name in ("met", "utf16", "1252"):
        assert (hospital.folder / "done" / f"uitslag-{name}.csv").exists()


def test_names_of_other_systems(hospital: Hospital) -> None:
    """A name with bytes that are no UTF-8, with a line end, or so long that no answer fits beside it."""
    names = [b"uitslag-caf\xe9.csv", b"uitslag\nregel.csv", b"uitslag-" + b"x" * 230 + b".csv"]
    for number, name in enumerate(names):
        (hospital.folder / os.fsdecode(name)).write_bytes(f"{HEADS}\n{lines(number, 1)}".encode())
    assert hospital.look()
    assert hospital.results() == {"uitslag-0", "uitslag-1", "uitslag-2"}
    again = hospital.folder / "uitslag-caf.csv"
    again.write_bytes(f"{HEADS}\n{lines(0, 1)}".encode())
    assert hospital.look()
    assert "the same file as uitslag-caf?.csv" in hospital.told("done/uitslag-caf.csv")


def test_another_delimiter_and_a_line_of_ten_megabytes(hospital: Hospital) -> None:
    """Refused in words that help; the other files are taken."""
    hospital.drop("uitslag-komma.csv", (f"{HEADS}\n{lines(1, 2)}").replace(";", ","))
    hospital.drop("uitslag-lang.csv", f"{HEADS}\n1;4711;{'K' * 10_000_000};01-02-2026;4,1;mmol/L;\n")
    quoted = ("K" * 100 + "\n") * 100_000
    hospital.drop("uitslag-regels.csv", f'{HEADS}\n1;4711;"{quoted}";01-02-2026;4,1;mmol/L;\n')
    hospital.drop("uitslag-nieuwe-regel.csv", f'{HEADS}\n9;4711;"Kalium\nin bloed";01-02-2026;4,1;mmol/L;\n')
    assert not hospital.look()
    assert "another delimiter?" in hospital.told("refused/uitslag-komma.csv")
    assert "a line of more than 131072 characters" in hospital.told("refused/uitslag-lang.csv")
    assert "larger than field limit" in hospital.told("refused/uitslag-regels.csv")
    assert hospital.results() == {"uitslag-9"}


def test_a_file_that_grows_is_left_until_it_stands_still(hospital: Hospital) -> None:
    """Written while it is seen: not a line of it is taken before it is whole."""
    hospital.drop("uitslag.csv", f"{HEADS}\n{lines(1, 1)}")
    intake = hospital.house.parts.intake
    with recording(hospital.house.engine, hospital.house.settings) as trail:
        folder = SourceFolder("lab", intake.settings.sources["lab"], intake, trail.write_now).drop
        assert folder.look() == 0
        with (hospital.folder / "uitslag.csv").open("a") as file:
            file.write(lines(2, 1))
        assert folder.look() == 0
        assert folder.look() == 1
    assert hospital.results() == {"uitslag-1", "uitslag-2"}


def test_a_disk_that_is_full_and_has_room_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No room for the answer: said once, by name; the watch goes on, and takes the file when there is room."""
    with small_disk(tmp_path, 1) as disk:
        settings = lab(tmp_path) | {"path": str(disk)}
        with house("sqlite", tmp_path, lab=source(auth={"kind": "folder"}, folder=settings)) as made:
            laboratory = Hospital(made, disk)
            (disk / "patienten.csv").write_text(PEOPLE, "utf-8")
            assert laboratory.look()
            laboratory.drop("uitslag.csv", f"{HEADS}\n{lines(1, 3)}")
            fill(disk / "other.tmp")
            assert not laboratory.look()
            assert caplog.text.count("uitslag.csv: database or disk is full; it is tried again") == 1
            (disk / "other.tmp").unlink()
            assert laboratory.look()
            assert laboratory.told("done/uitslag.csv").startswith("0: 3 lines")
            assert len(laboratory.results()) == 3
