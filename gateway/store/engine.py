"""Database connections: a SQLAlchemy engine for everything that is not the hot path."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from auth.store.store import engine_for


def database_url(text: str) -> URL:
    """The parsed database setting. ValueError for anything but SQLite and PostgreSQL."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError("database_url: not a database URL") from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ValueError("database_url: only sqlite:///path and postgresql://host/name are supported")
    return url


def open_engine(text: str) -> Engine:
    """An engine that connects on use. For SQLite the folder of the file is made. ValueError for another database."""
    url = database_url(text)
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = engine_for(text)
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _enforce_foreign_keys)
    return engine


def store_file(text: str) -> Path | None:
    """The file of an SQLite setting; None for another database. ValueError as `database_url`."""
    url = database_url(text)
    file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if file else None


def _enforce_foreign_keys(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")


def reading(engine: Engine) -> Engine:
    """The same engine for transactions that only read: they never wait for a writer."""
    return engine.execution_options(reading=True, single=engine.dialect.name == "sqlite")


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the store as it was at one moment, only reads, and holds up no writer."""
    with reading(engine).connect() as connection:
        if engine.dialect.name == "sqlite":
            # Of the write-ahead log; the driver's own transactions are switched off for reading.
            connection.exec_driver_sql("BEGIN")
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").all()
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection
