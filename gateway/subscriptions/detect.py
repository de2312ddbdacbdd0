"""Noticing what is new: for each person with a subscription, what changed in their record since the last look.

The store answers by the person's own rows, so that a look costs what one record costs, however many people there are.
It sees what came by push, import and messages alike; the same content again makes no version, and so no notification.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from gateway.calendar import utc
from gateway.release.shield import ReleasePolicy, Shield
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

WAITS_AT_MOST = timedelta(days=35)
"""No result waits longer after it came: the norm in working days, the longest row of holidays, and some."""
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
    release: ReleasePolicy = field(default_factory=ReleasePolicy)
    """What may be shown, and from when: nothing is announced before."""

    def news(self, row: Row[Any]) -> bool:
        """Whether something in the record was not looked at yet; a read."""
        shield = self._shield(row)
        return bool(self._unseen(self._changed(row, shield), row, shield))

    def tell(self, id_: str) -> bool:
        """Look at what is new for one subscription, and put a notification in the outbox; whether there is one.

        The row is locked: of two processes one looks, and the other finds it seen.
        """
        wanted = select(subscription).where(subscription.c.id == id_, subscription.c.status == "active")
        row = self.connection.execute(wanted.with_for_update()).one_or_none()
        if row is None or row.service not in self.catalogue.services:
            return False
        known = self.catalogue.service(row.service, self.today)
        shield = self._shield(row)
        # What is read here goes back from the old mark, and so what is remembered reaches as far before the new one.
        rows = self._changed(row, shield)
        fresh = {one.pk: one for one in self._held(self._unseen(rows, row, shield))}
        began = {pk: begin for pk, one in fresh.items() if (begin := self._shown_since(one, shield)) is not None}
        new = [
            fresh[pk]
            for pk, begin in began.items()
            if row.seen is not None or begin > utc(row.high_water)
            if self._counts(fresh[pk], *known) and not self._sent(fresh[pk], row.client)
        ]
        newest = max([utc(row.high_water), *(utc(fresh[pk].updated) for pk in began)])
        moved = update(subscription).where(subscription.c.id == id_)
        # What waits, or is withheld, was not seen: it is new on the day on which it is shown.
        seen = remembered([one for one in rows if one.pk not in fresh or one.pk in began])
        self.connection.execute(moved.values(high_water=newest, seen=seen))
        if new:
            self.announce(row)
        return bool(new)

    def _shield(self, row: Row[Any]) -> Shield:
        return self.release.shield_now(self.connection, row.provider, row.person, self.now)

    def _shown_since(self, row: Row[Any], shield: Shield) -> datetime | None:
        """Since when a resource is shown; None while it is not. That it ended is news for who could see it."""
        came = utc(row.updated)
        held: Resource = jsonio.load(unpack(bytes(row.json)))
        begin = shield.shown_since(row.type, row.id, held, came)
        return begin if begin is not None and begin <= (came if row.deleted else max(self.now, came)) else None

    @staticmethod
    def _unseen(rows: Sequence[Any], row: Row[Any], shield: Shield) -> Sequence[Any]:
        return unseen(rows, row.seen, utc(row.high_water) - _waits(shield))

    def _changed(self, row: Row[Any], shield: Shield) -> Sequence[Any]:
        since = utc(row.high_water) - _waits(shield)
        return changed(self.connection, row.provider, row.fhir, row.person, since)

    def _held(self, rows: Sequence[Any]) -> Sequence[Any]:
        """The same with their content."""
        columns = (
            resource.c.pk, resource.c.type, resource.c.id, resource.c.updated, resource.c.deleted, resource.c.json
        )  # fmt: skip
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

    def _sent(self, row: Row[Any], client: str) -> bool:
        return sent_by(self.connection, jsonio.load(unpack(bytes(row.json))), client)

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


def _waits(shield: Shield) -> timedelta:
    """How long before now something may have come that is new now."""
    return WAITS_AT_MOST if shield.delays else timedelta()


def sent_by(connection: Connection, held: Mapping[str, Any], client: str) -> bool:
    """Whether a resource is what this very PGO sent, filed by now (AB-23): it carries the id of the item."""
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
    mine = sent.where(
        shared_item.c.type == held.get("resourceType"), shared_item.c.id.in_(ids), submission.c.client == client
    )
    return connection.execute(mine.limit(1)).scalar() is not None
