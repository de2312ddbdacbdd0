"""Cases of the specification where a look at the answer alone proves too little."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from databases import KINDS
from sqlalchemy import select, update
from world.share_house import (
    BRAM,
    MEASURE,
    ZIB,
    ShareHouse,
    bundle,
    entry,
    measurements,
    sender,
    share_house,
    urn,
    weight,
)

from gateway.store.engine import reading
from gateway.store.schema import resource
from gateway.store.shared import submission

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"


@pytest.fixture(scope="module", params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShareHouse]:
    with share_house(request.param, tmp_path_factory.mktemp("cases")) as made:
        yield made


@pytest.fixture
def house(hospital: ShareHouse) -> ShareHouse:
    hospital.forget()
    return hospital


def pressure(who: str, systolic: int, diastolic: int) -> dict[str, Any]:
    """A blood pressure that a person measured."""

    def part(code: str, display: str, value: int) -> dict[str, Any]:
        quantity = {"value": value, "unit": "mm[Hg]", "system": UCUM, "code": "mm[Hg]"}
        return {"code": {"coding": [{"system": LOINC, "code": code, "display": display}]}, "valueQuantity": quantity}

    made = weight(who) | {
        "meta": {"profile": [f"{ZIB}zib-BloodPressure"]},
        "code": {"coding": [{"system": LOINC, "code": "85354-9", "display": "Blood pressure panel"}]},
        "component": [
            part("8480-6", "Systolic blood pressure", systolic),
            part("8462-4", "Diastolic blood pressure", diastolic),
        ],
    }
    del made["valueQuantity"]
    return made


@pytest.mark.parametrize(
    ("systolic", "diastolic", "marked"), [(400, 80, True), (70, 90, True), (120, 80, False), (300, 80, False)]
)
def test_a_blood_pressure_that_cannot_well_be(house: ShareHouse, systolic: int, diastolic: int, marked: bool) -> None:
    """DL-C04, DL-43: a systolic pressure of 400, or one below the diastolic, is 201 and marked for who judges it."""
    who = urn()
    answer = house.send(bundle("batch", sender(who), entry(urn(), pressure(who, systolic, diastolic))))
    assert [one["response"]["status"][:3] for one in answer.json()["entry"]] == ["200", "201"]
    (line,) = house.lines()
    assert (line.urgent, "implausible" in line.findings) == (marked, marked)
    shown = answer.json()["entry"][1]["resource"]["component"]
    assert [part["valueQuantity"]["value"] for part in shown] == [systolic, diastolic]


def test_the_second_of_the_same_says_which_it_repeats(house: ShareHouse) -> None:
    """DL-C06, DL-30: a submission of its own that names the first; the third names the first too."""
    body = measurements(61.25)
    for _ in range(3):
        assert house.send(body).status_code == 200
    with reading(house.engine).connect() as connection:
        rows = connection.execute(select(submission.c.id, submission.c.duplicate_of).order_by(submission.c.pk)).all()
    first = rows[0].id
    assert [row.duplicate_of for row in rows] == ["", first, first]


def test_a_token_of_one_service_sends_nothing_to_another(house: ShareHouse) -> None:
    """DL-C09: insufficient_scope, and nothing is stored."""
    answer = house.send(measurements(70), service="48")
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert house.count() == (0, 0)


def test_the_relation_ends_between_consent_and_sending(house: ShareHouse) -> None:
    """DL-C12, AVL-08: known while the token was given and something was sent; then the person's record ends."""

    def ended(yes: bool) -> None:
        theirs = update(resource).where(resource.c.type == "Patient", resource.c.id == "bram")
        with house.engine.begin() as connection:
            connection.execute(theirs.values(deleted=yes))

    assert house.send(measurements(70, bsn=BRAM), bsn=BRAM).status_code == 200
    ended(True)
    try:
        refused = house.send(measurements(71, bsn=BRAM), bsn=BRAM)
    finally:
        ended(False)
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (403, "forbidden")
    assert house.count()[0] == 1
    assert house.send(measurements(72, bsn=BRAM), bsn=BRAM).status_code == 200


def test_no_connection_is_made_to_what_is_pointed_at(house: ShareHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """DL-C42, DL-24: no name is looked up and no line is opened, for a reference, an attachment or a profile."""
    asked: list[str] = []
    known = socket.getaddrinfo

    def looked_up(host: Any, *more: Any, **options: Any) -> Any:
        asked.append(str(host))
        return known(host, *more, **options)

    def connected(_line: socket.socket, address: Any) -> None:
        asked.append(str(address))
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket.socket, "connect", connected)
    who = urn()
    away = {"reference": "https://elsewhere.example/fhir/Device/1", "display": "weegschaal"}
    narrative = '<div xmlns="http://www.w3.org/1999/xhtml"><img src="https://elsewhere.example/x.png" alt="x"/></div>'
    told = {"text": {"status": "generated", "div": narrative}, "device": away}
    answer = house.send(bundle("batch", sender(who), entry(urn(), weight(who, **told))), service=MEASURE)
    assert answer.status_code == 200
    assert [one for one in asked if "elsewhere" in one] == []
