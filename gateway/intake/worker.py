"""Running the unit of work beside the event loop, and making its audit records durable."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.audit.record import AuditRecord
from gateway.audit.trail import Trail
from gateway.store.reader import StoreUnavailable

T = TypeVar("T")

WORK_SECONDS = 60.0


class Worker:
    """Runs what touches the store in threads, bounded in time; a store that does not answer is StoreUnavailable."""

    def __init__(self, threads: int, seconds: float = WORK_SECONDS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="intake")
        self._seconds = seconds

    async def run(self, work: Callable[[], T]) -> T:
        """The result of ``work``. Raises StoreUnavailable, and what it raises."""
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except (OperationalError, InterfaceError, PoolTimeout, TimeoutError) as fault:
            raise StoreUnavailable from fault

    async def close(self) -> None:
        """Let what runs end."""
        await asyncio.to_thread(self._pool.shutdown)


async def note(trail: Trail, records: Iterable[AuditRecord]) -> None:
    """Make the audit records durable. Raises AuditUnavailable."""
    await asyncio.gather(*(trail.write(record) for record in records))
