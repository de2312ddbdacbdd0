"""gateway store: the versions of what is stored, and what changed."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from sqlalchemy import Engine

from auth.crypto import SealError
from gateway.cli.access import deliver, opened
from gateway.cli.context import FINDINGS, as_json, console, database, emit, fail, needs_provider, with_settings
from gateway.cli.export import export_command
from gateway.settings import Settings
from gateway.store import history, outbox
from gateway.store.engine import reading
from gateway.store.known import Key
from gateway.wiring import keys_of
from profiles.fhir.version import FhirVersion


@click.group()
def store() -> None:
    """The store: versions of a resource, and changes for other systems to follow."""


@store.command("history")
@click.argument("reference")
@click.option("--provider", required=True, help="MedMij name of the care provider, without @medmij.")
@click.option("--fhir", type=click.Choice(["stu3", "r4"]), default="stu3", show_default=True, help="FHIR release.")
@click.option("--version", "number", type=int, help="Write what was received as this version, in plain.")
@click.option("--content", is_flag=True, help="With --version: the document that a Binary held, in place of its JSON.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File; left out: standard output.")
@as_json
@with_settings
def history_command(
    settings: Settings,
    reference: str,
    provider: str,
    fhir: str,
    number: int | None,
    content: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """List the versions of a resource (Observation/7), or open one of them.

    Opening one is recorded in the access trail. Exit code 1 when there is no such resource or version.
    """
    whose = (provider, FhirVersion.of(fhir), _key(reference))
    with database(settings) as engine:
        with reading(engine).connect() as connection:
            needs_provider(settings, provider, connection)
        if number is not None:
            data, person = _opened(engine, settings, whose, number, content)
            about = {"provider": provider, "person": person, "resources": ((whose[2][0], 1),)}
            opened(engine, settings, "history", **about)
            deliver(data, output)
            return
        with reading(engine).connect() as connection:
            versions = history.versions(connection, *whose)
    if as_json:
        emit([{**asdict(one), "deleted": one.deleted} for one in versions])
    for one in versions if not as_json else ():
        size = f", document of {one.size} bytes" if one.size is not None else ""
        what = "deleted" if one.deleted else f"received as {one.format}{size}"
        line = f"{one.number}  {one.received:%Y-%m-%d %H:%M:%S}  source {one.source}  {what}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not versions:
        fail(f"{reference} is not in the store of {provider}", FINDINGS)


def _opened(
    engine: Engine, settings: Settings, whose: tuple[str, FhirVersion, Key], number: int, content: bool
) -> tuple[bytes, str]:
    """One version in plain, and the pseudonym of the person; ends the command when there is none."""
    _, ring = keys_of(settings)
    with reading(engine).connect() as connection:
        try:
            data = history.received(connection, *whose, number, ring)
        except SealError as fault:
            fail(f"it cannot be opened: {fault}")
        if data is None:
            fail(f"{'/'.join(whose[2])} has no version {number}", FINDINGS)
        if content:
            data = history.content(connection, *whose, number)
        return data, history.person(connection, *whose)


@store.command("outbox")
@click.option("--take", is_flag=True, help="Remove what was written, once it was written.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Most rows at a time.")
@with_settings
def outbox_command(settings: Settings, take: bool, limit: int) -> None:
    """Write what changed and was not dealt with yet, oldest first: one JSON object per line.

    With --take each row is given at least once: it is removed after it was written. Nothing personal is in it but the
    patient's id at the source.
    """
    with database(settings) as engine, engine.begin() as connection:
        rows = outbox.waiting(connection, limit)
        lines = [json.dumps(dict(row), default=lambda at: at.isoformat(timespec="milliseconds")) for row in rows]
        deliver("".join(f"{line}\n" for line in lines).encode(), None)
        if take:
            outbox.done(connection, [row["number"] for row in rows])


def _key(reference: str) -> Key:
    type_, _, id_ = reference.partition("/")
    if not type_ or not id_ or "/" in id_:
        fail(f"{reference} is not a type and id, such as Observation/7")
    return type_, id_


store.add_command(export_command)
