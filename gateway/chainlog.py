"""Delivery of chain log events to the central component of MedMij (LOG-05, LOG-08): queued on disk, sent in batches.

An event never waits for anybody: it goes into memory, from there into a table within a second, and from the table to
the component. What was delivered is removed; what cannot be delivered stays until it can, or until its retention is
over.
"""

import asyncio
import logging
import queue
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import Engine, delete, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from gateway.sections import ChainLogSettings
from gateway.store.engine import reading
from gateway.store.schema import chain_event

log = logging.getLogger("gateway.chainlog")

MEMORY = 100_000
"""Most events that wait for the table; more than that are dropped and counted, when the database is away."""
ROWS = 5_000
CLAIM = timedelta(minutes=5)
"""How long a batch belongs to the process that is sending it; after that another may try."""


class ChainLog:
    """The queue of one process. ``put`` may be called from any thread; ``run`` is a task of the application."""

    def __init__(self, engine: Engine, settings: ChainLogSettings, client: Callable[[], httpx.AsyncClient]) -> None:
        self._engine = engine
        self._settings = settings
        self._client = client
        self._waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.dropped = 0

    @property
    def enabled(self) -> bool:
        """Whether events are to be delivered."""
        return bool(self._settings.url)

    @property
    def waiting(self) -> int:
        """Events in memory that are not in the table yet."""
        return self._waiting.qsize()

    def put(self, event: bytes) -> None:
        """Take an event: one JSON object. Never blocks and never raises."""
        if not self.enabled:
            return
        if self._waiting.qsize() >= MEMORY:
            self.dropped += 1
        else:
            self._waiting.put(event)

    async def run(self) -> None:
        """Keep and deliver until cancelled. A failing round is logged, and tried again."""
        next_delivery = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                await asyncio.to_thread(self.keep)
                if loop.time() >= next_delivery:
                    next_delivery = loop.time() + self._settings.seconds
                    await self.deliver()
            except (SQLAlchemyError, httpx.HTTPError) as fault:
                log.warning("chain log: not delivered: %s", type(fault).__name__)
            await asyncio.sleep(min(1.0, self._settings.seconds))

    def keep(self) -> int:
        """Write what waits in memory into the table; how many. Raises SQLAlchemyError, and loses nothing then."""
        batch: list[bytes] = []
        while not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        if not batch:
            return 0
        now = datetime.now(UTC)
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(chain_event), [{"at": now, "body": one} for one in batch])
        except SQLAlchemyError:
            for one in batch:
                self._waiting.put(one)
            raise
        return len(batch)

    async def deliver(self) -> int:
        """Send what is in the table, batch by batch; how many events. Raises httpx.HTTPError and SQLAlchemyError."""
        count = 0
        async with self._client() as client:
            while batch := await asyncio.to_thread(self._claim):
                body = b"[" + b",".join(event for _, event in batch) + b"]"
                headers = {"content-type": "application/json"}
                answer = await client.post(self._settings.url, content=body, headers=headers)
                answer.raise_for_status()
                await asyncio.to_thread(self._delivered, [pk for pk, _ in batch])
                count += len(batch)
        return count

    def close(self) -> None:
        """Write what waits in memory, so that the next start delivers it."""
        try:
            self.keep()
        except SQLAlchemyError:
            log.exception("chain log: events were lost at stop")

    def _claim(self) -> Sequence[tuple[int, bytes]]:
        now = datetime.now(UTC)
        free = or_(chain_event.c.claimed.is_(None), chain_event.c.claimed < now - CLAIM)
        with reading(self._engine).connect() as connection:
            rows = connection.execute(
                select(chain_event.c.pk, chain_event.c.body).where(free).order_by(chain_event.c.pk).limit(ROWS)
            ).all()
        size, chosen = 2, []
        for pk, body in rows:
            size += len(body) + 1
            if size > self._settings.batch_bytes:
                break
            chosen.append(pk)
        if not chosen:
            return []
        with self._engine.begin() as connection:
            connection.execute(
                delete(chain_event).where(chain_event.c.at < now - timedelta(self._settings.retention_days))
            )
            claimed = connection.execute(
                update(chain_event)
                .where(chain_event.c.pk.in_(chosen), free)
                .values(claimed=now)
                .returning(chain_event.c.pk, chain_event.c.body)
            ).all()
        return sorted((int(pk), bytes(body)) for pk, body in claimed)

    def _delivered(self, keys: Sequence[int]) -> None:
        with self._engine.begin() as connection:
            connection.execute(delete(chain_event).where(chain_event.c.pk.in_(keys)))
