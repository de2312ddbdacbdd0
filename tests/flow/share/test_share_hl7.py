"""Into the EHR over HL7 v2: documents as MDM^T02 with their PDF over MLLP, to a receiver that is not always kind."""

import asyncio
import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest
from world.share_desk import Staff
from world.share_house import ANNA, DOCUMENT, ShareHouse, document, measurements, now, pdf, share_house

from adapters.filing import hl7v2
from adapters.filing.build import write_back
from adapters.filing.hl7v2 import BEGIN, END


@dataclass
class Receiver:
    """An EHR that takes messages over MLLP. ``does`` is what it does with the next ones; then it takes them.

    AE and AR: it says so; silent: no answer; lost: it takes it, and the line breaks before it says so; wrong: it speaks
    of another message; noise: it answers something else.
    """

    does: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    """Message by control id: one that it has is not taken twice, and answered as the first time."""
    got: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        message = (await reader.readuntil(END)).strip(BEGIN + END).decode()
        control = message.split("|")[9]
        self.got += 1
        deed = self.does.pop(0) if self.does else "AA"
        if deed in ("AA", "lost"):
            self.kept.setdefault(control, message)
        if deed == "silent":
            await reader.read()
        elif deed == "noise":
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        elif deed != "lost":
            named = "another" if deed == "wrong" else control
            code = "AA" if deed == "wrong" else deed
            writer.write(BEGIN + f"MSH|^~\\&|EPD|Z|||||ACK^T02|9|P|2.5.1\rMSA|{code}|{named}\r".encode() + END)
        writer.close()


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShareHouse]:
    with share_house("sqlite", tmp_path_factory.mktemp("hl7")) as made:
        yield made


@pytest.fixture
def house(hospital: ShareHouse) -> ShareHouse:
    hospital.forget()
    return hospital


def delivered(house: ShareHouse, receiver: Receiver, hours: int = 3) -> Staff:
    """Accept what is in the inbox, and let the outbox work for so many hours."""

    async def go() -> Staff:
        server = await asyncio.start_server(partial(receiver.serve), "127.0.0.1", 0, limit=8_000_000)
        port = server.sockets[0].getsockname()[1]
        way = write_back({"type": "hl7v2", "name": "epd", "host": "127.0.0.1", "port": port, "application": "GATEWAY"})
        staff = Staff(house, way)
        await asyncio.to_thread(staff.do, lambda deeds: deeds.accept(staff.only()))
        start = now()
        async with server:
            for minutes in range(0, hours * 60, 20):
                while await staff.outbox.round(start + timedelta(minutes=minutes)):
                    pass
        return staff

    return asyncio.run(go())


def test_a_document_arrives_whole(house: ShareHouse) -> None:
    """Issue 14, 5: EVN, PID, TXA and the PDF byte for byte in OBX-5; what the receiver calls it is kept."""
    letter, receiver = pdf(), Receiver()
    assert house.send(document(letter), service=DOCUMENT).is_success
    staff = delivered(house, receiver)
    ((control, message),) = receiver.kept.items()
    rows = {row.split("|")[0]: row.split("|") for row in message.rstrip("\r").split("\r")}
    assert list(rows) == ["MSH", "EVN", "PID", "TXA", "OBX"]
    assert (rows["MSH"][8], rows["MSH"][11], rows["MSH"][17]) == ("MDM^T02^MDM_T02", "2.5.1", "UNICODE UTF-8")
    assert f"{ANNA}^^^NLMINBIZA^NNNLD" in rows["PID"][3]
    assert (rows["TXA"][2], rows["TXA"][17], rows["TXA"][19]) == ("PATDOC", "AU", "AV")
    assert rows["OBX"][3] == "PATDOC^Brief^L"
    shown = rows["OBX"][5].split("^")
    assert shown[1:4] == ["application", "pdf", "Base64"]
    assert base64.b64decode(shown[4], validate=True) == letter
    assert staff.states() == {"filed": 1}
    assert control in [one.filed_as for one in staff.open(staff.only()).items]


@pytest.mark.parametrize(
    ("does", "state", "rows", "got"),
    [
        (["AE"], "accepted", ["dead"], 1),
        (["AR"], "filed", ["filed"], 2),
        (["lost"], "filed", ["filed"], 2),
        (["silent", "silent"], "filed", ["filed"], 3),
        (["wrong", "noise", "lost"], "filed", ["filed"], 4),
    ],
)
def test_a_receiver_that_is_not_kind(
    house: ShareHouse, monkeypatch: pytest.MonkeyPatch, does: list[str], state: str, rows: list[str], got: int
) -> None:
    """DL-95, DL-C35: refused for good waits for somebody; not now, silence and a lost answer are tried again.

    What it had already it knows by its control id: it is there once, and filed once.
    """
    monkeypatch.setattr(hl7v2, "SECONDS", 0.3)
    receiver = Receiver(does)
    assert house.send(document(pdf()), service=DOCUMENT).is_success
    staff = delivered(house, receiver)
    assert (staff.states(), staff.rows(), receiver.got) == ({state: 1}, rows, got)
    assert len(receiver.kept) == (1 if state == "filed" else 0)


def test_a_document_beside_measurements(house: ShareHouse) -> None:
    """A refused one does not hold up those behind it."""
    receiver = Receiver(["AE"])
    assert house.send(measurements(70, 71, 72)).is_success
    staff = delivered(house, receiver)
    assert sorted(staff.rows()) == ["dead", "filed", "filed"]
    assert all("ORU^R01" in message for message in receiver.kept.values())
