"""Writing the audit trail by group commit (`gateway.audit.verify` checks it afterwards).

Each process run writes one chain: the mac of a record is an HMAC over the previous mac and the record, with a key
outside the database (`gateway.audit.chain`). Records of concurrent requests share a transaction; every request waits
for the commit that holds its record.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import Engine

from gateway.audit.append import Appending, NotAppended
from gateway.audit.chain import new_chain
from gateway.audit.heads import Head
from gateway.audit.record import AuditRecord

GROUP = 256
"""Most records in one transaction."""


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


class Trail:
    """The audit trail of this process. ``write`` returns when the record is durable."""

    def __init__(self, engine: Engine, key: bytes, timeout: float = 5.0, stating: Stating | None = None) -> None:
        self._append = Appending(engine)
        self._timeout = timeout
        self._chain = new_chain(key)
        self.stating = stating
        self._sequence = 0
        self._mac = self._chain.start
        self._queue: asyncio.Queue[tuple[AuditRecord, asyncio.Future[None], float]] = asyncio.Queue(maxsize=10_000)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._task: asyncio.Task[None] | None = None
        self._stater: asyncio.Task[None] | None = None
        self._head: Head | None = None
        self._oldest: float | None = None

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
        return self._queue.qsize() + (self._oldest is not None)

    @property
    def lag(self) -> float:
        """Seconds that the oldest record which is being written has waited; 0 when there is none."""
        oldest = self._oldest
        return 0.0 if oldest is None else time.monotonic() - oldest

    async def write(self, record: AuditRecord) -> None:
        """Make a record durable. Raises AuditUnavailable when that fails or takes too long."""
        if self._task is None or self._task.done():
            self._start()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((record, done, time.monotonic()))
            async with asyncio.timeout(self._timeout):
                await done
        except (TimeoutError, asyncio.QueueFull) as fault:
            raise AuditUnavailable from fault

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
        if self.stating is not None:
            self.stating.state(self._head)

    async def close(self) -> None:
        """Write what is waiting, state how far the chain came, and stop."""
        if self._task is not None:
            await self._queue.join()
            self._task.cancel()
        if self._stater is not None:
            self._stater.cancel()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._append.close)
        await loop.run_in_executor(None, self._thread.shutdown)
        if self.stating is not None:
            await asyncio.to_thread(self.stating.state, self._head)

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run(), name="audit")
        if self.stating is not None and self._stater is None:
            self._stater = loop.create_task(self.stating.run(self.head), name="audit heads")

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            group = [await self._queue.get()]
            while len(group) < GROUP and not self._queue.empty():
                group.append(self._queue.get_nowait())
            fault: BaseException | None = None
            try:
                self._oldest = group[0][2]
                await loop.run_in_executor(self._thread, self._commit, [record for record, *_ in group])
            except NotAppended as failure:
                fault = AuditUnavailable()
                fault.__cause__ = failure
            self._oldest = None
            for _, done, _ in group:
                self._queue.task_done()
                if not done.done():
                    done.set_exception(fault) if fault else done.set_result(None)

    def _commit(self, records: Sequence[AuditRecord]) -> None:
        rows, sequence, mac = [], self._sequence, self._mac
        for record in records:
            body = record.canonical()
            sequence += 1
            mac = self._chain.link(mac, sequence, body)
            rows.append((self.chain, sequence, record.moment, record.person, record.provider, body, mac))
        self._append(rows)
        # Only now: a group that failed leaves the chain where it was.
        self._sequence, self._mac = sequence, mac
        self._head = Head(self.chain, sequence, mac, datetime.now(UTC))
