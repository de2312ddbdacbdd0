"""The database: does it answer, does it take what we write, has it our schema, and is there room."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from gateway.cli.db import SCRIPTS
from gateway.cli.preflight import Level, PreflightLine
from gateway.cli.preflight.clock import beside
from gateway.health import store_probe
from gateway.settings import Settings
from gateway.store.engine import open_engine, reading, store_file

ROOM = 1024
"""MiB below which a disk is a matter for somebody."""
OLDEST = 14
"""PostgreSQL releases before this one get no fixes."""
NEAR = {"", "localhost", "127.0.0.1", "::1"}


def check(settings: Settings) -> Iterator[PreflightLine]:
    """Schema and room of the store; of PostgreSQL also its release, clock, connections and encryption."""
    try:
        file = store_file(settings.database_url)
        if file is not None and not file.is_file():
            yield PreflightLine("database", "error", f"there is no store at {file}: gateway db upgrade")
            yield from room(_existing(file.parent), "database_url")
            return
        engine = open_engine(settings.database_url)
    except ValueError as fault:
        yield PreflightLine("database", "error", str(fault))
        return
    try:
        yield from _schema(engine)
        if engine.dialect.name == "postgresql":
            with reading(engine).connect() as connection:
                yield from _server(connection, str(engine.url.host or ""), settings.mode)
    except SQLAlchemyError as fault:
        reason = str(getattr(fault, "orig", None) or type(fault).__name__).strip().splitlines()[0]
        yield PreflightLine("database", "error", f"database_url: does not answer ({reason})")
    finally:
        engine.dispose()
    if file is not None:
        yield from _file(file)


def _schema(engine: Engine) -> Iterator[PreflightLine]:
    with reading(engine).connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    wanted = ScriptDirectory(str(SCRIPTS)).get_current_head()
    if current != wanted:
        how = f"schema is {current or 'absent'}, not {wanted}: gateway db upgrade"
        yield PreflightLine("database", "error", how)
        return
    yield PreflightLine("database", "ok", f"{engine.dialect.name}, schema {current}")
    try:
        store_probe(engine)()
    except SQLAlchemyError as fault:
        reason = str(getattr(fault, "orig", None) or type(fault).__name__).strip().splitlines()[0]
        yield PreflightLine("database", "error", f"database_url: takes nothing that is written ({reason})")


def _file(file: Path) -> Iterator[PreflightLine]:
    if file.stat().st_mode & 0o077:
        how = f"{file}: others than its owner may read it: chmod 600, or gateway db upgrade"
        yield PreflightLine("database", "error", how)
    yield from room(file.parent, "database_url")


def room(folder: Path, setting: str) -> Iterator[PreflightLine]:
    """How much room there is on the disk of a folder."""
    free = shutil.disk_usage(folder).free // 2**20
    level: Level = "ok" if free > ROOM else "warning"
    yield PreflightLine("disk", level, f"{free} MiB free at {folder} ({setting})")


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.absolute().parents) if one.is_dir())


def _server(connection: Connection, host: str, mode: str) -> Iterator[PreflightLine]:
    release = int(_one(connection, "show server_version_num")) // 10_000
    size = int(_one(connection, "select pg_database_size(current_database())")) // 2**20
    if release < OLDEST:
        yield PreflightLine("PostgreSQL", "warning", f"release {release} gets no fixes any more; {OLDEST} and later do")
    yield PreflightLine("PostgreSQL", "ok", f"release {release}, the database is {size} MiB")
    most, used = (
        int(_one(connection, "show max_connections")),
        int(_one(connection, "select count(*) from pg_stat_activity")),
    )
    if most - used < 20:
        yield PreflightLine("PostgreSQL", "warning", f"{used} of {most} connections (max_connections) are in use")
    if host not in NEAR and not host.startswith("/"):
        sealed = _one(connection, "select coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false)")
        level: Level = "ok" if sealed else ("error" if mode == "production" else "warning")
        how = "encrypted" if sealed else "not encrypted: add ?sslmode=verify-full to database_url"
        yield PreflightLine("PostgreSQL", level, f"the connection to {host} is {how}")
    yield from _disk(connection, host)
    yield beside("the database", datetime.now(UTC), _one(connection, "select clock_timestamp()"))


def _disk(connection: Connection, host: str) -> Iterator[PreflightLine]:
    """Room at PostgreSQL. Only a server on this machine, and an account that may ask, tell where the data are."""
    folder = _one(
        connection, "select current_setting('data_directory', true) where pg_has_role('pg_read_all_settings', 'usage')"
    )
    here = host in NEAR or host.startswith("/")
    try:
        seen = here and folder is not None and Path(str(folder)).is_dir()
    except OSError:
        seen = False
    if seen:
        yield from room(Path(str(folder)), "PostgreSQL")
    else:
        yield PreflightLine("disk", "ok", "PostgreSQL does not tell how much room it has: watch it where it runs")


def _one(connection: Connection, statement: str) -> Any:
    return connection.execute(text(statement)).scalar()
