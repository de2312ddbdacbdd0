"""Running the unit of work beside the event loop, and making its audit records durable."""

import asyncio
import time
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
        self._silent = float("-inf")

    async def run(self, work: Callable[[], T]) -> T:
        """The result of ``work``. Raises StoreUnavailable, and what it raises."""
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.get_running_loop().run_in_executor(self._pool, self._begun, work, time.monotonic())
        except (OperationalError, InterfaceError, PoolTimeout) as fault:
            self._silent = time.monotonic()
            raise StoreUnavailable from fault
        except TimeoutError as fault:
            raise StoreUnavailable from fault

    def _begun(self, work: Callable[[], T], asked: float) -> T:
        """Do the work, unless the store fell silent while it stood in line: those behind must not each wait anew."""
        if self._silent > asked:
            raise TimeoutError
        return work()

    async def close(self) -> None:
        """Let what runs end."""
        await asyncio.to_thread(self._pool.shutdown)


async def note(trail: Trail, records: Iterable[AuditRecord]) -> None:
    """Make the audit records durable. Raises AuditUnavailable."""
    await asyncio.gather(*(trail.write(record) for record in records))
