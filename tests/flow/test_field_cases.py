"""The field cases themselves, as they lie there, through the doors that their lines name; on both databases.

Those of HL7 v2 are in test_intake_hl7v2_field, those of the login bridge in test_auth_login_keys, f05 (a document of a
PGO) in test_documents: these stories need a world of their own.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from databases import KINDS
from shared import shared
from world.intake_house import BSN, House, condition, house, patient, source

from gateway.cli.validate import validate

PUT = "/intake/epd/Condition/f01"


@pytest.fixture(params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with house(request.param, tmp_path, epd=source()) as found:
        found.send("PUT", "/intake/epd/Patient/7004", patient("7004", BSN))
        yield found


def case(name: str) -> bytes:
    return shared("field-cases", name).read_bytes()


def test_what_was_put_has_a_moment_and_stays_when_only_new_is_wanted(hospital: House) -> None:
    """f01, f03."""
    assert hospital.send("PUT", PUT, case("f01-lastupdated.json")).status_code == 201
    assert hospital.stored()["Condition/f01"]["meta"]["lastUpdated"] > "2000-01-01"
    other = condition("f01", "7004", clinicalStatus="resolved")
    assert hospital.send("PUT", PUT, other, headers={"if-none-match": "*"}).status_code == 412
    assert hospital.stored()["Condition/f01"]["clinicalStatus"] == "active"


def test_a_conditional_reference_is_percent_decoded(hospital: House) -> None:
    """f07."""
    answer = hospital.send("POST", "/intake/epd", case("f07-conditional-reference-encoded.json"))
    assert answer.status_code == 200, answer.text
    assert [body["subject"]["reference"] for key, body in hospital.stored().items() if key.startswith("Cond")] == [
        "Patient/7004"
    ]


def test_a_media_type_has_no_case(hospital: House) -> None:
    """f08."""
    entries = json.loads(case("f08-media-type-case.json"))["entry"]
    for entry in entries:
        body = entry["resource"]
        entry["request"] = {"method": "PUT", "url": f"{body['resourceType']}/{body['id']}"}
    answer = hospital.send("POST", "/intake/epd", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    assert "document-type" not in answer.text
    assert "Binary/bf08" in hospital.stored()


VERDICTS = {
    "v01-narrative-onclick": ("stu3", 1), "v02-narrative-javascript-link": ("stu3", 1),
    "v04-narrative-empty": ("stu3", 1), "v06-narrative-unclosed": ("stu3", 1), "v07-dom3-image-stu3": ("stu3", 0),
    "v09-reference-type-contradicts": ("r4", 1),
}  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), VERDICTS.items())
def test_validation_says_what_is_right(name: str, expected: tuple[str, int], tmp_path: Path) -> None:
    release, code = expected
    path = str(shared("field-cases", f"{name}.json"))
    given = CliRunner().invoke(validate, ["--package-cache", str(tmp_path), "--fhir", release, path])
    assert given.exit_code == code, given.output


@pytest.mark.usefixtures("official_packages")
def test_a_given_name_without_its_kind_is_not_right(package_cache: Path, tmp_path: Path) -> None:
    """v11: zib-NameInformation asks for the kind of each given name, of an official name.

    The case says no use: then it is in neither slice of zib-Patient, and nothing is asked of it.
    """
    person = json.loads(case("v11-zib2020-given-kind.json"))
    codes = {}
    for use in ({}, {"use": "official"}):
        person["name"] = [person["name"][0] | use]
        path = tmp_path / "person.json"
        path.write_text(json.dumps(person), "utf-8")
        arguments = ["--package-cache", str(package_cache), "--fhir", "r4", str(path)]
        codes[bool(use)] = CliRunner().invoke(validate, arguments).exit_code
    assert codes == {False: 0, True: 1}
