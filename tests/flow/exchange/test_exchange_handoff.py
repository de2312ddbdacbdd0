"""The nursing handoff between two of our own gateways: both sides, over mutual TLS."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from world.exchange_house import DOCTOR, GGZ, HOSPITAL, ExchangeWorld, exchange, record_of_a_patient
from world.intake_house import BSN

from gateway.exchange.referrals import CannotRefer
from gateway.wiring.exchange import open_referrals


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeWorld]:
    with exchange("sqlite", tmp_path_factory.mktemp("exchange")) as made:
        made.hospital.know(
            *record_of_a_patient(), composition("advance"), composition("handoff", "DocumentReference/b1")
        )
        yield made


def composition(id_: str, *more: str) -> dict[str, Any]:
    """A message of a handoff that leads to a problem, and to what else is named."""
    entries = [{"reference": one} for one in ("Condition/c1", *more)]
    return {
        "resourceType": "Composition",
        "id": id_,
        "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "57830-2"}]},
        "subject": {"reference": "Patient/p1"},
        "date": "2026-01-01",
        "author": [{"reference": "Patient/p1"}],
        "title": "Overdracht",
        "section": [{"title": "Problemen", "entry": entries}],
    }


class Handoff:
    """A handoff from the hospital to the GGZ institution."""

    def __init__(self, world: ExchangeWorld) -> None:
        self.world = world
        options = {"flow": "eoverdracht", "base": "transfer", "advance": "advance", "handoff": "handoff"}
        self.id = world.hospital.refer(GGZ, **options)
        assert world.hospital.deliver() == 1
        self.fhir = f"{world.hospital.base}/{HOSPITAL}/fhir"

    def get(self, path: str, *, personal: bool = True, **options: Any) -> Any:
        user = {"user": DOCTOR} if personal else {}
        token = self.world.ggz.token(HOSPITAL, "eOverdracht-sender", **user)
        return self.world.ggz.ask("GET", f"{self.fhir}/{path}", token, **options)

    def move(self, status: str) -> None:
        pull = self.world.ggz.running.pull
        self.world.ggz.portal.call(pull.move, self.world.ggz.inbox()[0].line.id, status, DOCTOR)


def test_a_handoff_from_the_empty_notification_to_its_end(world: ExchangeWorld) -> None:
    """NP-57, NP-58, NP-59, NP-60, EO-01, EO-04, EO-05: each part is open while it is its turn."""
    handoff = Handoff(world)
    (came,) = world.ggz.inbox()
    assert came.line.status == "requested"
    task = handoff.get(f"Task/{handoff.id}", personal=False)
    assert task.status_code == 200
    for secret in (BSN, "Testpersoon", "1970", "Condition"):
        assert secret not in task.text
    assert handoff.get("Composition/advance", personal=False).status_code == 403
    assert handoff.get("Composition/advance").status_code == 200
    assert handoff.get("Composition/handoff/$document").status_code == 403
    handoff.move("accepted")
    with world.hospital.engine.begin() as store:
        open_referrals(world.hospital.settings).begin_handoff(store, handoff.id, "verpleegkundige", datetime.now(UTC))
    assert world.hospital.deliver() == 1
    assert handoff.get("Composition/advance").status_code == 403
    document = handoff.get("Composition/handoff/$document").json()
    assert (document["type"], document["entry"][0]["resource"]["id"]) == ("document", "handoff")
    types = {entry["resource"]["resourceType"] for entry in document["entry"]}
    assert types == {"Composition", "Condition", "Patient", "DocumentReference"}
    assert BSN in json.dumps(document)
    assert handoff.get("Binary/b1-pdf", headers={"accept": "application/pdf"}).status_code == 200
    handoff.move("on-hold")
    handoff.move("in-progress")
    (came,) = world.ggz.inbox()
    result = world.ggz.portal.call(world.ggz.running.pull.pull, came.line.id, DOCTOR)
    assert result.states["ok"] >= 1
    assert "Composition/handoff" in {f"{one.type}/{one.id}" for one in world.ggz.inbox()[0].items}
    handoff.move("completed")
    assert handoff.get("Composition/handoff/$document").status_code == 403
    assert handoff.get(f"Task/{handoff.id}", personal=False).json()["status"] == "completed"


def test_a_handoff_needs_what_is_handed_over(world: ExchangeWorld) -> None:
    """A handoff without a Composition, or with one of nobody, is told in words."""
    with pytest.raises(CannotRefer, match="Composition"):
        world.hospital.refer(GGZ, flow="eoverdracht", base="transfer")
    with pytest.raises(CannotRefer, match="Composition"):
        world.hospital.refer(GGZ, flow="eoverdracht", base="transfer", handoff="nothing")


def test_a_stranger_sees_no_handoff(world: ExchangeWorld) -> None:
    """NP-15 for a handoff: its token names no Task, so the address decides, and only for whom it is."""
    handoff = Handoff(world)
    token = world.stranger.token(HOSPITAL, "eOverdracht-sender", user=DOCTOR)
    for path in (f"Task/{handoff.id}", "Composition/advance"):
        assert world.stranger.ask("GET", f"{handoff.fhir}/{path}", token).status_code in (403, 404)
