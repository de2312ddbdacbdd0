"""The line itself: frames, broken frames, many connections, acknowledgements in both modes, and batches."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow.hl7_sender import PID, Sender, adt, codes, listening, msh, oru
from world.intake_house import source

B, E = b"\x0b", b"\x1c\r"


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Sender]:
    yield from listening("sqlite", tmp_path, source)


async def talk(port: int, sent: list[bytes], answers: int) -> list[list[str]]:
    """Write pieces on one connection; the lines of each answer that comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = []
    try:
        for piece in sent:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            for _ in range(answers):
                found.append((await reader.readuntil(E))[1:-2].decode().strip("\r").split("\r"))
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return found


def say(one: Sender, *sent: bytes, answers: int = 1) -> list[list[str]]:
    return one.hospital.portal.call(talk, one.port, list(sent), answers)


def acknowledged(lines: list[str]) -> list[str]:
    return [field for line in lines if line.startswith("MSA") for field in line.split("|")[1:3]]


def frame(number: str) -> bytes:
    return B + adt(number).encode() + E


def test_several_frames_in_one_write_and_line_ends_between_them(one: Sender) -> None:
    found = say(one, frame("1") + frame("2") + b"\n" + frame("3") + b"\r\n \n" + frame("4"), answers=4)
    assert [acknowledged(lines) for lines in found] == [["AA", str(n)] for n in range(1, 5)]


def test_a_frame_in_pieces_and_one_that_was_begun_anew(one: Sender) -> None:
    whole = frame("1")
    found = say(one, whole[:5], whole[5:40], whole[40:], frame("2")[:60] + frame("3"), answers=2)
    assert [acknowledged(lines) for lines in found] == [["AA", "1"], ["AA", "3"]]


def test_scraps_between_frames_are_passed_over_but_not_for_ever(one: Sender) -> None:
    assert acknowledged(say(one, frame("1") + b"scraps" + frame("2"), answers=2)[1]) == ["AA", "2"]
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        say(one, b"x" * 10_000 + frame("3"))


def test_more_connections_than_agreed_are_closed_and_the_others_go_on(tmp_path: Path) -> None:
    async def many(port: int) -> list[bool]:
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        answers = []
        for number, (reader, writer) in enumerate(opened):
            try:
                writer.write(frame(str(number)))
                async with asyncio.timeout(10):
                    answers.append(bool(await reader.readuntil(E)))
            except (asyncio.IncompleteReadError, OSError):
                answers.append(False)
        for _, writer in opened:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return answers

    for one in listening("sqlite", tmp_path, source, options={"connections": 3}):
        assert sorted(one.hospital.portal.call(many, one.port)) == [False, False, True, True, True]


UNREADABLE = {
    "not in its character set": adt("N1").encode().replace(b"Berg", b"B\xffrg"),
    "a set that nobody knows": adt("N1").replace("UNICODE UTF-8", "8859/99").encode(),
    "a line that is no segment": (adt("N1") + "zomaar tekst\r").encode(),
    "nothing but MSH": (msh("ADT^A08", "N1") + "\r").encode(),
    "another type": adt("N1").replace("ADT^A08", "XYZ^A99").encode(),
    "UTF-16 in its header": adt("N1").encode() + b"\xff\xfe\x00",
}


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_every_refusal_names_the_message_it_is_about(one: Sender, sent: bytes) -> None:
    """v2.5, 2.15.8.2: MSA-2 is required, and the names of the sender come back."""
    (lines,) = say(one, B + sent + E)
    code, control = acknowledged(lines)
    assert (code in ("AE", "AR"), control) == (True, "N1")
    assert lines[0].split("|")[4:6] == ["LAB", "ZKH"]


WRONG = adt("1", pid="PID|1||4711^^^ZKH^PI~123456789^^^NLMINBIZA^NNNLD||Berg^T||19700131|F")
OTHER = adt("1", event="A99")
MODES = {
    ("AL", "NE", "good"): ["CA"], ("AL", "AL", "good"): ["CA", "AA"], ("NE", "AL", "good"): ["AA"],
    ("NE", "NE", "good"): [], ("ER", "ER", "good"): [], ("SU", "SU", "good"): ["CA", "AA"], ("AL", "", "good"): ["CA"],
    ("AL", "AL", "wrong"): ["CA", "AE"], ("AL", "NE", "wrong"): ["CE"], ("AL", "ER", "wrong"): ["CA", "AE"],
    ("ER", "NE", "wrong"): ["CE"], ("SU", "NE", "wrong"): [], ("AL", "AL", "other"): ["CR"],
    ("AL", "NE", "other"): ["CR"], ("", "AL", "good"): ["AA"],
}  # fmt: skip


@pytest.mark.parametrize(("mode", "expected"), MODES.items())
def test_enhanced_mode_by_its_two_conditions(one: Sender, mode: tuple[str, str, str], expected: list[str]) -> None:
    """v2.5, 2.9.3. CA promises that the message is safe: what is wrong in it is then in quarantine."""
    accept, application, kind = mode
    text = {"good": adt("1"), "wrong": WRONG, "other": OTHER}[kind]
    text = text.replace("|P|2.5||||||", f"|P|2.5|||{accept}|{application}||")
    last = frame("2")
    found = [acknowledged(lines) for lines in say(one, B + text.encode() + E, last, answers=len(expected) + 1)]
    assert found == [*([code, "1"] for code in expected), ["AA", "2"]]
    assert one.hospital.count("quarantine") == (expected == ["CA", "AE"])


def test_an_acknowledgement_is_not_answered(one: Sender) -> None:
    ack = (msh("ACK^A08^ACK", "9") + "\rMSA|AA|1\r").encode()
    assert acknowledged(say(one, B + ack + E + frame("1"))[0]) == ["AA", "1"]


def batch(count: int | str) -> bytes:
    lines = ["FHS|^~\\&|LAB|ZKH|GW|ZKH|20260201||||F1", "BHS|^~\\&|LAB|ZKH|GW|ZKH|20260201||||B1"]
    return ("\r".join(lines) + "\r" + adt("1") + OTHER + oru("3") + f"BTS|{count}\rFTS|1\r").encode()


def test_a_batch_gets_one_answer_with_one_for_each_message(one: Sender) -> None:
    (lines,) = say(one, B + batch(3) + E)
    assert [line[:3] for line in lines if line[:3] not in ("MSH", "ERR", "MSA")] == ["FHS", "BHS", "BTS", "FTS"]
    assert acknowledged(lines) == ["AA", "1", "AR", "1", "AA", "3"]
    assert "BTS|3" in lines
    assert "Observation/lab-L-2026-1-2823-3-1" in one.hospital.stored()


def test_a_batch_that_is_not_whole_is_refused_before_anything_is_stored(one: Sender) -> None:
    (lines,) = say(one, B + batch(4) + E)
    assert acknowledged(lines)[::2] == ["AE"] * 3
    assert one.hospital.stored() == {}


def test_two_messages_in_a_frame_are_two_patients(one: Sender) -> None:
    two = adt("1") + adt("2", pid=PID.replace("4711", "4712").partition("~")[0] + "||Jansen^P||19800101|M")
    found = say(one, B + two.encode() + E, answers=2)
    assert [acknowledged(lines) for lines in found] == [["AA", "1"], ["AA", "2"]]
    names = {key: body["name"][0]["family"] for key, body in one.hospital.stored().items()}
    assert names == {"Patient/4711": "van der Berg", "Patient/4712": "Jansen"}


def test_other_separators_and_a_byte_order_mark(one: Sender) -> None:
    odd = adt("1").replace("|", "#").replace("^~\\&", "*~\\&").replace("^", "*")
    assert codes(one.send(b"\xef\xbb\xbf" + odd.encode())) == ["AA"]
    assert one.hospital.stored()["Patient/4711"]["name"][0]["family"] == "van der Berg"
