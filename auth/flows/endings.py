"""The end of a visit: consent or refusal, kept before anything is answered (CONS-03), and the answer itself."""

import hmac
import secrets

from auth.crypto import SealError, digest, new_token
from auth.errors import REFUSALS
from auth.events import EventType
from auth.flows.code import code_of
from auth.flows.session import FirstAnswer, Live, Session, answered, closed, first_answer
from auth.flows.steps import SessionLost, Steps, at
from auth.parts import Parts
from auth.ports import FlowStep, StepEnd
from auth.store.rows import ConsentEntry, Family, IssuedCode


class Endings(Steps):
    """Every way in which a visit ends."""

    async def decide(self, live: Live, *, lasting: bool) -> str:
        """Consent given: register and code in one transaction, then the Location (CONS-03). Raises SessionLost."""
        at(live, "consent")
        parts, content = self.parts, live.content
        lasting = lasting and content.function == "collect"
        consent_id = secrets.token_urlsafe(16)
        entry = self._entry(content, consent_id, "given", content.offered, lasting)
        family = self._family(content, consent_id, lasting)
        replaces = content.function == "collect"
        # The code is drawn before, so that the visit can remember its answer in the statement that ends it.
        code = new_token()
        location = self.location(content, [("code", code)])
        ended = answered(live, parts.ring, parts.now(), FirstAnswer(content.csrf, location, digest(code)))
        given = self.ended(FlowStep.CONSENTED, content)
        kept = IssuedCode(digest(code), code_of(parts, content, family))
        if not await parts.run(parts.store.decide, ended, live.row.version, entry, family, replaces, kept, *given):
            raise SessionLost
        self.note(EventType.RECEIVE_CONSENT, content, consent_id=consent_id)
        self.note(EventType.SEND_AUTHORIZATION_RESPONSE, content)
        return location

    async def answer_again(self, session_id: str, cookie: str | None, csrf: str | None) -> str | None:
        """The answer of a visit that ended just now, for a second press of the button on this browser's page.

        None when there is none to repeat: another browser, another page, too late, or a client that had it already.
        """
        parts = self.parts
        row = await parts.session(session_id)
        if row is None or cookie is None or not hmac.compare_digest(digest(cookie), bytes(row.cookie)):
            return None
        try:
            first = first_answer(row, parts.ring, parts.now())
        except SealError:
            return None
        if first is None or not hmac.compare_digest(first.csrf.encode(), (csrf or "").encode()):
            return None
        return None if await parts.run(parts.store.was_offered, first.digest) else first.location

    async def refuse_consent(self, live: Live) -> str:
        """Consent refused: recorded, and the client hears the usual (ERR-15)."""
        at(live, "consent")
        self.note(EventType.RECEIVE_CONSENT_REFUSAL, live.content)
        return await self._ended(
            live, "ERR-15", "refused", *self.ended(FlowStep.CONSENTED, live.content, "refused", "consent-refused")
        )

    async def cancel(self, live: Live) -> str:
        """Cancelled on the landing page (UI-06, ERR-11)."""
        at(live, "landing", "login")
        self.note(EventType.SEND_AUTHORIZATION_CANCELLATION, live.content)
        return await self._ended(
            live, "ERR-11", "cancelled", *self.ended(FlowStep.AUTHENTICATED, live.content, "refused", "cancelled")
        )

    async def leave(self, live: Live) -> str:
        """Leave a page that told why the flow stopped."""
        at(live, "refused")
        return await self._ended(live, live.content.refusal or "ERR-18", "cancelled")

    async def _ended(self, live: Live, row: str, outcome: str, *steps: StepEnd) -> str:
        parts, content = self.parts, live.content
        entry = self._entry(content, secrets.token_urlsafe(16), outcome, (), None)
        if not await parts.run(parts.store.decide, closed(live), live.row.version, entry, None, False, None, *steps):
            raise SessionLost
        refusal = REFUSALS[row]
        self.note(EventType.SEND_AUTHORIZATION_RESPONSE, content, error_code=refusal.code)
        return self.refusal_location(content, row)

    def _entry(
        self, content: Session, consent_id: str, outcome: str, granted: tuple[str, ...], lasting: bool | None
    ) -> ConsentEntry:
        parts = self.parts
        return ConsentEntry(
            entry=consent_id,
            consent_id=consent_id,
            outcome=outcome,
            moment=parts.now(),
            channel="authorization",
            function=content.function,
            provider=content.provider or "",
            client=content.client,
            organisation=content.organisation,
            offered=content.offered or content.asked,
            granted=granted,
            lasting=lasting,
            days=content.days,
            text_version=parts.text_version,
            interface_version="2" if content.dialect == "C" else "1",
            subject=parts.pseudonyms.of(content.bsn) if content.bsn else None,
            actor=parts.pseudonyms.of(content.actor_bsn) if content.actor_bsn else None,
            representation=content.representation,
            assertion_id=content.assertion_id,
            level=content.level,
            correlation_id=content.correlation_id,
            session_id=content.id,
        )

    def _family(self, content: Session, consent_id: str, lasting: bool) -> Family:
        parts, now = self.parts, self.parts.now()
        bsn, actor = content.bsn or "", content.actor_bsn
        return Family(
            id=secrets.token_urlsafe(16),
            consent_id=consent_id,
            client=content.client,
            provider=content.provider or "",
            function=content.function,
            dialect=content.dialect,
            services=frozenset(content.offered),
            days=content.days,
            subject=parts.pseudonyms.of(bsn),
            sealed_bsn=parts.ring.seal("bsn", bsn.encode("ascii")),
            patient=None,
            actor=parts.pseudonyms.of(actor) if actor else None,
            sealed_actor=parts.ring.seal("bsn", actor.encode("ascii")) if actor else None,
            sealed_birth_date=_sealed_date(parts, content.birth_date),
            representation=content.representation,
            lasting=lasting,
            created=now,
            used=now,
            flow=content.id,
            started=content.started or None,
        )


def _sealed_date(parts: Parts, text: str | None) -> bytes | None:
    return parts.ring.seal("birth-date", text.encode("ascii")) if text else None
