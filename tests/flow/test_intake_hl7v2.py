"""HL7 v2 messages over MLLP: taken in, acknowledged when durable, refused with a reason (issue 6, point 5)."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import KINDS
from flow.hl7_sender import PID, Sender, adt, codes, listening, mdm, oru
from world.intake_house import BSN, source

from gateway.quality.verdicts import shared_validator
from profiles.fhir.codec.packing import unpack
from profiles.fhir.version import FhirVersion


@pytest.fixture(params=KINDS)
def sender(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sender]:
    yield from listening(request.param, tmp_path, source)


def test_a_patient_a_result_and_a_letter_come_in(sender: Sender) -> None:
    """The three kinds of message, one connection; each AA repeats the control id."""
    answers = sender.send(adt(), oru(), mdm())
    assert codes(answers) == ["AA"] * 3, answers
    assert [answer["MSA"][2] for answer in answers] == ["1", "2", "3"]
    stored = sender.hospital.stored()
    person = stored["Patient/4711"]
    assert (person["name"][0]["family"], person["birthDate"], person["gender"]) == (
        "van der Berg",
        "1970-01-31",
        "female",
    )
    assert BSN not in json.dumps(stored)
    potassium = stored["Observation/lab-L-2026-1-2823-3-1"]
    assert potassium["subject"]["reference"] == "Patient/4711"
    assert potassium["effectiveDateTime"] == "2026-02-01T09:15:00+01:00"
    sodium = stored["Observation/lab-L-2026-1-2951-2-1"]
    assert [coding["code"] for coding in sodium["interpretation"]["coding"]] == ["H", "281302008"]
    letter = stored["DocumentReference/document-DOC-9-1"]
    assert letter["content"][0]["attachment"]["url"] == "Binary/document-DOC-9-1"
    assert "Binary/document-DOC-9-1" in stored
    with sender.hospital.engine.connect() as connection:
        json_bytes = connection.exec_driver_sql(
            "select json from resource where id = 'lab-L-2026-1-2823-3-1'"
        ).scalar_one()
    assert b'"value":4.10' in unpack(bytes(json_bytes)), "decimals keep their digits"
    assert {record["client"] for record in sender.hospital.audit()} == {"lab"}


def test_a_message_that_comes_again_changes_nothing(sender: Sender) -> None:
    assert codes(sender.send(adt(), oru())) == ["AA", "AA"]
    before = sender.hospital.count("original")
    assert codes(sender.send(oru(), oru("77"))) == ["AA", "AA"]
    assert sender.hospital.count("original") == before


def test_a_result_does_not_change_who_a_patient_is(sender: Sender) -> None:
    sender.send(adt())
    poorer = PID.replace("van der Berg&van der&Berg^T", "Berg")
    assert codes(sender.send(oru("5", pid=poorer))) == ["AA"]
    assert sender.hospital.stored()["Patient/4711"]["name"][0]["family"] == "van der Berg"


def test_a_result_that_is_corrected_and_one_that_is_withdrawn(sender: Sender) -> None:
    sender.send(oru())
    row = "OBX|1|NM|2823-3^Kalium^LN||{value}|mmol/L^mmol/L^UCUM|||||{state}|||20260201091500"
    assert codes(sender.send(oru("6", row.format(value="4.30", state="C")))) == ["AA"]
    assert sender.hospital.stored()["Observation/lab-L-2026-1-2823-3-1"]["status"] == "corrected"
    assert codes(sender.send(oru("7", row.format(value="4.30", state="W")))) == ["AA"]
    assert "Observation/lab-L-2026-1-2823-3-1" not in sender.hospital.stored()


BAD = {
    "not HL7": (b"hello", "AR"),
    "no MSH": ("PID|1||4711", "AR"),
    "cut off": ("MSH|^~\\&|LAB", "AR"),
    "another event": (adt(event="A99"), "AR"),
    "another type": (oru().replace("ORU^R01^ORU_R01", "BAR^P01"), "AR"),
    "nothing of its kind": (oru().replace("ORU^R01^ORU_R01", "SIU^S12"), "AE"),
    "version 3": (adt().replace("|P|2.5", "|P|3.0"), "AR"),
    "no control id": (adt(number=""), "AE"),
    "no patient": (adt().replace(PID + "\r", ""), "AE"),
    "no patient number": (adt(pid=f"PID|1||{BSN}^^^NLMINBIZA^NNNLD||Berg^T||19700131|F"), "AE"),
    "a BSN that is none": (adt(pid=PID.replace(BSN, "999990010")), "AE"),
    "a number that is none": (oru("9", "OBX|1|NM|2823-3^Kalium^LN||veel|mmol/L|||||F|||20260201"), "AE"),
    "a time that is none": (oru("9", "OBX|1|NM|2823-3^Kalium^LN||4|mmol/L|||||F|||gisteren"), "AE"),
    "a status that is none": (oru("9", "OBX|1|NM|2823-3^Kalium^LN||4|mmol/L|||||?|||20260201"), "AE"),
    "a value type that is not mapped": (oru("9", "OBX|1|RP|2823-3^Kalium^LN||4|mmol/L|||||F|||20260201"), "AE"),
    "a document that is not base64": (mdm(content="???"), "AE"),
    "not UTF-8": (adt().encode().replace(b"Berg", b"B\xffrg"), "AE"),
    "NUL": (adt().replace("Zandoord", "Zand\0oord"), "AR"),
}  # fmt: skip


def test_what_cannot_be_taken_is_refused_with_a_reason_and_nothing_is_stored(tmp_path: Path) -> None:
    for sender in listening("sqlite", tmp_path, source):
        answers = sender.send(*(message for message, _ in BAD.values()))
        found = dict(zip(BAD, codes(answers), strict=True))
        assert found == {name: code for name, (_, code) in BAD.items()}
        assert all(answer["ERR"] and all(answer["ERR"]) for answer in answers), "each with a reason"
        assert not any(BSN in str(answer) for answer in answers)
        assert sender.hospital.stored() == {}


def test_what_a_blocking_policy_refuses_goes_to_quarantine(tmp_path: Path) -> None:
    """A result without a status breaks zib-LaboratoryTestResult: AE, in quarantine, nothing of it stored."""
    for sender in listening("sqlite", tmp_path, source, policy={"*": "block"}):
        assert codes(sender.send(adt())) == ["AA"]
        (answer,) = sender.send(oru("9", "OBX|1|NM|^^LN||4|mmol/L^mmol/L^UCUM|||||F|||20260201"))
        assert answer["MSA"][1] == "AE"
        assert any("quarantine" in reason for reason in answer["ERR"])
        assert set(sender.hospital.stored()) == {"Patient/4711"}
        assert sender.hospital.count("quarantine") == 1


def test_a_connection_that_drips_or_overflows_is_ended(tmp_path: Path) -> None:
    async def drip(port: int, sent: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(10):
            found = await reader.read()
        writer.close()
        return found

    for sender in listening("sqlite", tmp_path, source):
        for sent in (b"\x0bMSH|", b"\x0b" + b"x" * 700_000, b"GET / HTTP/1.1\r\n\r\n"):
            with contextlib.suppress(ConnectionResetError):
                assert sender.hospital.portal.call(drip, sender.port, sent) == b""
        assert codes(sender.send(adt())) == ["AA"]


@pytest.mark.usefixtures("official_packages")
def test_what_is_mapped_meets_the_official_profiles(tmp_path: Path, package_cache: Path) -> None:
    for sender in listening("sqlite", tmp_path, source):
        assert codes(sender.send(adt(), oru(), mdm())) == ["AA"] * 3
        validator = shared_validator(FhirVersion.STU3, str(package_cache))
        wrong = {
            key: [(one.rule, one.expression) for one in report.findings if one.severity == "error"]
            for key, resource in sender.hospital.stored().items()
            if not key.startswith("Binary") and (report := validator.validate(resource)).verdict == "wrong"
        }
        assert wrong == {}
