"""What becomes of a resource at a receiver, from facts about it; and the command that tells it (APP-04)."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.validate import validate
from profiles.fhir.version import FhirVersion
from profiles.receivers.judge import Outcome, judge
from profiles.receivers.load import ReceiverError, names, receiver
from profiles.standards.load import catalogue

N = "http://nictiz.nl/fhir/StructureDefinition/"
MGO = receiver("mgo")


def problem(*claims: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Condition", "id": "c", "meta": {"profile": list(claims)}, **more}


@pytest.mark.parametrize(
    ("resource", "outcome"),
    [
        (problem(f"{N}zib-Problem", code={"text": "Astma"}), Outcome.SHOWN),
        (problem("https://x", f"{N}zib-Problem", code={"coding": [{"display": "Astma"}]}), Outcome.SHOWN),
        (problem(f"{N}zib-Problem", code={"coding": [{"code": "1"}]}), Outcome.NAMELESS),
        (problem(f"{N}zib-Problem", code={"text": "  "}), Outcome.NAMELESS),
        (problem(f"{N}zib-problem", code={"text": "Astma"}), Outcome.LIST_LOST),
        (problem(f"{N}zib-Problem|2.2.18", code={"text": "Astma"}), Outcome.DROPPED),
        (problem("https://x"), Outcome.DROPPED),
        (problem(), Outcome.DROPPED),
        ({"resourceType": "Condition", "meta": {"profile": "x"}}, Outcome.DROPPED),
        ({"resourceType": "Condition", "meta": 1}, Outcome.DROPPED),
        ({"resourceType": "Medication", "meta": {"profile": [f"{N}zib-Product"]}}, Outcome.REFERENCE),
        ({"resourceType": "Observation", "meta": {"profile": [f"{N}zib-FamilySituation"]}}, Outcome.UNREAD),
    ],
)
def test_the_claim_and_the_title_decide(resource: dict[str, Any], outcome: Outcome) -> None:
    assert judge(MGO, resource, FhirVersion.STU3).outcome is outcome


def test_every_search_of_a_receiver_is_of_a_service_that_we_know() -> None:
    for name in names():
        for service, searches in receiver(name).searches.items():
            assert catalogue().service(service)
            assert all("{" not in one.replace("{date}", "") for one in searches.values())


def test_an_unknown_receiver_is_told_with_those_that_are_known() -> None:
    with pytest.raises(ReceiverError, match="known are mgo"):
        receiver("moh")


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(validate, list(arguments))
    return done.exit_code, done.output


def test_the_command_tells_each_fate_and_how_many(tmp_path: Path) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": problem(f"{N}zib-Problem", code={"text": "Astma"})}, {"resource": problem("https://x")}],
    }
    file = tmp_path / "b.json"
    file.write_text(json.dumps(bundle), "utf-8")
    code, output = run("--receiver", "mgo", str(file))
    assert code == 1
    assert "Condition/c: shown" in output
    assert "1 shown, 1 dropped" in output
    file.write_text(json.dumps(bundle["entry"][0]["resource"]), "utf-8")  # type: ignore[index]
    assert run("--receiver", "mgo", str(file))[0] == 0


def test_the_parser_of_the_tester_is_asked_a_line_per_resource(tmp_path: Path) -> None:
    file, parser = tmp_path / "c.json", tmp_path / "parser.py"
    file.write_text(json.dumps(problem(f"{N}zib-Problem", code={"text": "Astma"})), "utf-8")
    parser.write_text(
        "import json, sys\nfor line in sys.stdin:\n    print('parsed', json.loads(line)['code']['text'])\n", "utf-8"
    )
    code, output = run("--receiver", "mgo", "--parser", f"{sys.executable} {parser}", str(file))
    assert (code, "| parsed Astma" in output) == (0, True)
    parser.write_text("raise SystemExit(3)", "utf-8")
    assert run("--receiver", "mgo", "--parser", f"{sys.executable} {parser}", str(file))[0] == 2
    assert run("--receiver", "mgo", "--parser", "/no/such/command", str(file))[0] == 2
    assert run("--parser", "cat", str(file))[0] == 2
    assert run("--receiver", "moh", str(file))[0] == 2
    assert run("--receiver", "mgo")[0] == 2
