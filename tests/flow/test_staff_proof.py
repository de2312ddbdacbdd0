"""Staff rooms of proof: withholding an item, erasing by two, and the report of a month that two people let go."""

import re
from collections.abc import Iterator

import pytest
from databases import KINDS
from sqlalchemy import select
from world.share_house import ANNA, ShareHouse, measurements, share_house
from world.staff_house import STAFF, colleague, working

from gateway.staff.settings import StaffRole
from gateway.store.flags import release_flag

NURSE, STEWARD, OPERATOR, AUDITOR = (
    StaffRole.CARE_PROFESSIONAL, StaffRole.DATA_STEWARD, StaffRole.OPERATOR, StaffRole.AUDITOR
)  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShareHouse]:
    with share_house(request.param, tmp_path_factory.mktemp("proof"), **STAFF) as made:
        yield made


def actions(house: ShareHouse) -> list[str]:
    return [one["action"] for one in house.records()]


def test_a_report_needs_two_people(house: ShareHouse) -> None:
    """RP-11, RP-C17, E12: counted, looked at by one, released by another, downloaded with proof; never by one alone."""
    one, two = working(house, colleague(OPERATOR)), working(house, colleague(OPERATOR, id="operator-2"))
    one.page("/months")
    assert one.post("/months/make", provider="ziekenhuiszandoord", month="2026-13").status_code == 400
    assert one.post("/months/make", provider="ziekenhuiszandoord", month="2099-01").status_code == 409
    assert one.post("/months/make", provider="ziekenhuiszandoord", month="2026-02").status_code == 303
    which = {"provider": "ziekenhuiszandoord", "month": "2026-02", "version": "1"}
    assert "nobody looked at it yet" in one.post("/months/release", **which).text
    assert one.post("/months/check", **which).status_code == 303
    assert "somebody else" in one.post("/months/release", **which).text
    assert one.post("/months/download", **which).status_code == 409
    page = two.page("/months")
    assert "I looked at it" not in page
    assert two.post("/months/release", **which).status_code == 303
    file = two.post("/months/download", **which)
    assert file.status_code == 200
    assert file.json()["persons"] == 0
    assert re.search(r"download operator-2 sha256:[0-9a-f]{64}", two.page("/months"))
    assert "persons" in one.page("/months/figures?provider=ziekenhuiszandoord&month=2026-02&version=1")
    told = [name.rpartition(":")[2] for name in actions(house) if name.startswith("staff:months:")]
    assert [name for name in told if name in ("check", "release", "deliver")] == [
        "check", "release", "deliver",
    ]  # fmt: skip
    assert two.call("GET", "/months/figures?provider=elders&month=2026-02&version=1").status_code == 409


def test_an_auditor_reads_and_does_nothing(house: ShareHouse) -> None:
    """The auditor sees versions and proof; making, releasing, withholding and erasing are not theirs, and recorded."""
    auditor = working(house, colleague(AUDITOR))
    assert "Count a month" not in auditor.page("/months")
    for path in ("/months/make", "/months/release", "/withhold/decide", "/erasure/approve"):
        assert auditor.post(path, number="1").status_code == 403, path
    auditor.page("/withhold", 403)
    auditor.page("/erasure", 403)
    assert "staff:erase:refused" in actions(house)


def test_a_nurse_withholds(house: ShareHouse) -> None:
    """An item is named as apps see it; who, when and why stand in the list, and no name of anybody."""
    nurse = working(house, colleague(NURSE))
    nurse.page("/withhold")
    refused = nurse.post("/withhold/decide", item="Patient/anna", deed="withheld", told="yes", reason="besproken")
    assert refused.status_code == 400
    assert "cannot be withheld" in refused.text
    assert nurse.post("/withhold/decide", item="Condition/none", deed="withheld", reason="besproken").status_code == 400
    assert "Nothing is withheld" in nurse.page("/withhold")
    with house.engine.connect() as connection:
        assert connection.execute(select(release_flag.c.number)).all() == []


def test_two_stewards_erase(house: ShareHouse) -> None:
    """Who asked has no button; another has, and then nothing is held; the number of the person stands nowhere."""
    assert house.send(measurements(72.5)).is_success
    first, second = working(house, colleague(STEWARD)), working(house, colleague(STEWARD, id="steward-2"))
    first.page("/erasure")
    assert first.post("/erasure/ask", bsn="123", basis="request-wgbo", reason="brief 12").status_code == 400
    assert first.post("/erasure/ask", bsn=ANNA, basis="request-wgbo", reason="brief 12").status_code == 303
    page = first.page("/erasure")
    assert "Erase for good" not in page
    assert ANNA not in page
    (number,) = set(re.findall(r"<td[^>]*>(\d+)</td>", page)) or {"1"}
    assert first.post("/erasure/approve", number=number).status_code == 409
    assert "Erase for good" in second.page("/erasure")
    assert second.post("/erasure/approve", number=number).status_code == 303
    assert "Erased" in second.page("/erasure")
    assert house.lines(open_only=False) == []
    assert "staff:person:erased" in actions(house)
    assert ANNA not in str(house.records())
