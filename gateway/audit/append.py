"""Adding records to the audit table by the driver itself: it happens for every request, and must cost little.

One connection stays open while there is work, so that a group of records is one statement and one commit. After a fault
and after a pause in which the other side may have gone away, the next group gets a fresh one.
"""

import contextlib
import sqlite3
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import psycopg
from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import SQLAlchemyError

Row = tuple[str, int, datetime, str, str, bytes, bytes]
"""Chain, sequence, time, person, provider, record, mac: the columns of ``audit_record``."""

UsageRow = tuple[object, ...]
"""Chain, sequence, time, provider, event, mac: the columns of ``usage_event``."""

PAUSE = 2.0
"""Seconds without work after which a connection is not trusted any more."""

CLOSED_SECONDS = 0.5
"""A connection that is closed says so at once; what takes longer is a database that does not answer."""

_COLUMNS = "chain, sequence, at, person, provider, record, mac"
_SQLITE = f"INSERT INTO audit_record ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own names
_POSTGRES = f"""INSERT INTO audit_record ({_COLUMNS}) SELECT * FROM unnest(%s::text[], %s::int[], %s::timestamptz[],
    %s::text[], %s::text[], %s::bytea[], %s::bytea[])"""  # noqa: S608 - our own names


_USAGE = "chain, sequence, at, provider, event, mac"
_USAGE_SQLITE = f"INSERT INTO usage_event ({_USAGE}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own names
_BOTH_POSTGRES = f"""WITH used AS (INSERT INTO usage_event ({_USAGE}) SELECT * FROM unnest(%s::text[], %s::int[],
    %s::timestamptz[], %s::text[], %s::bytea[], %s::bytea[])) {_POSTGRES}"""  # noqa: S608 - our own names


class NotAppended(Exception):
    """The database did not take the records; none of them is in it, as far as is known."""


class Appending:
    """Appends groups of records, each group whole or not at all. For one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._held: PoolProxiedConnection | None = None
        self._used = 0.0

    def __call__(self, rows: Sequence[Row], used: Sequence[UsageRow] = ()) -> None:
        """Make the rows durable, and beside them events of use: both or neither. Raises NotAppended.

        A connection that was held and turns out to be closed is replaced at once: that says nothing of the database
        now. Were the rows in it after all, their keys keep them from being there twice.
        """
        held, started = self._held is not None, time.monotonic()
        try:
            self._append(rows, used)
        except NotAppended:
            if not held or time.monotonic() - started > CLOSED_SECONDS:
                raise
            self._append(rows, used)

    def _append(self, rows: Sequence[Row], used: Sequence[UsageRow]) -> None:
        try:
            driver = self._driver()
            if self._engine.dialect.name == "sqlite":
                _into_sqlite(cast("sqlite3.Connection", driver), rows, used)
            else:
                _into_postgres(cast("psycopg.Connection[Any]", driver), rows, used)
        except (sqlite3.Error, psycopg.Error, SQLAlchemyError) as fault:
            self.close(broken=True)
            raise NotAppended from fault

    def close(self, *, broken: bool = False) -> None:
        """Give the connection back; a broken one is thrown away."""
        held, self._held = self._held, None
        if held is not None:
            # It may be gone already.
            with contextlib.suppress(sqlite3.Error, psycopg.Error, SQLAlchemyError):
                if broken:
                    held.invalidate()
                elif self._engine.dialect.name == "postgresql":
                    cast("psycopg.Connection[Any]", held.dbapi_connection).autocommit = False
            with contextlib.suppress(sqlite3.Error, psycopg.Error, SQLAlchemyError):
                held.close()

    def _driver(self) -> object:
        now = time.monotonic()
        if self._held is not None and now - self._used > PAUSE:
            self.close()
        if self._held is None:
            # The pool asks the other side whether it is still there.
            self._held = self._engine.raw_connection()
            if self._engine.dialect.name == "postgresql":
                # A group is one statement: it needs no BEGIN and COMMIT of its own around it.
                cast("psycopg.Connection[Any]", self._held.dbapi_connection).autocommit = True
        self._used = now
        return self._held.dbapi_connection


def _into_sqlite(driver: sqlite3.Connection, rows: Sequence[Row], used: Sequence[UsageRow]) -> None:
    driver.execute("BEGIN IMMEDIATE")
    try:
        driver.executemany(_SQLITE, [(chain, number, _moment(at), *rest) for chain, number, at, *rest in rows])
        if used:
            told = [(chain, number, _moment(cast("datetime", at)), *rest) for chain, number, at, *rest in used]
            driver.executemany(_USAGE_SQLITE, told)
        driver.execute("COMMIT")
    except sqlite3.Error:
        if driver.in_transaction:
            driver.execute("ROLLBACK")
        raise


def _moment(at: datetime) -> str:
    """As SQLAlchemy keeps it there: UTC, without saying so."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _into_postgres(driver: psycopg.Connection[Any], rows: Sequence[Row], used: Sequence[UsageRow]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)]
    if not used:
        driver.execute(_POSTGRES, columns, prepare=True)
        return
    # One statement, and so whole or not at all, with a connection that commits by itself.
    beside = [list(column) for column in zip(*used, strict=True)]
    driver.execute(_BOTH_POSTGRES, [*beside, *columns], prepare=True)
