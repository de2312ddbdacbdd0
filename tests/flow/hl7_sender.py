"""A system that sends HL7 v2 messages over MLLP, and messages for it to send."""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hl7.mllp import open_hl7_connection
from servers import free_port
from world.intake_house import BSN, House, house

from gateway.intake.settings import IntakeSettings

PDF = base64.b64encode(b"%PDF-1.7\n% a small paper\n").decode()
PID = (
    f"PID|1||4711^^^ZKH^PI~{BSN}^^^NLMINBIZA^NNNLD||van der Berg&van der&Berg^T^^^^^L||19700131|F|||"
    "Dorpsstraat 1&Dorpsstraat&1^^Zandoord^^1234AB^NLD"
)


def msh(kind: str, number: str = "1", **change: str) -> str:
    place = {"time": "20260201103000+0100", "processing": "P", "version": "2.5"} | change
    head = f"MSH|^~\\&|LAB|ZKH|GATEWAY|ZKH|{place['time']}||{kind}|{number}"
    return f"{head}|{place['processing']}|{place['version']}||||||UNICODE UTF-8"


def segment(name: str, **fields: str) -> str:
    """A segment by the numbers of its fields: ``segment("PV1", f2="I")``."""
    placed = {int(key[1:]): value for key, value in fields.items()}
    return "|".join([name, *(placed.get(number, "") for number in range(1, max(placed) + 1))])


def adt(number: str = "1", event: str = "A08", pid: str = PID) -> str:
    return "\r".join([msh(f"ADT^{event}", number), "EVN||20260201", pid, "PV1|1|O"]) + "\r"


def oru(number: str = "2", *results: str, pid: str = PID) -> str:
    rows = results or (
        "OBX|1|NM|2823-3^Kalium^LN||4.10|mmol/L^mmol/L^UCUM|3.5-5.0|N|||F|||20260201091500",
        "OBX|2|NM|2951-2^Natrium^LN||149|mmol/L^mmol/L^UCUM|135-145|H|||F",
    )
    return (
        "\r".join([msh("ORU^R01^ORU_R01", number), pid, "ORC|RE", "OBR|1||L-2026-1|CHEM|||20260201090000", *rows])
        + "\r"
    )


def mdm(number: str = "3", content: str = PDF) -> str:
    return "\r".join(
        [
            msh("MDM^T02^MDM_T02", number), "EVN||20260201", PID, "PV1|1|O",
            "TXA|1|DS^Ontslagbrief|AP|20260201120000|||||D123^Dokter^Anna|||DOC-9||||||AV",
            f"OBX|1|ED|18842-5^Ontslagbrief^LN||ZKH^AP^PDF^Base64^{content}||||||F",
        ]
    ) + "\r"  # fmt: skip


class Sender:
    """A system that sends over one connection at a time."""

    def __init__(self, hospital: House, port: int) -> None:
        self.hospital = hospital
        self.port = port

    def send(self, *messages: str | bytes) -> list[dict[str, list[str]]]:
        return self.hospital.portal.call(self._send, messages)

    async def _send(self, messages: tuple[str | bytes, ...]) -> list[dict[str, list[str]]]:
        reader, writer = await open_hl7_connection("127.0.0.1", self.port)
        answers = []
        for message in messages:
            writer.writeblock(message.encode() if isinstance(message, str) else message)
            await writer.drain()
            async with asyncio.timeout(20):
                raw = (await reader.readblock()).decode()
            lines = [line.split("|") for line in raw.strip("\r").split("\r")]
            answer = {fields[0]: fields for fields in lines}
            answers.append(answer | {"ERR": [fields[8] for fields in lines if fields[0] == "ERR"]})
        writer.close()
        await writer.wait_closed()
        return answers

    async def raw(self, frame: str) -> str:
        """One frame, and the text of the frame that comes back."""
        reader, writer = await open_hl7_connection("127.0.0.1", self.port)
        writer.writeblock(frame.encode())
        await writer.drain()
        async with asyncio.timeout(20):
            answer = (await reader.readblock()).decode()
        writer.close()
        await writer.wait_closed()
        return answer


def listening(
    kind: str, folder: Path, made: Any, options: dict[str, Any] | None = None, **change: Any
) -> Iterator[Sender]:
    """A house with a listener; ``options`` are settings of the listener, ``change`` of the source."""
    port = free_port()
    lab = made(mllp={"port": port} | (options or {}), **change)
    section = IntakeSettings(sources={"lab": lab}, body_seconds=1, body_bytes=300_000)
    with house(kind, folder, section) as hospital:
        (listener,) = hospital.parts.messages
        server = hospital.portal.call(listener.start)
        yield Sender(hospital, port)
        hospital.portal.call(listener.stop, server)


def codes(answers: list[dict[str, list[str]]]) -> list[str]:
    return [answer["MSA"][1] for answer in answers]
