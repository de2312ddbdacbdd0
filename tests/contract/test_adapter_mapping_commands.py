"""``gateway adapters names | explain | draft | preview``: what who writes a mapping asks of it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from adapters.mapping.compiled import load_mapping
from adapters.mapping.functions import functions
from adapters.mapping.terms import Terms
from adapters.sql.sample import MAPPING, fill_sqlite
from gateway.cli.adapters import adapters
from gateway.cli.db import db
from profiles.standards.load import catalogue

JOKE = "999951750"


def run(*arguments: str, given: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(adapters, arguments, input=given, catch_exceptions=False)
    return result.exit_code, result.output


def configured(tmp_path: Path, mapping: Path, url: str = "", more: str = "") -> Path:
    url = url or fill_sqlite(tmp_path / "ehr.db")
    path = tmp_path / "gateway.toml"
    source = f'type = "sql"\nname = "epd"\nurl = "{url}"\nmapping = "{mapping}"\n'
    path.write_text(
        f'{more}[providers.hospital]\ndisplay_name = "H"\n[[providers.hospital.sources]]\n{source}', "utf-8"
    )
    return path


def test_the_names_that_a_mapping_may_use_are_listed() -> None:
    code, output = run("names", "--standard", "bgz-3", "--json")
    assert code == 0
    listed = {one["row"]: one["type"] for one in json.loads(output)}
    asked = [one for one in catalogue().standards["bgz-3"].rules if one.method == "GET" and one.type]
    assert listed == {f"bgz-3/{one.id}": one.type for one in asked}
    _, of_functions = run("names", "--functions", "--json")
    assert {one["function"] for one in json.loads(of_functions)} == set(functions(Terms({}, {})))
    code, output = run("names", "--standard", "bgz-4")
    assert (code, "did you mean bgz-3?" in output) == (2, True)


def test_a_row_is_explained_by_element_column_and_zib() -> None:
    code, output = run("explain", str(MAPPING), "bgz-3/problem")
    assert code == 0
    line = next(one for one in output.splitlines() if one.strip().startswith("clinicalStatus"))
    assert line.split() == ["clinicalStatus", "=code(state,", "'problem_state')", "state", "ProbleemStatus"]
    code, output = run("explain", str(MAPPING), "bgz-3/problems")
    assert (code, "did you mean bgz-3/problem?" in output) == (2, True)
    code, output = run("explain", str(MAPPING), "pdfa-3/documentManifest")
    assert (code, "no section of mapping.yaml answers" in output) == (1, True)


def test_a_person_is_shown_with_where_each_value_came_from(tmp_path: Path) -> None:
    config = str(configured(tmp_path, MAPPING))
    code, output = run("preview", "-", "--row", "bgz-3/problem", "--json", "--config", config, given=f"{JOKE}\n")
    assert code == 0
    found = {one["resource"]["id"]: one for one in json.loads(output)}
    code_ = next(one for one in found["copd"]["origins"] if one["element"] == "Condition.code")
    assert code_["columns"] == {"snomed": "13645005", "name": "COPD"}
    assert code_["value"] == found["copd"]["resource"]["code"]
    assert code_["formula"] == "coded(snomed, 'snomed', name, name)"
    _, by_id = run("preview", "1001", "--row", "bgz-3/problem", "--json", "--config", config)
    assert by_id == output


def test_no_bsn_is_shown_nor_taken_as_an_argument(tmp_path: Path) -> None:
    config = str(configured(tmp_path, MAPPING))
    for asked, given in (("-", JOKE), ("1001", "")):
        code, output = run("preview", asked, "--row", "bgz-3/patient", "--config", config, given=given)
        assert code == 0
        assert "Patient/1001" in output
        assert JOKE not in output
        assert "*********" in output
    code, output = run("preview", "-", "--config", config, given="123456789")
    assert (code, "that is no BSN" in output) == (2, True)
    code, output = run("preview", "nobody", "--row", "bgz-3/problem", "--config", config)
    assert (code, output) == (0, ""), "an id of the source is taken as it is, and has no records"
    code, output = run("preview", "-", "--config", config, given="999990019")
    assert (code, "does not know this person" in output) == (1, True)


def test_a_row_that_cannot_be_mapped_is_shown_with_its_reason(tmp_path: Path) -> None:
    mapping = tmp_path / "m.yaml"
    mapping.write_text(MAPPING.read_text("utf-8").replace("map: {A: active, N: inactive}", "map: {A: active}"), "utf-8")
    config = str(configured(tmp_path, mapping))
    code, output = run("preview", "1001", "--row", "bgz-3/problem", "--config", config)
    assert code == 1
    told = "NOT MAPPED: Condition.clinicalStatus: a value that is not in the terminology map"
    assert sum(told in line for line in output.splitlines()) == 1
    code, output = run("preview", "1001", "--row", "bgz-3/problme", "--config", config)
    assert (code, "did you mean bgz-3/problem?" in output) == (2, True)


@pytest.mark.parametrize("schema", ["sample", "dutch"])
def test_a_draft_of_a_database_is_a_mapping_that_works(tmp_path: Path, schema: str) -> None:
    url = fill_sqlite(tmp_path / "ehr.db") if schema == "sample" else dutch(tmp_path / "ehr.db")
    drafted = tmp_path / "draft.yaml"
    assert run("draft", "--url", url, "--output", str(drafted)) == (0, "")
    rows = {row for section in load_mapping(drafted).sections for row in section.rows}
    assert {("bgz-3", "patient"), ("bgz-3", "problem"), ("bgz-3", "allergyIntolerance")} <= rows
    code, output = run("preview", "1001", "--config", str(configured(tmp_path, drafted, url)))
    assert code == 0
    assert "Condition/" in output
    assert "NOT MAPPED" not in output
    code, output = run("draft", "--url", url, "--output", str(drafted))
    assert (code, "is there already" in output) == (2, True)


def dutch(path: Path) -> str:
    """An EHR with names as they are in practice: capitals, spaces, keys of two columns, a table about nobody."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("""
            create table PATIENT (PATNR char(10) primary key, BSN char(9), GEBDAT date);
            create table PROBLEEM (PATNR char(10) references PATIENT, "Volg nr" integer, "Omschrijving (kort)" text,
                                   primary key (PATNR, "Volg nr"));
            create table ALLERGIE (ID integer primary key, PATNR char(10) references PATIENT, STOF text);
            create table LOGBOEK (ID integer primary key, PATNR char(10), WIE text);
            create table CODELIJST (CODE text primary key, NAAM text);
            insert into PATIENT values ('1001', '999951750', '1968-08-22');
            insert into PROBLEEM values ('1001', 1, 'COPD');
        """)
    return f"sqlite:///{path}"


def test_a_draft_of_what_has_no_persons_or_is_not_there(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "empty.db")) as connection:
        connection.execute("create table code (id integer primary key)")
    code, output = run("draft", "--url", f"sqlite:///{tmp_path}/empty.db")
    assert (code, "No table with a column for the BSN" in output) == (0, True)
    (tmp_path / "m.yaml").write_text(output, "utf-8")
    assert load_mapping(tmp_path / "m.yaml").sections == ()
    assert run("draft", "--url", "mongodb://x")[0] == 2
    code, output = run("draft", "--url", "postgresql://someone:geheim@127.0.0.1:9/none")
    assert (code, "geheim" in output) == (1, False)


def test_preview_in_production_is_recorded_before_anything_is_shown(tmp_path: Path) -> None:
    """NEN 7513: what an operator sees of a patient stands in the access trail; where it cannot, nothing is shown."""
    store = tmp_path / "store.db"
    config = configured(tmp_path, MAPPING, more=f'mode = "production"\ndatabase_url = "sqlite:///{store}"\n')
    asked = ("preview", "-", "--row", "bgz-3/problem", "--config", str(config))
    code, output = run(*asked, given=JOKE)
    assert (code, "there is no store" in output, "COPD" in output) == (2, True, False)
    assert CliRunner().invoke(db, ["upgrade", "--config", str(config)]).exit_code == 0
    code, output = run(*asked, given=JOKE)
    assert (code, "COPD" in output) == (0, True)
    with closing(sqlite3.connect(store)) as connection:
        (written,) = connection.execute("select record from audit_record").fetchone()
    record = json.loads(written)
    assert (record["action"], record["interaction"]) == ("operator:resource:read", "preview")
    assert (record["provider"], record["rule"]) == ("hospital", "epd")
    assert record["resources"] == [["Condition", 5]]
    assert record["person"]
    assert JOKE not in str(record)
