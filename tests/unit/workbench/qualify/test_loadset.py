"""Loading a set: the fixtures with the dates of the day, and whose they are."""

import base64
import hashlib
import io
import json
from datetime import date

import pikepdf
import pytest
from shared import shared
from unit.workbench.qualify.scripts import Memory, document, variable

from profiles.fhir.version import FhirVersion
from workbench.qualify.files import open_files
from workbench.qualify.loadset import TokenRow, UnloadableSet, load_set, read_tokens, token_table

TODAY = date(2026, 3, 31)
TOKENS = [
    TokenRow("tok-child", "child", "999990019"),
    TokenRow("tok-child", "rich", "999990019"),
    TokenRow("tok-else", "elsewhere", "999990020"),
]
PATIENT = b'<Patient xmlns="http://hl7.org/fhir"><id value="rich"/><birthDate value="${DATE, T, Y, -30}"/></Patient>'
CONDITION = b'{"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/rich"},"note":[{"text":"${say}"}]}'


def load_script(*fixtures, version=""):
    head = "".join(
        f'<fixture id="{ident}"><resource><reference value="../_reference/{name}"/></resource></fixture>'
        for ident, name in fixtures
    )
    header = '<requestHeader><field value="Authorization"/><value value="Bearer tok-child"/></requestHeader>'
    puts = [
        f'<action><operation><type><code value="update"/></type><params value="/x"/>{header}'
        f'<sourceId value="{ident}"/></operation></action>'
        for ident, _ in fixtures
    ]
    head += variable(name="T", defaultValue="${CURRENTDATE}") + variable(name="say", defaultValue='a "quote"')
    return document(*puts, head=head, sides="")


def files(**more):
    content = {
        "S/_LoadResources/load.xml": load_script(("p", "p.xml"), ("c", "c.json")),
        "S/_LoadResources/properties.json": b'{"fhirVersion":"STU3"}',
        "S/_reference/p.xml": PATIENT,
        "S/_reference/c.json": CONDITION,
        **more,
    }
    return Memory(content)


def test_fixtures_come_with_dates_values_version_and_patient():
    loaded = load_set(files(), "", TOKENS, TODAY)
    patient, condition = loaded.items
    assert patient.resource["birthDate"] == "1996-03-31"
    assert condition.resource["note"][0]["text"] == 'a "quote"', "values are escaped for JSON"
    assert {item.version for item in loaded.items} == {FhirVersion.STU3}
    assert {item.patient for item in loaded.items} == {"rich"}, (
        "of two rows with a token, the one whose patient is here"
    )
    assert loaded.bsn == {"rich": "999990019"}
    assert loaded.resources[0] == (patient.resource, FhirVersion.STU3)
    assert b"1996-03-31" in patient.original


def test_tokens_are_rows_for_the_gateway():
    rows = load_set(files(), "", TOKENS, TODAY).tokens("ziekenhuiszandoord", ["48"])
    assert rows == [
        {
            "token": "tok-child",
            "provider": "ziekenhuiszandoord",
            "services": ["48"],
            "patient": "rich",
            "bsn": "999990019",
        }
    ]


def test_a_token_outside_the_table_belongs_to_the_patient_that_it_puts():
    loaded = load_set(files(), "", [], TODAY)
    assert list(loaded.patients) == ["rich"]
    assert loaded.bsn == {}


def test_a_fixture_that_cannot_be_loaded_is_a_problem_of_its_own():
    bad = {
        "S/_LoadResources/load.xml": load_script(("p", "p.xml"), ("a", "a.xml"), ("b", "b.xml"), ("c", "none.xml")),
        "S/_reference/a.xml": b"<Condition xmlns='http://hl7.org/fhir'><id value='${nobody}'/></Condition>",
        "S/_reference/b.xml": b"<Condition xmlns='http://hl7.org/fhir'><bogus/></Condition>",
    }
    loaded = load_set(files(**bad), "", TOKENS, TODAY)
    assert len(loaded.items) == 1
    assert len(loaded.problems) == 3


def test_fixtures_can_be_left_out():
    assert [item.resource["id"] for item in load_set(files(), "", [], TODAY, skip=["Condition/*"]).items] == ["rich"]


def test_a_folder_without_fixtures_is_no_set():
    with pytest.raises(UnloadableSet):
        load_set(Memory({"readme.md": b""}), "", [], TODAY)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'[{"accessToken":1,"resourceId":"x"}]'])
def test_a_token_table_that_is_none_is_refused_without_showing_it(data):
    if data == b"{}":
        assert read_tokens(data) == []
        return
    with pytest.raises(UnloadableSet) as caught:
        read_tokens(data)
    assert "accessToken" in str(caught.value)


def test_the_token_table_is_found_above_the_set(tmp_path):
    (tmp_path / "Configuration").mkdir()
    row = {"accessToken": "Bearer abc", "resourceId": "p", "bsn": "999990019"}
    (tmp_path / "Configuration/QualificationTokens.json").write_text(json.dumps([row]))
    (tmp_path / "STU3/Set").mkdir(parents=True)
    found, _ = open_files(tmp_path / "STU3/Set")
    assert token_table(found, tmp_path / "STU3/Set") == [TokenRow("abc", "p", "999990019")]


DOCUMENT = b"""{"resourceType":"DocumentReference","id":"d1","subject":{"reference":"Patient/rich"},
 "masterIdentifier":{"system":"urn:ietf:rfc:3986","value":"urn:oid:1.2.3"},
 "content":[{"attachment":{"contentType":"application/pdf","url":"https://elsewhere.example/a.pdf"}},
            {"attachment":{"url":"Binary/b1"}}]}"""


def test_documents_become_documents_of_our_own():
    """The scripts warn of published identifiers, and a test must not depend on somebody's web site."""
    more = {"S/_LoadResources/load.xml": load_script(("p", "p.xml"), ("d", "d.json")), "S/_reference/d.json": DOCUMENT}
    loaded = load_set(files(**more), "", TOKENS, TODAY)
    reference = next(item.resource for item in loaded.items if item.resource["resourceType"] == "DocumentReference")
    binary = next(item.resource for item in loaded.items if item.resource["resourceType"] == "Binary")
    assert reference["masterIdentifier"]["value"].startswith("urn:oid:2.25.")
    first, second = (content["attachment"] for content in reference["content"])
    data = base64.b64decode(binary["content"])
    assert first["url"] == f"Binary/{binary['id']}"
    assert first["size"] == len(data)
    assert base64.b64decode(first["hash"]) == hashlib.sha1(data).digest()
    assert second == {"url": "Binary/b1"}
    with pikepdf.open(io.BytesIO(data)) as pdf:
        assert len(pdf.pages) == 1
    assert loaded.items == load_set(files(**more), "", TOKENS, TODAY).items, "loading again gives the same"
    published = load_set(files(**more), "", TOKENS, TODAY, as_published=True)
    assert published.items[1].resource["masterIdentifier"]["value"] == "urn:oid:1.2.3"
    assert len(published.items) == 2


@pytest.mark.parametrize(
    ("folder", "items", "patients", "problems"),
    [
        ("STU3/BgZ-3-0", 60, 2, 0),
        ("STU3/BgZ-3-0/MedMij/Test/XIS-Server", 60, 2, 0),
        ("STU3/Geboortezorg-1-0", 146, 3, 0),
        ("STU3/PDFA-3-0", 24, 3, 0),
        ("STU3/SelfMeasurements-2-0", 49, 2, 0),
        ("STU3/eOverdracht", 100, 5, 0),
        ("STU3/BgZ-MSZ-2-0", 106, 2, 1),
        ("STU3/Questionnaires-2-0", 21, 3, 0),
        ("R4/Immunization-2-0", 29, 2, 0),
        ("R4/MP9-3-0-0-beta", 658, 39, 0),
    ],
)
def test_the_published_sets_load(folder, items, patients, problems):
    path = shared("qualification", *folder.split("/"))
    found, start = open_files(path)
    loaded = load_set(found, start, token_table(found, path), TODAY)
    assert (len(loaded.items), len(loaded.patients), len(loaded.problems)) == (items, patients, problems)
    assert all(item.patient for item in loaded.items if item.resource["resourceType"] == "Patient")
    assert not [item for item in loaded.items if "${" in str(item.resource)]
