"""After receiving: who decides, what goes to the EHR and how often, what is kept and for how long."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS
from world.intake_house import pushing, source
from world.share_desk import NURSE, Ehr, Staff, fhir_way
from world.share_house import (
    ANNA,
    COLLECT,
    CORRECT,
    DOCUMENT,
    MEASURE,
    PROVIDER,
    ShareHouse,
    correction,
    document,
    measurements,
    now,
    pdf,
    share_house,
)  # fmt: skip

from adapters.filing.build import write_back
from adapters.filing.hl7v2 import BEGIN, END
from adapters.filing.port import Filed, Filing, Later, Rejected
from adapters.port import AdapterMisconfigured
from gateway.intake.settings import IntakeSettings
from gateway.share.filing import by_hand, retry
from gateway.share.inbox import Inbox
from gateway.share.retention import one_round
from gateway.share.settings import AcceptRule, ShareSettings
from gateway.share.states import NotAllowed


@pytest.fixture(scope="module", params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShareHouse]:
    with share_house(request.param, tmp_path_factory.mktemp("deciding")) as found:
        yield found


@pytest.fixture
def house(hospital: ShareHouse) -> ShareHouse:
    hospital.forget()
    return hospital


def test_what_is_accepted_is_filed_once(house: ShareHouse) -> None:
    """DL-C34, DL-C35, DL-03, DL-95: the EHR is down twice, then takes it; once, marked as the patient's own."""
    ehr = Ehr()
    staff = Staff(house, fhir_way(ehr))
    house.send(measurements(70.5))
    id_ = staff.only()
    staff.do(lambda deeds: deeds.viewed(id_))
    staff.do(lambda deeds: deeds.accept(id_))
    ehr.down = 2
    start = now()
    assert staff.file(start) == 1
    assert staff.states() == {"accepted": 1}
    assert staff.file(start) == 0
    staff.file(start + timedelta(minutes=2))
    staff.file(start + timedelta(minutes=10))
    assert staff.states() == {"filed": 1}
    assert staff.file(start + timedelta(hours=5)) == 0
    (kept,) = ehr.filed.values()
    assert kept["subject"]["reference"] == "Patient/ehr-7"
    assert kept["valueQuantity"]["value"] == 70.5
    assert "PATRPT" in [one["code"] for one in kept["meta"]["security"]]
    opened = staff.open(id_)
    assert opened.items[0].filed_as == "Observation/1"
    assert [one.deed for one in opened.deeds] == ["received", "viewed", "accepted", "filed"]
    assert {one.by for one in opened.deeds} == {NURSE, "gateway"}


def test_what_is_in_the_record_is_collected_as_the_patients_own(house: ShareHouse) -> None:
    """DL-C34, DL-05: not while it waits, nor when it was accepted; once the EHR gives it, with whose it was."""

    def collected() -> list[dict[str, Any]]:
        answer = house.call("GET", "Observation?code=http://loinc.org|29463-7", COLLECT)
        assert answer.status_code == 200, answer.text
        return [one["resource"] for one in answer.json().get("entry", []) if one["search"]["mode"] == "match"]

    ehr = Ehr()
    staff = Staff(house, fhir_way(ehr))
    house.send(measurements(61.25))
    assert collected() == []
    staff.do(lambda deeds: deeds.accept(staff.only()))
    assert collected() == []
    assert staff.file(now()) == 1
    assert collected() == []
    (kept,) = ehr.filed.values()
    anna = {"reference": "Patient/anna", "display": "A. Lindegaarde"}
    given = kept | {"id": "ehr-1", "subject": anna, "performer": [anna]}
    with pushing(house.settings.database_url, IntakeSettings(sources={"epd": source()})) as intake:
        taken = intake.send("PUT", "/intake/epd/Observation/ehr-1", given)
        assert taken.is_success, taken.text
    (shown,) = collected()
    assert shown["valueQuantity"]["value"] == 61.25
    assert "PATRPT" in [one["code"] for one in shown["meta"]["security"]]
    with pushing(house.settings.database_url, IntakeSettings(sources={"epd": source()})) as intake:
        assert intake.send("DELETE", "/intake/epd/Observation/ehr-1").is_success


def test_what_was_sent_twice_by_the_outbox_is_there_once(house: ShareHouse) -> None:
    """DL-95: a process died between the EHR's answer and the note of it; the next files nothing twice."""
    ehr = Ehr()
    staff = Staff(house, fhir_way(ehr))
    house.send(measurements(70.5))
    staff.do(lambda deeds: deeds.accept(staff.only()))
    start = now()
    claimed = staff.outbox._claim(PROVIDER, "ehr", start)
    assert claimed is not None
    asyncio.run(staff.ways[PROVIDER]["ehr"].file(staff.outbox._item(claimed.item_pk)))
    assert staff.file(start) == 0
    assert staff.file(start + timedelta(minutes=6)) == 1
    assert (len(ehr.filed), ehr.asked) == (1, 2)


def test_what_the_ehr_refuses_waits_for_somebody(house: ShareHouse) -> None:
    """Dead letters: not tried again by itself; by hand it is, or it is filed by hand."""
    ehr = Ehr()
    ehr.refuses = True
    staff = Staff(house, fhir_way(ehr))
    house.send(measurements(70.5))
    staff.do(lambda deeds: deeds.accept(staff.only()))
    staff.file()
    assert staff.file(now() + timedelta(days=2)) == 0
    assert staff.rows() == ["dead"]
    item = staff.open(staff.only()).items[0].id
    with house.engine.begin() as connection:
        retry(connection, item, now())
    assert staff.file() == 1
    with house.engine.begin() as connection:
        by_hand(connection, item, "map 12", NURSE, now())
    assert staff.states() == {"filed": 1}
    assert "dead" not in staff.rows()


def test_the_outbox_gives_up_aloud(house: ShareHouse, caplog: pytest.LogCaptureFixture) -> None:
    """DL-03: after 24 hours somebody has to look; the log says so, and nothing of the content."""
    ehr = Ehr()
    ehr.down = 100
    staff = Staff(house, fhir_way(ehr))
    house.send(measurements(70.625))
    staff.do(lambda deeds: deeds.accept(staff.only()))
    start = now()
    for hour in range(30):
        staff.file(start + timedelta(hours=hour))
    assert staff.rows() == ["dead"]
    assert "given up" in caplog.text
    assert "70.625" not in caplog.text


def test_declining_needs_a_reason_that_the_citizen_reads(house: ShareHouse) -> None:
    """DL-C37, DL-91: nothing goes to the EHR; the citizen's page has the text."""
    ehr = Ehr()
    staff = Staff(house, fhir_way(ehr))
    house.send(measurements(70.5))
    id_ = staff.only()
    with pytest.raises(NotAllowed):
        staff.do(lambda deeds: deeds.decline(id_, " "))
    staff.do(lambda deeds: deeds.decline(id_, "Deze weegschaal is niet betrouwbaar."))
    staff.file()
    assert ehr.filed == {}
    with house.engine.connect() as connection:
        assert Inbox(connection).reasons(id_) == [("declined", "Deze weegschaal is niet betrouwbaar.")]
    with pytest.raises(NotAllowed):
        staff.do(lambda deeds: deeds.accept(id_))


def test_some_of_a_submission_is_accepted(house: ShareHouse) -> None:
    """DL-91: selected items; passing on and assigning leave them as they are."""
    staff = Staff(house)
    house.send(measurements(70, 71, 72))
    id_ = staff.only()
    items = [one.id for one in staff.open(id_).items if one.role == "item"]
    staff.do(lambda deeds: deeds.accept(id_, items[:1]))
    staff.do(lambda deeds: deeds.ask(id_, "Welke weegschaal was dit?", items[1:2]))
    staff.do(lambda deeds: deeds.forward(id_, "Cardiologie"))
    staff.do(lambda deeds: deeds.assign(id_, NURSE))
    assert staff.states() == {"accepted": 1, "returned": 1, "inbox": 1}
    assert [line.assignee for line in house.lines(department="Cardiologie")] == [NURSE]
    with pytest.raises(NotAllowed):
        staff.do(lambda deeds: deeds.accept(id_, ["iets anders"]))


def test_what_nobody_decides_expires(house: ShareHouse) -> None:
    """DL-C38, DL-92: told after 60 days, gone after 90: the content, not what happened."""
    staff = Staff(house)
    house.send(document(pdf()), service=DOCUMENT)
    start, settings = now(), house.settings.share
    assert one_round(house.engine, settings, start + timedelta(days=59)) == {"told": 0, "expired": 0, "emptied": 0}
    assert one_round(house.engine, settings, start + timedelta(days=61))["told"] == 1
    assert one_round(house.engine, settings, start + timedelta(days=62))["told"] == 0
    assert one_round(house.engine, settings, start + timedelta(days=91))["expired"] == 1
    opened = staff.open(staff.only())
    assert staff.states() == {"expired": 1}
    assert [one.resource for one in opened.items] == [{}] * len(opened.items)
    assert [one.deed for one in opened.deeds] == ["received", "notice", "expired"]
    with house.engine.connect() as connection:
        assert Inbox(connection).file(opened.items[-1].id) == b""


def test_declined_and_filed_content_goes_sooner(house: ShareHouse) -> None:
    """DL-92: 30 days after it was declined."""
    staff = Staff(house)
    house.send(measurements(70))
    staff.do(lambda deeds: deeds.decline(staff.only(), "Niet nodig."))
    assert one_round(house.engine, house.settings.share, now() + timedelta(days=29))["emptied"] == 0
    assert one_round(house.engine, house.settings.share, now() + timedelta(days=31))["emptied"] == 1
    assert [line.states for line in house.lines(open_only=False)] == [{"declined": 1}]


def rule(**change: Any) -> AcceptRule:
    """A rule of the heart failure programme."""
    given: dict[str, Any] = {
        "id": "hartfalen", "author": "dr. De Vries", "provider": PROVIDER, "service": MEASURE,
        "valid_from": date(2026, 1, 1), "valid_until": date(2999, 1, 1), "codes": ("http://loinc.org|29463-7",),
        "low": "40", "high": "150",
    }  # fmt: skip
    return AcceptRule.model_validate(given | change)


@pytest.mark.parametrize(
    ("change", "value", "accepted"),
    [
        ({}, 70, True),
        ({"patients": ("anna",)}, 70, True),
        ({"patients": ("bram",)}, 70, False),
        ({"valid_until": date(2026, 1, 2)}, 70, False),
        ({"codes": ("http://loinc.org|8302-2",)}, 70, False),
        ({}, 30, False),
        ({"low": None, "high": None}, 900, False),
    ],
)
def test_a_written_rule_accepts(change: dict[str, Any], value: int, accepted: bool, tmp_path: Path) -> None:
    """DL-C39, DL-04: the deed names the rule; nothing implausible is accepted by one."""
    with share_house("sqlite", tmp_path, share=ShareSettings(rules=(rule(**change),))) as house:
        house.send(measurements(value))
        staff = Staff(house)
        assert staff.states() == {"accepted" if accepted else "inbox": 1}
        assert ("rule hartfalen" in {one.by for one in staff.open(staff.only()).deeds}) is accepted


def test_a_disagreement_without_a_request_is_told(house: ShareHouse) -> None:
    """DL-C32, DL-83: a new case, with a finding; after an earlier request there is none."""
    house.send(correction("medRecCxDenialDisagree"), service=CORRECT)
    assert "no-earlier-request" in house.lines()[0].findings
    house.send(correction("medRecCxDenialDisagree", "Ik ben het er niet mee eens."), service=CORRECT)
    assert "no-earlier-request" not in house.lines()[1].findings


def test_into_a_folder_and_a_database(house: ShareHouse, tmp_path: Path) -> None:
    """Write-back by folder and by SQL procedure: complete, and once."""
    file = tmp_path / "ehr.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE meting (item TEXT PRIMARY KEY, bsn TEXT, code TEXT, value TEXT, pdf BLOB)")
    sql = write_back({
        "type": "sql", "name": "sql", "url": f"sqlite:///{file}",
        "statement": "INSERT INTO meting VALUES (:item, :bsn, :code, :value, :pdf) RETURNING rowid",
    })  # fmt: skip
    staff = Staff(house, write_back({"type": "folder", "name": "map", "folder": tmp_path / "uit"}), sql)
    house.send(measurements(70.5))
    staff.do(lambda deeds: deeds.accept(staff.only()))
    staff.file()
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT bsn, code, value FROM meting").fetchall() == [(ANNA, "29463-7", "70.5")]
    (folder,) = (tmp_path / "uit").iterdir()
    assert json.loads((folder / "resource.json").read_text())["valueQuantity"]["value"] == 70.5
    assert json.loads((folder / "about.json").read_text())["accepted_by"] == NURSE


def test_documents_go_with_their_file(house: ShareHouse, tmp_path: Path) -> None:
    """Write-back of a document: by FHIR as a transaction, in which the attachment points at its file."""
    ehr = Ehr()
    staff = Staff(house, fhir_way(ehr), write_back({"type": "folder", "name": "map", "folder": tmp_path / "uit"}))
    content = pdf()
    house.send(document(content), service=DOCUMENT)
    staff.do(lambda deeds: deeds.accept(staff.only()))
    staff.file()
    assert staff.states() == {"filed": 1}
    kinds = {one["resourceType"] for one in ehr.filed.values()}
    assert kinds == {"DocumentReference", "DocumentManifest", "Binary"}
    (folder,) = (tmp_path / "uit").iterdir()
    assert (folder / "file-1.pdf").read_bytes() == content


@pytest.mark.parametrize(("code", "expected"), [("AA", Filed), ("AE", Rejected), ("AR", Later), ("", Later)])
def test_over_hl7(house: ShareHouse, code: str, expected: type[Filing]) -> None:
    """ORU^R01 for a measurement, MDM^T02 for what is read; what the receiver answers is what becomes of it."""
    got: list[str] = []

    async def receiver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = (await reader.readuntil(END)).strip(BEGIN + END).decode()
        got.append(message)
        if code:
            control = message.split("|")[9]
            writer.write(BEGIN + f"MSH|^~\\&|E|||||||ACK|1|P|2.5.1\rMSA|{code}|{control}\r".encode() + END)
        writer.close()

    async def go() -> Filing:
        server = await asyncio.start_server(receiver, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        way = write_back({"type": "hl7v2", "name": "hl7", "host": "127.0.0.1", "port": port})
        staff = Staff(house, way)
        await asyncio.to_thread(staff.do, lambda deeds: deeds.accept(id_))
        claimed = await asyncio.to_thread(staff.outbox._claim, PROVIDER, "hl7", now())
        assert claimed is not None
        async with server:
            return await way.file(staff.outbox._item(claimed.item_pk))

    house.send(measurements(70.5))
    id_ = house.lines()[0].id
    assert isinstance(asyncio.run(go()), expected)
    assert "ORU^R01" in got[0]
    assert "OBX|1|NM|29463-7^Body weight^LN||70.5|kg^^UCUM" in got[0]
    assert f"{ANNA}^^^NLMINBIZA^NNNLD" in got[0]


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"type": "fax"},
        {"type": "fhir", "name": "x"},
        {"type": "sql", "name": "x", "url": "sqlite://", "statement": "call p(:secret)"},
    ],
)
def test_a_wrong_write_back_is_told_at_start(raw: dict[str, Any]) -> None:
    with pytest.raises(AdapterMisconfigured):
        write_back(raw)


def test_nothing_of_an_inbox_is_collected(house: ShareHouse) -> None:
    """DL-05: what was sent is no part of the record until it is filed, and then it comes from the EHR."""
    house.send(measurements(70.5))
    found = house.call("GET", "Observation?code=http://loinc.org|29463-7", "52").json()
    assert found["total"] == 0
