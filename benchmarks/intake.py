"""What taking data in costs: pushed transactions to durable rows, and an import of files, per resource.

    python -m benchmarks.intake [--persons N] [--resources N] [--database URL]

A population's records go through the whole of the intake but the socket: parsing, placing, normalising, validating,
writing with history, search keys and outbox, commit, audit. cold: every verdict is new. warm: the same resources into
an empty store, verdicts remembered. again: the same push a second time, which changes nothing. Processor time of all
threads counts; the baseline is reading and writing the JSON of the same resources.
"""

import argparse
import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from sqlalchemy import delete

from benchmarks.frame import Bench, Figure, finish, gateway, machine, options
from benchmarks.population import PROVIDER, Copies, Population, transaction, write_ndjson
from gateway.cli.db import upgrade
from gateway.intake.listener import IntakeParts
from gateway.intake.settings import IntakeSettings, SourceSettings
from gateway.intake.tasks import HttpCall, tasks_of
from gateway.intake.worker import note
from gateway.settings import Settings, load
from gateway.store.engine import open_engine
from gateway.store.schema import patient, resource
from gateway.wiring.intake import wire_intake
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.version import FhirVersion

BUNDLE = 500
"""Most resources of one transaction; a person with more comes in several."""

AGAINST = "reading and writing the same JSON"


def intake(asked: argparse.Namespace, folder: Path) -> Bench:
    """The whole benchmark."""
    url = asked.database or f"sqlite:///{folder}/intake.db"
    settings = _settings(url)
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()
    population = Population(asked.persons, asked.seed, asked.fullness)
    bodies, count = _bodies(population, asked.resources)
    size = sum(map(len, bodies)) / count
    bench = Bench("intake", f"{count:,} resources of {size:,.0f} bytes, {len(bodies)} transactions", machine(url))
    base = _baseline(bodies, count)
    asyncio.run(_measure(bench, settings, bodies, count, base))
    _import(bench, population, count, base, folder)
    return bench


def _settings(url: str) -> Settings:
    source = SourceSettings.model_validate({"provider": PROVIDER, "auth": {"kind": "none"}})
    return load().model_copy(update={"database_url": url, "intake": IntakeSettings(sources={"bench": source})})


async def _measure(bench: Bench, settings: Settings, bodies: list[bytes], count: int, base: float) -> None:
    made = wire_intake(settings)
    await _push(made, bodies[:2])
    _empty(made)
    for name in ("cold", "warm", "again"):
        if name == "warm":
            _empty(made)
        began, cpu = time.perf_counter(), time.process_time()
        await _push(made, bodies)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        said = f"{count / cpu:,.0f}/s of one core, {count / wall:,.0f}/s by the clock"
        bench.add(Figure(f"pushed resource, {name}", cpu / count * 1e6, "us", base, AGAINST, said))
    await made.close()


def _import(bench: Bench, population: Population, most: int, base: float, folder: Path) -> None:
    """Whole persons from NDJSON into a new SQLite file, by the command."""
    fewer = Population(max(1, min(population.persons, most // 80)), population.seed, population.fullness)
    count = write_ndjson(fewer, folder / "ndjson")
    url = f"sqlite:///{folder}/import.db"
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()
    environment = {"GATEWAY_MODE": "test", "GATEWAY_DATABASE_URL": url}
    before = getrusage(RUSAGE_CHILDREN)
    command = gateway("import", "--provider", PROVIDER, str(folder / "ndjson"))
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=folder, capture_output=True, text=True, check=False
    )
    after = getrusage(RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(f"gateway import said {done.returncode}: {done.stderr[-500:]}{done.stdout[-500:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    note = f"{count:,} resources, {count / cpu:,.0f}/s of one core, start of the command included"
    bench.add(Figure("imported resource", cpu / count * 1e6, "us", base, AGAINST, note))


async def _push(made: IntakeParts, bodies: list[bytes]) -> None:
    for body in bodies:
        call = HttpCall("POST", (), "", body, Format.JSON, FhirVersion.STU3)
        taken = made.intake.take("bench", partial(tasks_of, call, 5_000))
        if taken.answer.status != 200:
            raise SystemExit(f"refused: {taken.answer.resource}")
        await note(made.trail, taken.records)


def _empty(made: IntakeParts) -> None:
    with made.engine.begin() as connection:
        connection.execute(delete(resource))
        connection.execute(delete(patient))


def _bodies(population: Population, wanted: int) -> tuple[list[bytes], int]:
    """Transactions: the staff, then person by person."""
    copies, bodies, count = Copies(population), [], 0
    for records in _records(copies):
        found = iter(records)
        while some := list(islice(found, BUNDLE)):
            bodies.append(transaction(some))
            count += len(some)
        if count >= wanted:
            break
    return bodies, count


def _records(copies: Copies) -> Iterator[list[bytes]]:
    for number in copies.population.sets_of_staff:
        yield [body for _, body in copies.of_staff(number)]
    for person in copies.population.people():
        yield [body for _, body in copies.of_person(person)]


def _baseline(bodies: list[bytes], count: int) -> float:
    """Microseconds per resource of reading and writing its JSON, and nothing else."""
    jsonio.dump(jsonio.parse(bodies[0]))
    started = time.process_time()
    for body in bodies:
        jsonio.dump(jsonio.parse(body))
    return (time.process_time() - started) / count * 1e6


def main() -> None:
    """Entry point."""
    parser = options(__doc__)
    parser.add_argument("--resources", type=int, default=2_000, help="how many are pushed, about")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        finish([intake(asked, Path(folder))], asked.json)


if __name__ == "__main__":
    main()
