"""Database connections: a SQLAlchemy engine for everything that is not the hot path."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000", "mmap_size=268435456")


def database_url(text: str) -> URL:
    """The SQLAlchemy URL of a database setting; PostgreSQL gets the psycopg driver."""
    url = make_url(text)
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite":
        raise ValueError("database_url: only sqlite:///path and postgresql://host/name are supported")
    return url


def open_engine(text: str) -> Engine:
    """A connected-on-use engine. For SQLite the folder of the file is made, and every transaction is durable."""
    url = database_url(text)
    if url.get_backend_name() == "postgresql":
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 5})
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 5})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # Transactions are opened by the "begin" event: the driver's own late BEGIN would take the write lock too late.
    connection.isolation_level = None
    connection.execute("PRAGMA page_size=16384")
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
