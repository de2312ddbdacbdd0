"""kill -9 under generated messages of twelve events: what was acknowledged is there in full, element by element.

Every element that was sent is looked for, and all that is stored is compared with what the same messages come to where
nobody is killed. What was not taken was named. The short run is in every suite; the long one (a thousand messages, two
kills) at night.
"""

import json
import socket
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS, database
from flow.hl7_generated import Generated, generate, missing
from flow.test_intake_durability import Listener, serving
from flow.test_intake_hl7v2_retry import lab
from sqlalchemy import text
from world.intake_house import house

from gateway.intake.hl7v2.take import MessageTaker
from gateway.store.engine import open_engine
from profiles.fhir.codec.packing import unpack


class Line:
    """A sender on one connection, which sends again what was not acknowledged."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.acknowledged: dict[str, set[str]] = {}

    def send(self, messages: list[Generated]) -> None:
        """Send until all are acknowledged or nobody answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
                for made in messages:
                    if made.number not in self.acknowledged:
                        connection.sendall(b"\x0b" + made.text.encode() + b"\x1c\r")
                        self._note(made, _answer(connection))
        except OSError:
            return

    def _note(self, made: Generated, answer: bytes) -> None:
        lines = [line.split("|") for line in answer.decode().strip("\x0b\x1c\r").split("\r")]
        code, control = next(line[1:3] for line in lines if line[0] == "MSA")
        assert control == made.number
        assert code in ("AA", "AR"), (made.event, answer)
        if code == "AA":
            self.acknowledged[made.number] = {line[8] for line in lines if line[0] == "ERR"}


def _answer(connection: socket.socket) -> bytes:
    answer = b""
    while not answer.endswith(b"\x1c\r"):
        part = connection.recv(65_536)
        if not part:
            raise OSError("gone")
        answer += part
    return answer


def undisturbed(messages: list[Generated], folder: Path) -> dict[str, Any]:
    """What the messages come to when they are carried out one after the other, and nothing happens."""
    apart = folder / "undisturbed"
    apart.mkdir()
    with house("sqlite", apart, lab=lab()) as hospital:
        settings = hospital.parts.settings.sources["lab"].mllp
        assert settings is not None
        taker = MessageTaker("lab", settings, hospital.parts.intake)
        for made in messages:
            assert taker.take(made.text.encode()).said.code == "AA"
        return stored_in(hospital.url)


def stored_in(url: str) -> dict[str, Any]:
    """Everything that is served, by Type/id, without the moments at which it was stored and their versions."""
    engine = open_engine(url)
    with closing(engine.connect()) as connection:
        rows = connection.execute(text("select type, id, json from resource where not deleted")).all()
    engine.dispose()
    stored: dict[str, Any] = {
        f"{row.type}/{row.id}": json.loads(unpack(row.json), parse_float=Decimal, parse_int=Decimal) for row in rows
    }
    for resource in stored.values():
        resource["meta"] = {name: value for name, value in resource["meta"].items() if name == "profile"}
    return stored


def prove(listener: Listener, count: int, kills: int, folder: Path) -> None:
    messages = generate(7, count)
    whole = undisturbed(messages, folder)
    line = Line(listener.mllp)
    share = count // (kills + 1)
    for turn in range(kills):
        listener.start()
        line.send(messages[: share * (turn + 1)])
        killer = _kill_when(listener, line, messages, share * (turn + 1) + share // 2)
        assert killer, "it was killed while it was at work"
        _check(listener, line, messages, whole)
    listener.start()
    line.send(messages)
    listener.kill()
    assert set(line.acknowledged) == {made.number for made in messages}
    assert _check(listener, line, messages, whole) == whole


def _kill_when(listener: Listener, line: Line, messages: list[Generated], until: int) -> bool:
    """Kill the listener between the moment that a message was written and that of its answer."""
    line.send(messages[: until - 1])
    with socket.create_connection(("127.0.0.1", line.port), 10) as connection:
        for made in messages[until - 1 : until + 4]:
            connection.sendall(b"\x0b" + made.text.encode() + b"\x1c\r")
        listener.kill()
    return messages[until + 4].number not in line.acknowledged


def _check(listener: Listener, line: Line, messages: list[Generated], whole: dict[str, Any]) -> dict[str, Any]:
    stored = stored_in(listener.environment["GATEWAY_DATABASE_URL"])
    for made in messages:
        if made.number in line.acknowledged:
            assert missing(made, stored) == [], made.event
            assert line.acknowledged[made.number] == made.told, (made.event, made.text)
    assert {key: body for key, body in stored.items() if whole.get(key) != body} == {}, "all of it, or nothing"
    return stored


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_messages_and_one_kill(kind: str, tmp_path: Path) -> None:
    with database(kind, tmp_path) as url:
        prove(serving(url, tmp_path), 100, 1, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_messages_and_two_kills(kind: str, tmp_path: Path) -> None:
    with database(kind, tmp_path) as url:
        prove(serving(url, tmp_path), 1000, 2, tmp_path)
