"""Sending notifications: from the outbox to the PGO's endpoint, again when that is silent, never a clinical word.

Clients do not wait for each other: each has one notification under way at a time, and its own pauses.
"""

import asyncio
import ipaddress
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from sqlalchemy import Connection, Engine, Row, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from auth.clients.model import ListedClient, Notify
from gateway.calendar import Today, utc
from gateway.release.shield import ReleasePolicy
from gateway.store.engine import reading
from gateway.store.shared import notice, subscription
from gateway.subscriptions.detect import Look
from gateway.subscriptions.register import RESOURCE, EndedBy, Register
from gateway.subscriptions.settings import SubscriptionSettings
from gateway.subscriptions.wire import resource_notice, subscription_notice
from profiles.standards.load import Catalogue

log = logging.getLogger("gateway.subscriptions")

SECONDS = 12.0
"""A PGO answers within ten; two more for the way."""
PAUSES = (1, 5, 15, 30, 60)
"""Minutes before the next attempt; the last is repeated."""
GIVES_UP = timedelta(hours=24)
GONE = timedelta(days=7)
"""How long a client may be missing from the lists before its subscriptions end."""
CLAIM = timedelta(minutes=5)
LARGEST = 8_192
MOST = 500
STRIKES = 3
"""Refusals of a subscription on so many days end it."""

Listed = Callable[[str], ListedClient | None]
"""The client on both lists, by host name; None when it is missing from one."""
Served = Callable[[str, str], bool]
"""Whether a provider still offers subscriptions to a service."""


@dataclass(frozen=True, slots=True)
class Notifier:
    """The detection and the sending of one process. ``production`` refuses addresses inside our own network."""

    engine: Engine
    settings: SubscriptionSettings
    catalogue: Catalogue
    client: Callable[[], httpx.AsyncClient]
    listed: Listed
    served: Served
    today: Today
    production: bool = True
    release: ReleasePolicy = field(default_factory=ReleasePolicy)
    """What may be shown, and from when."""

    async def run(self) -> None:
        """Look and send until cancelled. A failing round is logged, and tried again."""
        while True:
            try:
                await asyncio.to_thread(self.look, datetime.now(UTC))
                await self.send(datetime.now(UTC))
            except SQLAlchemyError as fault:
                log.warning("subscriptions: the store does not answer: %s", type(fault).__name__)
            await asyncio.sleep(self.settings.look_seconds)

    def look(self, now: datetime) -> int:
        """End what is over, and notice what is new; how many notifications were made. Raises SQLAlchemyError."""
        with self.engine.begin() as connection:
            Register(connection, now, self.today()).expire(self.settings.kept_days)
            return Look(connection, self.catalogue, self.settings, now, self.today(), self.release).run()

    async def send(self, now: datetime) -> int:
        """Try what is due, one after the other for each client; how many were tried. Raises SQLAlchemyError."""
        by_client = await asyncio.to_thread(self._due, now)
        if not by_client:
            return 0
        async with self.client() as http:
            return sum(await asyncio.gather(*(self._all_of(http, rows, now) for rows in by_client.values())))

    async def _all_of(self, http: httpx.AsyncClient, rows: Sequence[Row[Any]], now: datetime) -> int:
        tried = 0
        for row in rows:
            place = self._place(row, now)
            if isinstance(place, str) and await asyncio.to_thread(self._claim, row.pk, now):
                status = await self._post(http, place, row)
                await asyncio.to_thread(self._note, row, status, now)
                tried += 1
                if status is None:
                    # It does not answer: the others of this client would only wait as long.
                    break
        return tried

    def _due(self, now: datetime) -> Mapping[str, list[Row[Any]]]:
        free = or_(notice.c.claimed.is_(None), notice.c.claimed < now - CLAIM)
        about = subscription.c
        columns = (about.client, about.service, about.provider, about.refusals, about.refused_on)
        wanted = (
            select(notice, *columns, about.status.label("standing"), about.end_date.label("ends"))
            .join(subscription, notice.c.subscription_id == about.id)
            .where(notice.c.state == "waiting", notice.c.due <= now, free)
            .order_by(notice.c.due)
            .limit(MOST)
        )
        found: dict[str, list[Row[Any]]] = {}
        with reading(self.engine).connect() as connection:
            for row in connection.execute(wanted):
                found.setdefault(row.client, []).append(row)
        return found

    def _place(self, row: Row[Any], now: datetime) -> str | None:
        """Where it goes; None when it may not go, which is noted (AB-33)."""
        current = row.standing == "active" and row.ends >= self.today() and self.served(row.provider, row.service)
        if row.kind == RESOURCE and not current:
            self._drop(row.pk)
            return None
        client = self.listed(row.client)
        told: Notify | None = client.notify.get(row.service) if client else None
        if told is None:
            if now - utc(row.created) > GONE:
                with self.engine.begin() as connection:
                    register = Register(connection, now, self.today())
                    register.end_all(EndedBy.CLIENT, subscription.c.client == row.client)
                self._drop(row.pk)
            return None
        base = told.resource_endpoint if row.kind == RESOURCE else told.subscription_endpoint
        return f"{base.rstrip('/')}/Notification" if not self.production or outside(base) else None

    async def _post(self, http: httpx.AsyncClient, url: str, row: Row[Any]) -> int | None:
        """The status of the answer; None when there was none."""
        body = resource_notice(row.subscription_id)
        if row.kind != RESOURCE:
            body = subscription_notice(row.subscription_id, row.end_date or self.today())
        headers = {"MedMij-Request-ID": str(uuid.uuid4()), "X-Correlation-ID": row.correlation_id}
        try:
            async with asyncio.timeout(SECONDS):
                async with http.stream("POST", url, json=body, headers=headers, follow_redirects=False) as answer:
                    size = 0
                    async for piece in answer.aiter_raw():
                        size += len(piece)
                        if size > LARGEST:
                            break
                    return answer.status_code
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as fault:
            log.info("notification: no answer: %s", type(fault).__name__)
            return None

    def _claim(self, pk: int, now: datetime) -> bool:
        free = or_(notice.c.claimed.is_(None), notice.c.claimed < now - CLAIM)
        with self.engine.begin() as connection:
            claimed = update(notice).where(notice.c.pk == pk, notice.c.state == "waiting", free)
            return connection.execute(claimed.values(claimed=now)).rowcount == 1

    def _note(self, row: Row[Any], status: int | None, now: datetime) -> None:
        with self.engine.begin() as connection:
            if status is not None and 200 <= status < 300:
                self._finish(connection, row, "sent", status)
                connection.execute(
                    update(subscription).where(subscription.c.id == row.subscription_id).values(refusals=0)
                )
                return
            if status in (400, 404):
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

    def _drop(self, pk: int) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(notice).where(notice.c.pk == pk).values(state="dropped"))


def outside(url: str) -> bool:
    """Whether an address is https and no address of a private network (AB-35). A name is left to the network."""
    parts = urlsplit(url)
    try:
        return parts.scheme == "https" and ipaddress.ip_address(parts.hostname or "").is_global
    except ValueError:
        return parts.scheme == "https" and parts.hostname not in (None, "localhost")
