"""Sending notifications: from the outbox to the PGO's endpoint, again when that is silent, never a clinical word.

Clients do not wait for each other: each has one notification at a time, its own pauses, and a while per round.
"""

import asyncio
import ipaddress
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from sqlalchemy import Engine, Row
from sqlalchemy.exc import SQLAlchemyError

from auth.clients.model import ListedClient, Notify
from gateway.calendar import Today, utc
from gateway.release.shield import ReleasePolicy
from gateway.rounds import rounds, told
from gateway.store.engine import reading
from gateway.subscriptions.detect import Look
from gateway.subscriptions.pending import LONGEST, PendingNotices, heard
from gateway.subscriptions.register import RESOURCE, Register, active
from gateway.subscriptions.settings import SubscriptionSettings
from gateway.subscriptions.wire import resource_notice, subscription_notice
from profiles.standards.load import Catalogue

log = logging.getLogger("gateway.subscriptions")

SECONDS = 12.0
"""A PGO answers within ten; two more for the way."""
GONE = timedelta(days=7)
"""How long a client may be missing from the lists before its subscriptions end."""
LARGEST = 8_192
BUDGET = 30.0
"""Seconds for one client in a round, so that others do not wait for one that is slow."""
SEND_SECONDS = 15.0

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

    @property
    def pending(self) -> PendingNotices:
        """The notifications in the store."""
        return PendingNotices(self.engine, self.today)

    async def run(self) -> None:
        """Look and send until cancelled, whatever happens; what hinders one does not hinder the other."""
        seconds = self.settings.look_seconds
        await asyncio.gather(
            rounds("subscriptions", lambda: asyncio.to_thread(self.look, datetime.now(UTC)), seconds),
            rounds("notifications", lambda: self.send(datetime.now(UTC)), min(seconds, SEND_SECONDS)),
        )

    def look(self, now: datetime) -> int:
        """End what is over, and notice what is new; how many notifications were made. Raises SQLAlchemyError.

        Each subscription with news is a transaction of its own; one that cannot be looked at is logged, and passed.
        """
        with self.engine.begin() as connection:
            Register(connection, now, self.today()).expire(self.settings.kept_days)
        with reading(self.engine).connect() as connection:
            look = Look(connection, self.catalogue, self.settings, now, self.today(), self.release)
            with_news = [row.id for row in active(connection, self.today()) if look.news(row)]
        return sum(self._tell(id_, now) for id_ in with_news)

    def _tell(self, id_: str, now: datetime) -> bool:
        try:
            with self.engine.begin() as connection:
                return Look(connection, self.catalogue, self.settings, now, self.today(), self.release).tell(id_)
        except SQLAlchemyError:
            raise
        except Exception as fault:
            log.error("subscriptions: a record could not be looked at: %s", told(fault))
            return False

    async def send(self, now: datetime) -> int:
        """Try what is due, one after the other for each client; how many were tried. Raises SQLAlchemyError."""
        by_client = await asyncio.to_thread(self.pending.due, now)
        if not by_client:
            return 0
        async with self.client() as http:
            tried = await asyncio.gather(
                *(self._all_of(http, rows, now) for rows in by_client.values()), return_exceptions=True
            )
        faults = [one for one in tried if isinstance(one, BaseException)]
        if faults:
            raise faults[0]
        return sum(one for one in tried if isinstance(one, int))

    async def _all_of(self, http: httpx.AsyncClient, rows: Sequence[Row[Any]], now: datetime) -> int:
        """The notifications of one client, for a while: what is left is for the next round, as is another client."""
        tried, ends = 0, time.monotonic() + BUDGET
        for row in rows:
            place = await asyncio.to_thread(self._place, row, now)
            if place is None or not await asyncio.to_thread(self.pending.claim, row.pk, now):
                continue
            status = await self._post(http, place, row)
            await asyncio.to_thread(self.pending.note, row, status, now)
            tried += 1
            if not heard(status):
                # It does not answer, or fails: its others would only do so too.
                await asyncio.to_thread(self.pending.put_off, row, now)
                break
            if time.monotonic() > ends:
                break
        return tried

    def _place(self, row: Row[Any], now: datetime) -> str | None:
        """Where it goes; None when it may not go (now), which is noted (AB-33)."""
        current = row.standing == "active" and row.ends >= self.today() and self.served(row.provider, row.service)
        if row.kind == RESOURCE and not current:
            self.pending.change(row.pk, state="dropped")
            return None
        client = self.listed(row.client)
        entry: Notify | None = client.notify.get(row.service) if client else None
        if entry is None and now - utc(row.created) > GONE:
            self.pending.left(row.client, now)
            self.pending.change(row.pk, state="dropped")
            return None
        base = ""
        if entry is not None:
            base = entry.resource_endpoint if row.kind == RESOURCE else entry.subscription_endpoint
        if not base or (self.production and not outside(base)):
            # Asked again when the lists may be others; until then it stands before nobody.
            self.pending.change(row.pk, due=now + LONGEST)
            return None
        return f"{base.rstrip('/')}/Notification"

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


def outside(url: str) -> bool:
    """Whether an address is https and no address of a private network (AB-35). A name is left to the network."""
    parts = urlsplit(url)
    try:
        return parts.scheme == "https" and ipaddress.ip_address(parts.hostname or "").is_global
    except ValueError:
        return parts.scheme == "https" and parts.hostname not in (None, "localhost")
