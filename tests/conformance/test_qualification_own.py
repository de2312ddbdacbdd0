"""A qualification set of our own, from the command line: loaded into an empty gateway and run against it, two persons.

Small scripts in the form of the official ones, in XML and JSON; what the official ones ask beyond this is tried in
test_qualification_sets.py where they are there. Every script must pass whole, with profile asserts by our own tables.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS, database
from servers import Running, serving

GATEWAY = Path(sys.executable).parent / "gateway"
PROFILE = "http://nictiz.nl/fhir/StructureDefinition/zib-Problem"
NL_CORE = "http://fhir.nl/fhir/StructureDefinition/nl-core-patient"
SNOMED = "http://snomed.info/sct"
PERSONS = {"vera": "999990019", "teun": "999990020"}
SUT = "http://fhir.interoplab.eu/fhir/StructureDefinition/Interoplab-CL-ext-SUT"


def token(person: str) -> str:
    return f"own-set-token-of-{person}-0001"


def patient(person: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": person,
        "meta": {"profile": [NL_CORE]},
        "name": [{"text": f"{person.title()} Voorbeeld"}],
        "gender": "unknown",
        "birthDate": "${DATE, T, Y, -40}",
    }


def problem(person: str) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"{person}-kneuzing",
        "meta": {"profile": [PROFILE]},
        "clinicalStatus": "active",
        "verificationStatus": "confirmed",
        "category": [{"coding": [{"system": SNOMED, "code": "282291009"}]}],
        "code": {"coding": [{"system": SNOMED, "code": "125667009"}], "text": f"Kneuzing van {person}"},
        "subject": {"reference": f"Patient/{person}", "display": f"{person.title()} Voorbeeld"},
        "onsetDateTime": "${DATE, T, D, -20}",
    }


def script(name: str, person: str, asked: str, asserts: list[dict[str, str]], form: str) -> str:
    """A TestScript: one request with the token of a person, and what must hold for the answer."""
    type_, _, params = asked.partition(" ")
    code = "read" if params.startswith("/") else "search"
    rows = "".join(
        "<action><assert>"
        + "".join(f'<{key} value="{value}"/>' for key, value in {"description": name, **one}.items())
        + '<warningOnly value="false"/></assert></action>'
        for one in asserts
    )
    sides = "".join(
        f'<{side}><extension url="{SUT}"><valueBoolean value="{mark}"/></extension><index value="1"/></{side}>'
        for side, mark in (("origin", "false"), ("destination", "true"))
    )
    return (
        f'<TestScript xmlns="http://hl7.org/fhir"><id value="{name}"/><version value="stu3-3.0"/><name value="{name}"/>'
        f'{sides}<profile id="problem" value="{PROFILE}"/>'
        f'<variable><name value="token"/><defaultValue value="Bearer {token(person)}"/></variable>'
        f'<test><name value="{name}"/><action><operation><type><code value="{code}"/></type><resource value="{type_}"/>'
        f'<accept value="{form}"/>'
        + (f'<params value="{params}"/>' if params else "")
        + '<requestHeader><field value="Authorization"/><value value="${token}"/></requestHeader></operation></action>'
        f"{rows}</test></TestScript>"
    )


def holds(expression: str) -> dict[str, str]:
    return {"expression": expression.replace("'", "&apos;")}


SCRIPTS: dict[str, tuple[str, str, list[dict[str, str]]]] = {
    "own-patient": ("vera", "Patient", [{"responseCode": "200"}, holds("Bundle.entry.resource.id = 'vera'")]),
    "own-problem": (
        "vera",
        "Condition",
        [
            {"responseCode": "200"},
            {"resource": "Bundle"},
            holds("Bundle.total = 1"),
            holds("Bundle.entry.resource.subject.reference.endsWith('Patient/vera')"),
            holds("Bundle.entry.resource.onset as dateTime &lt; today()"),
        ],
    ),
    "own-of-the-other": ("teun", "Condition", [holds("Bundle.entry.resource.code.text = 'Kneuzing van teun'")]),
    "own-never-of-another": ("teun", "Condition /vera-kneuzing", [{"responseCode": "404"}]),
    "own-read": ("vera", "Condition /vera-kneuzing", [{"responseCode": "200"}, {"validateProfileId": "problem"}]),
    "own-nothing": ("vera", "Flag", [{"responseCode": "200"}, holds("Bundle.total = 0")]),
    "own-refused": ("vera", "Condition ?patient=teun", [{"responseCode": "400"}, {"resource": "OperationOutcome"}]),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The set as files, in the layout of the official ones."""
    folder = tmp_path / "Eigen-1-0"
    for name in ("_reference", "XIS-Server"):
        (folder / name).mkdir(parents=True)
    for person in PERSONS:
        for resource in (patient(person), problem(person)):
            (folder / "_reference" / f"{resource['id']}.json").write_text(json.dumps(resource))
    rows = [
        {"accessToken": f"Bearer {token(person)}", "resourceId": person, "bsn": bsn} for person, bsn in PERSONS.items()
    ]
    (folder / "QualificationTokens.json").write_text(json.dumps(rows))
    for name, (person, asked, asserts) in SCRIPTS.items():
        for form in ("json", "xml"):
            (folder / "XIS-Server" / f"{name}-{form}.xml").write_text(script(name, person, asked, asserts, form))
    return folder


@pytest.fixture(params=KINDS)
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    with database(request.param, tmp_path) as url, serving(url, world=False) as server:
        yield server


def gateway(server: Running, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "GATEWAY_MODE": "test", "GATEWAY_DATABASE_URL": server.settings.database_url}
    return subprocess.run([GATEWAY, *words], env=environment, capture_output=True, text=True, check=False)


def test_a_set_of_our_own_is_loaded_and_passes_whole(running: Running, folder: Path, tmp_path: Path) -> None:
    """SC-I1, RES-04, RES-10, ERR-44: from two commands to a report, and nobody gets what is of another."""
    loaded = gateway(running, "qualify", "load", str(folder), "--provider", "ziekenhuiszandoord", "--service", "48")
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr
    assert "4 stored" in loaded.stdout
    base = f"{running.base}/ziekenhuiszandoord/48/fhir"
    report = tmp_path / "report"
    done = gateway(running, "qualify", "run", str(folder), "--base", base, "--report", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    (results,) = json.loads((report / "results.json").read_text())["sets"]
    statuses = {row["id"]: row["status"] for row in results["scripts"]}
    assert len(results["scripts"]) == 2 * len(SCRIPTS)
    assert set(statuses.values()) == {"passed"}

    wrong = script("own-wrong", "vera", "Condition", [holds("Bundle.total = 2")], "json")
    (folder / "XIS-Server" / "own-wrong-json.xml").write_text(wrong)
    done = gateway(running, "qualify", "run", str(folder), "--base", base, "--script", "own-wrong")
    assert done.returncode == 1, "what does not hold is no success"
    assert "the expression gives false" in done.stderr
