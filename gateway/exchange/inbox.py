"""What staff see of referrals that were received: a list without content, and one that is opened."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from gateway.calendar import utc
from gateway.exchange.states import ENDED
from gateway.exchange.taking import SEAL
from gateway.share.keep import Keys
from gateway.store.exchanged import (
    exchange_notice,
    received_event,
    received_referral,
    received_resource,
    received_search,
    referral,
    referral_event,
)
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource


@dataclass(frozen=True, slots=True)
class ReceivedLine:
    """One received referral in a list: nothing of the person."""

    id: str
    provider: str
    partner: str
    status: str
    inbox: str
    received: datetime
    changed: bool
    match: str
    searches: dict[str, int]


@dataclass(frozen=True, slots=True)
class Happened:
    """One deed."""

    at: datetime
    deed: str
    by: str
    text: str


@dataclass(frozen=True, slots=True)
class PulledItem:
    """One resource that was collected, with its verdict. ``findings``: rule, place and severity."""

    type: str
    id: str
    verdict: str
    findings: tuple[tuple[str, str, str], ...]
    resource: Resource | None = field(repr=False)
    """None for a document."""


@dataclass(frozen=True, slots=True)
class ReceivedReferral:
    """A received referral, opened."""

    line: ReceivedLine
    person: str
    group: str
    searches: tuple[tuple[str, str, int, str], ...]
    """Search, state, count and reason of each."""
    items: tuple[PulledItem, ...]
    deeds: tuple[Happened, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """A referral of ours, with what happened and who was told. Its content is the record."""

    id: str
    partner: str
    status: str
    base: str
    evidence: str
    person: str
    group: str
    not_after: datetime
    withdrawn_reason: str
    notices: tuple[tuple[str, int, str], ...]
    """State, attempts and last answer of each notification."""
    deeds: tuple[Happened, ...]


@dataclass(frozen=True, slots=True)
class ExchangeInbox:
    """Reads both sides."""

    store: Connection
    keys: Keys

    def lines(self, provider: str, *, open_only: bool) -> list[ReceivedLine]:
        """The referrals that a provider received, newest first."""
        wanted = select(received_referral).where(received_referral.c.provider == provider)
        if open_only:
            wanted = wanted.where(received_referral.c.status.not_in(ENDED))
        return [self._line(row) for row in self.store.execute(wanted.order_by(received_referral.c.received.desc()))]

    def open(self, id_: str) -> ReceivedReferral | None:
        """A received referral with what was collected; opening it belongs in the trail. None: there is none."""
        row = self.store.execute(select(received_referral).where(received_referral.c.id == id_)).one_or_none()
        if row is None:
            return None
        searches = self.store.execute(
            select(received_search).where(received_search.c.received_id == id_).order_by(received_search.c.number)
        )
        items = self.store.execute(
            select(received_resource).where(received_resource.c.received_id == id_).order_by(received_resource.c.pk)
        )
        deeds = self.store.execute(
            select(received_event).where(received_event.c.received_id == id_).order_by(received_event.c.pk)
        )
        return ReceivedReferral(
            self._line(row),
            row.person,
            row.group_id,
            tuple((one.search, one.state, int(one._mapping["count"]), one.reason) for one in searches),
            tuple(self._item(one) for one in items),
            tuple(Happened(utc(one.at), one.deed, one.by, one.text) for one in deeds),
        )

    def sent(self, id_: str) -> Sent | None:
        """A referral of ours with its history; None: there is none."""
        row = self.store.execute(select(referral).where(referral.c.id == id_)).one_or_none()
        if row is None:
            return None
        notices = self.store.execute(
            select(exchange_notice).where(exchange_notice.c.referral_id == id_).order_by(exchange_notice.c.pk)
        )
        deeds = self.store.execute(
            select(referral_event).where(referral_event.c.referral_id == id_).order_by(referral_event.c.pk)
        )
        return Sent(
            row.id,
            row.partner,
            row.status,
            row.legal_base,
            row.evidence,
            row.person,
            row.group_id,
            utc(row.not_after),
            row.withdrawn_reason,
            tuple((one.state, one.attempts, one.answer) for one in notices),
            tuple(Happened(utc(one.at), one.deed, one.by, one.text) for one in deeds),
        )

    def _line(self, row: Row[Any]) -> ReceivedLine:
        states = select(received_search.c.state).where(received_search.c.received_id == row.id)
        return ReceivedLine(
            row.id,
            row.provider,
            row.partner,
            row.status,
            row.inbox,
            utc(row.received),
            row.changed is not None,
            row.match,
            dict(sorted(Counter(self.store.execute(states).scalars()).items())),
        )

    def _item(self, row: Row[Any]) -> PulledItem:
        findings = msgspec.json.decode(bytes(row.findings), type=tuple[tuple[str, str, str], ...])
        body = self.keys.ring.open(SEAL, bytes(row.sealed))
        resource = None if row.type == "Binary" else jsonio.load(body)
        return PulledItem(row.type, row.id, row.verdict, findings, resource)
