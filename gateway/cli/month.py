"""gateway report month: the report of a month for MedMij, as versions that a person releases."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import Connection, Engine

from gateway.audit.record import AuditRecord
from gateway.cli.access import audited, operator
from gateway.cli.context import (
    FINDINGS,
    as_json,
    as_served,
    console,
    database,
    emit,
    fail,
    served_provider,
    with_settings,
)
from gateway.report.forms import NoSchema, formed, leaving_form
from gateway.report.monthly import MonthReport, ReportState, check, deliver, make, overdue, release, versions
from gateway.report.xmlform import XmlRefused
from gateway.settings import Settings

_which = click.argument("text", metavar="YYYY-MM")
_provider = click.option("--provider", required=True, help="MedMij name of the care provider.")


@click.group()
def month() -> None:
    """The report of a month for MedMij: make, show, check, release, deliver; due says what waits."""


@month.command("make")
@_which
@_provider
@as_json
@with_settings
def make_command(settings: Settings, text: str, provider: str, as_json: bool) -> None:
    """Count a month. When figures were kept before and differ, this makes a correction: a new version."""
    services = tuple(served_provider(settings, provider).services)
    participant = settings.reports.participant or provider
    with _store(settings) as (engine, connection):
        before = len(versions(connection, provider, text))
        try:
            made = make(connection, provider, participant, text, services, datetime.now(UTC))
        except ValueError:
            fail(f"{text}: a month is YYYY-MM")
        if made.version > before:
            connection.commit()
            _recorded(engine, settings, made, "make")
    _tell(made, as_json)


@month.command("show")
@_which
@_provider
@click.option("--version", type=int, default=0, help="A version; else the last.")
@click.option("--form", type=click.Choice(["json", "csv", "xml"]), default="json", show_default=True)
@with_settings
def show_command(settings: Settings, text: str, provider: str, version: int, form: str) -> None:
    """The report in its own form (JSON, CSV), or as XML by the schema of the settings."""
    served_provider(settings, provider)
    with _store(settings) as (_, connection):
        click.echo(_formed(settings, _kept(connection, provider, text, version), form), nl=False)


@month.command("check")
@_which
@_provider
@as_json
@with_settings
def check_command(settings: Settings, text: str, provider: str, as_json: bool) -> None:
    """Say that you looked at the last version: somebody else releases it, where the settings ask for a second look."""
    served_provider(settings, provider)
    with _store(settings) as (engine, connection):
        kept = _kept(connection, provider, text, 0)
        check(connection, kept, operator(), datetime.now(UTC))
        connection.commit()
        _recorded(engine, settings, kept, "check")
        _tell(_kept(connection, provider, text, kept.version), as_json)


@month.command("release")
@_which
@_provider
@as_json
@with_settings
def release_command(settings: Settings, text: str, provider: str, as_json: bool) -> None:
    """Say that the last version may leave. Refused when it does not meet the schema of the settings."""
    served_provider(settings, provider)
    with _store(settings) as (engine, connection):
        kept = _kept(connection, provider, text, 0)
        if settings.reports.medmij_schema:
            _formed(settings, kept, "xml")
        release(connection, kept, operator(), datetime.now(UTC), second_look=settings.reports.second_look)
        connection.commit()
        _recorded(engine, settings, kept, "release")
        _tell(_kept(connection, provider, text, kept.version), as_json)


@month.command("deliver")
@_which
@_provider
@click.option("--to", "path", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@as_json
@with_settings
def deliver_command(settings: Settings, text: str, provider: str, path: Path, as_json: bool) -> None:
    """Write the released version as a file, and keep the proof of what went."""
    served_provider(settings, provider)
    with _store(settings) as (engine, connection):
        kept = _kept(connection, provider, text, 0)
        content = _formed(settings, kept, leaving_form(settings.reports)).encode()
        deliver(connection, kept, path.name, content, datetime.now(UTC))
        path.write_bytes(content)
        connection.commit()
        _recorded(engine, settings, kept, "deliver")
        _tell(_kept(connection, provider, text, kept.version), as_json)


@month.command("due")
@as_json
@with_settings
def due_command(settings: Settings, as_json: bool) -> None:
    """Which reports should be released by now: for a daily timer. Exit code 1 when there are any."""
    with _store(settings) as (_, connection):
        at, day = datetime.now(UTC), settings.reports.deadline_day
        names = as_served(settings, everything=False).providers
        late = {name: text for name in names if (text := overdue(connection, name, at, day))}
    if as_json:
        emit({"due": late})
    else:
        for name, text in late.items():
            console.print(f"{name}: the report of {text} is not released; its deadline is day {day}", highlight=False)
    if late:
        raise SystemExit(FINDINGS)


@contextmanager
def _store(settings: Settings) -> Iterator[tuple[Engine, Connection]]:
    with database(settings) as engine, engine.connect() as connection:
        try:
            yield engine, connection
        except ReportState as fault:
            fail(str(fault))
        except XmlRefused as fault:
            fail(f"not released: {fault}", FINDINGS)


def _kept(connection: Connection, provider: str, text: str, version: int) -> MonthReport:
    kept = versions(connection, provider, text)
    chosen = [report for report in kept if version in (0, report.version)]
    if not chosen:
        fail(f"{provider} {text}: no such report; 'gateway report month make' makes one")
    return chosen[-1]


def _formed(settings: Settings, kept: MonthReport, form: str) -> str:
    try:
        return formed(settings.reports, kept, form)
    except NoSchema as fault:
        fail(str(fault))


def _recorded(engine: Engine, settings: Settings, kept: MonthReport, what: str) -> None:
    """The access trail keeps the hash of the figures: a version that is changed afterwards is found."""
    audited(
        engine,
        settings,
        [
            AuditRecord(
                f"operator:report:{what}",
                datetime.now(UTC),
                200,
                provider=kept.provider,
                client=operator(),
                interaction=what,
                rule=f"medmij {kept.month} {kept.version}",
                reason=f"sha256:{kept.hash}",
            )
        ],
    )


def _tell(kept: MonthReport, as_json: bool) -> None:
    if as_json:
        emit({**kept.as_data(), "released": kept.released, "delivered": kept.delivered, "proof": kept.proof})
        return
    state = "delivered" if kept.delivered else "released" if kept.released else "not released"
    console.print(f"{kept.provider} {kept.month}, version {kept.version}: {state}", highlight=False)
    for change in kept.figures.get("changed", ()):
        console.print(f"{change['figure']}: was {change['was']}, is {change['is']}", highlight=False)
