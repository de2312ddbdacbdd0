"""Notifications: what stands in them, that each counts once, and what a sender that errs is told."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from world.exchange_house import (
    DOCTOR,
    GGZ,
    HOSPITAL,
    STRANGER,
    URA,
    ExchangeWorld,
    exchange,
    record_of_a_patient,
    some_uuid,
)
from world.intake_house import BSN, patient

from gateway.exchange.keeping import past_content
from gateway.exchange.pulling import CannotPull
from gateway.exchange.referrals import SEAL, CannotRefer
from gateway.exchange.workflow import Ends, notification_task
from gateway.share.keep import Keys
from gateway.store.exchanged import exchange_notice, received_referral, received_resource
from gateway.wiring import keys_of
from gateway.wiring.exchange import open_referrals
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.version import FhirVersion


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeWorld]:
    with exchange("sqlite", tmp_path_factory.mktemp("exchange"), open_per_partner=40) as made:
        made.hospital.know(*record_of_a_patient())
        made.ggz.know(patient("ggz-1"))
        yield made


class Sender:
    """The stranger, which sends what it likes to the GGZ institution."""

    def __init__(self, world: ExchangeWorld) -> None:
        self.world = world
        self.token = world.stranger.token(GGZ, "ta-np-notification")
        self.url = f"{world.ggz.base}/{GGZ}/notify/Task"

    def task(self, **change: Any) -> dict[str, Any]:
        ends = Ends(URA[STRANGER], "Vreemd", URA[GGZ], "GGZ", self.world.stranger.base)
        times = (datetime.now(UTC), datetime.now(UTC) + timedelta(days=14))
        return notification_task(some_uuid(), some_uuid(), some_uuid(), ends, times, "base") | change

    def send(self, body: Any, method: str = "POST", media: str = "application/fhir+json", **options: Any) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": media}
        return self.world.stranger.ask(method, self.url, self.token, content=content, headers=headers, **options)


@pytest.fixture
def sender(world: ExchangeWorld) -> Sender:
    return Sender(world)


def test_a_notification_says_nothing_of_a_person(world: ExchangeWorld) -> None:
    """NP-03, NPN-03: no number, name, birth date or clinical word; all fields that have to be there."""
    id_ = world.hospital.refer(GGZ)
    with world.hospital.engine.connect() as store:
        wanted = select(exchange_notice.c.sealed).where(exchange_notice.c.referral_id == id_)
        sealed = bytes(store.execute(wanted).scalar_one())
    body = Keys(*keys_of(world.hospital.settings)).ring.open(SEAL, sealed)
    task = jsonio.load(body)
    for secret in (BSN, "Testpersoon", "Tessa", "1970", "Patient", "p1", "Condition"):
        assert secret not in body.decode()
    assert {"identifier", "basedOn", "groupIdentifier", "owner", "requester", "input", "restriction"} <= task.keys()
    assert (task["status"], task["intent"]) == ("requested", "proposal")
    world.hospital.deliver()


def test_the_same_notification_counts_once(sender: Sender) -> None:
    """NP-04, NP-05: known by identifier and body; another body is a conflict."""
    task = sender.task()
    before = sender.world.ggz.count(received_referral)
    answers = [sender.send(task).status_code for _ in range(3)]
    assert answers == [201, 200, 200]
    assert sender.world.ggz.count(received_referral) == before + 1
    assert sender.send(task | {"authoredOn": "2020-01-01T00:00:00Z"}).status_code == 409


def test_xml_and_older_spellings_are_understood(sender: Sender) -> None:
    """NP-02, NP-08, NPN-04."""
    old = json.dumps(sender.task()).replace("NamingSystem/TaskCode", "NamingSystem/TaskCodes")
    old = old.replace(
        "http://fhir.nl/fhir/NamingSystem/TaskParameter", "http://xxx.nl/fhir/CodeSystem/TaskParameterType"
    )
    old = old.replace("https://tools.ietf.org/html/rfc4122", "urn:ietf:rfc:3986")
    body = xmlio.dump(jsonio.load(old.encode()), FhirVersion.STU3)
    assert sender.send(body, media="application/fhir+xml").status_code == 201


def test_a_notification_for_or_of_somebody_else_is_refused(sender: Sender) -> None:
    """NP-06, NP-07: an unknown owner is not found; in the name of another organisation it is an alarm."""
    before = sender.world.ggz.count(received_referral)
    other = {"identifier": {"system": "http://fhir.nl/fhir/NamingSystem/ura", "value": "90000009"}}
    assert sender.send(sender.task(owner=other)).status_code == 404
    task = sender.task()
    task["requester"]["onBehalfOf"]["identifier"]["value"] = URA[HOSPITAL]
    assert sender.send(task).status_code == 403
    assert sender.world.ggz.audit()[-1]["incidents"]
    assert sender.world.ggz.count(received_referral) == before


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"input": []}, 422),
        ({"basedOn": [{"reference": "https://evil.example/Task/1"}]}, 422),
        ({"basedOn": "Task/1"}, 422),
        ({"code": {"text": "pull-notification"}}, 400),
        ({"status": "draft"}, 400),
        ({"identifier": []}, 400),
        ({"identifier": [{"system": "urn:x", "value": "1"}]}, 400),
        ({"groupIdentifier": None}, 400),
        ({"requester": []}, 400),
        ({"owner": {"reference": "Organization/1"}}, 400),
        ({"resourceType": "Patient"}, 400),
    ],
)
def test_what_is_no_notification_is_told_so(sender: Sender, change: dict[str, Any], status: int) -> None:
    """NP-09, NPN-10: a typed answer for each kind of wrong."""
    task = {name: value for name, value in (sender.task() | change).items() if value is not None}
    answer = sender.send(task)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


@pytest.mark.parametrize("body", [b"", b"{", b"<Task>", b"[]", b'{"resourceType":"Task","input":' + b"[" * 5_000])
def test_what_is_no_fhir_is_told_so(sender: Sender, body: bytes) -> None:
    assert sender.send(body).status_code == 400


def test_a_referral_is_taken_back(world: ExchangeWorld) -> None:
    """NP-10, NP-46: the inbox says so, nothing can be collected any more, and it was told once."""
    id_ = world.hospital.refer(GGZ)
    world.hospital.deliver()
    (came,) = [
        one for one in world.ggz.inbox() if one.group == world.hospital.task(id_)["groupIdentifier"]["value"][9:]
    ]
    world.ggz.portal.call(world.ggz.running.pull.move, came.line.id, "accepted", DOCTOR)
    referrals = open_referrals(world.hospital.settings)
    with world.hospital.engine.begin() as store:
        referrals.cancel(store, id_, "arts", datetime.now(UTC), "toch niet nodig")
    with world.hospital.engine.begin() as store, pytest.raises(CannotRefer):
        referrals.begin_handoff(store, id_, "arts", datetime.now(UTC))
    assert world.hospital.deliver() == 1
    (came,) = [one for one in world.ggz.inbox() if one.line.id == came.line.id]
    assert came.line.status == "cancelled"
    with pytest.raises(CannotPull, match="cancelled"):
        world.ggz.portal.call(world.ggz.running.pull.pull, came.line.id, DOCTOR)


def test_one_that_was_never_told_is_not_cancelled_there(world: ExchangeWorld, sender: Sender) -> None:
    """NP-11: the receiver knows nothing of it; and what was not sent yet is not sent."""
    answer = sender.send(sender.task(status="cancelled"), "PUT", params={"identifier": "x"})
    assert answer.status_code == 404
    id_ = world.hospital.refer(GGZ)
    with world.hospital.engine.begin() as store:
        open_referrals(world.hospital.settings).cancel(store, id_, "arts", datetime.now(UTC))
    assert world.hospital.deliver() == 0


def test_an_update_marks_the_item_and_makes_no_second(world: ExchangeWorld) -> None:
    """NP-55: the same group; the item is changed, and can still be read by its base."""
    id_ = world.hospital.refer(GGZ, parts=["problem"])
    world.hospital.deliver()
    before = world.ggz.count(received_referral)
    with world.hospital.engine.begin() as store:
        open_referrals(world.hospital.settings).update(store, id_, "arts", datetime.now(UTC))
    world.hospital.deliver()
    assert world.ggz.count(received_referral) == before
    came = world.ggz.inbox()[0]
    assert came.line.changed
    assert world.ggz.portal.call(world.ggz.running.pull.pull, came.line.id, DOCTOR).states == {"ok": 1}


def test_a_receiver_that_is_down_is_told_later_and_once(world: ExchangeWorld) -> None:
    """NP-12, NPN-13: nobody listens at first; it waits in the outbox, its attempts are told, and it arrives once."""
    hospital = world.hospital
    partners = hospital.settings.exchange.partners
    away = partners[GGZ].model_copy(update={"token_url": "https://localhost:1/token"})
    id_ = hospital.refer(GGZ)
    partners[GGZ], there = away, partners[GGZ]
    try:
        assert hospital.deliver() == 1
    finally:
        partners[GGZ] = there
    assert hospital.deliver() == 0
    before = world.ggz.count(received_referral)
    assert hospital.deliver(datetime.now(UTC) + timedelta(minutes=2)) == 1
    assert world.ggz.count(received_referral) == before + 1
    with hospital.engine.connect() as store:
        row = store.execute(select(exchange_notice).where(exchange_notice.c.referral_id == id_)).one()
    assert (row.state, row.attempts) == ("sent", 2)
    sent = [one for one in hospital.audit() if one.get("basis") == id_]
    assert [one["outcome"] for one in sent] == [504, 201]


def test_what_is_refused_for_good_is_not_tried_again(world: ExchangeWorld) -> None:
    """NP-13: the receiver does not know us in this role; somebody has to look."""
    partners = world.ggz.settings.exchange.partners
    partners[HOSPITAL], there = partners[HOSPITAL].model_copy(update={"scopes": ()}), partners[HOSPITAL]
    try:
        id_ = world.hospital.refer(GGZ)
        assert world.hospital.deliver() == 1
    finally:
        partners[HOSPITAL] = there
    with world.hospital.engine.connect() as store:
        row = store.execute(select(exchange_notice).where(exchange_notice.c.referral_id == id_)).one()
    assert (row.state, "invalid_scope" in row.answer) == ("dead", True)


def test_a_process_that_dies_while_sending_loses_nothing(world: ExchangeWorld) -> None:
    """What a dead process held is free again after a while, and a second try makes no second item."""
    id_ = world.hospital.refer(GGZ)
    mine = exchange_notice.c.referral_id == id_
    world.hospital.deliver()
    before = world.ggz.count(received_referral)
    with world.hospital.engine.begin() as store:
        # It arrived, and the process died before it could write that down.
        claimed = datetime.now(UTC)
        store.execute(update(exchange_notice).where(mine).values(state="waiting", claimed=claimed, next=claimed))
    assert world.hospital.deliver() == 0
    assert world.hospital.deliver(datetime.now(UTC) + timedelta(minutes=3)) == 1
    assert world.ggz.count(received_referral) == before


def test_a_person_with_another_birth_date_is_an_alarm(world: ExchangeWorld) -> None:
    """NP-53, NP-54, RX-06: known by number with another birth date: stop; not known at all: nobody is made."""
    world.ggz.know(patient("ggz-1", birthDate="1971-01-31"))
    world.hospital.refer(GGZ, parts=["patient", "problem"])
    world.hospital.deliver()
    came = world.ggz.inbox()[0]
    with pytest.raises(CannotPull, match="birth date"):
        world.ggz.portal.call(world.ggz.running.pull.pull, came.line.id, DOCTOR)
    world.ggz.know(patient("ggz-1"))


def test_without_a_professional_nothing_is_collected(world: ExchangeWorld) -> None:
    """NP-18, RX-04."""
    from gateway.exchange.trust import NOBODY

    world.hospital.refer(GGZ, parts=["problem"])
    world.hospital.deliver()
    before = world.ggz.count(received_resource)
    with pytest.raises(CannotPull, match="professional"):
        world.ggz.portal.call(world.ggz.running.pull.pull, world.ggz.inbox()[0].line.id, NOBODY)
    assert world.ggz.count(received_resource) == before


def test_a_partner_that_sends_without_end_is_held(sender: Sender) -> None:
    """More open referrals than a partner may have: 429 with a time, nothing stored beyond it."""
    codes = [sender.send(sender.task()).status_code for _ in range(45)]
    assert codes[0] == 201
    assert codes[-1] == 429
    assert codes.count(201) <= 40


def test_what_was_collected_goes_and_what_was_done_stays(world: ExchangeWorld) -> None:
    """NP-69, RX-05: after its time the content is gone, the history is not."""
    world.hospital.refer(GGZ, parts=["problem"])
    world.hospital.deliver()
    came = world.ggz.inbox()[0]
    pull = world.ggz.running.pull
    world.ggz.portal.call(pull.move, came.line.id, "accepted", DOCTOR)
    assert world.ggz.portal.call(pull.pull, came.line.id, DOCTOR).states == {"ok": 1}
    world.ggz.portal.call(pull.move, came.line.id, "completed", DOCTOR)
    with world.ggz.engine.begin() as store:
        for statement in past_content(datetime.now(UTC) + timedelta(seconds=1)):
            store.execute(statement)
    (after,) = [one for one in world.ggz.inbox() if one.line.id == came.line.id]
    assert after.items == ()
    assert [one.deed for one in after.deeds] == ["notified", "accepted", "completed"]


def test_a_partner_that_is_away_stands_before_nobody(world: ExchangeWorld) -> None:
    """NPN-13: five notifications of one that is away, one of another: it arrives in the first round.

    Of the first one is tried, and all wait as long; when the time of one is over behind it, somebody is told.
    """
    ids = [world.hospital.refer(STRANGER) for _ in range(5)]
    other = world.hospital.refer(GGZ)
    start = datetime.now(UTC) + timedelta(seconds=1)
    mine = exchange_notice.c.referral_id.in_(ids)
    with world.hospital.engine.begin() as store:
        over = exchange_notice.c.referral_id == ids[-1]
        store.execute(update(exchange_notice).where(over).values(until=start + timedelta(seconds=30)))
    partners = world.hospital.settings.exchange.partners
    there = partners[STRANGER]
    partners[STRANGER] = there.model_copy(update={"token_url": "https://localhost:1/token"})
    try:
        assert world.hospital.portal.call(world.hospital.running.notices.round, start) == 2
    finally:
        partners[STRANGER] = there
    with world.hospital.engine.connect() as store:
        told = select(exchange_notice.c.state).where(exchange_notice.c.referral_id == other)
        assert store.execute(told).scalar_one() == "sent"
        columns = (exchange_notice.c.state, exchange_notice.c.attempts, exchange_notice.c.next)
        rows = store.execute(select(*columns).where(mine).order_by(exchange_notice.c.pk)).all()
    assert [(row.state, row.attempts) for row in rows] == [("waiting", 1), *[("waiting", 0)] * 3, ("dead", 0)]
    latest = max(row.next if row.next.tzinfo else row.next.replace(tzinfo=UTC) for row in rows[:4])
    assert start < latest <= start + timedelta(hours=1)
    assert world.hospital.portal.call(world.hospital.running.notices.round, start) == 0


def test_one_that_cannot_be_put_together_does_not_hold_up_the_next(world: ExchangeWorld) -> None:
    """A notification that nobody can open any more is told of, and tried later; the worker goes on."""
    broken, whole = world.hospital.refer(GGZ), world.hospital.refer(GGZ)
    with world.hospital.engine.begin() as store:
        mine = exchange_notice.c.referral_id == broken
        store.execute(update(exchange_notice).where(mine).values(sealed=b"no seal"))
    now = datetime.now(UTC) + timedelta(seconds=1)
    world.hospital.deliver(now)
    with world.hospital.engine.connect() as store:
        rows = store.execute(select(exchange_notice.c.referral_id, exchange_notice.c.state))
        state = {str(row[0]): str(row[1]) for row in rows}
    assert (state[broken], state[whole]) == ("waiting", "sent")
