"""A visit over a live source: 28 concurrent searches while every call at the EHR takes 200 ms, and the calls counted.

    python -m benchmarks.live_visit [--visits 10] [--milliseconds 200]

EHR and gateway run in processes of their own; the EHR is a FHIR server that is asked through the fhir adapter. Norms
(issue 6): p95 of a whole visit under 2 s, and not more calls at the EHR than one visit needs. The baseline in the same
run is the visit again with the same token, which costs the EHR nothing.
"""

import argparse
import asyncio
import json
import multiprocessing
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from adapters.testing.fake_ehr import FakeEhr
from benchmarks.frame import Bench, Figure, finish, free_port, machine, options, quantile
from gateway.app import create_app
from gateway.cli.db import upgrade
from gateway.sections import ProviderSettings
from gateway.settings import load
from gateway.store.engine import open_engine
from profiles.standards.load import catalogue
from workbench.demo.world import load as world
from workbench.plugin import workbench
from workbench.statictokens import StaticToken, issue

PROVIDER = "ziekenhuiszandoord"
NORM_SECONDS = 2.0


class SlowEhr:
    """The simulated EHR: every call takes its time; ``GET /calls`` says how many there were."""

    def __init__(self, seconds: float) -> None:
        self._ehr = FakeEhr(world(datetime.now(UTC).date()).resources_of(PROVIDER))
        self._seconds = seconds

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One HTTP request."""
        if scope["type"] == "http" and scope["path"] == "/calls":
            body = json.dumps(len(self._ehr.calls)).encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})
            return
        await asyncio.sleep(self._seconds)
        await self._ehr(scope, receive, send)


def ehr(port: int, seconds: float) -> None:
    """The EHR's process."""
    uvicorn.run(SlowEhr(seconds), host="127.0.0.1", port=port, log_config=None, access_log=False)


def gateway(port: int, database: str, source: str) -> None:
    """The gateway's process."""
    settings = configured(port, database, source)
    uvicorn.run(
        create_app(settings, workbench=workbench), host="127.0.0.1", port=port, log_config=None, access_log=False
    )


def configured(port: int, database: str, source: str) -> Any:
    """Settings with the one live source."""
    raw = {"type": "fhir", "name": "epd", "url": source, "version": "stu3", "connections": 16}
    provider = ProviderSettings(display_name="Ziekenhuis Zandoord", services=("48",), sources=(raw,))
    base = load()
    listen = base.listen.model_copy(update={"port": port})
    update: dict[str, Any] = {"database_url": database, "listen": listen, "providers": {PROVIDER: provider}}
    # On a slow machine a figure says more than a refusal.
    update["limits"] = base.limits.model_copy(update={"deadline_seconds": 20.0})
    return base.model_copy(update=update)


@contextmanager
def process(target: Any, port: int, *arguments: Any) -> Iterator[None]:
    """A process that listens on a port, for the length of the block."""
    running = multiprocessing.get_context("spawn").Process(target=target, args=(port, *arguments), daemon=True)
    running.start()
    try:
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                if time.monotonic() > until or not running.is_alive():
                    raise
                time.sleep(0.1)
        yield
    finally:
        running.terminate()
        running.join(10)


async def visit(http: httpx.AsyncClient, base: str, token: str) -> tuple[float, list[float]]:
    """All 28 searches at once; how long the visit and each search took. Raises RuntimeError for a refused one."""
    standard, service = catalogue().service("48")
    rules = [rule for rule in standard.rules_of(service) if rule.interaction in ("search-type", "operation")]
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/fhir+json; fhirVersion=3.0"}

    async def one(rule: Any) -> float:
        started = time.perf_counter()
        query = httpx.QueryParams([(each.name, each.value) for each in rule.required])
        answer = await http.get(f"{base}/{PROVIDER}/48/fhir/{rule.path}", params=query, headers=headers)
        if answer.status_code != 200 or b'"mode":"outcome"' in answer.content:
            raise RuntimeError(f"{rule.id}: {answer.status_code} {answer.text[:300]}")
        return time.perf_counter() - started

    started = time.perf_counter()
    each = await asyncio.gather(*(one(rule) for rule in rules if rule.method == "GET"))
    return time.perf_counter() - started, list(each)


async def measure(bench: Bench, base: str, source: str, visits: int, tokens: list[str]) -> None:
    """Run and add the figures."""
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(timeout=20, limits=limits, trust_env=False) as http:
        await visit(http, base, tokens[-1])
        firsts: list[float] = []
        searches: list[float] = []
        calls: list[int] = []
        again: list[float] = []
        for token in tokens[:visits]:
            before = (await http.get(f"{source}/calls")).json()
            spent, each = await visit(http, base, token)
            calls.append((await http.get(f"{source}/calls")).json() - before)
            firsts.append(spent)
            searches += each
            again.append((await visit(http, base, token))[0])
            if (await http.get(f"{source}/calls")).json() - before != calls[-1]:
                raise RuntimeError("a visit with the same token asked the EHR again")
    median = statistics.median(again)
    against = "the same visit again, from what is kept"
    note = f"norm {NORM_SECONDS:.0f} s; {min(calls)} to {max(calls)} calls at the EHR"
    bench.add(Figure("whole visit, p95", quantile(firsts, 0.95) * 1e3, "ms", median * 1e3, against, note))
    slowest = f"slowest {max(searches) * 1e3:.0f} ms"
    bench.add(Figure("one search, median", statistics.median(searches) * 1e3, "ms", note=slowest))


def live_visit(asked: argparse.Namespace, folder: Path) -> Bench:
    """The whole benchmark."""
    bsn = world(datetime.now(UTC).date()).person("joke").bsn
    url, ports = f"sqlite:///{folder / 'live.db'}", [free_port(), free_port()]
    source = f"http://127.0.0.1:{ports[0]}"
    settings = configured(ports[1], url, source)
    tokens = [f"bench-token-{number:06}" for number in range(asked.visits + 1)]
    engine = open_engine(url)
    upgrade(engine)
    issue(engine, settings, [StaticToken(token=t, provider=PROVIDER, services=["48"], bsn=bsn) for t in tokens])
    engine.dispose()
    what = f"{asked.visits} visits of one person, an EHR that takes {asked.milliseconds} ms per call"
    bench = Bench("live visit", what, machine(url))
    with process(ehr, ports[0], asked.milliseconds / 1000), process(gateway, ports[1], url, source):
        asyncio.run(measure(bench, f"http://127.0.0.1:{ports[1]}", source, asked.visits, tokens))
    return bench


def main() -> None:
    """Entry point."""
    parser = options(__doc__)
    parser.add_argument("--visits", type=int, default=10)
    parser.add_argument("--milliseconds", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish([live_visit(asked, Path(folder))], asked.json)


if __name__ == "__main__":
    main()
