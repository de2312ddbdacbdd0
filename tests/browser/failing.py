"""A demo gateway whose neighbours can fail during a visit: its database, its login and the provider's system.

The gateway is a process of its own and knows nothing of this: it reaches its login through a relay and the hospital's
system at another port, both of which can be stopped, and it shares its database file with whoever locks it.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from live_house import listening
from servers import free_port
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from adapters.testing.fake_ehr import FakeEhr
from workbench.cli.visit import started
from workbench.demo.world import load

HOSPITAL = "ziekenhuiszandoord"


class Neighbour:
    """A server on a port of its own that can be stopped and started again."""

    def __init__(self, app: ASGIApp) -> None:
        self.port = free_port()
        self._app = app
        self._running = ExitStack()

    def start(self) -> None:
        """Answer."""
        self._running.enter_context(listening(self._app, self.port))

    def stop(self) -> None:
        """Refuse every connection."""
        self._running.close()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stopped inside the block, and back after it."""
        self.stop()
        try:
            yield
        finally:
            self.start()


@dataclass(frozen=True)
class Failing:
    """A running gateway and what can be taken away from it."""

    base: str
    login: Neighbour
    source: Neighbour
    database: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody else writes to the database and does not end."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")


@contextmanager
def failing(folder: Path) -> Iterator[Failing]:
    """The gateway with both neighbours answering."""
    port, database = free_port(), folder / "failing.db"
    login = Neighbour(_relay(f"http://127.0.0.1:{port}"))
    source = Neighbour(FakeEhr(load(datetime.now(UTC).date()).resources_of(HOSPITAL)))
    settings = {
        "GATEWAY_DATABASE_URL": f"sqlite:///{database}",
        "GATEWAY_AUTH__LOGIN__ISSUER": f"http://127.0.0.1:{port}/idp",
        "GATEWAY_AUTH__LOGIN__INTERNAL_ISSUER": f"http://127.0.0.1:{login.port}/idp",
        "GATEWAY_PROVIDERS": json.dumps({HOSPITAL: _hospital(source)}),
    }
    login.start()
    source.start()
    try:
        with started(port, settings) as base:
            yield Failing(base, login, source, database)
    finally:
        login.stop()
        source.stop()


def _hospital(source: Neighbour) -> dict[str, object]:
    epd = {"type": "fhir", "name": "epd", "url": f"http://127.0.0.1:{source.port}", "version": "stu3"}
    logo = f"/static/{HOSPITAL}/logo.svg"
    return {"display_name": "Ziekenhuis Zandoord", "services": ["48"], "logo": logo, "sources": [epd]}


def _relay(target: str) -> ASGIApp:
    async def pass_on(request: Request) -> Response:
        kept = {name: request.headers[name] for name in ("content-type", "authorization") if name in request.headers}
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.request(
                request.method, f"{target}{request.url.path}", headers=kept, content=await request.body()
            )
        return Response(answer.content, answer.status_code, {"Content-Type": answer.headers["content-type"]})

    return Starlette(routes=[Route("/{rest:path}", pass_on, methods=["GET", "POST"])])
