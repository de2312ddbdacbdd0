"""What a blocking policy refuses: visible, exportable, and taken in when it is tried again (issue 6, point 7)."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from databases import KINDS
from world.intake_house import BSN, House, bundle, condition, house, patient, source, without

from gateway.cli.intake import intake

BAD = without(condition("c2"), "code")


def run(hospital: House, *arguments: str, **change: Any) -> tuple[int, str]:
    section = json.dumps({name: one.model_dump(mode="json") | change
                          for name, one in hospital.settings.intake.sources.items()})  # fmt: skip
    environment = {"GATEWAY_DATABASE_URL": hospital.url, "GATEWAY_MODE": "test", "GATEWAY_INTAKE__SOURCES": section,
                   "COLUMNS": "200"}  # fmt: skip
    result = CliRunner().invoke(intake, list(arguments), env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("kind", KINDS)
def test_observe_stores_what_is_wrong_and_records_the_verdict(kind: str, tmp_path: Path) -> None:
    with house(kind, tmp_path) as hospital:
        hospital.send("PUT", "/intake/epd/Patient/p1", patient())
        answer = hospital.send("PUT", "/intake/epd/Condition/c2", BAD)
        assert answer.status_code == 201
        assert any(issue["severity"] == "warning" for issue in answer.json()["issue"])
        with hospital.engine.connect() as connection:
            rows = connection.exec_driver_sql("select verdict, findings from verdict order by resource_pk").all()
        assert [row.verdict for row in rows][1] == "wrong"
        assert BSN.encode() not in bytes(rows[1].findings)


def test_repair_mends_names_of_code_systems_only(tmp_path: Path) -> None:
    with house("sqlite", tmp_path, epd=source(policy={"*": "repair"})) as hospital:
        hospital.send("PUT", "/intake/epd/Patient/p1", patient())
        coded = {"coding": [{"system": "http://snomed.info/sct/", "code": "195967001", "display": "Asthma"}]}
        sent = condition(code=coded, verificationStatus="unheard-of")
        answer = hospital.send("PUT", "/intake/epd/Condition/c1", sent)
        assert "code-system-url" in answer.text
        kept = hospital.stored()["Condition/c1"]["code"]["coding"][0]
        assert kept == coded["coding"][0] | {"system": "http://snomed.info/sct"}


@pytest.mark.parametrize("kind", KINDS)
def test_block_holds_it_back_until_it_is_tried_again(kind: str, tmp_path: Path) -> None:
    with house(kind, tmp_path, epd=source(policy={"bgz-3": "block"})) as hospital:
        hospital.send("PUT", "/intake/epd/Patient/p1", patient())
        answer = hospital.send("PUT", "/intake/epd/Condition/c2", BAD)
        assert (answer.status_code, hospital.count("quarantine")) == (422, 1)
        assert "quarantine as 1" in answer.text
        assert set(hospital.stored()) == {"Patient/p1"}
        hospital.send("PUT", "/intake/epd/Condition/c2", BAD)
        assert hospital.count("quarantine") == 1, "the same is not held twice"

        code, output = run(hospital, "list")
        assert code == 1
        assert "Condition/c2" in output
        code, output = run(hospital, "show", "1")
        assert (code, "cardinality" in output, "Condition.code" in output) == (0, True, True)
        _, output = run(hospital, "export", "1")
        assert json.loads(output)["entry"][0]["resource"]["id"] == "c2"
        code, output = run(hospital, "retry", "1")
        assert (code, "still refused" in output) == (1, True)
        code, output = run(hospital, "retry", "--all", policy={"bgz-3": "observe"})
        assert (code, "taken in" in output) == (0, True)
        assert "Condition/c2" in hospital.stored()
        assert run(hospital, "list")[0] == 0


def test_a_retry_never_puts_the_old_above_the_new(tmp_path: Path) -> None:
    with house("sqlite", tmp_path, epd=source(policy={"*": "block"})) as hospital:
        hospital.send("PUT", "/intake/epd/Patient/p1", patient())
        hospital.send("PUT", "/intake/epd/Condition/c2", BAD)
        hospital.send("PUT", "/intake/epd/Condition/c2", condition("c2", clinicalStatus="resolved"))
        code, output = run(hospital, "retry", "1", policy={"*": "observe"})
        assert (code, "was changed after" in output) == (1, True)
        assert hospital.stored()["Condition/c2"]["clinicalStatus"] == "resolved"


def test_in_a_transaction_one_blocked_resource_holds_back_all(tmp_path: Path) -> None:
    with house("sqlite", tmp_path, epd=source(policy={"*": "block"})) as hospital:
        whole = bundle("transaction", ("PUT", "Patient/p1", patient()), ("PUT", "Condition/c2", BAD))
        assert hospital.send("POST", "/intake/epd", whole).status_code == 422
        assert hospital.stored() == {}
        code, output = run(hospital, "retry", "1", policy={"*": "observe"})
        assert (code, set(hospital.stored())) == (0, {"Patient/p1", "Condition/c2"}), output


def test_in_a_batch_the_rest_goes_on_without_what_depends_on_it(tmp_path: Path) -> None:
    """A blocked Patient: the Condition that needs it is refused; the other patient is stored."""
    with house("sqlite", tmp_path, epd=source(policy={"*": "block"})) as hospital:
        spoiled = patient(gender="unheard-of")
        batch = bundle("batch", ("PUT", "Patient/p1", spoiled), ("PUT", "Condition/c1", condition()),
                       ("PUT", "Patient/p2", patient("p2", "999990020")))  # fmt: skip
        answer = hospital.send("POST", "/intake/epd", batch)
        assert [entry["response"]["status"][:3] for entry in answer.json()["entry"]] == ["422", "422", "201"]
        assert set(hospital.stored()) == {"Patient/p2"}
        assert hospital.count("quarantine") == 1


def test_a_bsn_that_is_none_is_found_before_it_is_masked(tmp_path: Path) -> None:
    with house("sqlite", tmp_path, epd=source(policy={"*": "block"})) as hospital:
        answer = hospital.send("PUT", "/intake/epd/Patient/p1", patient(bsn="999990010"))
        assert (answer.status_code, hospital.stored()) == (422, {})
        assert "999990010" not in answer.text
