"""The outbox to the EHR and staff at the same moment: what people did stands, and nothing goes out twice."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from databases import KINDS
from sqlalchemy import update
from world.share_desk import NURSE, Ehr, Staff, fhir_way
from world.share_house import PROVIDER, ShareHouse, measurements, now, share_house

from adapters.filing.port import AcceptedItem, Filed, Filing, Later
from gateway.share.filing import by_hand, retry
from gateway.share.states import NotAllowed
from gateway.store.shared import shared_item


@dataclass
class Way:
    """A write-back during which something happens: what staff do while the EHR thinks about it."""

    name: str = "slow"
    said: Filing = field(default_factory=lambda: Filed("ehr/1"))
    meanwhile: Callable[[], object] = lambda: None
    asked: list[str] = field(default_factory=list)

    def takes(self, _standard: str, _type: str) -> bool:
        return True

    async def file(self, item: AcceptedItem) -> Filing:
        self.asked.append(item.id)
        await asyncio.to_thread(self.meanwhile)
        return self.said

    async def aclose(self) -> None:
        """Nothing is open."""


@pytest.fixture(scope="module", params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShareHouse]:
    with share_house(request.param, tmp_path_factory.mktemp("races")) as made:
        yield made


@pytest.fixture
def house(hospital: ShareHouse) -> ShareHouse:
    hospital.forget()
    return hospital


def accepted(house: ShareHouse, *ways: Any) -> tuple[Staff, str, str]:
    """A measurement that somebody accepted: the desk, the submission, the item."""
    staff = Staff(house, *ways)
    house.send(measurements(70.5))
    staff.do(lambda deeds: deeds.accept(staff.only()))
    return staff, staff.only(), staff.open(staff.only()).items[0].id


def handled(house: ShareHouse, item: str, name: str = "map 12") -> None:
    """Somebody files it themselves."""
    with house.engine.begin() as connection:
        by_hand(connection, item, name, NURSE, now())


@pytest.mark.parametrize("said", [Filed("ehr/1"), Later("away")])
def test_what_is_filed_by_hand_meanwhile_is_not_sent_again(house: ShareHouse, said: Filing) -> None:
    """DL-95, DL-C35: the name that the nurse gave stays; a failed attempt does not put the item back in the row."""
    way = Way(said=said)
    staff, submission, item = accepted(house, way)
    way.meanwhile = lambda: handled(house, item)
    assert staff.file() == 1
    assert staff.file(now() + timedelta(hours=3)) == 0
    assert (len(way.asked), staff.rows(), staff.states()) == (1, ["closed"], {"filed": 1})
    opened = staff.open(submission)
    assert opened.items[0].filed_as == "map 12"
    told = [one.text for one in opened.deeds if one.deed == "also-filed"]
    assert told == (["ehr/1"] if isinstance(said, Filed) else [])


def test_what_is_withdrawn_meanwhile_stays_so(house: ShareHouse, caplog: pytest.LogCaptureFixture) -> None:
    """DL-95: filed by hand and taken back while a process sends it: the state stays, and staff read what happened."""
    way = Way()
    staff, submission, item = accepted(house, way)

    def withdrawn() -> None:
        handled(house, item)
        staff.do(lambda deeds: deeds.withdraw(submission, "verkeerde persoon"))

    way.meanwhile = withdrawn
    assert staff.file() == 1
    assert staff.states() == {"withdrawn": 1}
    assert staff.file(now() + timedelta(hours=3)) == 0
    assert staff.open(submission).deeds[-1].deed == "also-filed"
    assert "meanwhile" in caplog.text


def test_what_one_ehr_has_and_is_withdrawn_goes_to_no_other(house: ShareHouse) -> None:
    """DL-95: two ways; one filed it, somebody takes it back, and the other way gets nothing."""
    first, second = Way("first"), Way("second", said=Later("away"))
    staff, submission, _ = accepted(house, first, second)
    assert staff.file() == 2
    staff.do(lambda deeds: deeds.withdraw(submission, "verkeerde persoon"))
    second.said = Filed("two/1")
    assert staff.file(now() + timedelta(hours=3)) == 0
    assert sorted(staff.rows()) == ["closed", "filed"]


def test_a_second_ehr_gets_what_the_first_has(house: ShareHouse) -> None:
    """DL-95: filed with one is not the end for the other."""
    first, second = Way("first"), Way("second", said=Later("away"))
    staff, _, _ = accepted(house, first, second)
    staff.file()
    second.said = Filed("two/1")
    staff.file(now() + timedelta(hours=3))
    assert (len(first.asked), len(second.asked), staff.rows()) == (1, 2, ["filed", "filed"])


def test_an_old_claim_does_not_speak_for_a_new_one(house: ShareHouse) -> None:
    """DL-95: silent for longer than its claim, while another filed it: what it says afterwards changes nothing."""
    way = Way(said=Later("away"))
    staff, _, _ = accepted(house, way)
    start = now()
    late = staff.outbox._claim(PROVIDER, "slow", start)
    way.said = Filed("ehr/1")
    assert late is not None
    assert staff.file(start + timedelta(minutes=6)) == 1
    staff.outbox._note(late, Later("away"), start, start + timedelta(minutes=7))
    assert staff.rows() == ["filed"]


def test_only_one_of_two_processes_gets_it(house: ShareHouse) -> None:
    """DL-95: claimed in one statement."""
    staff, _, _ = accepted(house, Way())

    async def both() -> list[object]:
        ask = [asyncio.to_thread(staff.outbox._claim, PROVIDER, "slow", now()) for _ in range(6)]
        return list(await asyncio.gather(*ask))

    assert sum(row is not None for row in asyncio.run(both())) == 1


def test_nothing_is_tried_again_that_was_withdrawn(house: ShareHouse) -> None:
    """A dead letter of an item that was taken back cannot be brought to life."""
    staff, submission, item = accepted(house, Way(), fhir_way(refusing := Ehr()))
    refusing.refuses = True
    staff.file()
    staff.do(lambda deeds: deeds.withdraw(submission, "verkeerde persoon"))
    with house.engine.begin() as connection, pytest.raises(NotAllowed):
        retry(connection, item, now())


def test_one_item_that_cannot_be_read_does_not_hold_up_the_next(
    house: ShareHouse, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be put together waits and is told of, without a word of it; the next goes out."""
    way = Way()
    staff, _, item = accepted(house, way)
    with house.engine.begin() as connection:
        connection.execute(update(shared_item).where(shared_item.c.id == item).values(json=b"70.625 kapot"))
    house.send(measurements(71.5))
    fresh = next(line.id for line in house.lines(open_only=False) if line.open)
    staff.do(lambda deeds: deeds.accept(fresh))
    with caplog.at_level(logging.ERROR):
        assert (staff.file(), staff.file()) == (1, 1)
    assert sorted(staff.rows()) == ["filed", "waiting"]
    assert "70.625" not in caplog.text


def test_what_has_no_content_any_more_is_not_filed(house: ShareHouse) -> None:
    """An item of which the content went after its time is not sent as an empty one: somebody has to look."""
    way = Way()
    staff, _, item = accepted(house, way)
    with house.engine.begin() as connection:
        connection.execute(update(shared_item).where(shared_item.c.id == item).values(json=b""))
    staff.file()
    assert (way.asked, staff.rows()) == ([], ["dead"])
