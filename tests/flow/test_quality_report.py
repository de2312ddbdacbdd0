"""The reports on the demo world: what a steward and an auditor get (SC-H2, SC-A1, SC-A2, SC-A3, R1, R2, R8)."""

import asyncio
import csv
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from gateway.audit.record import AuditRecord
from gateway.audit.trail import Trail
from gateway.cli.db import upgrade
from gateway.cli.main import cli
from gateway.settings import TEST_KEY, load
from gateway.store.engine import open_engine
from gateway.store.schema import audit_record
from workbench.demo.seed import seed
from workbench.demo.world import load as load_world

Run = Callable[..., Result]


def runner(url: str, cache: Path) -> Run:
    def run(*args: str) -> Result:
        environment = {"GATEWAY_DATABASE_URL": url, "GATEWAY_PACKAGE_CACHE": str(cache), "COLUMNS": "200"}
        return CliRunner().invoke(cli, args, env=environment)

    return run


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The reports on the demo world, imported today, with our zib tables; and an access trail of a few visits."""
    folder = tmp_path_factory.mktemp("demo")
    url = f"sqlite:///{folder}/gateway.db"
    engine = open_engine(url)
    upgrade(engine)
    seed(engine, load(None, database_url=url, package_cache=str(folder / "none")), datetime.now(UTC).date())
    asyncio.run(visits(Trail(engine, TEST_KEY.encode())))
    engine.dispose()
    return runner(url, folder / "none")


async def visits(trail: Trail) -> None:
    """Three persons: one with data and a letter, one with nothing, one refused; and a source that was down once."""
    now = datetime.now(UTC)

    async def request(person: str, service: str = "48", status: int = 200, **more: Any) -> None:
        given = {"interaction": "search-type", **more}
        made = AuditRecord(
            f"pgo:resource:{given['interaction']}", now, status, "ziekenhuiszandoord", service, person=person, **given
        )
        await trail.write(made)

    for _ in range(8):
        await request("one", resources=(("Condition", 2),))
    await request("one", resources=(("Condition", 2),), gaps=("Observation:source-down",))
    await request("one", "51", interaction="read", resources=(("Binary", 1),))
    for _ in range(9):
        await request("two")
    await request("three", status=403, reason="security")
    await request("two", status=503, reason="transient")
    await trail.close()


def data(run: Run, *args: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of a report by section."""
    done = run("report", *args, "--format", "json")
    assert done.exit_code == 0, done.output
    return {section["key"]: section["rows"] for section in json.loads(done.stdout)["sections"]}


def test_the_steward_sees_how_often_each_element_is_filled_coded_and_right(demo: Run) -> None:
    """SC-H2, R1."""
    found = data(demo, "quality", "--provider", "ziekenhuiszandoord")
    status = next(row for row in found["elements"] if row["concept"] == "5.1.4")
    assert status["element"] == "ProbleemStatus"
    assert status["filled"]["whole"] >= status["filled"]["part"] > 0
    assert status["valid"]["part"] == status["valid"]["whole"] - 1, "one problem of Gerda has a wrong status"
    faults = {(row["element"], row["fault"]) for row in found["defects"]}
    assert ("ProbleemNaam", "Verplicht, maar niet gevuld") in faults
    assert ("DatumTijd", "Het begin ligt na het einde") in faults
    assert [row["provider"] for row in found["overview"]] == ["ziekenhuiszandoord"]


def test_the_report_says_how_complete_a_set_is(demo: Run) -> None:
    found = data(demo, "quality", "--standard", "bgz-3")
    rows = {row["provider"]: row for row in found["completeness"]}
    assert rows["ziekenhuiszandoord"]["parts"] == {"part": 28, "whole": 28, "percent": 100.0}
    assert "ggzmerwerand" not in rows, "who does not offer a set is not incomplete"
    (asked,) = data(demo, "quality", "--standard", "bgz-3", "--provider", "ggzmerwerand")["completeness"]
    assert 0 < asked["parts"]["part"] < asked["parts"]["whole"] == 28
    assert "Voedingsadvies" in asked["missing"]


def test_completeness_is_told_by_person_and_not_by_one_resource(demo: Run) -> None:
    """What one person has makes nobody else's record complete."""
    done = demo("report", "quality", "--standard", "bgz-3", "--provider", "ziekenhuiszandoord", "--format", "json")
    section = next(one for one in json.loads(done.stdout)["sections"] if one["key"] == "filled")
    shares = [row["persons_filled"] for row in section["rows"]]
    persons = {share["whole"] for share in shares}
    assert len(persons) == 1
    assert persons.pop() > 1
    assert any(0 < share["part"] < share["whole"] for share in shares), "some have it, and some do not"
    assert "van 28 onderdelen" in section["population"]


def test_every_figure_has_its_definition_population_and_period(demo: Run) -> None:
    """R8."""
    done = demo("report", "quality", "--format", "json")
    sections = json.loads(done.stdout)["sections"]
    assert {section["key"] for section in sections} >= {"overview", "trend", "zibs", "elements", "departments"}
    for section in sections:
        assert section["definition"]
        assert section["period"]
        assert section["key"] == "basis" or section["population"]
    text = demo("report", "quality")
    assert text.exit_code == 0
    assert text.stdout.count("Wat telt dit:") == len(sections)


def test_the_defect_list_goes_to_the_department_without_dossier_content(demo: Run, tmp_path: Path) -> None:
    """SC-H2, SC-A3: who can mend it finds it by the source's own number; no BSN, no name, no value is in it."""
    file = tmp_path / "defects.csv"
    done = demo("report", "quality", "--defects", str(file))
    assert done.exit_code == 0, done.output
    text = file.read_text("utf-8-sig")
    lines = list(csv.DictReader(text.splitlines(), delimiter=";"))
    by_number = {row["Nummer bij de bron"]: row for row in lines}
    admission = by_number["gerda-opname"]
    assert admission["Afdeling"] == "Ziekenhuis Zandoord"
    assert (admission["Zib"], admission["Element"], admission["NL-CM"]) == ("Contact", "BeginDatumTijd", "15.1.3")
    assert admission["Wat te doen"]
    assert by_number["lotte-gravida"]["Zorgaanbieder"] == "geboortepraktijkdelinde"
    assert by_number["gerda-dochter"]["Regel"] == "system", "a BSN that fails the eleven test, masked by now"
    assert by_number["gerda-brief"]["Wat is er mis"] == "Het bestand voldoet niet aan PDF/A"
    world = load_world(datetime.now(UTC).date())
    for person in world.persons:
        assert person.bsn not in text
        assert person.name not in text
    assert "pond" not in text, "the wrong unit itself is the patient's value"
    assert {"gerda-status-onbekend", "gerda-gewicht", "karel-psychose", "lotte-duur"} <= by_number.keys()


def test_the_page_stands_on_its_own(demo: Run, tmp_path: Path) -> None:
    file = tmp_path / "quality.html"
    done = demo("report", "quality", "--format", "html", "--lang", "en", "--output", str(file))
    assert done.exit_code == 0, done.output
    page = file.read_text("utf-8")
    assert '<html lang="en">' in page
    assert "Quality of the data" in page
    assert page.count("<svg") >= 10
    assert "<script" not in page
    assert "http://www" not in page


def test_a_choice_narrows_every_section(demo: Run) -> None:
    future = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%d")
    assert data(demo, "quality", "--from", future) == {}
    assert data(demo, "quality", "--source", "nobody") == {}
    found = data(demo, "quality", "--provider", "ggzmerwerand", "--standard", "ggz-2")
    assert {row["provider"] for row in found["departments"]} == {"ggzmerwerand"}
    assert demo("report", "quality", "--standard", "nothing").exit_code == 2


@pytest.mark.parametrize("kind", ["quality", "usage", "evidence"])
@pytest.mark.parametrize("form", ["text", "json", "html"])
def test_with_nothing_counted_yet_a_report_says_so(kind: str, form: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/gateway.db"
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()
    done = runner(url, tmp_path)("report", kind, "--format", form)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip()


@pytest.mark.parametrize("kind", ["quality", "usage", "evidence"])
def test_a_report_on_a_store_that_is_not_there_is_no_report_of_nothing(kind: str, tmp_path: Path) -> None:
    done = runner(f"sqlite:///{tmp_path}/gateway.db", tmp_path)("report", kind)
    assert done.exit_code == 2
    assert "there is no store at" in done.output
    assert not (tmp_path / "gateway.db").exists()


def test_use_counts_persons_and_events_apart(demo: Run) -> None:
    """R2, R8: twenty-one requests are not three persons."""
    found = data(demo, "usage")
    requests = {row["service"][:3].strip(): row for row in found["requests"]}
    assert requests["48"]["requests"] == 19, "what was refused is no use"
    assert requests["48"]["answered"] == {"part": 18, "whole": 19, "percent": 94.7}
    assert requests["48"]["refused"]["whole"] == 20
    assert (requests["48"]["refused"]["part"], requests["48"]["failed"]["part"]) == (1, 1)
    persons = {row["service"][:3].strip(): row for row in found["persons"]}
    assert persons["48"]["persons"] == 2, "whoever was only refused used nothing"
    assert persons["48"]["received"] == {"part": 1, "whole": 2, "percent": 50.0}
    assert persons["51"]["opened"]["part"] == 1
    content = {row["service"][:3].strip(): row for row in found["content"]}
    assert content["48"]["empty"] == {"part": 9, "whole": 18, "percent": 50.0}
    assert content["51"]["documents"] == 1
    steps = [row["passed"]["part"] for row in found["steps"]]
    assert steps == sorted(steps, reverse=True)
    assert {(row["kind"], row["reason"]) for row in found["reasons"]} == {
        ("weigering", "security"),
        ("weigering", "transient"),
        ("gat", "source-down"),
    }


def test_the_auditor_gets_figures_norms_and_the_end_of_every_chain(demo: Run) -> None:
    """SC-A1, R7."""
    done = demo("report", "evidence", "--format", "json")
    assert done.exit_code == 0, done.output
    sections = {section["key"]: section for section in json.loads(done.stdout)["sections"]}
    assert sections["figures"]["norm"]
    assert all(row["version"] for row in sections["norms"]["rows"])
    loading, visits = sorted(sections["chains"]["rows"], key=lambda row: int(row["records"]), reverse=True)
    assert (visits["records"], visits["number"]) == (21, 21)
    assert loading["records"] == loading["number"] > 21, "the loading of the demo world is recorded as well"
    assert f"{loading['records'] + 21} records in 2 ketens" in sections["verified"]["rows"][0]["result"]
    assert len(visits["mac"]) == 64
    assert "overview" in sections


def test_the_same_seed_draws_the_same_sample(demo: Run) -> None:
    """SC-A2."""
    first, again = (data(demo, "evidence", "--seed", "7", "--sample", "5")["sample"] for _ in range(2))
    assert first == again
    assert len(first) == 5
    assert first != data(demo, "evidence", "--seed", "8", "--sample", "5")["sample"]
    assert set(first[0]) == {"chain", "number", "at", "action", "outcome"}, "no person and no content (SC-A3)"


def test_a_changed_trail_is_told_and_ends_with_findings(tmp_path: Path) -> None:
    """SC-A1: the proof fails when a record was changed."""
    url = f"sqlite:///{tmp_path}/gateway.db"
    engine = open_engine(url)
    upgrade(engine)
    asyncio.run(visits(Trail(engine, TEST_KEY.encode())))
    with engine.begin() as connection:
        connection.execute(
            update(audit_record).where(audit_record.c.sequence == 4).values(record=b'{"action":"a","outcome":200}')
        )
    engine.dispose()
    done = runner(url, tmp_path)("report", "evidence", "--format", "json")
    assert done.exit_code == 1
    verified = next(one for one in json.loads(done.stdout)["sections"] if one["key"] == "verified")
    assert "4:" in verified["rows"][1]["result"]


def test_an_import_says_what_checking_found_and_a_blocking_policy_refuses_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 3, point 6: policies at import."""
    file = tmp_path / "two.ndjson"
    profile = {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-Problem"]}
    patient = {"resourceType": "Patient", "id": "p"}
    right = {
        "resourceType": "Condition", "id": "right", "meta": profile, "clinicalStatus": "active",
        "verificationStatus": "confirmed", "subject": {"reference": "Patient/p"},
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "282291009"}]}],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "13645005"}]},
    }  # fmt: skip
    wrong = {**right, "id": "wrong", "clinicalStatus": "present"}
    file.write_text("\n".join(map(json.dumps, (patient, right, wrong))))
    monkeypatch.setitem(os.environ, "GATEWAY_VALIDATION__POLICY", "block")
    run = runner(f"sqlite:///{tmp_path}/gateway.db", tmp_path)
    assert run("db", "upgrade").exit_code == 0
    done = run("import", str(file), "--provider", "ziekenhuiszandoord", "--source", "his", "--fhir", "stu3")
    assert done.exit_code == 1
    assert "Condition/wrong: held back, it is not valid: binding Condition.clinicalStatus" in done.stderr
    assert "2 stored, 0 unchanged, 0 refused, 1 held back" in done.stdout
    assert "1 wrong" in done.stdout
    found = data(run, "quality", "--source", "his")
    assert [row["element"] for row in found["defects"]] == ["ProbleemStatus"]
