"""Writing the audit trail by group commit, and checking it afterwards.

Each process run writes one chain: the mac of a record is an HMAC over the previous mac and the record, with a key
outside the database. Records of concurrent requests share a transaction; every request waits for the commit that holds
its record.
"""

import asyncio
import hashlib
import hmac
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, select

from gateway.audit.append import Appending, NotAppended
from gateway.audit.record import AuditRecord
from gateway.store.schema import audit_record

GROUP = 256
"""Most records in one transaction."""

QUEUE = 10_000
"""Most records that wait."""

TOGETHER = 0.005
"""Seconds that a group waits at most for as many records as the last one had; never longer than a commit takes.

A commit costs some hundreds of microseconds of processor time, for one record as for ten. Without waiting, the first
answer to leave of a group of six would bring a commit of its own.
"""


class AuditUnavailable(Exception):
    """A record could not be made durable in time: the answer must not be given (503)."""


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """A break in a chain: where, and what is wrong."""

    chain: str
    sequence: int
    text: str


class Trail:
    """The audit trail of this process. ``write`` returns when the record is durable."""

    def __init__(self, engine: Engine, key: bytes, timeout: float = 5.0) -> None:
        self._append = Appending(engine)
        self._key = key
        self._timeout = timeout
        self.chain = str(uuid.uuid4())
        self._sequence = 0
        self._mac = hashlib.sha256(self.chain.encode()).digest()
        self._waiting: list[tuple[AuditRecord, asyncio.Future[None], float]] = []
        self._leaving: list[tuple[AuditRecord, asyncio.Future[None], float]] = []
        self._last = 1
        self._took = 0.0
        self._whole = asyncio.Event()
        self._watch: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._task: asyncio.Task[None] | None = None

    async def write(self, record: AuditRecord) -> None:
        """Make a record durable. Raises AuditUnavailable when that fails or takes too long."""
        if len(self._waiting) >= QUEUE:
            raise AuditUnavailable
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((record, done, loop.time() + self._timeout))
        if len(self._waiting) >= self._last:
            self._whole.set()
        if self._watch is None:
            self._watch = loop.call_later(self._timeout, self._expire, loop)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run(), name="audit")
        await done

    def write_now(self, records: Sequence[AuditRecord]) -> None:
        """Make records durable at once: for commands, which have no requests beside each other.

        Raises AuditUnavailable.
        """
        try:
            for start in range(0, len(records), GROUP):
                self._commit(records[start : start + GROUP])
        except NotAppended as fault:
            raise AuditUnavailable from fault

    def stop(self) -> None:
        """Give back the connection, after `write_now`."""
        self._append.close()
        self._thread.shutdown()

    async def close(self) -> None:
        """Write what is waiting and stop."""
        if self._task is not None:
            await self._task
        if self._watch is not None:
            self._watch.cancel()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._append.close)
        await loop.run_in_executor(None, self._thread.shutdown)

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
                await loop.run_in_executor(self._thread, self._commit, [record for record, _, _ in group])
            except NotAppended as failure:
                fault = AuditUnavailable()
                fault.__cause__ = failure
            self._leaving, self._took = [], loop.time() - started
            for _, done, _ in group:
                if not done.done():
                    done.set_exception(fault) if fault else done.set_result(None)

    async def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        if len(self._waiting) >= self._last:
            return
        self._whole.clear()
        enough = loop.call_later(min(TOGETHER, self._took), self._whole.set)
        await self._whole.wait()
        enough.cancel()

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up on records that wait too long; one timer for all of them."""
        now, left = loop.time(), [*self._leaving, *self._waiting]
        for _, done, end in left:
            if end <= now and not done.done():
                done.set_exception(AuditUnavailable("the database did not take the record in time"))
        ends = [end for _, done, end in left if not done.done()]
        self._watch = loop.call_later(max(0.01, min(ends) - now), self._expire, loop) if ends else None

    def _commit(self, records: Sequence[AuditRecord]) -> None:
        rows, sequence, mac = [], self._sequence, self._mac
        for record in records:
            body = record.canonical()
            sequence, mac = sequence + 1, link(self._key, mac, body)
            rows.append((self.chain, sequence, record.at, record.person, record.provider, body, mac))
        self._append(rows)
        # Only now: a group that failed leaves the chain where it was.
        self._sequence, self._mac = sequence, mac


def link(key: bytes, previous: bytes, record: bytes) -> bytes:
    """The mac of a record in its chain."""
    return hmac.digest(key, previous + record, "sha256")


def verify(connection: Connection, key: bytes) -> Iterator[ChainBreak]:
    """Walk every chain and yield what does not fit: a record changed, added, or missing before another."""
    chain, sequence, mac = "", 0, b""
    rows = connection.execution_options(yield_per=1000).execute(
        select(audit_record).order_by(audit_record.c.chain, audit_record.c.sequence)
    )
    for row in rows:
        if row.chain != chain:
            chain, sequence, mac = row.chain, 0, hashlib.sha256(row.chain.encode()).digest()
        if row.sequence != sequence + 1:
            yield ChainBreak(chain, row.sequence, f"records {sequence + 1} to {row.sequence - 1} are missing")
        elif not hmac.compare_digest(link(key, mac, row.record), row.mac):
            yield ChainBreak(chain, row.sequence, "the record or its mac was changed")
        sequence, mac = row.sequence, row.mac
