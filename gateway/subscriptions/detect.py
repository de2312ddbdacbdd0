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
from gateway.store.schema import patient, resource
from gateway.store.shared import notice, shared_item, submission, subscription
from gateway.subscriptions.register import RESOURCE, Register, active
from gateway.subscriptions.settings import SubscriptionSettings
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import unpack
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.expect import fits, may_fit
from profiles.standards.load import Catalogue
from profiles.standards.model import Service, Standard

SETTLED = timedelta(seconds=30)
"""How old a change must be: what is being written now has an earlier time than its commit, and would be passed over."""
WAITS_AT_MOST = timedelta(days=35)
"""No result waits longer after it came: the norm in working days, the longest row of holidays, and some."""
URN = "urn:uuid:"
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

    def run(self) -> int:
        """Put a notification in the outbox for every subscription with something new; how many."""
        told = 0
        for row in active(self.connection, self.today):
            known = self.catalogue.services.get(row.service)
            if known is not None:
                told += self._one(row, *known)
        return told

    def _one(self, row: Row[Any], standard: Standard, service: Service) -> bool:
        since = utc(row.high_water)
        shield = self.release.shield_now(self.connection, row.provider, row.person, self.now)
        began: list[datetime] = []
        for one in self._changed(row, standard, since, shield):
            held: Resource = jsonio.load(unpack(bytes(one.json)))
            seen = shield.shown_since(one.type, one.id, held, utc(one.updated))
            # What waited is new on the day on which it is shown, and what is withheld is not new at all.
            if seen is None or not since < seen <= self.now - SETTLED:
                continue
            if self._counts(one, held, standard, service) and not self._from_client(one, row.client):
                began.append(seen)
        if not began:
            return False
        newest = max(began)
        moved = update(subscription).where(subscription.c.id == row.id).values(high_water=newest)
        self.connection.execute(moved)
        self._tell(row)
        return True

    def _changed(self, row: Row[Any], standard: Standard, since: datetime, shield: Shield) -> Sequence[Any]:
        """What changed in the person's record after the last look, deletions too; and what may have waited till now."""
        since -= WAITS_AT_MOST if shield.delays else timedelta()
        whose = (patient.c.person == row.person, patient.c.provider == row.provider, patient.c.fhir == row.fhir)
        patients = list(self.connection.execute(select(patient.c.patient_id).where(*whose)).scalars())
        wanted = select(resource.c.type, resource.c.id, resource.c.updated, resource.c.deleted, resource.c.json).where(
            resource.c.provider == row.provider,
            resource.c.fhir == row.fhir,
            resource.c.patient_id.in_(patients),
            resource.c.type.in_(sorted(standard.types - GENERAL)),
            resource.c.updated > since,
            resource.c.updated <= self.now - SETTLED,
        )
        return self.connection.execute(wanted).all()

    @staticmethod
    def _counts(one: Row[Any], held: Resource, standard: Standard, service: Service) -> bool:
        """Whether a changed resource is something that the service gives."""
        version: FhirVersion = standard.fhir
        rules = [rule for rule in standard.rules_of(service) if rule.method == "GET" and rule.type == one.type]
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

    def _tell(self, row: Row[Any]) -> None:
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
