"""What an auditor, and a citizen, get: VIPP figures, the evidence pack, single records, and all that is kept of one."""

import base64
import hashlib
import io
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pikepdf
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from databases import KINDS, database
from world.usage_house import UsageHouse
from world.usage_year import PROVIDER

from gateway.report.flows import FlowBox, flows_svg, placed
from gateway.report.vipp import ContactList, FigureResult, ListedPerson, figures_on
from profiles.record.bsn import valid_bsn

ADULT, YOUNG = date(1970, 5, 5), date(2012, 1, 1)
NUMBERS = [f"{number:09d}" for number in range(123450000, 123460000) if valid_bsn(f"{number:09d}")]


@pytest.fixture(params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[UsageHouse]:
    with database(request.param, tmp_path) as url:
        made = UsageHouse(url, tmp_path)
        yield made
        made.engine.dispose()


def vipp(house: UsageHouse, lines: list[str], last: str) -> dict[str, dict[str, object]]:
    file = house.folder / "contacts.csv"
    file.write_text("\n".join(["bsn;contact;birth;dbc", *lines]))
    done = house.run("report", "vipp", "--provider", PROVIDER, "--list", str(file), "--to", last, "--json")
    assert done.exit_code == 0, done.output
    assert not any(number in done.output for number in NUMBERS)
    sections = json.loads(done.stdout)["sections"]
    assert all(section["norm"] and section["definition"] and "SHA-256" in section["population"] for section in sections)
    return {section["key"]: {row["what"]: row["value"] for row in section["rows"]} for section in sections}


def test_a_figure_counts_who_is_in_the_list_and_old_enough(house: UsageHouse) -> None:
    """RP-C18, RP-C19, RP-30, RP-31, RP-33: 200 in the list, 12 collected of whom 2 under 16; one outside it."""
    for place in range(12):
        born = YOUNG if place < 2 else ADULT
        house.visit(datetime(2026, 3, 10, 9, place, tzinfo=UTC), NUMBERS[place], born=born)
    house.visit(datetime(2026, 3, 11, tzinfo=UTC), NUMBERS[500])
    lines = [f"{NUMBERS[place]};2026-03-09;{YOUNG if place < 2 else ADULT};ja" for place in range(200)]
    told = vipp(house, lines, "2026-03-31")["V5-1d"]
    assert told["Bereikt"] == {"part": 10, "whole": 198, "percent": 5.1}
    assert told["Personen die ophaalden en niet op de lijst staan (apart)"] == 1
    assert told["Norm"] == "5%: gehaald"


def test_a_person_over_new_year_counts_once(house: UsageHouse) -> None:
    """RP-C21: two years have two keys."""
    for start in (datetime(2026, 12, 28, tzinfo=UTC), datetime(2027, 1, 4, tzinfo=UTC)):
        house.visit(start, NUMBERS[0])
    told = vipp(house, [f"{number};2026-12-30;{ADULT};ja" for number in NUMBERS[:3]], "2027-01-10")["V5-1d"]
    assert told["Bereikt"] == {"part": 1, "whole": 3, "percent": 33.3}


@pytest.mark.parametrize(("part", "met"), [(499, False), (500, True)])
def test_a_norm_is_compared_without_rounding(part: int, met: bool) -> None:
    """RP-C20: 4.99 % and 5.00 %."""
    figure = next(one for one in figures_on(date(2026, 3, 1)) if one.id == "V5-1d")
    assert FigureResult(figure, part, 10_000, 0).met is met


def test_a_list_that_cannot_be_read_is_refused_without_telling_what_it_holds(house: UsageHouse) -> None:
    """RP-30."""
    file = house.folder / "contacts.csv"
    file.write_text("bsn;contact;birth;dbc\n123456789;2026-03-09;1970-05-05;ja\n")
    done = house.run("report", "vipp", "--provider", PROVIDER, "--list", str(file), "--to", "2026-03-31")
    assert done.exit_code == 2
    assert "line 2: this is not a BSN" in done.output
    assert "123456789" not in done.output


def test_two_providers_have_two_pseudonyms_for_one_person(house: UsageHouse) -> None:
    """RP-C27."""
    from gateway.usage.keys import YearKeys, pseudonym

    keys = YearKeys(house.ring)
    with house.engine.begin() as connection:
        made = {pseudonym(keys.of(connection, name, 2026), "person", "x") for name in ("een", "twee")}
        made.add(pseudonym(keys.of(connection, "een", 2027), "person", "x"))
    assert len(made) == 3
    assert ContactList([ListedPerson(frozenset(made), True, True)], "", 1).people


def test_an_auditor_gets_one_zip_in_which_each_file_has_its_hash(house: UsageHouse) -> None:
    """RP-34, RP-35, RP-C23, RP-C25: signed, the same sample for the same number, no secret and no person in it."""
    house.visit(datetime(2026, 3, 10, 9, tzinfo=UTC), NUMBERS[0])
    key = Ed25519PrivateKey.generate()
    secret = base64.b64encode(key.private_bytes_raw()).decode()
    with house.config.open("a") as config:
        config.write(f'[audit]\nsigning_key = "{secret}"\n')
    (house.folder / "qualification.xml").write_text("<testsuites/>")

    def pack(name: str) -> zipfile.ZipFile:
        file = house.folder / name
        done = house.run(
            "report", "pack", "--provider", PROVIDER, "--from", "2026-03-01", "--to", "2026-03-31", "--seed", "7",
            "--add", str(house.folder / "qualification.xml"), "--output", str(file),
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        return zipfile.ZipFile(io.BytesIO(file.read_bytes()))

    first, second = pack("one.zip"), pack("two.zip")
    manifest = first.read("MANIFEST.json")
    files = json.loads(manifest)["files"]
    assert set(files) == set(first.namelist()) - {"MANIFEST.json", "MANIFEST.sig", "LEESMIJ.txt"}
    assert all(hashlib.sha256(first.read(name)).hexdigest() == told["sha256"] for name, told in files.items())
    signed = json.loads(first.read("MANIFEST.sig"))
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(signed["public_key"]))
    public.verify(base64.b64decode(signed["ed25519"]), manifest)
    whole = b"".join(first.read(name) for name in first.namelist())
    assert secret.encode() not in whole
    assert house.pseudonyms.of(NUMBERS[0]).encode() not in whole
    samples = [json.loads(one.read("bewijs.json"))["sections"] for one in (first, second)]
    drawn = [next(section["rows"] for section in one if section["key"] == "sample") for one in samples]
    assert drawn[0] == drawn[1]
    assert drawn[0]
    opened = house.run("audit", "show", drawn[0][0]["chain"], str(drawn[0][0]["number"]), "--json")
    assert json.loads(opened.stdout)["action"] == drawn[0][0]["action"]


def test_a_citizen_gets_who_opened_their_record(house: UsageHouse) -> None:
    """LOG-09: the whole trail of one person, and nothing of another; that it was opened is in it the next time."""
    house.visit(datetime(2026, 3, 10, 9, tzinfo=UTC), NUMBERS[0])
    house.visit(datetime(2026, 3, 10, 9, tzinfo=UTC), NUMBERS[1])
    done = house.run("audit", "export", typed=NUMBERS[0] + "\n")
    assert done.exit_code == 0, done.output
    events = [entry["resource"] for entry in json.loads(done.stdout)["entry"]]
    whom = [one for event in events for one in event["entity"] if one["type"]["code"] == "1"]
    persons = {one["what"]["identifier"]["value"] for one in whom}
    assert persons == {house.pseudonyms.of(NUMBERS[0])}
    assert all(event["resourceType"] == "AuditEvent" and event["recorded"] and event["agent"] for event in events)
    again = house.run("audit", "export", "--form", "citizen", typed=NUMBERS[0] + "\n").stdout
    assert "Een beheerder keek in uw gegevens" in again
    assert "Uw PGO haalde gegevens op" in again
    rows = house.run("audit", "export", "--form", "csv", typed=NUMBERS[0] + "\n").stdout.splitlines()
    assert len(rows) == 1 + len(events) + 2
    assert house.run("audit", "export", typed="123\n").exit_code == 2


def test_the_pack_has_a_guide_that_can_be_kept(house: UsageHouse) -> None:
    """RP-35, R4: a PDF/A says what each file proves, with its hash; figures of results and their rules too."""
    output = house.folder / "pack.zip"
    done = house.run(
        "report", "pack", "--provider", PROVIDER, "--from", "2026-03-01", "--to", "2026-03-31", "--seed", "7",
        "--output", str(output), "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(output) as pack:
        files = {name: pack.read(name) for name in pack.namelist()}
    assert {"uitslagen.json", "uitslagen.html", "vrijgaveregels.json", "leeswijzer.pdf"} <= files.keys()
    with pikepdf.open(io.BytesIO(files["leeswijzer.pdf"])) as paper, paper.open_metadata() as told:
        assert told["pdfaid:part"] == "2"
    text = subprocess.run(["pdftotext", "-", "-"], input=files["leeswijzer.pdf"], capture_output=True, check=False)
    if text.returncode == 0:
        shown = re.sub(r"\s+", "", text.stdout.decode())
        assert hashlib.sha256(files["keten.json"]).hexdigest() in shown


def test_privacy_documents_from_the_configuration(house: UsageHouse) -> None:
    """Register entry, DPIA input, flows and retention: each says which setting it is from; what nobody set is named."""
    folder = house.folder / "privacy"
    done = house.run("report", "privacy", "--provider", PROVIDER, "--output", str(folder), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads((folder / "privacy.json").read_text())
    sections = {one["key"]: one["rows"] for one in told["sections"]}
    assert set(sections) == {"register", "dpia", "flows", "retention", "stays"}
    assert {"what": "Contact en functionaris gegevensbescherming", "value": "door de instelling in te vullen"} in (
        sections["register"]
    )
    off = {one["setting"] for one in sections["dpia"] if one["state"] == "UIT"}
    assert {"mode", "audit.places"} <= off
    assert {"kept": "access trail", "days": 1827, "setting": "audit.retention_days"} in sections["retention"]
    assert any(one["table"] == "audit_record" for one in sections["stays"])
    picture = (folder / "gegevensstromen.svg").read_text()
    assert all(f">{word}<" in picture for word in ("Inlogvoorziening", "MedMij gateway"))
    assert "<h1" in (folder / "privacy.html").read_text()


def test_boxes_of_the_drawing_hold_their_words_and_do_not_overlap() -> None:
    """Whatever the names: every line fits its box, no box lies over another, and arrows end at boxes."""
    left = [FlowBox(f"Bron {'met een heel lange naam ' * number}", "gegevens " * number) for number in range(1, 6)]
    right = [FlowBox("P" * 90, "x"), FlowBox("kort", "iets " * 30)]
    boxes = placed(left, FlowBox("MedMij gateway", "van wie"), right)
    for one in boxes:
        assert all(len(line) * 7.8 <= one.width - 16 for line, _ in one.box.lines)
        assert one.box.height <= one.height
    for one in boxes:
        for other in boxes:
            apart = one.x + one.width <= other.x or other.x + other.width <= one.x
            assert one is other or apart or one.y + one.height <= other.y or other.y + other.height <= one.y
    picture = flows_svg("Stromen & meer", left, boxes[-1].box, right)
    assert picture.count("<polygon") == len(left) + len(right)
    assert "Stromen &amp; meer" in picture
