"""A store that falls silent or is held by somebody: everybody is told in time, and it heals by itself.

SLA: an answer within 5 s even then; the database's network is gone (not closed), or SQLite's write lock is held.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
from anyio.from_thread import start_blocking_portal
from databases import database
from security.frozen import FrozenNetwork
from servers import Running, serving
from sqlalchemy import Engine, make_url
from timing import until
from world.intake_house import House, condition, patient, settings_for, source

from gateway.intake.settings import IntakeSettings
from gateway.store.engine import open_engine
from gateway.wiring.intake import wire_intake
from workbench.demo import world
from workbench.pgo.endpoints import GatewayEndpoints
from workbench.pgo.oauth import authorization_request
from workbench.statictokens import TOKENS, issue

HOSPITAL, TOKEN = "ziekenhuiszandoord", "silent-store-token-of-joke"
IN_TIME = 5.0
PROMPT = {"audit_seconds": 2.0, "database_seconds": 2.0}
"""As a hospital has it, not with the patience of a test."""
Ask = Callable[[], httpx.Response]


@contextmanager
def installation(url: str, direct: str) -> Iterator[dict[str, Ask]]:
    """A gateway and its listener for pushes on this database: one request of each kind."""
    with serving(url, visits=True, limits=PROMPT) as server, start_blocking_portal() as portal:
        engine = open_engine(direct)
        _known(engine, server)
        engine.dispose()
        settings = settings_for(url, IntakeSettings(sources={"epd": source()}))
        house = House(direct, settings, portal.call(wire_intake, settings), portal)
        assert house.send("PUT", "/intake/epd/Patient/p1", patient()).status_code == 201
        web = httpx.Client(base_url=server.base, timeout=30, headers={"accept": ""})
        dva = GatewayEndpoints(server.base, f"{server.base}/demo-pgo/callback")
        form = {"grant_type": "authorization_code", "code": "x" * 40, "redirect_uri": dva.redirect_uri}
        form["client_id"] = "pgo.demo.example"
        token = {"authorization": f"Bearer {TOKEN}"}
        try:
            yield {
                "read": lambda: web.get(f"/{HOSPITAL}/48/fhir/Patient", headers=token),
                "authorize": lambda: web.get(authorization_request(dva, HOSPITAL, "").url),
                "token": lambda: web.post("/oauth/token", data=form),
                "push": lambda: house.send("PUT", "/intake/epd/Condition/c1", condition()),
                "ready": lambda: web.get("/health/ready"),
            }
        finally:
            web.close()
            house.engine.dispose()
            portal.call(house.parts.close)


def _known(engine: Engine, server: Running) -> None:
    """Give Joke a token that needs no visit."""
    joke = world.load(datetime.now(UTC).date()).person("joke")
    rows = [{"token": TOKEN, "provider": HOSPITAL, "services": ["48"], "bsn": joke.bsn}]
    issue(engine, server.settings, TOKENS.validate_python(rows))


def healthy(asks: dict[str, Ask]) -> bool:
    """Every kind of request has its normal answer (a code that nobody gave is refused with 400)."""
    normal = {"read": (200,), "authorize": (200, 302, 303), "token": (400,), "push": (200, 201), "ready": (200,)}
    return all(ask().status_code in normal[name] for name, ask in asks.items())


def timed(ask: Ask) -> tuple[httpx.Response, float]:
    start = time.monotonic()
    return ask(), time.monotonic() - start


def all_refused(asks: dict[str, Ask], *names: str) -> None:
    """Three of each at once: 503 in time, with when to try again."""
    with ThreadPoolExecutor(16) as pool:
        asked = [(name, pool.submit(timed, asks[name])) for name in names for _ in range(3)]
        found = [(name, *one.result()) for name, one in asked]
    wrong = [(name, answer.status_code, round(took, 1)) for name, answer, took in found if answer.status_code != 503]
    assert wrong == []
    assert [(name, round(took, 1)) for name, _, took in found if took > IN_TIME] == []
    assert {name for name, answer, _ in found if "retry-after" not in answer.headers} <= {"ready"}


def test_postgresql_behind_a_silent_network_is_told_in_time_and_heals(tmp_path: Path) -> None:
    with database("postgresql", tmp_path) as direct:
        url = make_url(direct)
        with FrozenNetwork(url.host or "127.0.0.1", url.port or 5432).running() as network:
            through = url.set(host="127.0.0.1", port=network.port).render_as_string(hide_password=False)
            with installation(through, direct) as asks:
                assert healthy(asks)
                network.freeze()
                # The probe may still know that it could write a second ago.
                assert until(lambda: asks["ready"]().status_code == 503)
                for _ in range(2):
                    all_refused(asks, *asks)
                network.thaw()
                assert until(lambda: healthy(asks), 10)


def test_a_held_write_lock_of_sqlite_is_told_in_time_and_heals(tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as url, installation(url, url) as asks:
        assert healthy(asks)
        holder = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        assert until(lambda: asks["ready"]().status_code == 503)
        for _ in range(2):
            all_refused(asks, *asks)
        holder.execute("ROLLBACK")
        holder.close()
        assert until(lambda: healthy(asks), 10)


def test_a_store_that_cannot_be_written_is_not_ready(tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as url, serving(url, limits=PROMPT) as server:
        with sqlite3.connect(tmp_path / "gateway.db") as connection:
            connection.execute(
                "CREATE TRIGGER full BEFORE UPDATE ON alembic_version BEGIN SELECT RAISE(FAIL, 'disk full'); END"
            )
        assert until(lambda: httpx.get(f"{server.base}/health/ready").status_code == 503)
