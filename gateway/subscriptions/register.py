"""The subscriptions: made, changed, ended. Functions on the store, inside the caller's transaction.

A subscription says that this PGO is to be told when there is something new for one person in one data service; it holds
no data, and gives no right to collect.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from auth.grants import Grant
from auth.store.tables import consents
from gateway.store.shared import notice, subscription
from gateway.subscriptions.seen import changed, remembered


class EndedBy(StrEnum):
    """Who or what ended a subscription."""

    PERSON = "person"
    PROVIDER = "provider"
    EXPIRY = "expiry"
    CLIENT = "client-removed"
    MERGE = "patient-merge"


TELLS = frozenset({EndedBy.PROVIDER, EndedBy.MERGE})
"""Ends of which the PGO is told: those that it did not ask for (AB-41, AB-42)."""
RESOURCE, SUBSCRIPTION = "resource", "subscription"
GIVEN = "given"
"""Outcome of a consent that stands; a later line with another outcome ends it."""


class SubscriptionRefused(Exception):
    """A request that is not carried out: HTTP status, a code and a public text."""

    def __init__(self, status: int, error: str, text: str) -> None:
        super().__init__(text)
        self.status, self.error, self.text = status, error, text


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription as the PGO may know it."""

    id: str
    end: date
    active: bool


@dataclass(frozen=True, slots=True)
class Register:
    """The subscriptions at one moment; ``today`` is the day in the Netherlands."""

    connection: Connection
    now: datetime
    today: date

    def create(
        self, grant: Grant, service: str, fhir: str, days: int, wanted: date | None, request_id: str, per_key: int
    ) -> Subscription:
        """Make one of at most ``days``; the same request gives the same one. Raises SubscriptionRefused 400."""
        if (same := self._by_request(grant, request_id)) is not None:
            return same
        if days <= 0:
            raise SubscriptionRefused(400, "invalid_request", "nothing was granted but to end subscriptions")
        if wanted is not None and wanted < self.today:
            raise SubscriptionRefused(400, "invalid_request", "the end lies in the past")
        mine = (
            subscription.c.client == grant.client, subscription.c.person == grant.subject,
            subscription.c.provider == grant.provider, subscription.c.service == service, ACTIVE,
        )  # fmt: skip
        if self.connection.execute(select(func.count()).where(*mine)).scalar_one() >= per_key:
            raise SubscriptionRefused(
                400, "invalid_request", "there are as many subscriptions of this kind as there may be"
            )
        latest = self.today + timedelta(days=days)
        end = min(wanted or latest, latest)
        id_ = str(uuid.uuid4())
        values = {
            "id": id_, "provider": grant.provider, "service": service, "fhir": fhir, "client": grant.client,
            "person": grant.subject, "sealed_bsn": grant.sealed_bsn, "consent_id": grant.consent_id or "",
            "request_id": request_id, "created": self.now, "end_date": end, "status": "active", "ended_by": "",
            "high_water": self.now, "refusals": 0,
            "seen": remembered(changed(self.connection, grant.provider, fhir, grant.subject, self.now)),
        }  # fmt: skip
        self.connection.execute(insert(subscription).values(values))
        return Subscription(id_, end, active=True)

    def read(self, grant: Grant, service: str, id_: str) -> Subscription:
        """One that is this client's, of this person. Raises SubscriptionRefused 404 for every other."""
        return _told(self._mine(grant, service, id_), self.today)

    def change(self, grant: Grant, service: str, id_: str, days: int, wanted: date | None) -> Subscription:
        """Another end: earlier is always right, later as far as was granted. Raises SubscriptionRefused."""
        row = self._mine(grant, service, id_)
        if row.status != "active" or row.end_date < self.today:
            raise SubscriptionRefused(404, "not_found", "there is no such subscription")
        granted = self.today + timedelta(days=max(days, 0))
        shorter = wanted is not None and wanted <= row.end_date
        end = wanted if wanted is not None and shorter else min(wanted or granted, granted)
        if end <= self.today:
            return self.end(grant, service, id_, again=True)
        self._set(subscription.c.id == id_, end_date=end)
        return Subscription(id_, end, active=True)

    def end(self, grant: Grant, service: str, id_: str, *, again: bool) -> Subscription:
        """End it for the person; ``again``: one that has ended is answered as it is. Raises SubscriptionRefused 404."""
        row = self._mine(grant, service, id_)
        if row.status != "active":
            if not again:
                raise SubscriptionRefused(404, "not_found", "there is no such subscription")
            return _told(row, self.today)
        self._ended(row, EndedBy.PERSON)
        return Subscription(id_, self.today, active=False)

    def end_all(self, by: EndedBy, *which: ColumnElement[bool], spread: timedelta = timedelta()) -> int:
        """End every active one that fits, telling the PGO when it did not ask; how many. ``spread``: over how long."""
        rows = self.connection.execute(select(subscription).where(ACTIVE, *which).with_for_update()).all()
        for number, row in enumerate(rows):
            self._ended(row, by, spread * (number / max(len(rows), 1)))
        return len(rows)

    def end_for_person(self, provider: str, person: str) -> int:
        """The person ended them on a page of the provider, or is not to be told of any more (AB-15, AB-27)."""
        return self.end_all(EndedBy.PROVIDER, subscription.c.provider == provider, subscription.c.person == person)

    def limit(self, provider: str, service: str, days: int) -> int:
        """The institution grants fewer days than it did: later ends come nearer, and PGOs are told; how many."""
        latest = self.today + timedelta(days=days)
        late = (
            subscription.c.provider == provider, subscription.c.service == service, subscription.c.end_date > latest,
        )  # fmt: skip
        rows = self.connection.execute(select(subscription).where(ACTIVE, *late).with_for_update()).all()
        for row in rows:
            self._set(subscription.c.id == row.id, end_date=latest)
            self.tell(row.id, SUBSCRIPTION, self.now, latest)
        return len(rows)

    def expire(self, kept_days: int) -> int:
        """End what is over, without a word (AB-01), and what rests on a consent that ended; how many. Old ones go."""
        over = self.end_all(EndedBy.EXPIRY, subscription.c.end_date < self.today)
        withdrawn = select(consents.c.consent_id).where(consents.c.outcome != GIVEN, consents.c.consent_id != "")
        gone = self.end_all(EndedBy.PROVIDER, subscription.c.consent_id.in_(withdrawn))
        before = self.now - timedelta(days=kept_days)
        self.connection.execute(
            delete(subscription).where(subscription.c.status == "ended", subscription.c.ended_at < before)
        )
        return over + gone

    def tell(self, id_: str, kind: str, due: datetime, end: date | None = None) -> None:
        """Put a notification in the outbox."""
        values = {
            "subscription_id": id_, "kind": kind, "end_date": end, "state": "waiting", "due": due, "created": self.now,
            "attempts": 0, "correlation_id": str(uuid.uuid4()),
        }  # fmt: skip
        self.connection.execute(insert(notice).values(values))

    def _ended(self, row: Row[Any], by: EndedBy, later: timedelta = timedelta()) -> None:
        self._set(
            subscription.c.id == row.id, status="ended", ended_by=by.value, ended_at=self.now, sealed_bsn=None,
            live=None, end_date=min(row.end_date, self.today),
        )  # fmt: skip
        waiting = update(notice).where(notice.c.subscription_id == row.id, notice.c.state == "waiting")
        self.connection.execute(waiting.values(state="dropped"))
        if by in TELLS:
            self.tell(row.id, SUBSCRIPTION, self.now + later, self.today)

    def _mine(self, grant: Grant, service: str, id_: str) -> Row[Any]:
        row = self.connection.execute(
            select(subscription).where(
                subscription.c.id == id_, subscription.c.client == grant.client,
                subscription.c.person == grant.subject, subscription.c.provider == grant.provider,
                subscription.c.service == service,
            )
        ).one_or_none()  # fmt: skip
        if row is None:
            raise SubscriptionRefused(404, "not_found", "there is no such subscription")
        return row

    def _by_request(self, grant: Grant, request_id: str) -> Subscription | None:
        row = self.connection.execute(
            select(subscription).where(
                subscription.c.client == grant.client, subscription.c.request_id == request_id,
                subscription.c.person == grant.subject,
            )
        ).one_or_none()  # fmt: skip
        return None if row is None else _told(row, self.today)

    def _set(self, which: ColumnElement[bool], **values: Any) -> None:
        self.connection.execute(update(subscription).where(which).values(values))


ACTIVE = subscription.c.status == "active"


def active(connection: Connection, today: date) -> Sequence[Row[Any]]:
    """Every subscription that is in force."""
    return connection.execute(select(subscription).where(ACTIVE, subscription.c.end_date >= today)).all()


def _told(row: Row[Any], today: date) -> Subscription:
    return Subscription(row.id, row.end_date, row.status == "active" and row.end_date >= today)
