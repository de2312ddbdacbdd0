"""Whatever comes in, a message is read or refused with a fault of our own: never an untyped error."""

import contextlib
import re

import pytest
from flow.hl7_generated import KINDS, generate
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.intake.hl7v2.acknowledge import Answered, ErrorSegment, replies
from gateway.intake.hl7v2.delimited import Separators
from gateway.intake.hl7v2.frames import messages_of
from gateway.intake.hl7v2.mapping import SHIPPED, load_mapping
from gateway.intake.hl7v2.message import Message, MessageFault

MAPPING = load_mapping(SHIPPED)
PIECES = st.sampled_from(
    ["", '""', "1", "20260201", "2026020109", "20261399", "99999999999999999999", "F", "NM", "CWE", "ED", "SN", "TS",
     "D", "é", "\\.br\\", "\\X41\\", "\\Xzz\\", "\\", "a^b&c~d", "^^^", "~~", "&", "-1", "1e5", "NaN", ">=5", "3.5-5",
     "CH", "\t"]
)  # fmt: skip
FIELDS = st.lists(PIECES, max_size=28).map("|".join)
NAMES = st.sampled_from(
    [
        "PID",
        "OBX",
        "OBR",
        "ORC",
        "NTE",
        "PV1",
        "SCH",
        "AIS",
        "AIP",
        "RXA",
        "RXE",
        "RXD",
        "TXA",
        "SPM",
        "TQ1",
        "MRG",
        "ZZZ",
    ]
)
SEGMENTS = st.lists(st.builds("{}|{}".format, NAMES, FIELDS), max_size=8)
PATIENTS = st.sampled_from(["PID|1||7^^^Z^PI||A^B||19700101|F", "PID|1||7^^^Z^PI"])
EVENTS = st.sampled_from(sorted(MAPPING.messages))


def take(raw: bytes) -> None:
    """Read and map; faults of our own are what may happen."""
    with contextlib.suppress(MessageFault):
        MAPPING.read(Message.read(raw), "1", b"")


@settings(max_examples=150, deadline=None)
@given(EVENTS, PATIENTS, SEGMENTS)
def test_a_grammar_of_messages(event: str, patient: str, segments: list[str]) -> None:
    head = f"MSH|^~\\&|A|B|C|D|20260201103000+0100||{event}|1|P|2.5"
    take("\r".join([head, patient, *segments]).encode())


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1000), st.integers(0, len(KINDS) - 1), st.data())
def test_a_message_with_some_bytes_changed(seed: int, kind: int, data: st.DataObject) -> None:
    raw = bytearray(generate(seed, len(KINDS))[kind].text.encode())
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.sampled_from(b"|^~\\&\r\n\x00\x0b\xff0aM"))
    take(bytes(raw))


@pytest.mark.parametrize("marks", ["^^\\&", "^~^&", "||||", "^~\\^", "~~~~"])
def test_separators_that_are_the_same_are_a_fault(marks: str) -> None:
    take(f"MSH|{marks}|A|B|C|D|20260201103000+0100||ADT^A08|1|P|2.5\rPID|1||7^^^Z^PI||A^B".encode())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_get_an_answer(raw: bytes) -> None:
    for one in messages_of(raw).messages:
        take(one)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200).map(lambda tail: b"MSH|^~\\&|" + tail), st.sampled_from(["AA", "AE", "AR"]))
def test_an_answer_is_always_a_message_of_its_own(raw: bytes, code: str) -> None:
    for reply in replies(raw, Answered(code, (ErrorSegment("E", "102", "reason | with ^ marks"),))):
        lines = reply.decode().rstrip("\r").split("\r")
        assert [line[:3] for line in lines] == ["MSH", "MSA", "ERR"] or len(lines) == 2
        assert re.match(r"MSA\|(AA|AE|AR|CA|CE|CR)\|", lines[1])


@settings(max_examples=300)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=60))
def test_what_is_escaped_reads_back_as_it_was(text: str) -> None:
    marks = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\"}
    sent = "".join(marks.get(char, char) for char in text)
    assert Separators().plain(sent) == text
