"""Two of our own gateways exchange over real mutual TLS, in both directions, on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from databases import KINDS
from world.exchange_house import DOCTOR, GGZ, HOSPITAL, ExchangeWorld, exchange, record_of_a_patient
from world.intake_house import BSN, patient

from gateway.release.deeds import FlagWish, end, flag, flags
from gateway.release.shield import Flag
from gateway.store.exchanged import received_referral
from gateway.wiring import keys_of


@pytest.fixture(scope="module", params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeWorld]:
    with exchange(request.param, tmp_path_factory.mktemp("exchange")) as made:
        made.hospital.know(*record_of_a_patient())
        made.ggz.know(patient("ggz-1"))
        yield made


def test_a_referral_from_notification_to_completed(world: ExchangeWorld) -> None:
    """NP-01, RX-03: told, read, accepted, collected with its letter, completed; then nothing is open."""
    hospital, ggz = world.hospital, world.ggz
    id_ = hospital.refer(GGZ, letters=["b1"])
    assert hospital.deliver() == 1
    (came,) = [one for one in ggz.inbox() if one.line.status == "requested"]
    pull = ggz.running.pull
    ggz.portal.call(pull.move, came.line.id, "received", DOCTOR)
    ggz.portal.call(pull.move, came.line.id, "accepted", DOCTOR)
    result = ggz.portal.call(pull.pull, came.line.id, DOCTOR)
    assert result.whole, ggz.inbox()[0].searches
    assert result.match == "known"
    (came,) = [one for one in ggz.inbox() if one.line.id == came.line.id]
    kept = {f"{one.type}/{one.id}" for one in came.items}
    assert {"Patient/p1", "Condition/c1", "Condition/c2", "DocumentReference/b1", "Binary/b1-pdf"} <= kept
    assert not kept & {"Condition/c9", "Patient/p2", "DocumentReference/b2", "Consent/d1"}
    (person,) = [one.resource for one in came.items if one.type == "Patient"]
    assert person is not None
    assert person["identifier"][0]["value"] == BSN
    ggz.portal.call(pull.move, came.line.id, "completed", DOCTOR)
    assert hospital.task(id_)["status"] == "completed"
    actions = [one["action"] for one in hospital.audit()]
    assert {"institution:notification:send", "institution:resource:search-type"} <= set(actions)
    assert "institution:data:pull" in [one["action"] for one in ggz.audit()]


def test_and_the_other_way_round(world: ExchangeWorld) -> None:
    """NP-01, as the receiver of the former test: the same installation refers and is referred to."""
    hospital, ggz = world.hospital, world.ggz
    before = hospital.count(received_referral)
    ggz.refer(HOSPITAL, parts=["patient", "problem"], data_set="bgz-msz-1.2.2")
    assert ggz.deliver() == 1
    assert hospital.count(received_referral) == before + 1
    came = hospital.inbox()[0]
    hospital.portal.call(hospital.running.pull.move, came.line.id, "accepted", DOCTOR)
    result = hospital.portal.call(hospital.running.pull.pull, came.line.id, DOCTOR)
    assert result.whole
    assert result.states == {"empty": 1, "ok": 1}


def test_what_is_withheld_goes_to_no_institution(world: ExchangeWorld) -> None:
    """A problem and a letter that staff withheld are not in what another institution collects; the rest is."""
    hospital, ggz = world.hospital, world.ggz
    who, now = keys_of(hospital.settings)[0].of(BSN), datetime.now(UTC)
    with hospital.engine.begin() as store:
        for item in ("Condition/c1", "DocumentReference/b1"):
            wish = FlagWish(*item.split("/"), Flag.WITHHELD, "besproken met de patiënt")
            flag(store, HOSPITAL, who, wish, "arts", now)
    hospital.refer(GGZ, letters=["b1"])
    assert hospital.deliver() == 1
    (came,) = [one for one in ggz.inbox() if one.line.status == "requested"]
    ggz.portal.call(ggz.running.pull.move, came.line.id, "received", DOCTOR)
    ggz.portal.call(ggz.running.pull.move, came.line.id, "accepted", DOCTOR)
    ggz.portal.call(ggz.running.pull.pull, came.line.id, DOCTOR)
    (came,) = [one for one in ggz.inbox() if one.line.id == came.line.id]
    kept = {f"{one.type}/{one.id}" for one in came.items}
    assert {"Patient/p1", "Condition/c2"} <= kept
    assert not kept & {"Condition/c1", "DocumentReference/b1", "Binary/b1-pdf"}
    assert ["Condition:withheld"] in [one.get("gaps") for one in hospital.audit()]
    with hospital.engine.begin() as store:
        for line in flags(store, [HOSPITAL], ended=False):
            end(store, [HOSPITAL], line.number, "arts", now)
