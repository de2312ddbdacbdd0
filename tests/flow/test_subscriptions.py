"""Abonneren and Notificeren: subscribing, noticing what is new within the hour, telling the PGO nothing of what."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from databases import KINDS
from sqlalchemy import insert, select
from world.release_house import ROWS, lab
from world.share_house import ANNA, BRAM
from world.subscription_house import ONE, PROVIDER, SERVICE, TWO, SubscriptionHouse, filed_for, subscription_house

from auth.store.tables import consents
from gateway.release.rules import ResultKind, rules, visible_from
from gateway.release.shield import ReleasePolicy
from gateway.store.engine import reading
from gateway.store.schema import audit_record
from gateway.store.shared import notice, subscription
from gateway.subscriptions.notify import outside
from gateway.subscriptions.register import EndedBy
from gateway.subscriptions.settings import SubscriptionSettings
from gateway.subscriptions.wire import Malformed, read
from gateway.wiring import keys_of


@pytest.fixture(scope="module", params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SubscriptionHouse]:
    with subscription_house(request.param, tmp_path_factory.mktemp("subscriptions")) as found:
        yield found


@pytest.fixture
def house(hospital: SubscriptionHouse) -> SubscriptionHouse:
    hospital.forget()
    return hospital


def day(house: SubscriptionHouse, days: int) -> str:
    return (house.day + timedelta(days=days)).isoformat()


def test_subscribing(house: SubscriptionHouse) -> None:
    """AB-C01, AB-C02, AB-C05, AB-C06, AB-11: as long as was granted; five of a kind, and no sixth."""
    token = house.token()
    first = house.ask(token)
    assert (first.status_code, first.json()["end_date"]) == (201, day(house, 90))
    assert len(first.json()["subscription_id"]) <= 64
    assert first.headers["cache-control"] == "no-store"
    second = house.ask(token, body={"end_date": day(house, 400)})
    assert second.json()["end_date"] == day(house, 90)
    assert second.json()["subscription_id"] != first.json()["subscription_id"]
    for _ in range(3):
        assert house.ask(token, body={"end_date": day(house, 10)}).status_code == 201
    assert house.ask(token).status_code == 400


def test_tokens_keep_to_their_interface(house: SubscriptionHouse) -> None:
    """AB-C03, AB-C04, AB-04: a token to collect does not subscribe, and one to subscribe does not collect."""
    assert house.ask(house.token(function="collect")).status_code == 403
    answer = house.call(
        "GET", f"/{PROVIDER}/{SERVICE}/fhir/Patient", headers={"authorization": f"Bearer {house.token()}"}
    )
    assert answer.status_code == 403
    assert house.ask("no such token").status_code == 401


def test_the_same_request_makes_one(house: SubscriptionHouse) -> None:
    """AB-C07, AB-13: the same id, one subscription."""
    token, headers = house.token(), {"medmij-request-id": str(uuid.uuid4())}
    ids = {house.ask(token, headers=headers).json()["subscription_id"] for _ in range(3)}
    assert len(ids) == 1
    with reading(house.engine).connect() as connection:
        assert len(connection.execute(select(subscription.c.id)).all()) == 1


def test_longer_and_shorter(house: SubscriptionHouse) -> None:
    """AB-C08, AB-C09, AB-02: longer as far as the provider allows; shorter always, whatever was stopped."""
    id_ = house.subscribed()
    longer = house.ask(house.token(days=900), "PUT", id_, {"end_date": day(house, 900)})
    assert longer.json()["end_date"] == day(house, 365)
    shorter = house.ask(house.token(days=0), "PUT", id_, {"end_date": day(house, 3)})
    assert (shorter.status_code, shorter.json()["end_date"]) == (200, day(house, 3))
    assert house.ask(house.token(), "GET", id_).json()["end_date"] == day(house, 3)


def test_ending(house: SubscriptionHouse) -> None:
    """AB-C10, AB-C14: with a grant of nothing but ending; twice is as once; and no new one with it."""
    id_ = house.subscribed()
    token = house.token(days=0)
    for _ in range(2):
        answer = house.ask(token, "PUT", id_, {"end_date": day(house, 0)})
        assert (answer.status_code, answer.json()["end_date"]) == (200, day(house, 0))
    assert house.status(id_) == ("ended", "person")
    assert house.ask(token).status_code == 400


def test_what_is_anothers_does_not_exist(house: SubscriptionHouse) -> None:
    """AB-C11, AB-05: another client, another person: 404 as for what is not there."""
    id_ = house.subscribed()
    answers = [
        house.ask(house.token(client=TWO), "GET", id_),
        house.ask(house.token(BRAM), "PUT", id_, {"status": "off"}),
        house.ask(house.token(), "GET", str(uuid.uuid4())),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert house.status(id_)[0] == "active"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"status":"on"}', 400), (b'{"end":"2999-01-01T00:00:00"}', 400), (b"[]", 400), (b"not json", 400),
        (b'{"end_date":"2999-13-01"}', 400), (b'{"end_date":"a","end_date":"b"}', 400), (b'{"end_date":1}', 400),
        (b'{"end_date":"2001-01-01"}', 400), (b"x" * 9_000, 400), (b'{"status":"off"}', 400),
    ],
)  # fmt: skip
def test_bad_requests(house: SubscriptionHouse, body: bytes, status: int) -> None:
    """AB-C12, AB-C13, AB-12: a typed answer that repeats nothing."""
    answer = house.ask(house.token(), body=body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "error_description"}
    assert house.ask(house.token(), body=b"{}", headers={"content-type": "text/plain"}).status_code == 415


def test_both_forms_are_read() -> None:
    """AB-C13, AB-10: a moment with zone and seconds is understood; in the old form no other name is."""
    assert read(b'{"id":"x","end":"2030-01-01T12:00:00+01:00"}', "1.1").end == date(2030, 1, 1)
    assert read(b'{"subscription_id":"x","extra":"y"}', "2.x").id == "x"
    with pytest.raises(Malformed):
        read(b'{"extra":"y"}', "1.1")


def test_news_is_told_within_the_hour(house: SubscriptionHouse) -> None:
    """AB-C15, AB-C29, AB-25, AB-30, AB-31: two fields, no word of what; nothing for what was there before."""
    house.push("old")
    id_ = house.subscribed()
    house.later(minutes=1)
    assert house.pgo.told() == []
    house.push("new", code={"coding": [{"system": "http://snomed.info/sct", "code": "22298006", "display": "MI"}]})
    house.later(minutes=2)
    assert house.pgo.told() == [{"subscription_id": id_, "notification_type": "resource"}]
    assert "authorization" not in house.pgo.headers[0]
    assert uuid.UUID(house.pgo.headers[0]["medmij-request-id"])
    text = b"".join(body for _, body in house.pgo.bodies).decode()
    for word in (ANNA, "Lindegaarde", "1970", "22298006", "anna", PROVIDER):
        assert word not in text
    house.later(hours=1)
    assert len(house.pgo.told()) == 1


def test_the_moment_of_a_notification_is_blurred(house: SubscriptionHouse) -> None:
    """AB-51, AB-20: at most five minutes later than it could be, by chance; so well within the hour."""
    house.subscribed()
    house.push("blurred")
    moment = house.now + timedelta(minutes=1)
    house.notifier(settings=SubscriptionSettings()).look(moment)
    with reading(house.engine).connect() as connection:
        due = connection.execute(select(notice.c.due)).scalar_one()
    late = (due if due.tzinfo else due.replace(tzinfo=UTC)) - moment
    assert timedelta() <= late <= timedelta(minutes=5)


def test_many_changes_are_one_or_two_notifications(house: SubscriptionHouse) -> None:
    """AB-C17, AB-24: twenty changes in ten minutes; the last notification leaves after the last change."""
    house.subscribed()
    for number in range(20):
        house.push(f"many-{number}")
        house.later(seconds=31)
    house.later(minutes=20)
    assert len(house.pgo.told()) in (1, 2)
    house.later(hours=2)
    assert len(house.pgo.told()) in (1, 2)


def test_the_same_again_is_no_news(house: SubscriptionHouse) -> None:
    """AB-C18, AB-23: a touch without a change; another person's news; a type that the service does not give."""
    house.push("same")
    house.subscribed()
    house.push("same")
    house.push("bram-1", "bram")
    house.later(minutes=5)
    assert house.pgo.told() == []


def test_what_a_pgo_sent_itself_is_no_news_to_it(house: SubscriptionHouse) -> None:
    """AB-C31, AB-23: filed by now, it carries the id of the item; another PGO hears of it."""
    one, two = house.subscribed(), house.subscribed(client=TWO)
    item = filed_for(house.engine, ONE, "Condition")
    house.push("own", identifier=[{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{item}"}])
    house.later(minutes=5)
    assert (house.pgo.told(ONE), [row["subscription_id"] for row in house.pgo.told(TWO)]) == ([], [two])
    assert one != two


def test_what_is_withdrawn_is_news(house: SubscriptionHouse) -> None:
    """AB-23: a result that is taken back."""
    house.push("wrong")
    house.subscribed()
    assert house.intake.send("DELETE", "/intake/epd/Condition/wrong").is_success
    house.later(minutes=5)
    assert len(house.pgo.told()) == 1


def test_a_pgo_that_does_not_answer_is_asked_again(house: SubscriptionHouse) -> None:
    """AB-C19, AB-32: 503 three times, then delivered: one logical notification."""
    house.subscribed()
    house.push("retry")
    house.pgo.mode[ONE] = 503
    house.later(minutes=1)
    house.later(minutes=1)
    house.later(minutes=6)
    house.pgo.mode[ONE] = 200
    house.later(minutes=20)
    assert len(house.pgo.told()) == 1
    with reading(house.engine).connect() as connection:
        row = connection.execute(select(notice)).one()
        assert (row.state, row.attempts) == ("sent", 4)


def test_a_pgo_that_is_away_for_a_day(house: SubscriptionHouse) -> None:
    """AB-C20: failed; the next change starts anew."""
    house.subscribed()
    house.push("away")
    house.pgo.mode[ONE] = 500
    for _ in range(27):
        house.later(hours=1)
    house.pgo.mode[ONE] = 200
    house.later(hours=1)
    assert house.pgo.told() == []
    house.push("away-2", clinicalStatus="resolved", abatementDateTime="2026-01-01")
    house.later(minutes=30)
    assert len(house.pgo.told()) == 1


def test_a_pgo_that_does_not_know_it_on_three_days(house: SubscriptionHouse) -> None:
    """AB-C21: ended, client-removed, without a word back."""
    id_ = house.subscribed()
    house.pgo.mode[ONE] = 404
    for number in range(3):
        house.push(f"gone-{number}")
        house.later(minutes=30)
        house.later(days=1)
    assert house.status(id_) == ("ended", "client-removed")
    assert house.pgo.told() == []


def test_a_client_that_left_the_lists(house: SubscriptionHouse) -> None:
    """AB-C22, AB-33: no attempt, and after seven days it ends."""
    id_ = house.subscribed()
    house.push("listed")
    del house.listed[ONE]
    house.later(minutes=5)
    assert house.status(id_)[0] == "active"
    house.later(days=8)
    assert house.status(id_) == ("ended", "client-removed")
    assert house.pgo.told() == []


def test_what_is_over_ends_without_a_word(house: SubscriptionHouse) -> None:
    """AB-C23, AB-01, AB-41: at the end date; nothing after, and no message of it."""
    id_ = house.subscribed()
    house.push("last")
    house.day += timedelta(days=91)
    house.later(minutes=5)
    assert house.status(id_) == ("ended", "expiry")
    assert house.pgo.told() == []


def test_the_provider_ends_it(house: SubscriptionHouse) -> None:
    """AB-C24, AB-C30, AB-15, AB-27, AB-40, AB-42, AB-43, SUB-06: by the person, or a merge: told, ended today."""
    pseudonyms, _ = keys_of(house.settings)
    one, two = house.subscribed(), house.subscribed(BRAM, TWO)
    house.register(lambda register: register.end_for_person(PROVIDER, pseudonyms.of(ANNA)))
    merged = subscription.c.person == pseudonyms.of(BRAM)
    house.register(lambda register: register.end_all(EndedBy.MERGE, merged))
    house.later(minutes=1)
    assert house.pgo.told() == [
        {"subscription_id": one, "notification_type": "subscription", "end_date": day(house, 0)}
    ]
    assert house.pgo.told(TWO)[0]["subscription_id"] == two


def test_the_institution_stops_the_service(house: SubscriptionHouse) -> None:
    """AB-C25, AB-42: all end, the messages are spread over the hour; a lower limit is told with its new end."""
    ids = [house.subscribed(client=client) for client in (ONE, ONE, TWO)]
    house.register(lambda register: register.limit(PROVIDER, SERVICE, 30))
    house.later(minutes=1)
    assert {one["end_date"] for one in house.pgo.told()} == {day(house, 30)}
    stopped = subscription.c.service == SERVICE
    spread = timedelta(hours=1)
    house.register(lambda register: register.end_all(EndedBy.PROVIDER, stopped, spread=spread))
    house.services = set()
    house.later(minutes=1)
    first = len(house.pgo.bodies)
    house.later(hours=2)
    assert first < len(house.pgo.bodies) == 2 * len(ids)


def test_it_ends_with_the_consent(house: SubscriptionHouse) -> None:
    """AB-14: a line in the consent register that ends the consent ends what rests on it, and the PGO is told."""
    token = house.token()
    id_ = house.ask(token).json()["subscription_id"]
    line = {
        "entry": str(uuid.uuid4())[:30], "consent_id": house.tokens[token], "outcome": "withdrawn", "moment": 1,
        "channel": "manage", "function": "subscribe", "provider": PROVIDER, "client": ONE, "organisation": "PGO",
        "offered": SERVICE, "granted": SERVICE,
    }  # fmt: skip
    with house.engine.begin() as connection:
        connection.execute(insert(consents).values(line))
    house.later(minutes=1)
    assert house.status(id_) == ("ended", "provider")
    assert [one["notification_type"] for one in house.pgo.told()] == ["subscription"]


def test_what_was_noticed_survives(house: SubscriptionHouse) -> None:
    """AB-C26, AB-34: a process dies between noticing and telling, or while it tells; the message leaves after."""
    house.subscribed()
    house.push("crash")
    house.now += timedelta(minutes=1)
    notifier = house.notifier()
    assert notifier.look(house.now) == 1
    with reading(house.engine).connect() as connection:
        pk = connection.execute(select(notice.c.pk)).scalar_one()
    assert notifier.pending.claim(pk, house.now)
    house.later(minutes=1)
    assert house.pgo.told() == []
    house.later(minutes=6)
    assert len(house.pgo.told()) == 1


def test_one_slow_pgo_does_not_hold_up_another(house: SubscriptionHouse) -> None:
    """AB-C27, AB-34: the fast one hears while the slow one is still silent."""
    house.subscribed()
    house.subscribed(client=TWO)
    house.push("slow")
    house.pgo.mode[ONE] = "slow"
    house.now += timedelta(minutes=1)
    notifier = house.notifier()
    notifier.look(house.now)

    async def go() -> None:
        sending = asyncio.create_task(notifier.send(house.now))
        while not house.pgo.told(TWO):
            assert not sending.done()
            await asyncio.sleep(0.01)
        house.pgo.waiting.set()
        await sending

    asyncio.run(go())
    assert house.pgo.told(TWO)


def test_redirects_and_endless_answers(house: SubscriptionHouse) -> None:
    """AB-C28, AB-35: a redirect is not followed, and is no delivery; a large answer is cut; inside is no place."""
    house.subscribed()
    house.push("redirect")
    house.pgo.mode[ONE] = "redirect"
    house.later(minutes=1)
    with reading(house.engine).connect() as connection:
        assert connection.execute(select(notice.c.state)).scalar_one() == "waiting"
    house.pgo.mode[ONE] = "big"
    house.later(minutes=2)
    with reading(house.engine).connect() as connection:
        assert connection.execute(select(notice.c.state)).scalar_one() == "sent"
    for url in ("http://pgo.example/x", "https://127.0.0.1/x", "https://10.0.0.8/x", "https://localhost/x"):
        assert not outside(url)
    assert outside("https://pgo.example/x")


def test_where_subscriptions_are_off(house: SubscriptionHouse) -> None:
    """AB-C33: 404 for all."""
    assert house.ask(house.token(), service="52").status_code == 404
    assert house.ask(house.token(), service="99999").status_code == 404


def test_a_look_costs_what_the_subscribers_cost(house: SubscriptionHouse) -> None:
    """AB-C32, AB-22: two hundred subscriptions are looked at in a few statements each, by the person's own rows."""
    house.subscribed()
    with reading(house.engine).connect() as connection:
        row = connection.execute(select(subscription)).one()._mapping
    rows = [dict(row) | {"id": str(uuid.uuid4()), "request_id": str(uuid.uuid4())} for _ in range(200)]
    with house.engine.begin() as connection:
        connection.execute(insert(subscription), rows)
    house.push("load")
    assert house.notifier().look(house.now + timedelta(minutes=1)) == 201


def test_the_trail_knows_who_subscribed(house: SubscriptionHouse) -> None:
    """Section 8: every request is a record, refused ones too."""
    house.subscribed()
    house.ask("no-such-token-at-all")
    with reading(house.engine).connect() as connection:
        rows = connection.execute(select(audit_record.c.record).order_by(audit_record.c.at.desc()).limit(2))
        found = [json.loads(bytes(row.record)) for row in rows]
    assert {(one["action"], one["outcome"]) for one in found} == {
        ("pgo:subscription:create", 201), ("pgo:subscription:create", 401),
    }  # fmt: skip


def test_nothing_is_announced_before_it_is_shown(house: SubscriptionHouse, tmp_path: Path) -> None:
    """AB-C16: what waits is news on the day on which it is shown; what is withheld is no news (VIPP V1-A2c)."""
    rows = tmp_path / "release.toml"
    rows.write_text(ROWS)
    policy = ReleasePolicy(str(rows))
    house.subscribed()
    issued = datetime.now(UTC)
    result = lab("waits", issued.isoformat(timespec="seconds")) | {"subject": {"reference": "Patient/anna"}}
    assert house.intake.send("PUT", "/intake/epd/Observation/waits", result).is_success
    house.push("sad", meta={"security": [{"system": "http://hl7.org/fhir/v3/ActCode", "code": "PSY"}]})
    shown = visible_from(policy_kind(policy), issued)

    def look(at: datetime) -> int:
        return house.notifier(release=policy).look(at)

    assert look(issued + timedelta(minutes=5)) == 0
    assert look(shown - timedelta(seconds=1)) == 0
    assert look(shown + timedelta(minutes=5)) == 1
    assert look(shown + timedelta(minutes=6)) == 0
    assert look(shown + timedelta(days=40)) == 0


def policy_kind(policy: ReleasePolicy) -> ResultKind:
    """The one kind of result that waits."""
    return rules(policy.path).kind[0]
