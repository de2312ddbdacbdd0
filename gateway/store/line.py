"""One connection to PostgreSQL for reads, driven through libpq itself: many selects are on their way at once.

A cursor of psycopg costs the process more than a select costs the database: locks, generators, a watch on the socket
that is set and taken away again. Here the socket is watched once, what several requests ask in one turn of the loop
leaves in one packet (libpq's pipeline mode), and the answers come back in that order. Values and rows go through
psycopg's own adapters.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from operator import itemgetter
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

Row = tuple[Any, ...]
Statement = tuple[bytes, tuple[int, ...] | None]
"""A text, and the types of its parameters: what a statement is prepared for."""

_NAMED = re.compile(r"%\((\w+)\)s|%%")


@lru_cache(maxsize=512)
def _numbered(text: str) -> tuple[bytes, Callable[[Mapping[str, Any]], Sequence[Any]]]:
    """A text with named parameters as libpq wants it, and what takes their values in that order."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "%"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    numbered = _NAMED.sub(number, text).encode()
    if len(names) < 2:
        return numbered, lambda values: [values[name] for name in names]
    return numbered, itemgetter(*names)


@dataclass(slots=True)
class _Asked:
    """A select that was sent: who waits for it, until when, and what came back so far."""

    answer: "asyncio.Future[list[Row]]"
    statement: Statement
    until: float
    results: list[PGresult] = field(default_factory=list)


class Line:
    """An open connection. It is `broken` once anything went wrong with it as such, and is of no use then."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Take over an autocommitting connection that does nothing at the moment. Of the running loop."""
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._pgconn = connection.pgconn
        self._socket = self._pgconn.socket
        self._adapt = Transformer(connection)
        self._prepared: dict[Statement, bytes] = {}
        self._names = count()
        self._asked: deque[_Asked] = deque()
        self._flushing = False
        self._watch: asyncio.TimerHandle | None = None
        self.broken = False
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._readable)

    @property
    def waiting(self) -> int:
        """How many selects are on their way."""
        return len(self._asked)

    def ask(self, text: str, values: Mapping[str, Any], seconds: float) -> "asyncio.Future[list[Row]]":
        """The rows of a select, as a future. It fails with psycopg.Error, also when there is no answer in time."""
        numbered, ordered = _numbered(text)
        given = ordered(values)
        dumped = self._adapt.dump_sequence(given, [PyFormat.AUTO] * len(given))
        statement, formats = (numbered, self._adapt.types), self._adapt.formats
        name = self._prepared.get(statement)
        if name is None:
            name = self._prepared[statement] = b"read%d" % next(self._names)
            self._pgconn.send_prepare(name, *statement)
        self._pgconn.send_query_prepared(name, dumped, formats, result_format=1)
        self._pgconn.pipeline_sync()
        asked = _Asked(self._loop.create_future(), statement, self._loop.time() + seconds)
        self._asked.append(asked)
        if not self._flushing:
            # Once per turn of the loop: what others ask in the same turn goes along.
            self._flushing = True
            self._loop.call_soon(self._flush)
        if self._watch is None:
            self._watch = self._loop.call_later(seconds, self._look)
        return asked.answer

    def close(self) -> None:
        """Hang up. Who still waits gets an error."""
        self._break(psycopg.OperationalError("the connection was closed"))

    def _flush(self) -> None:
        self._flushing = False
        if self.broken:
            return
        try:
            if self._pgconn.flush():
                self._loop.add_writer(self._socket, self._writable)
        except psycopg.Error as fault:
            self._break(fault)

    def _writable(self) -> None:
        self._loop.remove_writer(self._socket)
        self._flush()

    def _readable(self) -> None:
        pgconn, fresh = self._pgconn, False
        try:
            pgconn.consume_input()
            while not pgconn.is_busy():
                result = pgconn.get_result()
                if result is None:
                    # One ends each statement; two in a row: there is no more.
                    if not fresh:
                        break
                    fresh = False
                elif result.status == ExecStatus.PIPELINE_SYNC:
                    fresh = False
                    self._answer(self._asked.popleft())
                else:
                    fresh = True
                    self._asked[0].results.append(result)
        except (psycopg.Error, IndexError) as fault:
            self._break(fault if isinstance(fault, psycopg.Error) else psycopg.OperationalError("unasked results"))

    def _answer(self, asked: _Asked) -> None:
        try:
            rows = self._rows(asked.results)
        except psycopg.Error as fault:
            # Whether it was prepared, and as what, is not sure any more. Others have a transaction of their own.
            self._prepared.pop(asked.statement, None)
            if asked.answer.done():
                return
            asked.answer.set_exception(fault)
            return
        if not asked.answer.done():
            asked.answer.set_result(rows)

    def _rows(self, results: Sequence[PGresult]) -> list[Row]:
        for result in results:
            if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
                raise psycopg.errors.error_from_result(result)
        self._adapt.set_pgresult(results[-1])
        return self._adapt.load_rows(0, results[-1].ntuples, tuple)

    def _look(self) -> None:
        """Give up on a server that stays silent; one timer for all who wait."""
        self._watch = None
        ends = [asked.until for asked in self._asked]
        if not ends or self.broken:
            return
        now = self._loop.time()
        if min(ends) <= now:
            self._break(psycopg.OperationalError("the database did not answer in time"))
        else:
            self._watch = self._loop.call_later(min(ends) - now, self._look)

    def _break(self, fault: psycopg.Error) -> None:
        if not self.broken:
            self.broken = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._pgconn.finish()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._asked:
            answer = self._asked.popleft().answer
            if not answer.done():
                answer.set_exception(fault)
