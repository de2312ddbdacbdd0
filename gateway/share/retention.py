"""How long what citizens sent is kept: told, expired, emptied. What happened stays; the content goes (DL-92)."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, exists, select

from gateway.rounds import rounds
from gateway.share.deeds import Deeds, empty
from gateway.share.keep import GATEWAY, Keys
from gateway.share.offers import Offers
from gateway.share.settings import ShareSettings
from gateway.share.states import OPEN, State
from gateway.store.shared import share_deed, shared_item, submission

log = logging.getLogger("gateway.share")

ROUND = 3600.0
"""Seconds between two rounds."""
NOTICE = "notice"
"""The deed that tells the department that something waits too long."""


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """One round, inside the caller's transaction."""

    connection: Connection
    settings: ShareSettings
    now: datetime

    def run(self) -> dict[str, int]:
        """Tell, expire and empty what is due; how many of each."""
        return {
            "told": self._tell(),
            "expired": self._expire(),
            "emptied": self._emptied(State.DECLINED, self.settings.declined_days)
            + self._emptied(State.FILED, self.settings.filed_days),
        }

    def _tell(self) -> int:
        told = exists().where(share_deed.c.submission_pk == submission.c.pk, share_deed.c.deed == NOTICE)
        rows = self._waiting(self.settings.notice_days, ~told)
        for submission_id in {row.id for row in rows}:
            deeds = Deeds(self.connection, GATEWAY, self.now)
            deeds.note(submission_id, NOTICE, "")
        return len({row.id for row in rows})

    def _expire(self) -> int:
        rows = self._waiting(self.settings.undecided_days)
        for submission_id in {row.id for row in rows}:
            Deeds(self.connection, GATEWAY, self.now).expire(submission_id)
        empty(self.connection, [row.pk for row in rows], [row.submission_pk for row in rows])
        return len(rows)

    def _waiting(self, days: int, *more: ColumnElement[bool]) -> Sequence[Row[Any, Any, Any]]:
        wanted = select(shared_item.c.pk, shared_item.c.submission_pk, submission.c.id).join(
            submission, shared_item.c.submission_pk == submission.c.pk
        )
        waits = (shared_item.c.state.in_([one.value for one in OPEN]), submission.c.received <= self._before(days))
        return self.connection.execute(wanted.where(*waits, *more)).all()

    def _emptied(self, state: State, days: int) -> int:
        rows = self.connection.execute(
            select(shared_item.c.pk, shared_item.c.submission_pk).where(
                shared_item.c.state == state.value,
                shared_item.c.decided <= self._before(days),
                shared_item.c.json != b"",
            )
        ).all()
        empty(self.connection, [row.pk for row in rows], [row.submission_pk for row in rows])
        return len(rows)

    def _before(self, days: int) -> datetime:
        return self.now - timedelta(days=days)


async def housekeeping(engine: Engine, settings: ShareSettings, keys: Keys, providers: Sequence[str]) -> None:
    """Do a round every hour until cancelled, whatever happens."""

    async def work() -> None:
        done = await asyncio.to_thread(one_round, engine, settings, datetime.now(UTC))
        done["ended"] = await asyncio.to_thread(end_offers, engine, keys, providers, datetime.now(UTC))
        if any(done.values()):
            log.info("share: %s", ", ".join(f"{name} {count}" for name, count in done.items()))

    await rounds("share housekeeping", work, ROUND)


def one_round(engine: Engine, settings: ShareSettings, now: datetime) -> dict[str, int]:
    """One round in a transaction of its own; how many of each. Raises SQLAlchemyError."""
    with engine.begin() as connection:
        return Housekeeping(connection, settings, now).run()


def end_offers(engine: Engine, keys: Keys, providers: Sequence[str], now: datetime) -> int:
    """End the questionnaires that were not answered in time; how many. Raises SQLAlchemyError."""
    ended = 0
    for provider in providers:
        with engine.begin() as connection:
            ended += Offers(connection, keys, provider).expire(now)
    return ended
