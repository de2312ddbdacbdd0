"""Enhanced mode: CA when a message is kept, AA when it is carried out; what lies between the two is never lost."""

import json
import socket
from contextlib import closing
from pathlib import Path

import pytest
from databases import KINDS, database
from flow.hl7_sender import adt, listening
from flow.test_intake_durability import Listener, serving
from flow.test_intake_hl7v2_retry import lab
from sqlalchemy import text
from world.intake_house import pushing, source

from gateway.cli.db import upgrade
from gateway.intake.hl7v2.take import MessageTaker
from gateway.intake.quarantine import items
from gateway.intake.retry import CannotRetry, retry
from gateway.store.engine import open_engine
from profiles.fhir.codec.packing import unpack

B, E = b"\x0b", b"\x1c\r"


def enhanced(number: str, event: str = "A28", city: str = "Zandoord") -> bytes:
    message = adt(number, event).replace("Zandoord", city).replace("4711", f"47{number}")
    return message.replace("|P|2.5||||||", "|P|2.5|||AL|AL||").replace("NLMINBIZA^NNNLD", "ANDERS^XX").encode()


def answered(connection: socket.socket) -> str:
    answer = b""
    while not answer.endswith(E):
        part = connection.recv(1)
        assert part, "the connection ended"
        answer += part
    return next(line.split("|")[1] for line in answer.decode().split("\r") if line.startswith("MSA"))


def stored_city(listener: Listener, patient: str) -> str:
    engine = open_engine(listener.environment["GATEWAY_DATABASE_URL"])
    with closing(engine.connect()) as connection:
        packed = connection.execute(
            text(f"select json from resource where type = 'Patient' and id = '{patient}'")
        ).scalar()
    engine.dispose()
    return str(json.loads(unpack(packed))["address"][0]["city"]) if packed else ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_right_after_the_commit_loses_nothing(kind: str, tmp_path: Path) -> None:
    with database(kind, tmp_path) as url:
        listener = serving(url, tmp_path)
        for number in ("1", "2"):
            listener.start()
            with socket.create_connection(("127.0.0.1", listener.mllp), 20) as connection:
                connection.sendall(B + enhanced(number) + E)
                assert answered(connection) == "CA"
                listener.kill()
        listener.start()
        with socket.create_connection(("127.0.0.1", listener.mllp), 20) as connection:
            connection.sendall(B + enhanced("3") + E)
            assert [answered(connection), answered(connection)] == ["CA", "AA"]
        assert [stored_city(listener, f"47{number}") for number in "123"] == ["Zandoord"] * 3
        listener.kill()


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_kept_is_carried_out_before_what_comes_next(kind: str, tmp_path: Path) -> None:
    """A message that an earlier process kept is older than all that is sent now: it must not come out on top."""
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        with pushing(url, lab=lab()) as hospital:
            settings = hospital.parts.settings.sources["lab"].mllp
            assert settings is not None
            taker = MessageTaker("lab", settings, hospital.parts.intake)
            taker.waiting.keep(enhanced("1", "A08", "Vroeger"), "ADT^A08")
            taker.waiting.keep(enhanced("1", "A08", "Later"), "ADT^A08")
            assert items(hospital.engine) == [], "nobody has to look at it"
            (first, _) = items(hospital.engine, state=None)
            with pytest.raises(CannotRetry, match="next start"):
                retry(hospital.parts.intake, first)
            (listener,) = hospital.parts.messages
            server = hospital.portal.call(listener.start)
            hospital.portal.call(listener.caught_up)
            assert hospital.stored()["Patient/471"]["address"][0]["city"] == "Later"
            assert items(hospital.engine, state=None) == []
            hospital.portal.call(listener.stop, server)


def test_a_sender_that_is_gone_after_its_commit_is_served_all_the_same(tmp_path: Path) -> None:
    for sender in listening("sqlite", tmp_path, source):
        with socket.create_connection(("127.0.0.1", sender.port), 20) as connection:
            connection.sendall(B + enhanced("1") + E)
            assert answered(connection) == "CA"
        with socket.create_connection(("127.0.0.1", sender.port), 20) as connection:
            connection.sendall(B + enhanced("1") + E)
            assert [answered(connection), answered(connection)] == ["CA", "AA"]
        assert sender.hospital.stored()["Patient/471"]["meta"]["versionId"] == "1"
