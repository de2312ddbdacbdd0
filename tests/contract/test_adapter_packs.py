"""Mapping packs: a mapping that is shared, with the rows that show that it works."""

import asyncio
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner

from adapters.port import AdapterMisconfigured, AdapterQuery, Bsn, PatientKey
from adapters.registry import build
from adapters.sql.packs import GROUP, PackTrial, packs, tried
from adapters.sql.sample import fill_sqlite
from gateway.cli.adapters import adapters
from profiles.fhir.version import FhirVersion

MAPPING = """
mapping: acme
version: stu3
terms: {state: {map: {A: active}}}
patient: {query: select patnr as patient_id from patient where bsn = :bsn}
sections:
  problem:
    type: Condition
    rows: [bgz-3/problem]
    query: select nr, patnr as patient_id, state, name from problem where patnr = :patient
    resource:
      id: =id(nr)
      subject: =reference('Patient', patient_id)
      clinicalStatus: =code(state, 'state')
      code: {text: =name}
"""
SCHEMA = """
create table patient (patnr text primary key, bsn text);
create table problem (nr text primary key, patnr text, state text, name text);
"""
DATA = """
insert into patient values ('1', '999951750'), ('2', '999970239');
insert into problem values ('a', '1', 'A', 'COPD'), ('b', '2', 'A', 'Astma');
"""
EXPECTED = """[
{"resourceType": "Condition", "id": "a", "subject": {"reference": "Patient/1"}, "clinicalStatus": "active",
 "code": {"text": "COPD"}},
{"resourceType": "Condition", "id": "b", "subject": {"reference": "Patient/2"}, "clinicalStatus": "active",
 "code": {"text": "Astma"}}]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pack as another distribution would bring it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = tmp_path / "acme_mapping_pack"
    made.mkdir()
    files = {
        "__init__.py": "",
        "mapping.yaml": MAPPING,
        "schema.sql": SCHEMA,
        "data.sql": DATA,
        "expected.json": EXPECTED,
    }
    for name, text in files.items():
        (made / name).write_text(text, "utf-8")
    found = packs([EntryPoint("acme", "acme_mapping_pack", GROUP)])
    assert found["acme"] == made
    assert "acme_mapping_pack" not in sys.modules, "a pack is data: nothing of it is run"
    return made


def test_a_pack_whose_sample_becomes_what_is_expected(folder: Path) -> None:
    assert asyncio.run(tried(folder)) == PackTrial(2, ())


@pytest.mark.parametrize(
    ("file", "right", "wrong", "told"),
    [
        ("expected.json", "Astma", "Asthma", "Condition/b: other than expected in code"),
        ("data.sql", "'2', 'A'", "'2', 'X'", "problem, row 1: Condition.clinicalStatus: a value that is not"),
        ("data.sql", "('b'", "('c'", "Condition/b: expected, and not made"),
        ("data.sql", "('b'", "('c'", "Condition/c: made, and not expected"),
    ],
)
def test_a_pack_whose_sample_becomes_something_else(folder: Path, file: str, right: str, wrong: str, told: str) -> None:
    (folder / file).write_text((folder / file).read_text("utf-8").replace(right, wrong), "utf-8")
    assert any(told in one for one in asyncio.run(tried(folder)).faults)


def test_a_pack_whose_rows_are_no_sql(folder: Path) -> None:
    (folder / "data.sql").write_text("insert into nowhere;", "utf-8")
    with pytest.raises(AdapterMisconfigured, match="sample rows"):
        asyncio.run(tried(folder))


def test_the_packs_are_listed_and_that_of_the_house_works() -> None:
    assert "pack:sample-hospital" in CliRunner().invoke(adapters, ["packs"]).output
    result = CliRunner().invoke(adapters, ["packs", "--try", "sample-hospital"], catch_exceptions=False)
    assert (result.exit_code, result.output.strip().rpartition(" resources, ")[2]) == (0, "0 faults")
    result = CliRunner().invoke(adapters, ["packs", "--try", "sample-hospitals"])
    assert (result.exit_code, "did you mean sample-hospital?" in result.output) == (2, True)


def test_a_source_names_a_pack_and_a_name_that_is_taken_stays_that_of_the_house(tmp_path: Path) -> None:
    url = fill_sqlite(tmp_path / "ehr.db")
    adapter = build({"type": "sql", "name": "epd", "url": url, "mapping": "pack:sample-hospital"})
    deadline = time.monotonic() + 30
    query = AdapterQuery(
        "p", PatientKey(Bsn("999951750")), "bgz-3", "problem", "search-type", "Condition", FhirVersion.STU3, deadline
    )
    assert len(asyncio.run(adapter.find(query)).resources) == 5
    with pytest.raises(AdapterMisconfigured, match="there is no mapping pack 'none'; installed are sample-hospital"):
        build({"type": "sql", "name": "epd", "url": url, "mapping": "pack:none"})
    taken = packs([EntryPoint("sample-hospital", "json", GROUP)])
    assert taken["sample-hospital"].name == "sample"
