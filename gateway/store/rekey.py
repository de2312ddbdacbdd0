"""Keeping search keys that had to be made while reading: for rows from before the keys, or before other tables."""

import asyncio
import logging

from sqlalchemy import Engine, bindparam, update
from sqlalchemy.exc import SQLAlchemyError

from gateway.store.schema import resource
from profiles.fhir.search.keys import KeptKeys

log = logging.getLogger("gateway.store")

MOST = 10_000
"""Keys that wait at most; more are made again when they are read again."""

_KEEP = (
    update(resource)
    .where(resource.c.pk == bindparam("which"), resource.c.digest == bindparam("what"))
    .values(search=bindparam("search"), marks=bindparam("marks"))
)


class Rekeying:
    """Takes keys from readers and writes them in the background, a batch at a time. A loss costs nothing but time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: dict[int, tuple[bytes, KeptKeys]] = {}
        self._task: asyncio.Task[None] | None = None

    def __call__(self, number: int, digest: bytes, kept: KeptKeys) -> None:
        """Keep the keys of a row, unless it changes first."""
        if len(self._waiting) >= MOST:
            return
        self._waiting[number] = (digest, kept)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="search keys")

    async def close(self) -> None:
        """Write what waits."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting, {}
            rows = [{"which": number, "what": what, **kept._asdict()} for number, (what, kept) in sorted(some.items())]
            try:
                await asyncio.to_thread(self._write, rows)
            except SQLAlchemyError:
                log.warning("search keys were made while reading and could not be kept")

    def _write(self, rows: list[dict[str, object]]) -> None:
        with self._engine.begin() as connection:
            connection.execute(_KEEP, rows)
