"""Subscriptions under strain: late commits, clients that fail, faults in a round; nothing is missed or doubled."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS
from sqlalchemy import insert, select, update
from world.share_house import ANNA, BRAM
from world.subscription_house import ONE, TWO, SubscriptionHouse, subscription_house

from gateway.store.engine import reading
from gateway.store.schema import resource
from gateway.store.shared import notice, subscription
from gateway.subscriptions import notify
from gateway.subscriptions.pending import EACH


@pytest.fixture(scope="module", params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SubscriptionHouse]:
    with subscription_house(request.param, tmp_path_factory.mktemp("fair")) as made:
        yield made


@pytest.fixture
def house(hospital: SubscriptionHouse) -> SubscriptionHouse:
    hospital.forget()
    return hospital


def written_at(house: SubscriptionHouse, id_: str, moment: datetime) -> None:
    """As if the transaction that wrote it had begun at this moment."""
    mine = (resource.c.type == "Condition", resource.c.id == id_)
    with house.engine.begin() as connection:
        connection.execute(update(resource).where(*mine).values(updated=moment))


def test_what_commits_late_is_not_missed_and_not_told_twice(house: SubscriptionHouse) -> None:
    """AB-23, AB-20: a transaction that began before another and ended after it; its change is news at the next look."""
    house.subscribed()
    house.push("quick")
    house.later(minutes=1)
    assert len(house.pgo.told()) == 1
    house.push("slow")
    written_at(house, "slow", datetime.now(UTC) - timedelta(hours=2))
    house.later(minutes=20)
    assert len(house.pgo.told()) == 2
    for _ in range(3):
        house.later(hours=1)
    assert len(house.pgo.told()) == 2


def test_what_was_there_is_no_news_and_what_ends_after_subscribing_is(house: SubscriptionHouse) -> None:
    """AB-25: of what was written in the last day only what was not there yet when the PGO subscribed."""
    house.push("before")
    house.subscribed()
    house.later(minutes=5)
    assert house.pgo.told() == []
    house.push("during")
    written_at(house, "during", datetime.now(UTC) - timedelta(minutes=3))
    house.later(minutes=5)
    assert len(house.pgo.told()) == 1


def test_a_subscription_of_before_the_step_starts_where_it_was(house: SubscriptionHouse) -> None:
    """A store that was upgraded: what was told by its moment is not told again."""
    house.push("known")
    house.subscribed()
    with house.engine.begin() as connection:
        connection.execute(update(subscription).values(seen=None))
    house.later(minutes=5)
    assert house.pgo.told() == []
    house.push("fresh")
    house.later(minutes=5)
    assert len(house.pgo.told()) == 1


def test_two_processes_that_look_tell_once(house: SubscriptionHouse) -> None:
    """AB-34: both see that there is news; one of them tells it."""
    house.subscribed()
    house.push("twice")
    later = house.now + timedelta(minutes=1)

    async def both() -> int:
        return sum(await asyncio.gather(*(asyncio.to_thread(house.notifier().look, later) for _ in range(4))))

    assert asyncio.run(both()) == 1
    with reading(house.engine).connect() as connection:
        assert len(connection.execute(select(notice.c.pk)).all()) == 1


def test_a_record_that_cannot_be_read_does_not_stop_the_others(
    house: SubscriptionHouse, caplog: pytest.LogCaptureFixture
) -> None:
    """One fault in one record: logged without a word of it, and the other person's PGO hears."""
    house.subscribed()
    house.subscribed(BRAM, TWO)
    house.push("broken")
    house.push("whole", "bram")
    with house.engine.begin() as connection:
        connection.execute(update(resource).where(resource.c.id == "broken").values(json=b"gebroken 22298006"))
    house.later(minutes=1)
    assert (house.pgo.told(), len(house.pgo.told(TWO))) == ([], 1)
    assert "could not be looked at" in caplog.text
    assert "22298006" not in caplog.text
    with house.engine.begin() as connection:
        connection.execute(update(resource).where(resource.c.id == "broken").values(deleted=True, patient_id="nobody"))


def many(house: SubscriptionHouse, id_: str, count: int) -> None:
    """So many notifications of one subscription are due."""
    due = house.now - timedelta(minutes=30)
    row = {
        "subscription_id": id_, "kind": "resource", "state": "waiting", "due": due, "created": due, "attempts": 0,
        "correlation_id": "c",
    }  # fmt: skip
    with house.engine.begin() as connection:
        connection.execute(insert(notice), [row] * count)


def states(house: SubscriptionHouse, id_: str) -> list[tuple[str, int]]:
    """State and number of attempts of the notifications of one subscription."""
    with reading(house.engine).connect() as connection:
        mine = select(notice.c.state, notice.c.attempts).where(notice.c.subscription_id == id_)
        return [(row.state, row.attempts) for row in connection.execute(mine)]


@pytest.mark.parametrize("fault", [500, 401, "unlisted", "no endpoint"])
def test_a_client_that_fails_stands_before_nobody(house: SubscriptionHouse, fault: Any) -> None:
    """AB-C27, AB-34, AB-32: six hundred of one client that fails, one of another; the other hears in the first round.

    What waits for the first is put off, once for all, an hour at most.
    """
    one, two = house.subscribed(), house.subscribed(client=TWO)
    many(house, one, 600)
    many(house, two, 1)
    if fault == "unlisted":
        del house.listed[ONE]
    elif fault == "no endpoint":
        house.listed[ONE] = type(house.clients[ONE])(ONE, ONE, None)
    else:
        house.pgo.mode[ONE] = fault
    house.later(minutes=1)
    assert len(house.pgo.told(TWO)) == 1
    with reading(house.engine).connect() as connection:
        latest = connection.execute(select(notice.c.due).where(notice.c.state == "waiting")).scalars().all()
    assert len(latest) == 600
    assert max(one if one.tzinfo else one.replace(tzinfo=UTC) for one in latest) <= house.now + timedelta(hours=1)
    assert sum(tried for _, tried in states(house, one)) == (1 if isinstance(fault, int) else 0)
    house.listed, house.pgo.mode = dict(house.clients), {}
    for _ in range(2):
        house.later(hours=1)
    assert len(house.pgo.told()) == 2 * EACH


def test_what_waited_a_day_behind_a_client_that_is_away_has_failed(house: SubscriptionHouse) -> None:
    """AB-C20: not only the one that is tried: a day is over for those behind it too."""
    one = house.subscribed()
    many(house, one, 30)
    house.pgo.mode[ONE] = 503
    for _ in range(26):
        house.later(hours=1)
    assert {state for state, _ in states(house, one)} == {"failed"}


def test_a_slow_client_has_its_while_and_no_more(house: SubscriptionHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """AB-C27: a round ends after the time of one client, whatever it has; the rest is for the next."""
    monkeypatch.setattr(notify, "BUDGET", 0.0)
    one = house.subscribed()
    many(house, one, 5)
    house.later(minutes=1)
    assert len(house.pgo.told()) == 1
    assert ANNA not in str(house.pgo.bodies)


def test_the_worker_goes_on_after_any_fault(house: SubscriptionHouse, tmp_path: Path) -> None:
    """A look that breaks in any way: sending goes on, and the next look too."""
    house.subscribed()
    looks: list[int] = []

    class Broken(type(house.notifier())):  # type: ignore[misc]
        def look(self, now: datetime) -> int:
            looks.append(1)
            if len(looks) < 3:
                raise ValueError("kapot")
            return int(super().look(now))

    settings = house.notifier().settings.model_copy(update={"look_seconds": 0.01})
    given = {name: getattr(house.notifier(), name) for name in house.notifier().__dataclass_fields__}
    house.push("after")

    async def go() -> None:
        worker = asyncio.create_task(Broken(**given | {"settings": settings}).run())
        async with asyncio.timeout(10):
            while not house.pgo.told():
                assert not worker.done()
                await asyncio.sleep(0.01)
        worker.cancel()

    asyncio.run(go())
    assert len(looks) >= 3
