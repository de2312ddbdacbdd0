"""The time that decides how long tokens and codes live: that of the database, when the database is a server.

Several nodes have several clocks, and one that is slow would take codes and tokens for longer than they were given for.
So each asks the database for its time now and then, and counts on from there by a counter that nobody sets. An SQLite
file has no time of its own: the one process that uses it has the system's.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from auth.store.rows import utc_now

log = logging.getLogger("gateway.store")

EVERY_SECONDS, AGAIN_SECONDS = 30.0, 1.0
SUSPECT_SECONDS = 5.0
"""A difference that somebody should look at."""


def _elapsed() -> float:
    """Seconds since the machine started, with the time that it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class StoreClock:
    """Gives the time (UTC) of the store. ``system`` is used on SQLite, and until the server has answered once."""

    def __init__(self, engine: Engine, system: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine if engine.dialect.name == "postgresql" else None
        self._system = system
        self._base: tuple[datetime, float] | None = None
        self._warned = False

    def __call__(self) -> datetime:
        """Now. Never earlier than the server's own time, as far as one question can tell."""
        if self._base is None:
            return self._system()
        moment, at = self._base
        return moment + timedelta(seconds=_elapsed() - at)

    def ask(self) -> None:
        """Ask the server. Raises SQLAlchemyError when it does not answer."""
        if self._engine is None:
            return
        # What the way back takes is counted as passed already: a token is never good for longer.
        asked = _elapsed()
        with self._engine.connect() as connection:
            moment: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
        self._base = (moment.astimezone(UTC), asked)
        apart = abs((self._system() - self()).total_seconds())
        if apart > SUSPECT_SECONDS and not self._warned:
            log.warning("the clock of this machine and that of the database are %.0f seconds apart", apart)
        self._warned = apart > SUSPECT_SECONDS

    async def run(self) -> None:
        """Ask every now and then, until cancelled; at once when it was not asked yet."""
        if self._base is not None:
            await asyncio.sleep(EVERY_SECONDS)
        while self._engine is not None:
            try:
                await asyncio.to_thread(self.ask)
                await asyncio.sleep(EVERY_SECONDS)
            except SQLAlchemyError:
                await asyncio.sleep(AGAIN_SECONDS)
