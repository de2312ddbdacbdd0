"""News of live sources: nothing of them is stored, and still a PGO hears within the hour."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.adapter_world import ANNA, BRAM, condition
from databases import KINDS
from world.live_news_house import PGO, PROVIDER, SERVICE, LiveNewsHouse, live_news_house
from world.release_house import ROWS
from world.subscription_house import filed_for

from adapters.testing.faults import Fault
from gateway.host import _collected
from gateway.release.shield import ReleasePolicy
from profiles.fhir.tree import Resource


@pytest.fixture(scope="module", params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNewsHouse]:
    with live_news_house(request.param, tmp_path_factory.mktemp("live_news")) as made:
        yield made


@pytest.fixture
def house(hospital: LiveNewsHouse) -> LiveNewsHouse:
    hospital.forget()
    return hospital


def touched(version: str, at: str) -> Resource:
    return {"meta": {"versionId": version, "lastUpdated": at}}


def test_something_new_at_a_source_is_told_within_the_hour(house: LiveNewsHouse) -> None:
    """AB-20, AB-21, AB-23, AB-25: the first look only remembers; a new and a changed resource are news, each once."""
    id_ = house.subscribed()
    assert house.later(1) == 0
    assert house.later() == 0
    house.add(condition("c9", "anna", "38341003"))
    assert house.later() == 1
    assert house.waiting() == [id_]
    assert house.later() == 0
    house.add(condition("c9", "anna", "38341003") | {"clinicalStatus": "resolved"})
    assert house.later() == 1
    assert house.later() == 0


def test_it_is_asked_at_its_time(house: LiveNewsHouse) -> None:
    """AB-22: subscribed persons only, and each once in the interval."""
    house.subscribed()
    house.later(1)
    asked = len(house.ehr.calls)
    assert asked > 0
    assert not any("bram" in call for call in house.ehr.calls)
    house.later(5)
    assert len(house.ehr.calls) == asked
    house.later(25)
    assert len(house.ehr.calls) > asked


def test_a_touch_and_what_is_gone_are_no_news(house: LiveNewsHouse) -> None:
    """AB-C18, AB-23: another version of the same; another person's; what a source shows no more."""
    house.add(condition("c1", "anna", "195967001") | touched("1", "2026-01-01T00:00:00Z"))
    house.subscribed()
    house.later(1)
    house.add(condition("c1", "anna", "195967001") | touched("2", "2026-02-01T00:00:00Z"))
    house.add(condition("c8", "bram", "38341003"))
    assert house.later() == 0
    house.ehr.resources = [one for one in house.ehr.resources if one["id"] != "c2"]
    assert house.later() == 0


def test_what_a_pgo_sent_itself_is_no_news_to_it(house: LiveNewsHouse) -> None:
    """AB-C31, AB-23: the EHR gives what this PGO sent, with the id of the item; what another one sent is news."""
    house.subscribed()
    house.later(1)
    for id_, client, made in (("c7", PGO, 0), ("c6", "twee.pgo.example", 1)):
        item = filed_for(house.engine, client, "Condition")
        named = {"identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{item}"}]}
        house.add(condition(id_, "anna", "38341003") | named)
        assert house.later() == made


def test_a_source_that_is_down_is_no_news(house: LiveNewsHouse) -> None:
    """A gap is no news, nor is what was there before and comes back; what came meanwhile is."""
    house.subscribed()
    house.ehr.fault = Fault.DOWN
    assert house.later(1) == 0
    assert house.trail()[-1]["outcome"] == 503
    house.ehr.fault = Fault.NONE
    assert house.later() == 0
    house.ehr.fault = Fault.DOWN
    assert house.later() == 0
    house.add(condition("c9", "anna", "38341003"))
    house.ehr.fault = Fault.NONE
    assert house.later() == 1


def test_nothing_clinical_is_kept(house: LiveNewsHouse) -> None:
    """Keyed digests, of each subscription its own; gone when it ends, and then nobody is asked."""
    one, two = house.subscribed(), house.subscribed()
    house.later(1)
    kept = bytes(house.row(one).live)
    assert kept != bytes(house.row(two).live)
    for word in (ANNA, "195967001", "73211009", "Condition", "anna"):
        assert word.encode() not in kept
    house.ended(one)
    assert house.row(one).live is None
    house.ended(two)
    asked = len(house.ehr.calls)
    house.add(condition("c9", "anna", "38341003"))
    assert house.later() == 0
    assert len(house.ehr.calls) == asked


def test_every_look_is_in_the_access_trail(house: LiveNewsHouse) -> None:
    """NEN 7513: who looked (the gateway), at whom, on which consent, what was seen by type; no PGO collected."""
    id_ = house.subscribed()
    house.later(1)
    seen = house.trail()[-1]
    assert (seen["action"], seen["client"], seen["outcome"]) == ("gateway:subscription:look", "gateway", 200)
    assert (seen["provider"], seen["service"]) == (PROVIDER, SERVICE)
    assert (seen["person"], seen["basis"]) == (house.row(id_).person, house.row(id_).consent_id)
    assert ["Condition", 2] in seen["resources"]
    assert not _collected(seen)


def test_what_may_not_be_shown_is_no_news(house: LiveNewsHouse, tmp_path: Path) -> None:
    """AB-27, VIPP V1-A2c: withheld by its label; told when that ends."""
    rows = tmp_path / "release.toml"
    rows.write_text(ROWS)
    house.release = ReleasePolicy(str(rows))
    house.subscribed()
    house.later(1)
    label = {"system": "http://hl7.org/fhir/v3/ActCode", "code": "PSY"}
    house.add(condition("c9", "anna", "38341003") | {"meta": {"security": [label]}})
    assert house.later() == 0
    assert house.trail()[-1]["hidden"]
    house.add(condition("c9", "anna", "38341003"))
    assert house.later() == 1


def test_when_looks_come_late_there_is_an_alarm(house: LiveNewsHouse, caplog: pytest.LogCaptureFixture) -> None:
    """AB-C32, AB-22: a figure that grows, and one line for a provider when the hour is at risk."""
    house.subscribed()
    house.subscribed(BRAM)
    house.later(1)
    with caplog.at_level(logging.ERROR, "gateway.subscriptions"):
        house.later(50)
    assert house.late > 15 * 60
    assert [record.message for record in caplog.records if "at risk" in record.message] != []
    assert sum("at risk" in record.message for record in caplog.records) == 1
    caplog.clear()
    house.later(31)
    assert house.late < 5 * 60
    assert not caplog.records


def test_a_service_that_stopped_is_not_asked(house: LiveNewsHouse) -> None:
    """AB-33: not even while its subscriptions still have to end."""
    house.subscribed()
    house.services = set()
    house.later(1)
    assert house.ehr.calls == []
