"""gateway doctor: the preflight check (SC-H1)."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from adapters.port import Adapter, AdapterError, AdapterMisconfigured, Closes, Probes
from auth.clients.notices import Notice
from auth.clients.open import NoSource, open_lists
from auth.peer.certificates import inspect
from auth.peer.crl import Revocations
from gateway.calendar import today_here
from gateway.cli.context import FINDINGS, as_served, console, listing, with_settings
from gateway.cli.db import SCRIPTS
from gateway.collect.pipeline import sources_of
from gateway.settings import Settings, refusals
from gateway.store.engine import open_engine, reading, store_file
from gateway.testmode import NO_PROVIDERS
from profiles.standards.load import catalogue

PATIENCE = 10.0
"""Seconds that a source has to answer."""

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class PreflightLine:
    """One line of the preflight: what was looked at, how it is, and what to do."""

    what: str
    level: Level
    text: str


def examine(settings: Settings) -> Iterator[PreflightLine]:
    """Look at everything that can be looked at without traffic from outside. Never raises."""
    wrong = refusals(settings)
    yield from (PreflightLine("settings", "error", line) for line in wrong)
    if not wrong:
        yield PreflightLine("settings", "ok", f"mode {settings.mode}, {settings.base_url}")
    yield from _database(settings)
    yield from _providers(settings)
    yield from _sources(settings)
    yield from _lists(settings)
    yield from _certificates(settings)


def _database(settings: Settings) -> Iterator[PreflightLine]:
    try:
        file = store_file(settings.database_url)
        engine = open_engine(settings.database_url)
    except ValueError as fault:
        yield PreflightLine("database", "error", str(fault))
        return
    if file is not None and not file.is_file():
        yield PreflightLine("database", "error", f"there is no store at {file}: gateway db upgrade")
        return
    try:
        current, wanted = _revisions(engine)
        if current == wanted:
            yield PreflightLine("database", "ok", f"{engine.dialect.name}, schema {current}")
        else:
            yield PreflightLine(
                "database", "error", f"schema is {current or 'absent'}, not {wanted}: gateway db upgrade"
            )
    except SQLAlchemyError as fault:
        yield PreflightLine("database", "error", f"does not answer ({type(fault).__name__})")
    finally:
        engine.dispose()
    if engine.dialect.name == "sqlite" and engine.url.database:
        free = shutil.disk_usage(Path(engine.url.database).parent).free // 2**20
        yield PreflightLine("disk", "ok" if free > 1024 else "warning", f"{free} MiB free beside the database")


def _revisions(engine: Engine) -> tuple[str | None, str | None]:
    with reading(engine).connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory(str(SCRIPTS)).get_current_head()


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 service, 2 services."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _providers(settings: Settings) -> Iterator[PreflightLine]:
    services = catalogue().services
    if not settings.providers:
        yield PreflightLine("providers", "error", NO_PROVIDERS)
    for name, provider in settings.providers.items():
        unknown = [id_ for id_ in provider.services if id_ not in services]
        if unknown:
            yield PreflightLine(f"provider {name}", "error", f"unknown services: {', '.join(unknown)}")
        else:
            yield PreflightLine(f"provider {name}", "ok", counted(len(provider.services), "service"))
        for id_ in provider.services:
            if id_ in services and not services[id_][1].valid_on(today_here()):
                text = f"service {id_} is not in force today: it is neither offered nor served"
                yield PreflightLine(f"provider {name}", "warning", text)


def _sources(settings: Settings) -> Iterator[PreflightLine]:
    """Each live source is asked once what it can deliver; one that is down is a warning, one set wrongly an error."""
    for name, provider in settings.providers.items():
        try:
            found = sources_of(provider, 0)
        except AdapterMisconfigured as fault:
            yield PreflightLine(f"sources of {name}", "error", fault.text)
            continue
        for source in found.live.sources:
            yield asyncio.run(_answers(f"source {source.adapter.name} of {name}", source.adapter))


async def _answers(what: str, adapter: Adapter) -> PreflightLine:
    started = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            if isinstance(adapter, Probes):
                await adapter.probe(started + PATIENCE)
    except AdapterMisconfigured as fault:
        return PreflightLine(what, "error", fault.text)
    except AdapterError as fault:
        return PreflightLine(what, "warning", fault.text)
    except TimeoutError:
        return PreflightLine(what, "warning", "does not answer in time")
    finally:
        if isinstance(adapter, Closes):
            await adapter.aclose()
    if not isinstance(adapter, Probes):
        return PreflightLine(what, "ok", "cannot be asked what it delivers")
    return PreflightLine(what, "ok", f"answers in {(time.monotonic() - started) * 1000:.0f} ms")


def _lists(settings: Settings) -> Iterator[PreflightLine]:
    notices: list[Notice] = []
    try:
        lists, puller = open_lists(settings.lists, settings.tls, notify=notices.append)
    except NoSource as fault:
        yield PreflightLine("lists", "error", str(fault))
        return
    asyncio.run(puller.refresh())
    yield from (PreflightLine(f"list {one.kind.value}", "error", one.text) for one in notices if one.alarm)
    if lists.state.usable():
        minutes = int(lists.state.age().total_seconds() // 60)
        yield PreflightLine("lists", "ok" if minutes < 60 else "warning", f"{minutes} minutes old")
    else:
        yield PreflightLine("lists", "error", "absent or too old: no new authorization can start")


def _certificates(settings: Settings) -> Iterator[PreflightLine]:
    tls = settings.tls
    known = (
        ("back channel", tls.back_certificate, "back"),
        ("front channel", tls.front_certificate, "front"),
        ("trust", tls.trust, "trust"),
    )
    revocations = Revocations(tls.crls) if tls.crls else None
    rows = inspect([(name, path, role) for name, path, role in known if path], revocations, datetime.now(UTC))  # type: ignore[misc]
    for row in rows:
        yield PreflightLine(f"certificate {row.what}", row.severity, row.text)
    if tls.peer == "none":
        yield PreflightLine("mutual TLS", "warning" if settings.mode == "test" else "error", "off: for tests only")


@click.command()
@with_settings
def doctor(settings: Settings) -> None:
    """Check settings, database, lists and certificates. Exit code 1 when something is wrong."""
    rows = list(examine(as_served(settings)))
    colours = {"ok": "green", "warning": "yellow", "error": "red"}
    table = listing("what", "how", "")
    for row in rows:
        table.add_row(row.what, f"[{colours[row.level]}]{row.level}[/]", row.text)
    console.print(table)
    if any(row.level == "error" for row in rows):
        raise SystemExit(FINDINGS)
