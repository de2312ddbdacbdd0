"""Writing the audit trail by group commit (`gateway.audit.verify` checks it afterwards).

Each process run writes one chain: the mac of a record is an HMAC over the previous mac and the record, with a key
outside the database (`gateway.audit.chain`). Records of concurrent requests share a transaction; every request waits
for the commit that holds its record.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from sqlalchemy import Engine

from gateway.audit.append import Appending, NotAppended, UsageRow
from gateway.audit.chain import new_chain
from gateway.audit.heads import Head
from gateway.audit.record import AuditRecord

GROUP = 256
"""Most records in one transaction."""

QUEUE = 10_000
"""Most records that wait."""

TOGETHER = 0.005
"""Seconds that a group waits at most for as many records as the last one had; never longer than a commit takes.

A commit costs some hundreds of microseconds of processor time, for one record as for ten. Without waiting, the first
answer to leave of a group of six would bring a commit of its own.
"""

STOOD_STILL = 0.5
"""Seconds that a timer may be late; a process that wakes later was suspended, or starved of its processor."""


class AuditUnavailable(Exception):
    """A record could not be made durable in time: the answer must not be given (503)."""


class Stating(Protocol):
    """States outside the database how far the chain is (`gateway.audit.signing`)."""

    def state(self, head: Head | None) -> None:
        """State it now. Never raises."""
        ...

    async def run(self, head: Callable[[], Head | None]) -> None:
        """State it again and again, until cancelled."""
        ...


class Beside(Protocol):
    """Makes the event of use that is written beside a record (`gateway.usage.ledger.BesideTrail`)."""

    def row(self, record: AuditRecord, label: str, took: int, chain: str, sequence: int) -> UsageRow | None:
        """The row, or None when the request is not counted. ``took`` is in milliseconds."""
        ...


class UseOf(NamedTuple):
    """Under what a request is counted, and how many milliseconds it took until its record was written."""

    label: str
    took: int = 0


_UNCOUNTED = UseOf("")
_Waiting = tuple[AuditRecord, UseOf, "asyncio.Future[None]", float]


class Trail:
    """The audit trail of this process. ``write`` returns when the record is durable."""

    def __init__(
        self,
        engine: Engine,
        key: bytes,
        timeout: float = 5.0,
        stating: Stating | None = None,
        beside: Beside | None = None,
    ) -> None:
        self._beside = beside
        self._append = Appending(engine)
        self._timeout = timeout
        self._chain = new_chain(key)
        self.stating = stating
        self._sequence = 0
        self._mac = self._chain.start
        self._waiting: list[_Waiting] = []
        self._leaving: list[_Waiting] = []
        self._last = 1
        self._took = 0.0
        self._whole = asyncio.Event()
        self._watch: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._task: asyncio.Task[None] | None = None
        self._stater: asyncio.Task[None] | None = None
        self._head: Head | None = None

    @property
    def chain(self) -> str:
        """The name of this run's chain."""
        return self._chain.name

    def head(self) -> Head | None:
        """How far the chain is in the database; None before the first record. From any thread."""
        return self._head

    @property
    def waiting(self) -> int:
        """Records that are not durable yet."""
        return len(self._waiting) + len(self._leaving)

    @property
    def lag(self) -> float:
        """Seconds that the oldest record which is not durable yet has waited; 0 when there is none."""
        ends = [end for *_, end in (*self._leaving[:1], *self._waiting[:1])]
        return max(0.0, time.monotonic() - (min(ends) - self._timeout)) if ends else 0.0

    async def write(self, record: AuditRecord, use: UseOf = _UNCOUNTED) -> None:
        """Make a record durable, and with it that the request was a use.

        Raises AuditUnavailable when that fails or takes too long.
        """
        if len(self._waiting) >= QUEUE:
            raise AuditUnavailable
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((record, use, done, loop.time() + self._timeout))
        if len(self._waiting) >= self._last:
            self._whole.set()
        if self._watch is None:
            self._look(loop, self._timeout)
        if self._task is None or self._task.done():
            self._start(loop)
        await done

    def write_now(self, records: Sequence[AuditRecord]) -> None:
        """Make records durable at once: for commands, which have no requests beside each other.

        Raises AuditUnavailable.
        """
        try:
            for start in range(0, len(records), GROUP):
                self._commit([(record, _UNCOUNTED) for record in records[start : start + GROUP]])
        except NotAppended as fault:
            raise AuditUnavailable from fault

    def stop(self) -> None:
        """Give back the connection, after `write_now`."""
        self._append.close()
        self._thread.shutdown()
        if self.stating is not None:
            self.stating.state(self._head)

    async def close(self) -> None:
        """Write what is waiting, state how far the chain came, and stop."""
        if self._task is not None:
            await self._task
        for waiting in (self._watch, self._stater):
            if waiting is not None:
                waiting.cancel()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._append.close)
        await loop.run_in_executor(None, self._thread.shutdown)
        if self.stating is not None:
            await asyncio.to_thread(self.stating.state, self._head)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._run(), name="audit")
        if self.stating is not None and self._stater is None:
            self._stater = loop.create_task(self.stating.run(self.head), name="audit heads")

    async def _run(self) -> None:
        """Write what waits, group by group, until nothing does."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            await self._gather(loop)
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            self._leaving, self._last = group, len(group)
            started = loop.time()
            fault: BaseException | None = None
            try:
                await loop.run_in_executor(self._thread, self._commit, [(one, use) for one, use, _, _ in group])
            except NotAppended as failure:
                fault = AuditUnavailable()
                fault.__cause__ = failure
            self._leaving, self._took = [], loop.time() - started
            for _, _, done, _ in group:
                if not done.done():
                    done.set_exception(fault) if fault else done.set_result(None)

    async def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        if len(self._waiting) >= self._last:
            return
        self._whole.clear()
        enough = loop.call_later(min(TOGETHER, self._took), self._whole.set)
        await self._whole.wait()
        enough.cancel()

    def _look(self, loop: asyncio.AbstractEventLoop, after: float) -> None:
        self._due = loop.time() + after
        self._watch = loop.call_later(after, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up on records that wait too long; one timer for all of them."""
        now, left = loop.time(), [*self._leaving, *self._waiting]
        if now - self._due > STOOD_STILL:
            # This process itself was away: that says nothing of the database, which gets a moment to answer.
            self._look(loop, STOOD_STILL)
            return
        for _, _, done, end in left:
            if end <= now and not done.done():
                done.set_exception(AuditUnavailable("the database did not take the record in time"))
        ends = [end for _, _, done, end in left if not done.done()]
        self._watch = None
        if ends:
            self._look(loop, max(0.01, min(ends) - now))

    def _commit(self, records: Sequence[tuple[AuditRecord, UseOf]]) -> None:
        rows, used, sequence, mac = [], [], self._sequence, self._mac
        for record, use in records:
            sequence += 1
            beside = self._beside and use.label and self._beside.row(record, *use, self.chain, sequence)
            if beside:
                used.append(beside)
            body = (replace(record, counted=True) if beside else record).canonical()
            mac = self._chain.link(mac, sequence, body)
            rows.append((self.chain, sequence, record.moment, record.person, record.provider, body, mac))
        self._append(rows, used)
        # Only now: a group that failed leaves the chain where it was.
        self._sequence, self._mac = sequence, mac
        self._head = Head(self.chain, sequence, mac, datetime.now(UTC))
