"""gateway terminology: read licensed code systems into one file, so that codes can be told right or wrong offline."""

from pathlib import Path
from typing import NoReturn

import click

from gateway.cli.context import as_json, emit, with_settings
from gateway.settings import Settings
from profiles.validation.schema.codefiles import add_snomed, add_table
from profiles.validation.schema.codestore import CodeStore, Loaded, StoreError

USAGE = 2

_STORE = click.option(
    "--store", type=click.Path(path_type=Path, dir_okay=False), help="The file; else validation.terminology_store."
)


@click.group()
def terminology() -> None:
    """The institution's own code systems: SNOMED CT, LOINC, G-Standaard, NHG, ICPC and the like."""


@terminology.group()
def add() -> None:
    """Read a code system into the store, in place of what the store had of it."""


@add.command()
@click.argument("release", type=click.Path(path_type=Path, exists=True))
@_STORE
@as_json
@with_settings
def snomed(settings: Settings, release: Path, store: Path | None, as_json: bool) -> None:
    """Read RELEASE, the RF2 snapshot of SNOMED CT: a folder or the zip archive."""
    path = _path(store, settings)
    try:
        _told(add_snomed(path, release), as_json)
    except StoreError as problem:
        _fail(problem)


@add.command()
@click.argument("table", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--system", required=True, help="URL of the code system, as in system of a Coding.")
@click.option("--code", required=True, help="Head of the column with the codes.")
@click.option("--display", default="", help="Head of the column with their names.")
@_STORE
@as_json
@with_settings
def table(
    settings: Settings, table: Path, system: str, code: str, display: str, store: Path | None, as_json: bool
) -> None:
    """Read TABLE, a text file with heads (comma, semicolon or tab): LOINC, G-Standaard, NHG, ICPC."""
    path = _path(store, settings)
    try:
        _told(add_table(path, system, table, code, display), as_json)
    except StoreError as problem:
        _fail(problem)


@terminology.command(name="list")
@_STORE
@as_json
@with_settings
def list_(settings: Settings, store: Path | None, as_json: bool) -> None:
    """What the store holds."""
    try:
        rows = CodeStore(_path(store, settings)).loaded
    except StoreError as problem:
        _fail(problem)
    if as_json:
        emit({"systems": [row._asdict() for row in rows]})
        return
    for row in rows:
        click.echo(f"{row.url}  {row.codes} codes  {row.title}")


def _path(store: Path | None, settings: Settings) -> Path:
    if store is None and not settings.validation.terminology_store:
        raise click.UsageError("name the store with --store, or set validation.terminology_store")
    return store or Path(settings.validation.terminology_store)


def _told(loaded: Loaded, as_json: bool) -> None:
    if as_json:
        emit(loaded._asdict())
    else:
        click.echo(f"{loaded.codes} codes of {loaded.url} from {loaded.title}")


def _fail(problem: StoreError) -> NoReturn:
    click.echo(f"gateway: {problem}", err=True)
    raise SystemExit(USAGE)
