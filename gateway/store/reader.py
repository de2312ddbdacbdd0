"""Reading on the hot path: prepared driver statements, no ORM, no session.

SQLite answers from the page cache in some tens of microseconds, so it is called in the event loop itself;
PostgreSQL goes through a few connections that are driven through libpq itself and keep their statements prepared
(:mod:`gateway.store.line`).
"""

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import psycopg
from sqlalchemy import Dialect, Select
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.engine import database_url
from gateway.store.line import Line, Row
from gateway.store.patience import ImpatientAsyncConnection
from gateway.store.patience import parameters as patience
from gateway.store.queries import Hot
from gateway.tracing import span

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


DEEP = 4
"""Selects on their way by one connection before another is made: they share packets, and are run in turn."""


class PostgresReader:
    """A few lines to PostgreSQL (`gateway.store.line`), made when they are needed; a read waits `seconds` at most."""

    def __init__(self, conninfo: str, size: int = 8, seconds: float = 2.0) -> None:
        self._conninfo = conninfo
        self._size = size
        self._seconds = seconds
        self.waited = 0.0
        self._lines: list[Line] = []
        self._opening: asyncio.Task[Line] | None = None
        self._counted = {"requests_waiting": 0, "requests_queued": 0, "requests_wait_ms": 0, "requests_errors": 0}

    async def fetch(self, statement: Hot | Select[Any], parameters: Mapping[str, Any]) -> Sequence[Row]:
        """See Reader."""
        begun = time.monotonic()
        text = statement.postgresql if isinstance(statement, Hot) else _compiled(statement, "postgresql")
        try:
            with span("store", **_POSTGRES):
                line = self._free() or await self._opened(begun)
                left = max(0.2, begun + self._seconds - time.monotonic())
                return await line.ask(text, parameters, left)
        except (psycopg.Error, TimeoutError, OSError) as fault:
            raise StoreUnavailable from fault

    def _free(self) -> Line | None:
        """The line with the least to do; None when another is wanted first, which there is none without."""
        if any(line.broken for line in self._lines):
            self._lines = [line for line in self._lines if not line.broken]
        if not self._lines:
            return None
        best = min(self._lines, key=_waiting)
        if best.waiting >= DEEP and len(self._lines) < self._size and self._opening is None:
            # Not waited for: this read goes along with the others.
            self._open()
        self.waited = 0.0
        return best

    def _open(self) -> "asyncio.Task[Line]":
        self._opening = asyncio.get_running_loop().create_task(self._connect(), name="a line to the database")
        self._opening.add_done_callback(self._made)
        return self._opening

    def _made(self, done: "asyncio.Task[Line]") -> None:
        self._opening = None
        if done.cancelled():
            return
        if done.exception() is None:
            self._lines.append(done.result())
        else:
            self._counted["requests_errors"] += 1

    async def _connect(self) -> Line:
        connection = await ImpatientAsyncConnection.connect(self._conninfo, autocommit=True, **patience(self._seconds))
        connection.answer_seconds = self._seconds
        try:
            await prepare_postgres(connection)
            return Line(connection)
        except BaseException:
            await connection.close()
            raise

    async def _opened(self, begun: float) -> Line:
        """The first line, for all who wait for it. Raises what the driver raises, and TimeoutError."""
        counted = self._counted
        counted["requests_queued"] += 1
        counted["requests_waiting"] += 1
        try:
            # Shielded: who gives up does not take it away from the others.
            opening = asyncio.shield(self._opening or self._open())
            return await asyncio.wait_for(opening, self._seconds)
        finally:
            counted["requests_waiting"] -= 1
            self.waited = time.monotonic() - begun
            counted["requests_wait_ms"] += round(self.waited * 1000)

    def figures(self) -> Mapping[str, int]:
        """See Reader."""
        idle = sum(not line.waiting for line in self._lines)
        size = sum(not line.broken for line in self._lines)
        return {"pool_size": size, "pool_available": min(idle, size), **self._counted} if size else {}

    async def close(self) -> None:
        """See Reader."""
        if self._opening is not None:
            self._opening.cancel()
        for line in self._lines:
            line.close()
        self._lines = []


def _waiting(line: Line) -> int:
    return line.waiting


def open_reader(url_text: str, seconds: float = 2.0) -> Reader:
    """The reader for a database setting, and how long a read may wait for a database that stays silent."""
    url = database_url(url_text)
    if url.get_backend_name() == "sqlite":
        return SqliteReader(url.database or ":memory:")
    return PostgresReader(url.set(drivername="postgresql").render_as_string(hide_password=False), seconds=seconds)
