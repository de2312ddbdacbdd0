"""A read-only conversation with a database, in a thread, that ends when its time is up."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, TextClause, bindparam, create_engine, text
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool
from sqlalchemy.types import NullType

from adapters.port import AdapterDown, AdapterError, AdapterGarbage, AdapterMisconfigured
from adapters.settings import SourceLimits
from adapters.sql.dialects import SqlDialect, dialect_of

T = TypeVar("T")

HEADROOM = 0.05
AT_ONCE = 500
"""Rows fetched in one go."""

Row = Mapping[str, Any]


@dataclass(slots=True)
class Conversation:
    """Queries inside one read-only snapshot. Used by one thread; `stop` may come from another."""

    connection: Connection
    deadline: float
    limits: SourceLimits
    bytes_left: int
    rows_left: int
    stopped: threading.Event

    def rows(self, query: str, parameters: Mapping[str, str], at_once: int = AT_ONCE) -> Iterator[Row]:
        """The rows of a query as they stream in. Raises `AdapterError`."""
        streaming = self.connection.execution_options(stream_results=True, yield_per=at_once)
        result = streaming.execute(_statement(query, parameters), dict(parameters))
        try:
            for mapped in result.mappings():
                row: Row = {name: _plain(value) for name, value in mapped.items()}
                self._spend(row)
                yield row
        finally:
            result.close()

    def columns(self, query: str, parameter: str) -> list[str]:
        """The columns that a query gives; it is asked with a value that matches nobody."""
        result = self.connection.execute(_statement(query, [parameter]), {parameter: None})
        try:
            return list(result.keys())
        finally:
            result.close()

    def _spend(self, row: Row) -> None:
        if self.stopped.is_set() or time.monotonic() > self.deadline:
            raise AdapterDown("the source did not answer in time")
        self.rows_left -= 1
        self.bytes_left -= sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if self.rows_left < 0 or self.bytes_left < 0:
            raise AdapterGarbage("the source sends more data than the limit allows")


def _statement(query: str, names: Iterable[str]) -> TextClause:
    """A query whose parameters carry no type: the database takes that of the column."""
    return text(query).bindparams(*(bindparam(name, type_=NullType()) for name in names))


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


@dataclass(slots=True)
class _Call:
    """A running call: what is needed to stop it.

    The lock keeps the connection open while it is interrupted: SQLite may crash when it is closed meanwhile.
    """

    stopped: threading.Event = field(default_factory=threading.Event)
    _interrupt: Callable[[], None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def running(self, interrupt: Callable[[], None] | None) -> None:
        """From now on this is how the call is stopped; None when it is over."""
        with self._lock:
            self._interrupt = interrupt

    def stop(self) -> None:
        self.stopped.set()
        with self._lock, suppress(Exception):
            if self._interrupt is not None:
                self._interrupt()


class Database:
    """Threads and connections of one source: never more than its settings allow, whatever waits."""

    def __init__(self, url: str, connections: int, limits: SourceLimits, *, snapshot: bool = True) -> None:
        self._limits = limits
        self._dialect = dialect_of(url)
        self._engine = open_engine(url, self._dialect, connections, self._dialect.snapshot if snapshot else None)
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="sql-source")

    async def run(self, deadline: float, work: Callable[[Conversation], T]) -> T:
        """Do the work in a thread, in one snapshot. Raises `AdapterError`; never later than the deadline."""
        call = _Call()
        seconds = deadline - time.monotonic() - HEADROOM
        if seconds <= 0:
            raise AdapterDown("the source did not answer in time")
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, self._work, call, deadline - HEADROOM, work)
        future.add_done_callback(_seen)
        try:
            return await asyncio.wait_for(asyncio.shield(future), seconds)
        except TimeoutError as error:
            raise AdapterDown("the source did not answer in time", cause=error) from error
        finally:
            if not future.done():
                threading.Thread(target=call.stop, daemon=True).start()

    async def close(self) -> None:
        """Close all connections; calls that still run were stopped, or are cut off by their own deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._threads.shutdown, wait=True)
        await asyncio.to_thread(self._engine.dispose)

    def _work(self, call: _Call, deadline: float, work: Callable[[Conversation], T]) -> T:
        if call.stopped.is_set():
            raise AdapterDown("the source did not answer in time")
        with translated(self._dialect), self._engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            call.running(getattr(raw, self._dialect.stop, None) if self._dialect.stop else None)
            self._limit(connection, raw, max(1, int(1000 * (deadline - time.monotonic()))))
            limits = self._limits
            talk = Conversation(connection, deadline, limits, limits.total_bytes, limits.resources * 4, call.stopped)
            try:
                return work(talk)
            finally:
                call.running(None)
                if call.stopped.is_set():
                    connection.invalidate()
                else:
                    connection.rollback()

    def _limit(self, connection: Connection, raw: Any, left: int) -> None:
        """Let the database itself end what takes longer than is left, and let it only read."""
        seconds = -(-left // 1000)
        if self._dialect.milliseconds:
            setattr(raw, self._dialect.milliseconds, left)
        for statement in self._dialect.begin:
            connection.exec_driver_sql(statement.format(ms=left, seconds=seconds))


def open_engine(url: str, dialect: SqlDialect, connections: int, isolation: str | None) -> Engine:
    """A pool of connections that opens none yet. Raises `AdapterMisconfigured`."""
    if dialect.name == "sqlite":
        path = url.removeprefix("sqlite:///")

        def opened() -> sqlite3.Connection:
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1.0, check_same_thread=False)
            connection.execute("PRAGMA query_only = ON")
            return connection

        return create_engine(
            "sqlite://",
            creator=opened,
            poolclass=QueuePool,
            pool_size=connections,
            max_overflow=0,
            hide_parameters=True,
        )
    try:
        return create_engine(
            dialect.driver + "://" + url.partition("://")[2],
            hide_parameters=True,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=5,
            pool_pre_ping=True,
            isolation_level=isolation,
            connect_args=dict(dialect.connect),
        )
    except ModuleNotFoundError:
        words = f"the driver for {dialect.name} is not installed: pip install 'medmij-gateway[{dialect.extra}]'"
        raise AdapterMisconfigured(words) from None
    except (ArgumentError, ValueError):
        # Its text holds the address, and that a password.
        raise AdapterMisconfigured(f"the address of the source cannot be read; expected is {dialect.example}") from None


def unpadded(value: Any) -> Any:
    """A value without the spaces that a CHAR column puts behind it."""
    return value.rstrip() if isinstance(value, str) else value


@contextmanager
def translated(dialect: SqlDialect) -> Iterator[None]:
    """What the driver raises as an `AdapterError`; its text, which may hold data, goes no further than the cause."""
    try:
        yield
    except AdapterError:
        raise
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        if any(words in str(error.__cause__) for words in dialect.absent):
            raise AdapterGarbage("the source's tables are not as the mapping expects", cause=_kind(error)) from None
        raise AdapterDown("the source is not available", cause=_kind(error), retry_after=10) from None
    except ProgrammingError as error:
        raise AdapterGarbage("the source's tables are not as the mapping expects", cause=_kind(error)) from None
    except (DBAPIError, SQLAlchemyError) as error:
        raise AdapterGarbage("the source's data cannot be read", cause=_kind(error)) from None


def _kind(error: Exception) -> str:
    return f"{type(error).__name__} ({type(error.__cause__).__name__})"


def _seen(future: "asyncio.Future[Any]") -> None:
    """An error of a call that nobody waits for any more is not a surprise."""
    if not future.cancelled():
        future.exception()


def grouped(rows: Iterator[Row], column: str) -> dict[Any, Sequence[Row]]:
    """Child rows by the column that they share with their parent; a padded CHAR matches one that is not."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(unpadded(row[column]), []).append(dict(row))
    return dict(found)
