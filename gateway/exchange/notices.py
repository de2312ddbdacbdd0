"""The outbox of notifications: each is tried at once, then ever later, until it arrives or its time is over (NPN-13).

A row is claimed before it is sent, and free again when the process that claimed it died; the receiver knows a
notification by its identifier, so that a second try makes no second referral.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import Engine, Row, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from gateway.audit.record import AuditRecord
from gateway.audit.trail import AuditUnavailable, Trail
from gateway.calendar import utc
from gateway.exchange.partners import call
from gateway.exchange.referrals import SEAL, event
from gateway.exchange.settings import ExchangeSettings, PartnerSettings
from gateway.exchange.trust import InstitutionTrust, PartnerFault
from gateway.exchange.workflow import UUID_SYSTEM
from gateway.share.keep import Keys
from gateway.store.exchanged import exchange_notice, referral
from profiles.fhir.codec import jsonio

log = logging.getLogger("gateway.exchange")

PAUSES = (60, 300, 900, 3_600)
"""Seconds before the next attempt; the last is repeated."""
CLAIM = timedelta(minutes=2)
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
        """Send until cancelled. A failing round is logged, and tried again."""
        while True:
            try:
                while await self.round(datetime.now(UTC)):
                    pass
            except (SQLAlchemyError, AuditUnavailable) as fault:
                log.warning("notifications: the store does not answer: %s", type(fault).__name__)
            await asyncio.sleep(self.settings.send_seconds)

    async def round(self, now: datetime) -> int:
        """Try one notification that is due; how many were tried. Raises SQLAlchemyError or AuditUnavailable."""
        row = await asyncio.to_thread(self._claim, now)
        if row is None:
            return 0
        fault: PartnerFault | None = None
        try:
            status = await self._send(row)
        except PartnerFault as told:
            fault, status = told, told.status
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
        await asyncio.to_thread(self._note, row, fault, now)
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
            return (await call(client, method, url, headers, body)).status

    def _request(self, row: Row[Any], partner: PartnerSettings) -> tuple[str, str, bytes | None]:
        if not row.sealed:
            return "POST", f"{partner.notification_url}/{row.referral_id}", None
        body = self.keys.ring.open(SEAL, bytes(row.sealed))
        if not row.cancels:
            return "POST", f"{partner.notification_url}/Task", body
        return "PUT", f"{partner.notification_url}/Task?identifier={UUID_SYSTEM}|urn:uuid:{named_in(body)}", body

    def _claim(self, now: datetime) -> Row[Any] | None:
        free = or_(exchange_notice.c.claimed.is_(None), exchange_notice.c.claimed < now - CLAIM)
        due = (exchange_notice.c.state == "waiting", exchange_notice.c.next <= now, free)
        columns = (referral.c.provider, referral.c.partner, referral.c.flow, referral.c.person, referral.c.group_id)
        wanted = select(exchange_notice, *columns).join(referral, exchange_notice.c.referral_id == referral.c.id)
        with self.engine.begin() as store:
            row = store.execute(wanted.where(*due).order_by(exchange_notice.c.pk).limit(1)).one_or_none()
            if row is None:
                return None
            claimed = update(exchange_notice).where(exchange_notice.c.pk == row.pk, *due)
            if store.execute(claimed.values(claimed=now)).rowcount != 1:
                return None
        return row

    def _note(self, row: Row[Any], fault: PartnerFault | None, now: datetime) -> None:
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
        if state == "dead":
            log.error("notification given up (%s); the user who referred has to look", answer)


def named_in(body: bytes) -> str:
    """The identifier that a notification names."""
    task = jsonio.load(body)
    return str(task["identifier"][0]["value"]).removeprefix("urn:uuid:")
