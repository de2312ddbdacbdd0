"""What a search costs: whole BgZ visits of many persons in turn, beside a static route that sends the same bytes.

    python -m benchmarks.reads [--persons N] [--visitors N] [--database URL]

Gateway and static server each run in a process of their own and get the same number of requests over the same number of
keep-alive connections. Each person makes a whole visit (the searches of data service 48, six at a time), then the next:
"first" is each one's first visit to a fresh process, "in turn" the round after that, "again" a visit right after one's
own. Share is the static route's processor time per request divided by the gateway's.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from benchmarks.client import Call, Visits, run
from benchmarks.fill import fill
from benchmarks.frame import (
    Bench,
    Figure,
    cpu_seconds,
    finish,
    free_port,
    gateway,
    machine,
    options,
    python,
    quantile,
    server,
)
from benchmarks.population import PROVIDER, Population
from benchmarks.static import write
from gateway.cli.db import upgrade
from gateway.settings import load
from gateway.store.engine import open_engine
from gateway.wiring import keys_of
from profiles.standards.load import catalogue
from workbench.statictokens import StaticToken, issue

SERVICE = "48"
ABREAST = 6
MEDIA = {"json": "application/fhir+json", "xml": "application/fhir+xml"}


def searches() -> list[str]:
    """The searches of one visit, as paths."""
    standard, service = catalogue().service(SERVICE)
    found = []
    for rule in standard.rules_of(service):
        if rule.method == "GET" and rule.interaction in ("search-type", "operation"):
            query = "&".join(f"{one.name}={quote(one.value, safe=':/,-._$|')}" for one in rule.required)
            found.append(f"/{PROVIDER}/{SERVICE}/fhir/{rule.path}" + (f"?{query}" if query else ""))
    return found


def token(number: int) -> str:
    """A test token of a visitor."""
    return f"benchmark-token-{number:08}"


def prepare(url: str, population: Population, visitors: int) -> int:
    """Schema, population and tokens; how many resources there are."""
    settings = load().model_copy(update={"database_url": url})
    engine = open_engine(url)
    upgrade(engine)
    count = fill(engine, population, *keys_of(settings))
    people = [population.person(number) for number in range(visitors)]
    issue(
        engine,
        settings,
        [
            StaticToken(token=token(one.number), provider=PROVIDER, services=[SERVICE], bsn=one.bsn)
            for one in people
        ],
    )  # fmt: skip
    engine.dispose()
    return count


def measure(bench: Bench, url: str, visitors: int, folder: Path, formats: Sequence[str] = ("json", "xml")) -> None:
    """Run and add the figures."""
    paths = searches()
    for format_ in formats:
        port, static_port = free_port(), free_port()
        visits = [[Call(path, token(one), MEDIA[format_]) for path in paths] for one in range(visitors)]
        # One record again and again is what limits per person and client refuse.
        environment = {
            "GATEWAY_MODE": "test", "GATEWAY_DATABASE_URL": url,
            "GATEWAY_OVERLOAD__PERSON_PER_SECOND": "0", "GATEWAY_OVERLOAD__CLIENT_PER_SECOND": "0",
        }  # fmt: skip
        with server(gateway("serve", "--port", str(port)), port, environment) as pid:
            # What every process does once (tables, compiled searches) is not part of a request.
            run(port, ABREAST, [visits[-1]] * 2)
            first, bodies = _spent(pid, port, visits)
            turn, made = _spent(pid, port, visits)
            again, _ = _spent(pid, port, [visits[0]] * visitors)
        write(folder / "bodies", MEDIA[format_], bodies.bodies)
        count = len(bodies.bodies)
        with server(python("benchmarks.static", str(folder / "bodies"), str(static_port)), static_port) as pid:
            plain = [[Call(f"/{start + one}") for one in range(len(paths))] for start in range(0, count, len(paths))]
            run(static_port, ABREAST, plain[: max(1, len(plain) // 10)])
            base, _ = _spent(pid, static_port, plain)
        size = sum(map(len, bodies.bodies)) / count
        name = format_.upper()
        against = "a static route, the same bytes"
        bench.add(Figure(f"{name} search, first visit of each", first, "us", base, against, f"{size:,.0f} bytes"))
        bench.add(Figure(f"{name} search, in turn", turn, "us", base, against))
        bench.add(Figure(f"{name} search, one person again and again", again, "us", base, against))
        typical, slow = quantile(made.each, 0.5), quantile(made.whole, 0.95)
        note = (
            f"whole visit: median {quantile(made.whole, 0.5) * 1e3:.0f} ms, {len(paths)} searches, {ABREAST} at a time"
        )
        bench.add(Figure(f"{name} whole visit p95 / one search p50", slow / typical, "x", note=note))


def _spent(pid: int, port: int, visits: Sequence[Sequence[Call]]) -> tuple[float, Visits]:
    """Microseconds of the server's processor time per request, and what came back."""
    before = cpu_seconds(pid)
    made = run(port, ABREAST, visits)
    return (cpu_seconds(pid) - before) / len(made.each) * 1e6, made


def reads(asked: argparse.Namespace, folder: Path) -> Bench:
    """The whole benchmark."""
    url = asked.database or f"sqlite:///{folder}/reads.db"
    visitors = min(asked.visitors, asked.persons)
    count = prepare(url, Population(asked.persons, asked.seed, asked.fullness), visitors)
    bench = Bench("reads", f"{asked.persons:,} persons, {count:,} resources, {visitors} of them in turn", machine(url))
    measure(bench, url, visitors, folder)
    return bench


def main() -> None:
    """Entry point."""
    asked = options(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish([reads(asked, Path(folder))], asked.json)


if __name__ == "__main__":
    main()
