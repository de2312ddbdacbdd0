"""What every command shares: the settings, opened resources, and how a fault ends the process.

What only some commands need (the store, the trail, a workbench) is imported where it is used: no other waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table

from gateway.settings import Settings, SettingsError, load

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from gateway.sections import ProviderSettings
    from gateway.testmode import Workbench

P = ParamSpec("P")
R = TypeVar("R")

DONE, FINDINGS, USAGE = 0, 1, 2
"""Exit codes: done, something was found, usage or configuration."""

PIPED = 200
"""Columns of what is not read on a terminal: a table in a file is not cut to a window that is not there."""


def reader(*, stderr: bool = False) -> Console:
    """A console for whoever reads: as wide as the terminal, or wide enough for every column."""
    made = Console(stderr=stderr)
    return made if made.is_terminal or "COLUMNS" in os.environ else Console(stderr=stderr, width=PIPED)


console = reader()
errors = reader(stderr=True)


def listing(*columns: str) -> Table:
    """A table without frames, so that a terminal of 80 columns has room for words. What does not fit is folded, widest
    column first, and nothing is cut off."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        made.add_column(name, overflow="fold")
    return made


def fail(text: str, code: int = USAGE) -> NoReturn:
    """End the command with one line on standard error."""
    errors.print(f"gateway: {text}", highlight=False, markup=False, soft_wrap=True)
    raise SystemExit(code)


as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
"""The option of every command whose answer a machine may read; `emit` writes it."""


def emit(document: object) -> None:
    """Write the answer of a command as one JSON document on standard output, and nothing else beside it.

    Dataclasses, moments, sets and enumerations are written as JSON has them.
    """
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=1))


def with_settings(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command ``settings`` as its first argument, read from --config and the environment."""

    @click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with the settings.")
    @wraps(command)
    def wrapper(*args: Any, config: Path | None, **kwargs: Any) -> R:
        try:
            settings = load(config)
        except SettingsError as fault:
            fail(str(fault))
        return command(settings, *args, **kwargs)

    return wrapper


def bench(settings: Settings) -> Workbench | None:
    """The workbench of test mode, when one is installed; one that cannot be loaded ends the command."""
    from gateway.testmode import installed

    try:
        return installed(settings)
    except SettingsError as fault:
        fail(str(fault))


def as_served(settings: Settings, *, everything: bool = True) -> Settings:
    """The settings as a start would complete them: in test mode with what the workbench fills in."""
    from gateway.testmode import completed

    return completed(settings, bench(settings), everything=everything)


class UnknownSchema(Exception):
    """The database has a schema that this release does not know; the text says which."""


def needs_store(settings: Settings) -> None:
    """End the command when the file of the store is not there: an empty one would pass for one without records."""
    from gateway.store.engine import store_file

    try:
        file = store_file(settings.database_url)
    except ValueError as fault:
        fail(str(fault))
    if file is not None and not file.is_file():
        fail(f"database: there is no store at {file}; 'gateway db upgrade' makes one")


def unknown_provider(name: str, known: Iterable[str]) -> NoReturn:
    """End the command over a provider that is none of the known ones."""
    fail(f"unknown provider {name}; known are {', '.join(sorted(known)) or 'none'}")


def served_provider(settings: Settings, name: str) -> ProviderSettings:
    """The provider of this name; an unknown one ends the command."""
    served = as_served(settings, everything=False).providers
    if name not in served:
        unknown_provider(name, served)
    return served[name]


def needs_provider(settings: Settings, name: str, stored: Connection) -> None:
    """End the command when neither the configuration nor the store knows a provider: a typing error, not no records.

    The store is asked too, since the records of a provider that has left stay.
    """
    from sqlalchemy import select

    from gateway.store.schema import audit_record, resource

    known = as_served(settings, everything=False).providers
    if not name or name in known:
        return
    tables = (audit_record, resource)
    if not any(stored.execute(select(one.c.provider).where(one.c.provider == name).limit(1)).first() for one in tables):
        unknown_provider(name, known)


@contextmanager
def database(settings: Settings, *, create: bool = False) -> Iterator[Engine]:
    """The database of the settings; one that is not there (unless `create`) or does not answer ends the command."""
    from sqlalchemy.exc import SQLAlchemyError

    from gateway.audit.trail import AuditUnavailable
    from gateway.store.engine import open_engine

    try:
        if not create:
            needs_store(settings)
        engine = open_engine(settings.database_url)
    except ValueError as fault:
        fail(str(fault))
    try:
        yield engine
    except UnknownSchema as fault:
        fail(f"database: {fault}")
    except AuditUnavailable:
        fail("this cannot be recorded in the access trail")
    except SQLAlchemyError as fault:
        original = str(getattr(fault, "orig", fault)).strip().splitlines()
        hint = "" if create else "; was 'gateway db upgrade' run?"
        fail(f"database: {original[0] if original else type(fault).__name__}{hint}")
    finally:
        engine.dispose()
