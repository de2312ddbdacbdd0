"""Intake with validation, resources per second of one core: pushed bundles to durable rows (issue 6: 300, warm 2,000).

    python benchmarks/intake.py [--resources N] [--bundle N] [--database URL] [--packages FOLDER]

The demo world's records are pushed with fresh ids, in transactions, through the whole of the intake but the socket:
parsing, placing, normalising, validating, writing with history, search keys and outbox, commit, audit.
cold: every verdict is new. warm: the same resources into an empty store, verdicts remembered. again: the same push a
second time, which changes nothing. CPU time counts, of all threads: what a core can do.
"""

import argparse
import asyncio
import copy
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import delete

from gateway.cli.db import upgrade
from gateway.intake.listener import IntakeParts
from gateway.intake.settings import IntakeSettings, SourceSettings
from gateway.intake.tasks import Call, tasks_of
from gateway.intake.worker import note
from gateway.settings import Settings, load
from gateway.store.engine import open_engine
from gateway.store.schema import patient, resource
from gateway.wiring import wire_intake
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.tree import local_reference
from profiles.fhir.version import FhirVersion
from profiles.record.walk import references
from workbench.demo.world import load as load_world

PROVIDER = "ziekenhuiszandoord"


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.database or f"sqlite:///{folder}/bench.db"
        section = IntakeSettings(
            sources={"bench": SourceSettings.model_validate({"provider": PROVIDER, "auth": {"kind": "none"}})}
        )
        change = {"database_url": url, "intake": section, "package_cache": arguments.packages}
        settings = load().model_copy(update=change)
        engine = open_engine(url)
        upgrade(engine)
        engine.dispose()
        asyncio.run(_measure(settings, arguments))


async def _measure(settings: Settings, arguments: argparse.Namespace) -> None:
    made = wire_intake(settings)
    bodies, count = _bodies(arguments.resources, arguments.bundle)
    size = sum(map(len, bodies)) / count
    print(f"{count} resources of {size:.0f} bytes on average, {len(bodies)} transactions, {made.engine.dialect.name}")
    warm_up, _ = _bodies(arguments.bundle, arguments.bundle, prefix="w")
    await _push(made, warm_up)
    _empty(made)
    for name in ("cold", "warm", "again"):
        if name == "warm":
            _empty(made)
        began, cpu = time.perf_counter(), time.process_time()
        await _push(made, bodies)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        print(f"{name:6} {count / cpu:7.0f} resources/s of one core   ({count / wall:7.0f}/s by the clock)", flush=True)
    await made.close()


async def _push(made: IntakeParts, bodies: list[bytes]) -> None:
    for body in bodies:
        call = Call("POST", (), "", body, Format.JSON, FhirVersion.STU3)
        taken = made.intake.take("bench", lambda call=call: tasks_of(call, 5_000))  # type: ignore[misc]
        if taken.answer.status != 200:
            raise SystemExit(f"refused: {taken.answer.resource}")
        await note(made.trail, taken.records)


def _empty(made: IntakeParts) -> None:
    with made.engine.begin() as connection:
        connection.execute(delete(resource))
        connection.execute(delete(patient))


def _bodies(wanted: int, size: int, prefix: str = "b") -> tuple[list[bytes], int]:
    """Transactions of about ``size`` resources: a person's record, and what it points at, again and again."""
    bodies, count, turn = [], 0, 0
    while count < wanted:
        for record in _records():
            turn += 1
            chosen = [one for one in record if one["resourceType"] not in ("Binary", "DocumentReference")]
            resources = [_renamed(one, f"{prefix}{turn}-") for one in chosen]
            for start in range(0, len(resources), size):
                some = resources[start : start + size]
                bodies.append(_bundle(some))
                count += len(some)
            if count >= wanted:
                break
    return bodies, count


def _records() -> Iterator[list[dict[str, Any]]]:
    world = load_world(datetime.now(UTC).date())
    for record in world.records:
        if record.provider == PROVIDER and record.resources:
            own = sorted(record.resources, key=lambda one: one["resourceType"] != "Patient")
            yield [*own, *record.pointed_at]


def _renamed(found: dict[str, Any], prefix: str) -> dict[str, Any]:
    made = copy.deepcopy(found)
    made["id"] = (prefix + made["id"])[:64]
    for reference in references(made):
        key = local_reference(reference["reference"])
        if key is not None:
            reference["reference"] = f"{key[0]}/{(prefix + key[1])[:64]}"
    return made


def _bundle(resources: list[dict[str, Any]]) -> bytes:
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources
    ]
    return jsonio.dump({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resources", type=int, default=2_000)
    parser.add_argument("--bundle", type=int, default=1_000, help="most resources of one transaction")
    parser.add_argument("--database", default="")
    parser.add_argument("--packages", default="", help="folder of FHIR packages; empty: the default one")
    return parser.parse_args()


if __name__ == "__main__":
    main()
