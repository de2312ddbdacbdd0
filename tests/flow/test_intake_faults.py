"""The store is locked, full or gone; senders drip or send too much: 503 or 4xx, and recovery by itself (issue 6)."""

import asyncio
import contextlib
import json
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from databases import database
from servers import free_port
from sqlalchemy import event
from sqlalchemy.engine import make_url
from timing import LONG, START
from world.intake_house import (
    BSN,
    BSN_SYSTEM,
    OTHER_BSN,
    House,
    bundle,
    condition,
    house,
    patient,
    settings_for,
    source,
)

from gateway.cli.db import upgrade
from gateway.intake.listener import beside
from gateway.intake.settings import IntakeSettings
from gateway.store.engine import open_engine
from gateway.wiring.intake import wire_intake

ROOT = Path(__file__).parents[2]


def test_a_locked_database_is_told_and_recovers(tmp_path: Path) -> None:
    with house("sqlite", tmp_path) as hospital:
        assert hospital.send("PUT", "/intake/epd/Patient/p1", patient()).status_code == 201
        other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = hospital.send("PUT", "/intake/epd/Condition/c1", condition())
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (503, "transient")
        assert int(answer.headers["retry-after"]) > 0
        other.execute("ROLLBACK")
        other.close()
        assert hospital.send("PUT", "/intake/epd/Condition/c1", condition()).status_code == 201


def test_a_full_disk_is_told_and_recovers(tmp_path: Path) -> None:
    """SQLite's own bound on its size stands in for the disk: the same error from the same place."""
    with house("sqlite", tmp_path) as hospital:
        hospital.send("PUT", "/intake/epd/Patient/p1", patient())
        bound = {"pages": 1}

        def small(connection: Any, _record: object) -> None:
            connection.execute(f"PRAGMA max_page_count={bound['pages']}")

        event.listen(hospital.parts.engine, "connect", small)
        hospital.parts.engine.dispose()
        large = condition(note=[{"text": secrets.token_hex(100_000)}])  # nothing to pack
        answer = hospital.send("PUT", "/intake/epd/Condition/c1", large)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        bound["pages"] = 1_000_000
        hospital.parts.engine.dispose()
        assert set(hospital.stored()) == {"Patient/p1"}
        assert hospital.send("PUT", "/intake/epd/Condition/c1", large).status_code == 201


class Cable:
    """A cable to PostgreSQL that can be cut: a proxy on a port of its own."""

    def __init__(self, host: str, port: int) -> None:
        self.port = free_port()
        self._to = (host, port)
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None

    def plug(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        for one in [*self._open, *([self._listener] if self._listener else [])]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._to)
                self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=pair, daemon=True).start()


def _carry(source_: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source_.recv(65_536):
            target.sendall(data)


def test_postgresql_that_stops_is_told_and_recovers_without_a_restart(tmp_path: Path) -> None:
    with database("postgresql", tmp_path) as direct:
        engine = open_engine(direct)
        upgrade(engine)
        engine.dispose()
        url = make_url(direct)
        cable = Cable(url.host or "127.0.0.1", url.port or 5432)
        cable.plug()
        through = url.set(host="127.0.0.1", port=cable.port).render_as_string(hide_password=False)
        settings = settings_for(through, IntakeSettings(sources={"epd": source()}))
        from anyio.from_thread import start_blocking_portal

        with start_blocking_portal() as portal:
            hospital = House(direct, settings, portal.call(wire_intake, settings), portal)
            assert hospital.send("PUT", "/intake/epd/Patient/p1", patient()).status_code == 201
            cable.cut()
            answer = hospital.send("PUT", "/intake/epd/Condition/c1", condition())
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
            cable.plug()
            assert hospital.send("PUT", "/intake/epd/Condition/c1", condition()).status_code == 201
            hospital.engine.dispose()
            portal.call(hospital.parts.close)
            cable.cut()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The listener on a real socket, in a thread."""
    found = free_port()
    section = IntakeSettings(port=found, sources={"epd": source()}, body_seconds=1, body_bytes=100_000)
    ready, stop = threading.Event(), threading.Event()

    async def main(url: str) -> None:
        async with beside(wire_intake(settings_for(url, section))):
            ready.set()
            await asyncio.to_thread(stop.wait)

    with database("sqlite", tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        thread = threading.Thread(target=lambda: asyncio.run(main(url)))
        thread.start()
        assert ready.wait(20)
        yield found
        stop.set()
        thread.join(20)


def raw(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """What the listener answers to bytes that are sent piece by piece."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        answer = b""
        connection.settimeout(10)
        with contextlib.suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        with contextlib.suppress(OSError):
            while part := connection.recv(65_536):
                answer += part
                if b"\r\n\r\n" in answer:
                    break
        return answer


HEAD = b"PUT /intake/epd/Patient/p1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\n"


def test_a_body_that_drips_is_ended_in_time(port: int) -> None:
    began = time.monotonic()
    answer = raw(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\n{\r\n"] * 20, pause=0.1)
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert time.monotonic() - began < LONG


def test_a_body_without_end_is_refused_when_it_is_too_large(port: int) -> None:
    piece = b"%x\r\n" % 50_000 + b"x" * 50_000 + b"\r\n"
    answer = raw(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[piece] * 4)
    assert b" 413 " in answer.split(b"\r\n")[0]
    told = raw(port, HEAD + b"Content-Length: 99999999999\r\n\r\n")
    assert b" 413 " in told.split(b"\r\n")[0]


def test_many_senders_of_the_same_resources_get_one_order(port: int) -> None:
    """Concurrent updates: every acknowledged version is another one."""
    base = f"http://127.0.0.1:{port}/intake/epd"
    headers = {"content-type": "application/fhir+json"}
    httpx.put(f"{base}/Patient/p1", json=patient(), headers=headers, trust_env=False)
    tags: list[str] = []

    def send(number: int) -> None:
        with httpx.Client(trust_env=False, headers=headers, timeout=30) as client:
            for turn in range(5):
                body = bundle("transaction", ("PUT", "Condition/c1", condition(note=[{"text": f"{number}-{turn}"}])))
                answer = client.post(base, json=body)
                assert answer.status_code == 200, answer.text
                tags.append(answer.json()["entry"][0]["response"]["etag"])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(tags) == sorted(f'W/"{number}"' for number in range(1, 31))


def test_gateway_serve_runs_the_listener_on_its_own_port_only(tmp_path: Path) -> None:
    public, internal = free_port(), free_port()
    environment = {
        **os.environ, "GATEWAY_MODE": "test", "GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path}/gateway.db",
        "GATEWAY_INTAKE__PORT": str(internal),
        "GATEWAY_INTAKE__SOURCES": json.dumps({"epd": {"provider": "ziekenhuiszandoord", "auth": {"kind": "none"}}}),
    }  # fmt: skip
    command = [sys.executable, "-c", "from gateway.cli.main import main; main()", "serve", "--port", str(public)]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(trust_env=False, timeout=20) as client:
            until = time.monotonic() + START
            while time.monotonic() < until:
                with contextlib.suppress(httpx.HTTPError):
                    if client.get(f"http://127.0.0.1:{public}/health/ready").status_code == 200:
                        break
                time.sleep(0.1)
            sent = {"json": patient(), "headers": {"content-type": "application/fhir+json"}}
            path = "/intake/epd/Patient/p1"
            assert client.put(f"http://127.0.0.1:{internal}{path}", **sent).status_code == 201  # type: ignore[arg-type]
            refused = client.put(f"http://127.0.0.1:{public}{path}", **sent)  # type: ignore[arg-type]
            assert refused.status_code in (401, 404, 405)
    finally:
        process.terminate()
        code = process.wait(20)
    assert code in (0, -15)


@pytest.mark.parametrize("turned", [False, True])
def test_a_patient_with_two_bsns_is_nobody(turned: bool, tmp_path: Path) -> None:
    """An old number beside the right one: whichever stands first, the record is shown to neither."""
    both = [{"system": BSN_SYSTEM, "value": BSN}, {"system": BSN_SYSTEM, "value": OTHER_BSN}]
    with house("sqlite", tmp_path) as one:
        sent = bundle(
            "batch",
            ("PUT", "Patient/p1", patient(identifier=both[::-1] if turned else both)),
            ("PUT", "Condition/c1", condition()),
        )
        answer = one.send("POST", "/intake/epd", sent)
        assert [entry["response"]["status"][:3] for entry in answer.json()["entry"]] == ["422", "422"]
        assert BSN not in answer.text
        assert one.stored() == {}
        again = [both[0], {**both[0], "value": f"{BSN[:4]} {BSN[4:]}"}]
        assert one.send("PUT", "/intake/epd/Patient/p1", patient(identifier=again)).status_code == 201
