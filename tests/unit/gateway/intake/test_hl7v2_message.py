"""Reading HL7 v2 messages: whatever comes, it is a message or a fault with a reason."""

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.port import AdapterMisconfigured
from gateway.intake.hl7v2.acknowledge import ErrorSegment, Header, acknowledgement
from gateway.intake.hl7v2.mapping import SHIPPED, load_mapping
from gateway.intake.hl7v2.message import Message, MessageFault
from gateway.intake.hl7v2.row import SegmentRow
from gateway.intake.hl7v2.times import moment, zone_of

HEAD = "MSH|^~\\&|LAB|ZKH|GW|ZKH|20260201||ORU^R01|42|P|2.5"
BODY = (
    "PID|1||7^^^ZKH^PI~999990019^^^NLMINBIZA^NNNLD||Berg&van der&Berg^T\r"
    'OBR|1||F1|X\rOBX|1|ST|c^n^L||a\\T\\b~second|u|||||F\rNTE|1||one\rNTE|2||two\rOBX|2|NM|d^m^L||1|""|||||F'
)


def read(text: str, encoding: str = "utf-8") -> Message:
    return Message.read(text.encode(encoding), encoding)


def rows(message: Message) -> list[SegmentRow]:
    """The rows of the patient and of the results."""
    return [MAPPING.row(message, one) for one in message.segments if one.name in ("PID", "OBX")]


def test_places_repetitions_escapes_and_comments() -> None:
    patient, first, second = rows(read(f"{HEAD}\r{BODY}"))
    assert (patient["patient_id"], patient["bsn"]) == ("7", "999990019")
    assert (first["PID_5_1_1"], first["PID_5_1_2"], first["PID_5_2"]) == ("Berg", "van der", "T")
    assert (first["OBX_5"], first["OBX_3_2"], first["OBR_3"]) == ("a&b", "n", "F1")
    assert first["notes"] == "one\ntwo"
    assert (second["notes"], second["OBX_6"], second["OBX_30"], second["ZZZ_1"]) == (None, None, None, None)


def test_the_character_set_of_the_message_counts() -> None:
    head = HEAD + "||||||8859/1"
    raw = f"{head}\rPID|1||7||Müller".encode("latin-1")
    (row,) = rows(Message.read(raw, "utf-8"))
    assert row["PID_5_1"] == "Müller"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026", "2026"),
        ("202602", "2026-02"),
        ("20260201", "2026-02-01"),
        ("202602011030", "2026-02-01T10:30:00+01:00"),
        ("202607011030", "2026-07-01T10:30:00+02:00"),
        ("20260201103015.123+0130", "2026-02-01T10:30:15.123+01:30"),
        ("20260201103015-0500", "2026-02-01T10:30:15-05:00"),
    ],
)
def test_times_keep_their_precision(text: str, expected: str) -> None:
    assert moment(text, ZoneInfo("Europe/Amsterdam")) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("20260201233500+0000", "2026-07-01T10:00:00+00:00"),
        ("20260201233500+0100", "2026-07-01T10:00:00+02:00"),
        ("20260201233500", "2026-07-01T10:00:00+02:00"),
        ("zomaar", "2026-07-01T10:00:00+02:00"),
    ],
)
def test_the_zone_of_the_sender_is_that_of_a_place_when_it_fits(sent: str, expected: str) -> None:
    """A Dutch sender writes +0100 in winter, and the clock of that day for a moment in summer."""
    assert moment("20260701100000", zone_of(sent, "Europe/Amsterdam")) == expected


@given(st.text(max_size=20))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    try:
        moment(text, UTC)
    except ValueError:
        return
    assert text.strip()[:4].isdigit()


def tried(raw: bytes) -> tuple[Message | None, MessageFault | None]:
    """The message, as far as it could be read, and why it is not taken."""
    message = None
    try:
        message = Message.read(raw, "utf-8")
        MAPPING.read(message, "1", b"")
    except MessageFault as fault:
        return message, fault
    return message, None


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: f"{HEAD}\r{BODY}\r".encode() + tail))
def test_any_bytes_are_mapped_or_refused_with_a_reason(raw: bytes) -> None:
    """And an acknowledgement can be made of every one of them, in one block."""
    _, fault = tried(raw)
    assert fault is None or (fault.text and "999990019" not in fault.text)
    answer = acknowledgement(Header(raw), "AE", (ErrorSegment("E", "102", "a | b ^ c\r\nd"),))
    assert answer.count(b"\rMSA|AE|") == 1
    assert b"\x1c" not in answer
    assert b"\x0b" not in answer
    assert b"a \\F\\ b \\S\\ c  d" in answer


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(alphabet='|^~&\\ABCMSHPIDOBXR123"\r', max_size=40), max_size=8))
def test_any_mixture_of_separators_is_mapped_or_refused(lines: list[str]) -> None:
    _, fault = tried("\r".join([HEAD, *lines]).encode())
    assert fault is None or fault.code in {"100", "101", "102", "204", "207"}


MAPPING = load_mapping(SHIPPED)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mapping: x", "version"),
        ("mapping: x\nversion: stu3\nsections: {a: {type: Patient, rows: patient, messages: [], resource: {}}}", "id"),
        (
            "mapping: x\nversion: stu3\nsections: {a: {type: Patient, rows: patient, messages: [],"
            " resource: {id: =nothing(PID_3)}}}",
            "nothing",
        ),
        ("mapping: [", "line"),
    ],
)
def test_a_mapping_that_is_wrong_stops_the_start(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(text)
    with pytest.raises(AdapterMisconfigured, match=told):
        load_mapping(file)
