"""The demo with its live sources, in this process: a real socket, a real database, simulated EHRs with switches."""

import asyncio
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import httpx
import uvicorn
from servers import Running, free_port, settings_for
from starlette.types import ASGIApp
from timing import START

from gateway.app import create_app
from gateway.cli.db import upgrade
from gateway.store.engine import open_engine
from workbench.demo.ehr.division import division
from workbench.demo.ehr.sources import with_live_sources
from workbench.demo.seed import seed
from workbench.pgo.answers import SearchAnswer
from workbench.pgo.client import PgoClient, connect
from workbench.pgo.endpoints import GatewayEndpoints
from workbench.pgo.oauth import Tokens
from workbench.pgo.walk import admitted
from workbench.plugin import workbench


@contextmanager
def listening(app: ASGIApp, port: int) -> Iterator[None]:
    """An application on a port of the loopback interface, in a thread of this process."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + START
    while not server.started:
        if time.monotonic() > until or not thread.is_alive():
            raise RuntimeError("the server did not start")
        time.sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(20)


def seeded(folder: Path) -> Path:
    """A database with the part of the demo world that is not live; to be copied for each gateway."""
    file = folder / "seeded.db"
    settings = settings_for(f"sqlite:///{file}", 1)
    engine = open_engine(settings.database_url)
    upgrade(engine)
    seed(engine, settings, datetime.now(UTC).date(), division())
    engine.dispose()
    return file


@contextmanager
def live_demo(
    database: Path, folder: Path, more: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> Iterator[Running]:
    """The demo with fresh sources, breakers and figures, on a copy of the database; ``more`` services by provider."""
    own = folder / "demo.db"
    shutil.copyfile(database, own)
    settings = settings_for(f"sqlite:///{own}", free_port())
    settings = with_live_sources(settings, folder, datetime.now(UTC).date())
    wider = {
        name: one.model_copy(update={"services": (*one.services, *more.get(name, ()))})
        for name, one in settings.providers.items()
    }
    settings = settings.model_copy(update={"providers": wider})
    with listening(create_app(settings, workbench=workbench, demo=True), settings.listen.port):
        yield Running(settings.base_url, settings)


def pgo(server: Running) -> GatewayEndpoints:
    """The demo PGO as a client of this gateway."""
    return GatewayEndpoints(server.base, f"{server.base}/demo-pgo/callback")


async def authorised(http: httpx.AsyncClient, server: Running, provider: str, person: str) -> tuple[PgoClient, Tokens]:
    """A person has logged in and consented."""
    return PgoClient(http, pgo(server)), await admitted(http, pgo(server), provider, person)


def visited(
    server: Running, provider: str, person: str, fault: tuple[str, str] | None = None, rounds: int = 1
) -> dict[str, SearchAnswer]:
    """What a person collects, by service and rule; ``fault`` happens after consent. With rounds, the last one."""

    async def go() -> tuple[SearchAnswer, ...]:
        async with connect() as http:
            client, tokens = await authorised(http, server, provider, person)
            if fault:
                assert (await http.post(f"{server.base}/demo-ehr/{fault[0]}/switch/{fault[1]}")).status_code == 303
            sections: tuple[SearchAnswer, ...] = ()
            for _ in range(rounds):
                sections = await client.collect(tokens)
            return sections

    return {section.id: section for section in asyncio.run(go())}


def figures(server: Running, source: str) -> Mapping[str, float]:
    """What the gateway counted of a source, by the middle of the metric's name (``calls``, ``failures``)."""
    text = httpx.get(f"{server.base}/demo-ehr/metrics", trust_env=False).text
    found = {}
    for line in text.splitlines():
        if f'source="{source}"' in line and "repairs" not in line:
            name, _, value = line.partition("{")
            found[name.removeprefix("gateway_source_").removesuffix("_total")] = float(value.rpartition(" ")[2])
    return found
