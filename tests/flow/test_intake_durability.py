"""kill -9 under six senders: what was acknowledged is there, what was not is there whole or not at all (issue 6).

``GATEWAY_KILL_ROUNDS`` sets how often the listener is killed per database (20 for the acceptance run).
"""

import json
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from databases import KINDS, database
from servers import free_port
from sqlalchemy import text
from world.intake_house import BSN, bundle, condition, patient

from gateway.audit.verify import verify
from gateway.cli.db import upgrade
from gateway.settings import load
from gateway.store.engine import open_engine
from profiles.fhir.codec.packing import unpack

ROUNDS = int(os.environ.get("GATEWAY_KILL_ROUNDS", "2"))
PATIENCE = 120
"""Seconds for the first answers on a machine that is busy with something else; never waited longer than it must."""
SERVE = """
import asyncio
from gateway.intake.listener import beside
from gateway.settings import load
from gateway.wiring.intake import wire_intake
async def main():
    async with beside(wire_intake(load())):
        print("ready", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
ROOT = Path(__file__).parents[2]


@dataclass
class Sent:
    """What one sender sent: request ids with the ids of their resources, and which were acknowledged."""

    tried: dict[str, list[str]] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    heard: threading.Condition = field(default_factory=threading.Condition)

    def acknowledge(self, request: str) -> None:
        with self.heard:
            self.acknowledged.add(request)
            self.heard.notify_all()


@dataclass
class Listener:
    """The internal listener in a process of its own, to be killed."""

    environment: dict[str, str]
    http: int
    mllp: int
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE], env=self.environment, cwd=ROOT, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def push(self, sent: Sent, name: str) -> None:
        """Send transactions of three resources until nobody answers."""
        with httpx.Client(base_url=f"http://127.0.0.1:{self.http}", timeout=10, trust_env=False) as client:
            for number in range(10_000):
                request = f"{name}-{number}"
                ids = [f"{request}-{letter}" for letter in "abc"]
                body = bundle("transaction", *(("PUT", f"Condition/{id_}", condition(id_)) for id_ in ids))
                sent.tried[request] = ids
                try:
                    answer = client.post("/intake/epd", json=body, headers={
                        "content-type": "application/fhir+json", "x-request-id": request})  # fmt: skip
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    sent.acknowledge(request)

    def message(self, sent: Sent, name: str) -> None:
        """Send HL7 v2 messages of two results until nobody answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.mllp), 10) as connection:
                for number in range(10_000):
                    request = f"{name}-{number}"
                    sent.tried[request] = [f"lab-{request}-K-1", f"lab-{request}-Na-1"]
                    rows = [f"OBX|{n}|NM|{code}^{code}^L||4.{n}|mmol/L|||||F" for n, code in enumerate(("K", "Na"), 1)]
                    head = f"MSH|^~\\&|LAB|Z|G|Z|20260201||ORU^R01|{request}|P|2.5"
                    lines = [head, f"PID|1||p1^^^Z^PI~{BSN}^^^^NNNLD", f"OBR|1||{request}|X|||20260201", *rows]
                    connection.sendall(b"\x0b" + "\r".join(lines).encode() + b"\r\x1c\r")
                    answer = b""
                    while not answer.endswith(b"\x1c\r"):
                        if not (part := connection.recv(65_536)):
                            return
                        answer += part
                    if b"MSA|AA|" in answer:
                        sent.acknowledge(request)
        except OSError:
            return


def serving(url: str, folder: Path) -> Listener:
    """A listener, not started yet, on a new database."""
    http, mllp = free_port(), free_port()
    sources = {"epd": {"provider": "ziekenhuiszandoord", "auth": {"kind": "none"}, "mllp": {"port": mllp}}}
    (folder / "packages").mkdir()
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()
    environment = {
        **os.environ, "GATEWAY_DATABASE_URL": url, "GATEWAY_MODE": "test", "PYTHONPATH": str(ROOT),
        "GATEWAY_PACKAGE_CACHE": str(folder / "packages"), "GATEWAY_INTAKE__PORT": str(http),
        "GATEWAY_INTAKE__SOURCES": json.dumps(sources),
    }  # fmt: skip
    return Listener(environment, http, mllp)


@pytest.fixture(params=KINDS)
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    with database(request.param, tmp_path) as url:
        yield serving(url, tmp_path)


def test_nothing_acknowledged_is_lost_and_nothing_is_half_stored(listener: Listener) -> None:
    url = listener.environment["GATEWAY_DATABASE_URL"]
    everything = Sent()
    chance = random.Random(os.environ.get("GATEWAY_KILL_SEED", "7"))
    for turn in range(ROUNDS):
        listener.start()
        with httpx.Client(trust_env=False, timeout=20) as client:
            made = client.put(f"http://127.0.0.1:{listener.http}/intake/epd/Patient/p1", json=patient(),
                              headers={"content-type": "application/fhir+json"})  # fmt: skip
            assert made.status_code in (200, 201), made.text
        heard = threading.Condition()
        sents = [Sent(heard=heard) for _ in range(6)]
        threads = [
            threading.Thread(target=listener.message if n == 5 else listener.push, args=(sent, f"r{turn}s{n}"))
            for n, sent in enumerate(sents)
        ]
        for thread in threads:
            thread.start()
        enough = chance.randint(5, 25)
        with heard:
            at_work = heard.wait_for(lambda: sum(len(sent.acknowledged) for sent in sents) >= enough, PATIENCE)  # noqa: B023
        listener.kill()
        assert at_work, "the listener was at work when it was killed"
        for thread in threads:
            thread.join(20)
        for sent in sents:
            everything.tried |= sent.tried
            everything.acknowledged |= sent.acknowledged
        _check(url, everything)
    assert len(everything.acknowledged) >= 5 * ROUNDS


def _check(url: str, sent: Sent) -> None:
    engine = open_engine(url)
    with closing(engine.connect()) as connection:
        rows = connection.execute(text("select pk, id, version, json from resource where type <> 'Patient'")).all()
        kept = connection.execute(text("select resource_pk, count(*) from original group by resource_pk")).all()
        versions = {row[0]: row[1] for row in kept}
        told = {row[0] for row in connection.execute(text("select id from outbox"))}
        records = [json.loads(row[0]) for row in connection.execute(text("select record from audit_record"))]
        key = load().audit_key.get_secret_value().encode()
        assert list(verify(connection, key)) == []
    engine.dispose()
    stored = {row.id: json.loads(unpack(bytes(row.json))) for row in rows}
    whole = {request for request, ids in sent.tried.items() if all(id_ in stored for id_ in ids)}
    partly = {request for request, ids in sent.tried.items() if any(id_ in stored for id_ in ids)} - whole
    assert partly == set(), "half stored"
    assert sent.acknowledged <= whole, "acknowledged and lost"
    audited = {str(record.get("request_id", "")).split(":")[0] for record in records}
    assert sent.acknowledged <= audited, "acknowledged without an audit record"
    assert all(versions[row.pk] == row.version for row in rows), "every version has its original"
    assert set(stored) <= told, "everything that was stored is in the outbox"
    assert all(body["subject"]["reference"] == "Patient/p1" for body in stored.values())
