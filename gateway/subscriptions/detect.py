"""Noticing what is new: for each person with a subscription, what changed in their record since the last look.

The store answers by the person's own rows, so that a look costs what one record costs, however many people there are.
It sees what came by push, import and messages alike; the same content again makes no version, and so no notification.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from gateway.calendar import utc
from gateway.store.schema import resource
from gateway.store.shared import notice, shared_item, submission, subscription
from gateway.subscriptions.register import RESOURCE, Register
from gateway.subscriptions.seen import changed, remembered, unseen
from gateway.subscriptions.settings import SubscriptionSettings
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import unpack
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.expect import fits, may_fit
from profiles.standards.load import Catalogue
from profiles.standards.model import Service, Standard

URN = "urn:uuid:"
SOME = 500
"""Resources that are read at once."""
GENERAL = frozenset({"Patient"})
"""Types that every record has, and that say nothing about new data."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look, inside the caller's transaction."""

    connection: Connection
    catalogue: Catalogue
    settings: SubscriptionSettings
    now: datetime
    today: date

    def news(self, row: Row[Any]) -> bool:
        """Whether something in the record was not looked at yet; a read."""
        return bool(unseen(self._changed(row), row.seen, row.high_water))

    def tell(self, id_: str) -> bool:
        """Look at what is new for one subscription, and put a notification in the outbox; whether there is one.

        The row is locked: of two processes one looks, and the other finds it seen.
        """
        wanted = select(subscription).where(subscription.c.id == id_, subscription.c.status == "active")
        row = self.connection.execute(wanted.with_for_update()).one_or_none()
        known = self.catalogue.services.get(row.service) if row is not None else None
        if row is None or known is None:
            return False
        # What is read here goes back from the old mark, and so what is remembered reaches a day before the new one.
        rows = self._changed(row)
        fresh = self._held(unseen(rows, row.seen, row.high_water))
        new = [one for one in fresh if self._counts(one, *known) and not self._from_client(one, row.client)]
        newest = max([utc(row.high_water), *(utc(one.updated) for one in fresh)])
        moved = update(subscription).where(subscription.c.id == id_)
        self.connection.execute(moved.values(high_water=newest, seen=remembered(rows)))
        if new:
            self.announce(row)
        return bool(new)

    def _changed(self, row: Row[Any]) -> Sequence[Any]:
        return changed(self.connection, row.provider, row.fhir, row.person, row.high_water)

    def _held(self, rows: Sequence[Any]) -> Sequence[Any]:
        """The same with their content."""
        columns = (resource.c.pk, resource.c.type, resource.c.id, resource.c.updated, resource.c.json)
        held: list[Any] = []
        for start in range(0, len(rows), SOME):
            pks = [row.pk for row in rows[start : start + SOME]]
            held += self.connection.execute(select(*columns).where(resource.c.pk.in_(pks))).all()
        return held

    @staticmethod
    def _counts(row: Row[Any], standard: Standard, service: Service) -> bool:
        """Whether a changed resource is something that the service gives."""
        if row.type in GENERAL:
            return False
        held: Resource = jsonio.load(unpack(bytes(row.json)))
        version: FhirVersion = standard.fhir
        rules = [rule for rule in standard.rules_of(service) if rule.method == "GET" and rule.type == row.type]
        return any(fits(rule, version, held) or may_fit(rule, version, held) for rule in rules)

    def _from_client(self, row: Row[Any], client: str) -> bool:
        """Whether it is what this very PGO sent, filed by now (AB-23): it carries the id of the item."""
        held: Mapping[str, Any] = jsonio.load(unpack(bytes(row.json)))
        identifiers = held.get("identifier")
        found = identifiers if isinstance(identifiers, list) else [identifiers]
        ids = [
            str(each.get("value", "")).removeprefix(URN)
            for each in found
            if isinstance(each, dict) and str(each.get("value", "")).startswith(URN)
        ]
        if not ids:
            return False
        sent = select(shared_item.c.pk).join(submission, shared_item.c.submission_pk == submission.c.pk)
        mine = sent.where(shared_item.c.type == row.type, shared_item.c.id.in_(ids), submission.c.client == client)
        return self.connection.execute(mine.limit(1)).scalar() is not None

    def announce(self, row: Row[Any]) -> None:
        """One notification that leaves after the last change; one that waits covers this change too."""
        waiting = select(notice.c.pk).where(
            notice.c.subscription_id == row.id, notice.c.kind == RESOURCE, notice.c.state == "waiting",
            notice.c.claimed.is_(None),
        )  # fmt: skip
        if self.connection.execute(waiting.limit(1)).scalar() is not None:
            return
        last = self.connection.execute(
            select(notice.c.due)
            .where(notice.c.subscription_id == row.id, notice.c.kind == RESOURCE)
            .order_by(notice.c.due.desc())
            .limit(1)
        ).scalar()
        earliest = self.now
        if last is not None:
            earliest = max(earliest, utc(last) + timedelta(minutes=self.settings.collapse_minutes))
        # When something came in says something about care: the moment is blurred, within the hour (AB-51).
        delay = secrets.randbelow(self.settings.jitter_seconds + 1)
        Register(self.connection, self.now, self.today).tell(row.id, RESOURCE, earliest + timedelta(seconds=delay))
