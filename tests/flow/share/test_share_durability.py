"""kill -9 under clients that send: what was acknowledged is there once, what was not is there whole or not at all.

``GATEWAY_KILL_ROUNDS`` sets how often the gateway is killed by day; at night it is twenty times.
"""

import json
import os
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from databases import KINDS
from servers import free_port
from sqlalchemy import text
from world.share_gateway import start
from world.share_house import ANNA, JSON, MEASURE, PROVIDER, TOKENS, ShareHouse, measurements, share_house

from gateway.store.engine import reading

ROUNDS = int(os.environ.get("GATEWAY_KILL_ROUNDS", "2"))
MANY = 20
SENDERS, ENOUGH, PATIENCE = 4, 8, 120


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


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_or_doubled(kind: str, tmp_path: Path) -> None:
    """DL-C43, DL-30: killed while it takes in; the clients send again, and each is kept once, whole."""
    killed(kind, tmp_path, ROUNDS)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_or_doubled_in_twenty_rounds(kind: str, tmp_path: Path) -> None:
    """DL-C43, DL-30: the same, twenty times over."""
    acknowledged, kept = killed(kind, tmp_path, MANY)
    print(f"{kind}: {MANY} rounds, {acknowledged} acknowledged before a kill, {kept} kept")
    assert acknowledged >= MANY * ENOUGH


def killed(kind: str, folder: Path, rounds: int) -> tuple[int, int]:
    """Kill it so often; how many were acknowledged before a kill, and how many are kept in the end."""
    with share_house(kind, folder) as house:
        port = free_port()
        clients = Clients(f"http://127.0.0.1:{port}/{PROVIDER}/{MEASURE}/fhir")
        for _ in range(rounds):
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
        acknowledged = len(clients.acknowledged)
        process = start(house, port)
        with httpx.Client(timeout=60, trust_env=False) as client:
            for request in set(clients.tried) - clients.acknowledged:
                assert clients.send(client, request)
        process.kill()
        process.wait()
        assert check(house, clients) == set(clients.tried)
        return acknowledged, len(clients.tried)


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
