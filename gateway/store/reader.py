"""Reading on the hot path: prepared driver statements, no ORM, no session.

SQLite answers from the page cache in some tens of microseconds, so it is called in the event loop itself;
PostgreSQL goes through a pool of asynchronous psycopg connections that keep their statements prepared.
"""

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy import Dialect, Select
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.engine import database_url
from gateway.store.patience import ImpatientAsyncConnection, parameters
from gateway.store.queries import Hot
from gateway.tracing import span

Row = tuple[Any, ...]

DIALECTS: Mapping[str, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="named"),
    "postgresql": postgresql.dialect(paramstyle="pyformat"),  # type: ignore[no-untyped-call]
}


_SQLITE = {"db.system.name": "sqlite"}
_POSTGRES = {"db.system.name": "postgresql"}
"""Attributes of spans."""


class StoreUnavailable(Exception):
    """The database does not answer. The client gets 503 and may try again."""


class Reader(Protocol):
    """Runs selects that are prepared once. The text of SQLAlchemy selects is cached per statement."""

    waited: float
    """Seconds that the last read waited for a connection."""

    async def fetch(self, statement: Hot | Select[Any], parameters: Mapping[str, Any]) -> Sequence[Row]:
        """All rows of a select. Raises StoreUnavailable."""
        ...

    def figures(self) -> Mapping[str, int]:
        """What its pool counted, by psycopg's names; nothing without a pool."""
        ...

    async def close(self) -> None:
        """Give back the connections."""
        ...


@lru_cache(maxsize=256)
def _compiled(statement: Select[Any], dialect: str) -> str:
    chosen = DIALECTS[dialect]
    return str(statement.compile(dialect=chosen))


class SqliteReader:
    """A read-only connection to an SQLite file, used in the event loop."""

    waited = 0.0

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, check_same_thread=False, isolation_level=None, cached_statements=256, timeout=1
        )
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA mmap_size=268435456")
        return connection

    async def fetch(self, statement: Hot | Select[Any], parameters: Mapping[str, Any]) -> Sequence[Row]:
        """See Reader."""
        try:
            if self._connection is None:
                self._connection = self._open()
            text = statement.sqlite if isinstance(statement, Hot) else _compiled(statement, "sqlite")
            with span("store", **_SQLITE):
                return self._connection.execute(text, parameters).fetchall()
        except sqlite3.Error as fault:
            await self.close()
            raise StoreUnavailable from fault

    def figures(self) -> Mapping[str, int]:
        """See Reader."""
        return {}

    async def close(self) -> None:
        """See Reader."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


PLANNER = ("enable_seqscan = off", "enable_hashjoin = off", "enable_mergejoin = off", "jit = off",
           "plan_cache_mode = force_generic_plan")  # fmt: skip
"""What is read here goes by an index that starts with the person; a plan is made once, and never by statistics."""


async def prepare_postgres(connection: psycopg.AsyncConnection[Any]) -> None:
    """Set the planner of a new connection of the hot path."""
    for setting in PLANNER:
        await connection.execute(f"SET {setting}")


class PostgresReader:
    """A pool of autocommitting psycopg connections with prepared statements; a read waits `seconds` at most."""

    def __init__(self, conninfo: str, size: int = 8, seconds: float = 2.0) -> None:
        self._seconds = seconds
        self.waited = 0.0
        self._pool: AsyncConnectionPool[ImpatientAsyncConnection] = AsyncConnectionPool(
            conninfo,
            connection_class=ImpatientAsyncConnection,
            min_size=1,
            max_size=size,
            open=False,
            timeout=seconds,
            # Given up soon: the next request makes a new one, without the growing pauses between attempts.
            reconnect_timeout=seconds,
            configure=prepare_postgres,
            kwargs={"autocommit": True, "prepare_threshold": 0, **parameters(seconds)},
        )
        self._opened = asyncio.Lock()

    async def fetch(self, statement: Hot | Select[Any], parameters: Mapping[str, Any]) -> Sequence[Row]:
        """See Reader."""
        begun = time.monotonic()
        end = begun + self._seconds
        try:
            if self._pool.closed:
                async with self._opened:
                    if self._pool.closed:
                        await self._pool.open()
            text = statement.postgresql if isinstance(statement, Hot) else _compiled(statement, "postgresql")
            with span("store", **_POSTGRES):
                connection = await self._pool.getconn()
                self.waited = time.monotonic() - begun
                try:
                    connection.answer_seconds = max(0.2, end - time.monotonic())
                    cursor = await connection.execute(text, parameters, binary=True)
                    return await cursor.fetchall()
                finally:
                    # Without the transaction that the pool's own context would look after: it commits by itself.
                    await self._pool.putconn(connection)
        except (psycopg.Error, PoolTimeout, OSError) as fault:
            self.waited = time.monotonic() - begun if isinstance(fault, PoolTimeout) else self.waited
            raise StoreUnavailable from fault

    def figures(self) -> Mapping[str, int]:
        """See Reader."""
        return {} if self._pool.closed else self._pool.get_stats()

    async def close(self) -> None:
        """See Reader."""
        if not self._pool.closed:
            await self._pool.close()


def open_reader(url_text: str, seconds: float = 2.0) -> Reader:
    """The reader for a database setting, and how long a read may wait for a database that stays silent."""
    url = database_url(url_text)
    if url.get_backend_name() == "sqlite":
        return SqliteReader(url.database or ":memory:")
    return PostgresReader(url.set(drivername="postgresql").render_as_string(hide_password=False), seconds=seconds)
