"""The outbox of notifications: each is tried at once, then ever later, until it arrives or its time is over (NPN-13).

A row is claimed before it is sent, and free again when the process that claimed it died; the receiver knows a
notification by its identifier, so that a second try makes no second referral.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import ColumnElement, Connection, Engine, Row, func, or_, select, update

from gateway.audit.record import AuditRecord
from gateway.audit.trail import Trail
from gateway.calendar import utc
from gateway.exchange.partners import SHORT_BYTES, call
from gateway.exchange.referrals import SEAL, event
from gateway.exchange.settings import ExchangeSettings, PartnerSettings
from gateway.exchange.trust import InstitutionTrust, PartnerFault
from gateway.exchange.workflow import UUID_SYSTEM
from gateway.rounds import rounds, told
from gateway.share.keep import Keys
from gateway.store.engine import reading
from gateway.store.exchanged import exchange_notice, referral
from profiles.fhir.codec import jsonio

log = logging.getLogger("gateway.exchange")

PAUSES = (60, 300, 900, 3_600)
"""Seconds before the next attempt; the last is repeated."""
CLAIM = timedelta(minutes=2)
BUDGET = 30.0
"""Seconds for one partner in a round."""
GIVEN_UP = "notification given up (%s); the user who referred has to look"
SCOPES = {"bgz": "ta-np-notification", "eoverdracht": "eOverdracht-receiver"}
FHIR_JSON = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class Notices:
    """Sends what is due."""

    engine: Engine
    settings: ExchangeSettings
    keys: Keys
    trust: InstitutionTrust
    client: Callable[[], httpx.AsyncClient]
    trail: Trail

    async def run(self) -> None:
        """Send until cancelled, whatever happens."""
        await rounds("exchange notifications", self._all_due, self.settings.send_seconds)

    async def _all_due(self) -> None:
        """What is due, each partner at its own pace and for a while: one that is slow does not hold up the others."""

        async def some(partner: str) -> None:
            ends = time.monotonic() + BUDGET
            while time.monotonic() < ends and await self._one(partner, datetime.now(UTC)):
                pass

        partners = await asyncio.to_thread(self._partners, datetime.now(UTC))
        done = await asyncio.gather(*(some(name) for name in partners), return_exceptions=True)
        for fault in done:
            if isinstance(fault, BaseException):
                raise fault

    async def round(self, now: datetime) -> int:
        """Try one notification of each partner; how many were tried. Raises SQLAlchemyError or AuditUnavailable."""
        return sum([await self._one(name, now) for name in await asyncio.to_thread(self._partners, now)])

    async def _one(self, partner: str, now: datetime) -> int:
        row = await asyncio.to_thread(self._claim, partner, now)
        if row is None:
            return 0
        fault: PartnerFault | None = None
        away = False
        try:
            status = await self._send(row)
        except PartnerFault as refusal:
            fault, status, away = refusal, refusal.status, refusal.later
        except Exception as broken:
            # One that cannot be put together must not hold up the others; its words may hold what it carries.
            log.error("notifications: one could not be sent: %s", told(broken))
            fault, status = PartnerFault(f"it could not be sent ({type(broken).__name__})", later=True), 0
        record = AuditRecord(
            action="institution:notification:cancel" if row.cancels else "institution:notification:send",
            at=now,
            outcome=status or 504,
            provider=row.provider,
            client=row.partner,
            person=row.person,
            basis=row.referral_id,
            correlation_id=row.group_id,
            reason=fault.text if fault else "",
        )
        await self.trail.write(record)
        await asyncio.to_thread(self._note, row, fault, now, away=away)
        return 1

    async def _send(self, row: Row[Any]) -> int:
        partner = self.settings.partners.get(row.partner)
        if partner is None or partner.paused:
            raise PartnerFault("nothing is exchanged with it at the moment", later=True)
        token = await self.trust.token(row.provider, row.partner, SCOPES[row.flow])
        headers = {"authorization": f"Bearer {token}", "accept": FHIR_JSON}
        method, url, body = self._request(row, partner)
        if body is not None:
            headers["content-type"] = FHIR_JSON
        async with self.client() as client:
            return (await call(client, method, url, headers, body, most=SHORT_BYTES)).status

    def _request(self, row: Row[Any], partner: PartnerSettings) -> tuple[str, str, bytes | None]:
        if not row.sealed:
            return "POST", f"{partner.notification_url}/{row.referral_id}", None
        body = self.keys.ring.open(SEAL, bytes(row.sealed))
        if not row.cancels:
            return "POST", f"{partner.notification_url}/Task", body
        return "PUT", f"{partner.notification_url}/Task?identifier={UUID_SYSTEM}|urn:uuid:{named_in(body)}", body

    def _partners(self, now: datetime) -> Sequence[str]:
        """The partners for whom something is due; who waits longest first."""
        mine = select(referral.c.partner).join(exchange_notice, exchange_notice.c.referral_id == referral.c.id)
        first = func.min(exchange_notice.c.next)
        with reading(self.engine).connect() as store:
            rows = store.execute(mine.where(*_due(now)).group_by(referral.c.partner).order_by(first))
            return list(rows.scalars())

    def _claim(self, partner: str, now: datetime) -> Row[Any] | None:
        columns = (referral.c.provider, referral.c.partner, referral.c.flow, referral.c.person, referral.c.group_id)
        wanted = select(exchange_notice, *columns).join(referral, exchange_notice.c.referral_id == referral.c.id)
        order = (exchange_notice.c.next, exchange_notice.c.pk)
        with self.engine.begin() as store:
            due = wanted.where(*_due(now), referral.c.partner == partner)
            row = store.execute(due.order_by(*order).limit(1)).one_or_none()
            if row is None:
                return None
            claimed = update(exchange_notice).where(exchange_notice.c.pk == row.pk, *_due(now))
            if store.execute(claimed.values(claimed=now)).rowcount != 1:
                return None
        return row

    def _note(self, row: Row[Any], fault: PartnerFault | None, now: datetime, *, away: bool) -> None:
        attempts = row.attempts + 1
        if fault is None:
            state, answer = "sent", "delivered"
        elif not fault.later:
            state, answer = "dead", fault.text
        else:
            state, answer = "waiting", fault.text
        pause = fault.seconds if fault and fault.seconds else PAUSES[min(attempts, len(PAUSES)) - 1]
        coming = now + timedelta(seconds=pause)
        if state == "waiting" and coming >= utc(row.until):
            state = "dead"
        values = {"state": state, "answer": answer, "attempts": attempts, "claimed": None, "next": coming}
        with self.engine.begin() as store:
            # TakenNotice back meanwhile: what was dropped stays so, unless it arrived.
            mine = (exchange_notice.c.pk == row.pk, exchange_notice.c.state == "waiting")
            store.execute(update(exchange_notice).where(*mine).values(**values))
            event(store, row.referral_id, now, "notified" if state == "sent" else "not-notified", "gateway", answer)
            if away:
                _put_off(store, row.partner, answer, now, coming)
        if state == "dead":
            log.error(GIVEN_UP, answer)


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    free = or_(exchange_notice.c.claimed.is_(None), exchange_notice.c.claimed < now - CLAIM)
    return exchange_notice.c.state == "waiting", exchange_notice.c.next <= now, free


def _put_off(store: Connection, partner: str, answer: str, now: datetime, coming: datetime) -> None:
    """All else that is due for a partner that fails waits as long, an hour at most; what has no time left is dead."""
    its = select(referral.c.id).where(referral.c.partner == partner)
    waiting = (*_due(now), exchange_notice.c.referral_id.in_(its))
    over = update(exchange_notice).where(*waiting, exchange_notice.c.until <= coming)
    given_up = over.values(state="dead", answer=answer).returning(exchange_notice.c.referral_id)
    for referral_id in store.execute(given_up).scalars().all():
        event(store, referral_id, now, "not-notified", "gateway", answer)
        log.error(GIVEN_UP, answer)
    store.execute(update(exchange_notice).where(*waiting).values(next=coming))


def named_in(body: bytes) -> str:
    """The identifier that a notification names."""
    task = jsonio.load(body)
    return str(task["identifier"][0]["value"]).removeprefix("urn:uuid:")
