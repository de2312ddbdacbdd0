"""Engines with the settings that the store relies on."""

import os
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event


def engine_for(url: str) -> Engine:
    """An engine with the settings that this store relies on, for `sqlite:///path` or `postgresql://...`."""
    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    if not url.startswith("sqlite"):
        return create_engine(
            url, pool_size=10, max_overflow=10, pool_timeout=2, pool_pre_ping=True, hide_parameters=True
        )
    engine = create_engine(url, connect_args={"timeout": 10}, hide_parameters=True)
    prepare_sqlite(engine)
    if engine.url.database not in (None, "", ":memory:"):

        @event.listens_for(engine, "do_connect")
        def _on_do_connect(_dialect: Any, _record: Any, _arguments: Any, _parameters: Any) -> None:
            _make_private(str(engine.url.database))

    return engine


def _make_private(path: str) -> None:
    """Make a database file that only its owner can read; the files that SQLite lays beside it take over its mode."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def prepare_sqlite(engine: Engine) -> None:
    """Make an SQLite engine durable (full sync) and its write transactions start as such (no lost upgrades).

    With the execution option `single=True` no transaction is begun: for single statements and for reading.
    """

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        # The page size counts only when the file is made: rows of some kilobytes waste less of larger pages.
        for pragma in ("page_size=16384", "journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("single"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
