"""How long a serving process waits for its database: every wait has an end, also when the other side has gone silent.

A network that is gone closes nothing, so neither the server's own time limits nor the system's help: the client has to
stop waiting by itself. A connection that did not answer in time is closed, since nobody knows what became of it.
"""

import sqlite3
import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Engine, event

T = TypeVar("T")

CONNECT_SECONDS = 2
"""The shortest time that libpq knows for making a connection."""


def _bounded(gen: "PQGen[T]", pgconn: Any, seconds: float) -> "PQGen[T]":
    """The same exchange with the server, broken off when the server stays silent for longer."""
    end = time.monotonic() + seconds
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            # The driver looks in every tenth of a second when nothing comes.
            if ready:
                end = time.monotonic() + seconds
            elif time.monotonic() > end:
                pgconn.finish()
                raise psycopg.OperationalError("the database did not answer in time")
            wanted = gen.send(ready)
    except StopIteration as done:
        result: T = done.value
        return result


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection of which every exchange has an end."""

    answer_seconds = 2.0

    def wait(self, gen: "PQGen[T]", *args: Any, **kwargs: Any) -> T:
        """See psycopg. Raises OperationalError when the server stays silent."""
        return super().wait(_bounded(gen, self.pgconn, self.answer_seconds), *args, **kwargs)


class ImpatientAsyncConnection(psycopg.AsyncConnection[Any]):
    """The same beside the event loop."""

    answer_seconds = 2.0

    async def wait(self, gen: "PQGen[T]", *args: Any, **kwargs: Any) -> T:
        """See psycopg. Raises OperationalError when the server stays silent."""
        return await super().wait(_bounded(gen, self.pgconn, self.answer_seconds), *args, **kwargs)


def parameters(seconds: float) -> dict[str, Any]:
    """Connection parameters for libpq and the server that fit this patience."""
    milliseconds = round(seconds * 1000)
    return {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": milliseconds,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}",
    }


def impatient(engine: Engine, seconds: float) -> Engine:
    """The engine, with waits for a lock or an answer that are short enough for a client to be told."""
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute(f"PRAGMA busy_timeout={round(seconds * 1000)}")

    else:

        @event.listens_for(engine, "do_connect")
        def _on_do_connect(_dialect: Any, _record: Any, arguments: Any, given: dict[str, Any]) -> ImpatientConnection:
            made = ImpatientConnection.connect(*arguments, **{**given, **parameters(seconds)})
            made.answer_seconds = seconds
            return made

    return engine
