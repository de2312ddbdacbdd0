"""Scripts, folders, archives and placeholders: read safely, nothing lost silently."""

import contextlib
import io
import zipfile
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.workbench.qualify.scripts import Memory, assertion, document, operation, side

from profiles.fhir.version import FhirVersion
from workbench.qualify.compare import UnknownOperator, difference, holds
from workbench.qualify.discovery import find_sets
from workbench.qualify.exchange import Unsendable, encoded, target
from workbench.qualify.files import Archive, MissingFile, ScriptFolder, inside, open_files
from workbench.qualify.masking import excerpt, masked
from workbench.qualify.reading import UnreadableScript, is_script, read_script
from workbench.qualify.script import Operation, Side
from workbench.qualify.variables import MissingVariable, Placeholders, shifted

TODAY = date(2026, 3, 31)


def test_a_script_tells_its_version_side_and_formats():
    script = read_script(document(operation(resource="Patient"), assertion(responseCode="200")), "a/b.xml")
    assert (script.version, script.side, script.formats) == (FhirVersion.STU3, Side.SERVER, {"json"})
    client = side("origin", 1, under_test=True)
    assert read_script(document(sides=client), "b.xml").side is Side.CLIENT
    assert read_script(document(sides=""), "b.xml", FhirVersion.R4).version is FhirVersion.R4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<TestScript",
        b"<Patient xmlns='http://hl7.org/fhir'/>",
        b"<TestScript/>",
        b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><TestScript xmlns='http://hl7.org/fhir'>&e;</TestScript>",
        b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><TestScript xmlns='http://hl7.org/fhir'><id value='&a;'/></TestScript>",
    ],
)
def test_what_is_no_script_or_not_safe_is_refused(data):
    with pytest.raises(UnreadableScript):
        read_script(data, "x.xml")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_script_or_refused(data):
    with contextlib.suppress(UnreadableScript):
        assert read_script(data, "x.xml").path == "x.xml"
    assert is_script(data) in (True, False)


def sets_of(roles, wanted=(), formats=(), start=""):
    files = {f"STU3/Thing/_reference/{'x'}.xml": b"<Patient/>"}
    for role, (data, more) in roles.items():
        files[f"STU3/Thing/{role}/script{more}.xml"] = data
    return find_sets(Memory(files), start, wanted, formats)


SERVER_SCRIPT = document(operation(resource="Patient"))
CLIENT_SCRIPT = document(sides=side("origin", 1, under_test=True))


def test_server_roles_are_chosen_and_alternatives_named():
    roles = {
        "XIS-Server": (SERVER_SCRIPT, "-json"),
        "XIS-Server-NoManifest": (SERVER_SCRIPT, ""),
        "Prevalidation/XIS-Server": (SERVER_SCRIPT, ""),
        "PHR-Client": (CLIENT_SCRIPT, ""),
        "_LoadResources": (document(sides=""), ""),
    }
    (found,) = sets_of(roles)
    assert list(found.roles) == ["XIS-Server"]
    assert found.left_out == ["Prevalidation/XIS-Server", "XIS-Server-NoManifest"]
    (asked,) = sets_of(roles, ["phr-client", "XIS-Server-NoManifest"])
    assert sorted(asked.roles) == ["PHR-Client", "XIS-Server-NoManifest"]
    assert not sets_of(roles, formats=["xml"])[0].scripts
    assert len(sets_of(roles, formats=["json"])[0].scripts) == 1
    assert list(sets_of(roles, start="STU3/Thing/XIS-Server")[0].roles) == ["XIS-Server"]


def test_a_role_folder_opens_its_whole_set(tmp_path):
    (tmp_path / "set/_reference").mkdir(parents=True)
    (tmp_path / "set/_reference/a.xml").write_bytes(b"x")
    (tmp_path / "set/XIS-Server").mkdir()
    files, start = open_files(tmp_path / "set/XIS-Server")
    assert start == "XIS-Server"
    assert files.read("_reference/a.xml") == b"x"
    with pytest.raises(MissingFile):
        open_files(tmp_path / "nowhere")


def test_files_never_lead_outside(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/link").symlink_to(tmp_path / "secret")
    folder = ScriptFolder(tmp_path / "set")
    for name in ("../secret", "link", "/etc/passwd", "none"):
        with pytest.raises(MissingFile):
            folder.read(name)


@given(st.text(max_size=30), st.text(max_size=60))
def test_a_reference_stays_inside_or_is_refused(folder, reference):
    try:
        path = inside(folder.strip("/."), reference)
    except MissingFile:
        return
    assert not path.startswith(("../", "/"))


def test_an_archive_is_read_like_a_folder(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Thing/_reference/a.xml", "x")
        archive.writestr("Thing/XIS-Server/s.xml", SERVER_SCRIPT)
        archive.writestr("../evil.xml", "e")
    files, start = open_files(path)
    assert start == ""
    assert files.read("Thing/_reference/a.xml") == b"x"
    assert len(find_sets(files)[0].scripts) == 1
    with pytest.raises(MissingFile):
        files.read("../evil.xml")
    (tmp_path / "broken.zip").write_bytes(b"not a zip")
    with pytest.raises(MissingFile):
        Archive(tmp_path / "broken.zip")


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.xml", b"0" * 70_000_000)
    (tmp_path / "big.zip").write_bytes(buffer.getvalue())
    with pytest.raises(MissingFile, match="larger"):
        Archive(tmp_path / "big.zip").read("big.xml")


def filled(text, **values):
    return Placeholders(TODAY, values.get).fill(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${CURRENTDATE}", "2026-03-31"),
        ("${DATE, T, D, -14}", "2026-03-17"),
        ("${DATE,T, d, 25}", "2026-04-25"),
        ("${DATE, T, D,-365}T07:05:00+02:00", "2025-03-31T07:05:00+02:00"),
        ("${DATE, T, M, -1}", "2026-02-28"),
        ("${DATE, T, Y, +2}", "2028-03-31"),
        ("${DATE, T, Y, - 2}", "2024-03-31"),
        ("${CURRENTDATE,M,-14}", "2025-01-31"),
        ("${DATE, Day, D, 1}", "2020-03-01"),
        ("a ${name} b", "a n b"),
        ("nothing", "nothing"),
    ],
)
def test_placeholders(text, expected):
    assert filled(text, name="n", Day="2020-02-29") == expected


@pytest.mark.parametrize("text", ["${nobody}", "${DATE, T, W, 1}", "${DATE, T, D, x}", "${DATE, bad, D, 1}", "${}"])
def test_a_placeholder_without_meaning_is_an_error_never_left_standing(text):
    with pytest.raises(MissingVariable):
        filled(text, bad="no date")


def test_a_named_uuid_stays_the_same_within_a_run():
    placeholders = Placeholders(TODAY, {}.get)
    assert placeholders.fill("${UUID-ST}") == placeholders.fill("${UUID-ST}") != placeholders.fill("${UUID}")


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.integers(-400, 400))
def test_dates_move_by_days_and_months(day, amount):
    assert shifted(day, "D", amount) == day + timedelta(days=amount)
    moved = shifted(day, "M", amount)
    assert (moved.year * 12 + moved.month) - (day.year * 12 + day.month) == amount
    assert moved.day <= day.day


@pytest.mark.parametrize(
    ("operator", "found", "wanted", "expected"),
    [
        ("equals", ["a"], "a", True),
        (None, ["a"], "b", False),
        ("equals", [], "a", False),
        ("equals", ["a", "b"], "a,b", True),
        ("notEquals", [], "a", True),
        ("notEquals", ["b", "a"], "a", False),
        ("in", ["200"], "200, 201", True),
        ("notIn", ["404"], "200,201", True),
        ("greaterThan", ["10"], "9", True),
        ("lessThan", ["b"], "a", False),
        ("empty", [], "", True),
        ("notEmpty", [""], "", False),
        ("contains", ["abc"], "b", True),
        ("notContains", ["abc"], "b", False),
    ],
)
def test_operators(operator, found, wanted, expected):
    assert holds(operator, found, wanted) is expected


def test_an_unknown_operator_is_said_to_be_unknown():
    with pytest.raises(UnknownOperator):
        holds("resembles", ["a"], "a")


def test_minimum_content():
    found = {"a": 1, "list": [{"x": 1, "y": 2}, {"x": 3}], "flag": True}
    assert difference({"list": [{"x": 3}, {"y": 2}]}, found) is None
    assert difference({"b": 1}, found) == "b is missing"
    assert difference({"list": [{"x": 9}]}, found) == "list[0] is not in the answer"
    assert difference({"flag": 1}, found) is not None


def test_urls_are_encoded_once():
    url = "https://host/fhir/Observation/$lastn?code=http://loinc.org|1&_include=Observation:subject&a=%7C&b=x y,z"
    assert encoded(url) == (
        "https://host/fhir/Observation/$lastn?code=http%3A%2F%2Floinc.org%7C1&_include=Observation%3Asubject"
        "&a=%7C&b=x%20y,z"
    )
    assert encoded("https://host/fhir/Task/a b") == "https://host/fhir/Task/a%20b"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "gopher://x"])
def test_only_http_is_asked(url):
    with pytest.raises(Unsendable):
        target(Operation("read"), "https://host/fhir", {"url": url, "params": None})


@pytest.mark.parametrize(
    "text",
    [
        "identifier=http://fhir.nl/fhir/NamingSystem/bsn|999990019",
        "identifier=http%3A%2F%2Ffhir.nl%2Ffhir%2FNamingSystem%2Fbsn%7C999990019",
        '{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"999990019"}',
        '{"value":"999990019","system":"http://fhir.nl/fhir/NamingSystem/bsn"}',
        '<system value="http://fhir.nl/fhir/NamingSystem/bsn"/>\n  <value value="999990019"/>',
        "Authorization: Bearer 999990019",
    ],
)
def test_reports_mask_numbers_and_tokens(text):
    assert "999990019" not in masked(text)
    assert "999990019" not in excerpt(text)


def test_codes_are_not_mistaken_for_numbers():
    text = "system = 'http://snomed.info/sct' and code = '118185001'"
    assert masked(text) == text
