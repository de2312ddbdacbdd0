"""kill -9 under clients that send: what was acknowledged is there once, what was not is there whole or not at all.

``GATEWAY_KILL_ROUNDS`` sets how often the gateway is killed (20 for the acceptance run).
"""

import json
import os
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from databases import KINDS
from servers import free_port
from sqlalchemy import text
from world.share_house import ANNA, JSON, MEASURE, PROVIDER, SERVICES, TOKENS, ShareHouse, measurements, share_house

from gateway.store.engine import reading

ROUNDS = int(os.environ.get("GATEWAY_KILL_ROUNDS", "2"))
ROOT = Path(__file__).parents[3]
SENDERS, ENOUGH, PATIENCE = 4, 8, 120
SERVE = """
import uvicorn
from gateway.app import create_app
from gateway.settings import load
from workbench.plugin import workbench
settings = load()
uvicorn.run(create_app(settings, workbench=workbench), host="127.0.0.1", port=settings.listen.port, log_config=None)
"""


@dataclass
class Clients:
    """What was sent, by request id, and what was acknowledged."""

    base: str
    tried: dict[str, bytes] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    heard: threading.Condition = field(default_factory=threading.Condition)

    def send(self, client: httpx.Client, request: str) -> bool:
        """Send one request; whether it was acknowledged."""
        headers = {"authorization": f"Bearer {TOKENS[ANNA]}", "content-type": JSON, "medmij-request-id": request,
                   "x-correlation-id": str(uuid.uuid4())}  # fmt: skip
        answer = client.post(self.base, content=self.tried[request], headers=headers)
        if answer.status_code == 200:
            with self.heard:
                self.acknowledged.add(request)
                self.heard.notify_all()
        return answer.status_code == 200

    def run(self) -> None:
        """First what was left without an answer, then more, until nobody answers."""
        with httpx.Client(timeout=30, trust_env=False) as client:
            try:
                while True:
                    with self.heard:
                        request = str(uuid.uuid4())
                        self.tried[request] = json.dumps(measurements(len(self.tried) / 100 + 40, 71)).encode()
                    self.send(client, request)
            except httpx.HTTPError:
                return


def start(house: ShareHouse, port: int) -> "subprocess.Popen[bytes]":
    """The gateway in a process of its own, ready to answer."""
    providers = {PROVIDER: {"display_name": "Zandoord", "services": SERVICES}}
    environment = {
        **os.environ, "GATEWAY_DATABASE_URL": house.settings.database_url, "PYTHONPATH": str(ROOT),
        "GATEWAY_PROVIDERS": json.dumps(providers), "GATEWAY_LISTEN__PORT": str(port),
        "GATEWAY_SHARE__OPEN_ITEMS": "1000000", "GATEWAY_LIMITS__AUDIT_SECONDS": "30",
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", SERVE], env=environment, cwd=ROOT)
    with httpx.Client(timeout=PATIENCE, trust_env=False, transport=httpx.HTTPTransport(retries=0)) as client:
        while process.poll() is None:
            try:
                if client.get(f"http://127.0.0.1:{port}/health/live").status_code == 200:
                    return process
            except httpx.TransportError:
                continue
    raise AssertionError("the gateway did not start")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_or_doubled(kind: str, tmp_path: Path) -> None:
    """DL-C43, DL-30: killed while it takes in; the clients send again, and each is kept once, whole."""
    with share_house(kind, tmp_path) as house:
        port = free_port()
        clients = Clients(f"http://127.0.0.1:{port}/{PROVIDER}/{MEASURE}/fhir")
        for _ in range(ROUNDS):
            process = start(house, port)
            before = len(clients.acknowledged)
            threads = [threading.Thread(target=clients.run) for _ in range(SENDERS)]
            for thread in threads:
                thread.start()
            with clients.heard:
                at_work = clients.heard.wait_for(
                    lambda: len(clients.acknowledged) >= before + ENOUGH,  # noqa: B023
                    PATIENCE,
                )
            process.kill()
            process.wait()
            for thread in threads:
                thread.join(60)
            assert at_work, "the gateway was at work when it was killed"
            check(house, clients)
        process = start(house, port)
        with httpx.Client(timeout=60, trust_env=False) as client:
            for request in set(clients.tried) - clients.acknowledged:
                assert clients.send(client, request)
        process.kill()
        process.wait()
        assert check(house, clients) == set(clients.tried)


def check(house: ShareHouse, clients: Clients) -> set[str]:
    """Whole, once, and nothing that was acknowledged is missing; the request ids that are kept."""
    with reading(house.engine).connect() as connection:
        rows = connection.execute(
            text(
                "SELECT s.request_id, count(i.pk) FROM submission s LEFT JOIN shared_item i ON i.submission_pk = s.pk"
                " GROUP BY s.pk, s.request_id"
            )
        ).all()
    kept = [row[0] for row in rows]
    assert len(kept) == len(set(kept)), "doubled"
    assert {row[1] for row in rows} <= {2}, "half stored"
    assert clients.acknowledged <= set(kept), "acknowledged and lost"
    return set(kept)
