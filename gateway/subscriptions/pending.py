"""The notifications that wait, in the store: which are due, who sends them, and what became of each.

In fair order: the first few of each client. What a client does not take is put off, so that it stands before nobody.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, or_, select, update

from gateway.calendar import Today, utc
from gateway.store.engine import reading
from gateway.store.shared import notice, subscription
from gateway.subscriptions.register import EndedBy, Register

log = logging.getLogger("gateway.subscriptions")

PAUSES = (1, 5, 15, 30, 60)
"""Minutes before the next attempt; the last is repeated."""
GIVES_UP = timedelta(hours=24)
CLAIM = timedelta(minutes=5)
LONGEST = timedelta(hours=1)
"""How long a notification is put off at most."""
MOST, EACH = 500, 20
"""Notifications in one round: of all clients, and of one."""
UNKNOWN = frozenset({400, 404})
"""Answers of a PGO that is there, and does not know the subscription."""
STRIKES = 3
"""Refusals of a subscription on so many days end it."""


@dataclass(frozen=True, slots=True)
class PendingNotices:
    """Calls on the store, each a transaction of its own. All raise SQLAlchemyError."""

    engine: Engine
    today: Today

    def due(self, now: datetime) -> Mapping[str, list[Row[Any]]]:
        """What is due, by client: the first few of each, so that who has many does not stand before who has one."""
        free = or_(notice.c.claimed.is_(None), notice.c.claimed < now - CLAIM)
        about = subscription.c
        turn = func.row_number().over(partition_by=about.client, order_by=(notice.c.due, notice.c.pk)).label("turn")
        columns = (about.client, about.service, about.provider, about.refusals, about.refused_on)
        ranked = (
            select(notice, *columns, about.status.label("standing"), about.end_date.label("ends"), turn)
            .join(subscription, notice.c.subscription_id == about.id)
            .where(notice.c.state == "waiting", notice.c.due <= now, free)
            .subquery()
        )
        wanted = select(ranked).where(ranked.c.turn <= EACH).order_by(ranked.c.turn, ranked.c.due).limit(MOST)
        by_client: dict[str, list[Row[Any]]] = {}
        with reading(self.engine).connect() as connection:
            for row in connection.execute(wanted):
                by_client.setdefault(row.client, []).append(row)
        return by_client

    def claim(self, pk: int, now: datetime) -> bool:
        free = or_(notice.c.claimed.is_(None), notice.c.claimed < now - CLAIM)
        with self.engine.begin() as connection:
            claimed = update(notice).where(notice.c.pk == pk, notice.c.state == "waiting", free)
            return connection.execute(claimed.values(claimed=now)).rowcount == 1

    def note(self, row: Row[Any], status: int | None, now: datetime) -> None:
        with self.engine.begin() as connection:
            if status is not None and 200 <= status < 300:
                self._finish(connection, row, "sent", status)
                connection.execute(
                    update(subscription).where(subscription.c.id == row.subscription_id).values(refusals=0)
                )
                return
            if status in UNKNOWN:
                self._finish(connection, row, "refused", status)
                self._strike(connection, row, now)
                return
            if status in (401, 403):
                log.error("notification: the PGO refuses us (HTTP %s)", status)
            if now - utc(row.created) > GIVES_UP:
                log.error("notification: given up after %s attempts", row.attempts + 1)
                self._finish(connection, row, "failed", status)
                return
            pause = timedelta(minutes=PAUSES[min(row.attempts, len(PAUSES) - 1)])
            again = {"attempts": row.attempts + 1, "claimed": None, "due": now + pause, "status": status}
            connection.execute(update(notice).where(notice.c.pk == row.pk).values(again))

    def put_off(self, row: Row[Any], now: datetime) -> None:
        """Let all that is due of a client that fails wait, at most an hour; what waited for a day has failed."""
        pause = timedelta(minutes=PAUSES[min(row.attempts, len(PAUSES) - 1)])
        its = select(subscription.c.id).where(subscription.c.client == row.client)
        due = (notice.c.subscription_id.in_(its), notice.c.state == "waiting", notice.c.claimed.is_(None))
        with self.engine.begin() as connection:
            given_up = update(notice).where(*due, notice.c.created < now - GIVES_UP, notice.c.due <= now)
            connection.execute(given_up.values(state="failed"))
            connection.execute(update(notice).where(*due, notice.c.due <= now).values(due=now + min(pause, LONGEST)))

    def _finish(self, connection: Connection, row: Row[Any], state: str, status: int | None) -> None:
        values = {"state": state, "attempts": row.attempts + 1, "claimed": None, "status": status}
        connection.execute(update(notice).where(notice.c.pk == row.pk).values(values))

    def _strike(self, connection: Connection, row: Row[Any], now: datetime) -> None:
        """The PGO says that it does not know the subscription; on the third day it ends (AB-32)."""
        today: date = now.date()
        if row.refused_on == today:
            return
        strikes = row.refusals + 1
        mine = subscription.c.id == row.subscription_id
        connection.execute(update(subscription).where(mine).values(refusals=strikes, refused_on=today))
        if strikes >= STRIKES:
            Register(connection, now, self.today()).end_all(EndedBy.CLIENT, mine)

    def change(self, pk: int, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(notice).where(notice.c.pk == pk, notice.c.state == "waiting").values(**values))

    def left(self, client: str, now: datetime) -> None:
        """End the subscriptions of a client that is on the lists no more, without a word."""
        with self.engine.begin() as connection:
            Register(connection, now, self.today()).end_all(EndedBy.CLIENT, subscription.c.client == client)


def heard(status: int | None) -> bool:
    """Whether the PGO is there and takes notifications: it took one, or said that it does not know that one."""
    return status is not None and (200 <= status < 300 or status in UNKNOWN)
