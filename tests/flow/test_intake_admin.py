"""What operators ask of the internal listener: typed, for those who may, and never a patient's data."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from databases import KINDS
from world.intake_house import BSN, House, condition, house, patient, source, without

from auth.ports import Peer
from gateway.intake.admin import Desk, application
from gateway.intake.worker import Worker
from gateway.store.reader import StoreUnavailable

BAD = without(condition("c2"), "code")
OPERATOR, SOURCE = "beheer.intern.example", "epd.intern.example"


def desk(hospital: House, *peer: str, mode: Any = "production", operators: tuple[str, ...] = (OPERATOR,)) -> Desk:
    """The operators' desk of a hospital, asked by a peer with these names."""
    return Desk(hospital.engine, Worker(1), lambda _scope: Peer(peer or None), frozenset(operators), mode)


def asked(at: Desk, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application(at))
        async with httpx.AsyncClient(transport=transport, base_url="http://intern") as client:
            return await client.get(path)

    return asyncio.run(ask())


@pytest.mark.parametrize("kind", KINDS)
def test_an_operator_sees_what_is_held_and_why(kind: str, tmp_path: Path) -> None:
    with house(kind, tmp_path, epd=source(policy={"bgz-3": "block"})) as hospital:
        hospital.send("PUT", "/intake/epd/Patient/p1", patient())
        hospital.send("PUT", "/intake/epd/Condition/c2", BAD)
        (item,) = hospital.send("GET", "/admin/quarantine").json()
        assert (item["number"], item["what"], item["state"]) == (1, "PUT Condition/c2", "held")
        assert item["errors"] >= 1
        assert item["findings"] == []
        whole = hospital.send("GET", "/admin/quarantine/1").json()
        assert {row["resource"] for row in whole["findings"]} == {"Condition/c2"}
        assert any(row["rule"] and row["severity"] == "error" for row in whole["findings"])
        for answer in (item, whole):
            text = json.dumps(answer)
            assert BSN not in text
            assert "Testpersoon" not in text
        assert hospital.send("GET", "/admin/quarantine/2").status_code == 404


def test_the_listener_tells_its_health_and_what_it_is(tmp_path: Path) -> None:
    with house("sqlite", tmp_path) as hospital:
        assert hospital.send("GET", "/health/ready").json() == {"status": "ready"}
        assert hospital.send("GET", "/admin/version").json()["mode"] == "test"
        assert hospital.send("GET", "/admin/quarantine").json() == []
        assert hospital.send("GET", "/admin/openapi.json").status_code == 404


@pytest.mark.parametrize("path", ["/version", "/quarantine", "/quarantine/1"])
def test_it_is_closed_for_who_is_no_operator(path: str, tmp_path: Path) -> None:
    """Fail closed: without a certificate, with one of a source, and in production also when nobody is configured."""
    with house("sqlite", tmp_path) as hospital:
        assert asked(desk(hospital, OPERATOR), path).status_code in (200, 404)
        for peer in ((), (SOURCE,)):
            assert asked(desk(hospital, *peer), path).status_code == 403
            assert asked(desk(hospital, *peer, mode="test"), path).status_code == 403
            assert asked(desk(hospital, *peer, operators=()), path).status_code == 403
        assert asked(desk(hospital, mode="test", operators=()), path).status_code in (200, 404)


@pytest.mark.parametrize("wrong", ["/quarantine?state=999990019", "/quarantine/999990019000", "/quarantine/x"])
def test_wrong_input_is_named_and_not_said_back(wrong: str, tmp_path: Path) -> None:
    with house("sqlite", tmp_path) as hospital:
        answer = asked(desk(hospital, OPERATOR), wrong)
        assert answer.status_code == 422
        assert BSN not in answer.text


def test_a_store_that_is_away_is_503(tmp_path: Path) -> None:
    class Down(Worker):
        async def run(self, work: Any) -> Any:
            raise StoreUnavailable

    with house("sqlite", tmp_path) as hospital:
        at = Desk(hospital.engine, Down(1), lambda _scope: Peer((OPERATOR,)), frozenset({OPERATOR}), "production")
        answer = asked(at, "/quarantine")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
