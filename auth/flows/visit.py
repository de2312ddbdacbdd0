"""A person's visit: landing, login, tests, consent, and the answer to the client (steps 4 to 8 of section 6).

Each step reads the session, does one thing, and moves the session on in one statement that only one request can win.
Whatever ends a visit without a code gives the client the same answer (ERR-92); only the person learns why.
"""

import hmac
import secrets
from collections.abc import Mapping
from datetime import date

from auth.crypto import SealError, digest, new_token
from auth.errors import REFUSALS
from auth.events import EventType
from auth.flows import redirects
from auth.flows.authorize import AuthorizationRequest
from auth.flows.check import SourceDown, age_refuses, deliverable
from auth.flows.code import code_for
from auth.flows.session import Live, Session, closed, fresh, moved, read
from auth.login.port import Identity, LoginAsk, LoginCancelled, LoginFailed, LoginUnavailable
from auth.parts import Parts
from auth.ports import Level, Provider, Reason, Representation
from auth.rows import ConsentEntry, Family

_OPEN_STEPS = frozenset({"landing", "login", "consent", "refused", "manage"})


class SessionLost(Exception):
    """No such session for this browser, or it expired, or another request was first (ERR-19)."""

    def __init__(self, known: Session | None = None) -> None:
        self.known = known
        super().__init__("the browser session is lost")


class VisitStopped(Exception):
    """A visit that cannot go on now; the person gets a page with a link (ERR-18)."""

    def __init__(self, content: Session) -> None:
        self.content = content
        super().__init__("the visit cannot go on")


class Visits:
    """Opens visits and takes them from step to step."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    # --- opening and resuming --------------------------------------------------------------------------------------

    async def open(self, asked: AuthorizationRequest, language: str) -> tuple[Live, str]:
        """Start a visit for a checked authorization request; also returns the cookie's secret."""
        content = Session(
            id=secrets.token_urlsafe(16),
            csrf=new_token(),
            language=language,
            provider=asked.provider.name,
            client=asked.back.client.hostname,
            organisation=asked.back.client.organisation,
            redirect_uri=asked.back.redirect_uri,
            raw_state=asked.back.raw_state,
            dialect=asked.dialect,
            function=asked.function,
            asked=asked.services,
            days=asked.days,
            representation=asked.representation,
            asked_birth_date=asked.birth_date,
            correlation_id=asked.correlation_id,
            request_id=asked.request_id,
            challenge=asked.challenge,
        )
        return await self._opened(content)

    async def open_manage(self, provider: str | None, language: str) -> tuple[Live, str]:
        """Start a visit to "Mijn toestemmingen", which has no client (LTC-07)."""
        content = Session(
            id=secrets.token_urlsafe(16), manage=True, csrf=new_token(), language=language, provider=provider
        )
        return await self._opened(content)

    async def _opened(self, content: Session) -> tuple[Live, str]:
        parts = self._parts
        live, cookie = fresh(content, parts.ring, parts.now(), parts.settings.session_seconds, "landing")
        await parts.run(parts.store.add_session, live.row)
        return live, cookie

    async def resume(self, session_id: str, cookie: str | None) -> Live:
        """The visit of this browser (AUTH-17). Raises SessionLost."""
        parts = self._parts
        row = await parts.run(parts.store.find_session, session_id)
        if row is None or cookie is None or not hmac.compare_digest(digest(cookie), bytes(row.cookie)):
            raise SessionLost
        if row.step not in _OPEN_STEPS:
            raise SessionLost
        try:
            live = read(row, parts.ring)
        except SealError as error:
            raise SessionLost from error
        if row.expires <= parts.now():
            raise SessionLost(live.content)
        return live

    async def speak(self, live: Live, language: str) -> Live:
        """Change the language of a visit."""
        return await self._move(live, live.content.but(language=language), live.step)

    # --- login -----------------------------------------------------------------------------------------------------

    async def start_login(self, live: Live) -> str:
        """The URL at the authentication service. Raises VisitStopped when it is down."""
        _at(live, "landing", "login")
        parts, content = self._parts, live.content
        content = content.but(login_state=f"{content.id}.{secrets.token_urlsafe(24)}")
        try:
            start = await parts.login.start(self._ask(content))
        except LoginUnavailable as error:
            raise VisitStopped(content) from error
        await self._move(live, content.but(login_kept=start.kept), "login")
        self.note(EventType.SEND_AUTHENTICATION_REQUEST, content)
        return start.url

    async def finish_login(self, live: Live, answer: Mapping[str, str]) -> Live:
        """Read the callback; the visit goes on to consent, to "Mijn toestemmingen", or ends in a refusal."""
        content = live.content
        self.note(EventType.RECEIVE_AUTHENTICATION_RESPONSE, content)
        try:
            identity = await self._identity(live, answer)
        except LoginCancelled:
            self.note(EventType.RECEIVE_AUTHORIZATION_CANCELLATION, content)
            return await self._refuse(live, "ERR-12", None)
        except LoginFailed:
            return await self._failed(live)
        except LoginUnavailable as error:
            raise VisitStopped(content) from error
        if identity.level < self._floor(content):
            return await self._failed(live, "level")
        known = content.but(
            login_kept={},
            login_state=None,
            bsn=identity.bsn,
            birth_date=identity.birth_date.isoformat() if identity.birth_date else None,
            actor_bsn=identity.actor_bsn,
            level=int(identity.level),
            assertion_id=identity.assertion_id,
        )
        if content.manage:
            return await self._move(live, known, "manage")
        if identity.representation != content.representation or (identity.actor_bsn is not None) != (
            content.representation is not None
        ):
            return await self._refuse(live, "ERR-16", Reason.NO_MANDATE)
        return await self._tested(live, known)

    async def _identity(self, live: Live, answer: Mapping[str, str]) -> Identity:
        content, state = live.content, answer.get("state", "")
        if live.step != "login" or content.login_state is None:
            raise LoginFailed("replayed")
        if not hmac.compare_digest(content.login_state.encode(), state.encode("utf-8", "replace")):
            raise LoginFailed("another-request")
        parts = self._parts
        return await parts.login.finish(answer, content.login_kept, self._ask(content), parts.clock())

    async def _failed(self, live: Live, reason: str | None = None) -> Live:
        self.note(EventType.RECEIVE_AUTHENTICATION_ERROR, live.content, error_code="other")
        return await self._refuse(live, "ERR-13", reason)

    def _ask(self, content: Session) -> LoginAsk:
        return LoginAsk(
            state=content.login_state or "",
            callback=f"{self._parts.settings.base_url}/login/callback",
            level=self._floor(content),
            representation=Representation(content.representation) if content.representation else None,
            language=content.language,
        )

    def _floor(self, content: Session) -> Level:
        provider = self._parts.providers.find(content.provider) if content.provider else None
        return provider.level_floor if provider is not None else Level.MIDDEN

    # --- tests -----------------------------------------------------------------------------------------------------

    async def _tested(self, live: Live, known: Session) -> Live:
        """Age, availability or receivability, birth date of a represented person; then the consent page."""
        parts = self._parts
        provider = self.provider(known)
        asked = self._worth_asking(known)
        acting = Representation(known.representation) if known.representation else None
        birth_date = date.fromisoformat(known.birth_date) if known.birth_date else None
        if known.function == "subscribe" and known.days == 0:
            return await self._move(live, known.but(offered=known.asked), "consent")
        if birth_date is not None and age_refuses(parts, birth_date, acting):
            return await self._unavailable(live, "ERR-14", Reason.AGE)
        person = parts.person(known.bsn or "", birth_date=birth_date)
        actor = parts.person(known.actor_bsn) if known.actor_bsn else None
        self.note(EventType.SEND_AVAILABILITY_REQUEST, known)
        try:
            verdict = await deliverable(parts, provider, person, actor, asked, known.function, acting)
        except SourceDown as error:
            await self._move(live, live.content, "refused")
            raise VisitStopped(known) from error
        self.note(EventType.RECEIVE_AVAILABILITY_RESPONSE, known)
        if acting is not None and not _same_birth_date(known.asked_birth_date, verdict.birth_date):
            return await self._unavailable(live, "ERR-16", Reason.NO_MANDATE)
        if not verdict.services:
            return await self._unavailable(live, "ERR-14", verdict.reason or Reason.NO_RELATION)
        replaces = known.function == "collect" and await parts.run(
            parts.store.has_lasting, person.pseudonym, provider.name, known.client
        )
        offered = tuple(service for service in known.asked if service in verdict.services)
        found = verdict.birth_date.isoformat() if verdict.birth_date else None
        return await self._move(live, known.but(offered=offered, replaces=replaces, birth_date=found), "consent")

    def _worth_asking(self, known: Session) -> frozenset[str]:
        """Leave out what the client list rules out already; when that is everything, the token endpoint tells it."""
        asked = frozenset(known.asked)
        client = self._parts.lists.clients.find(known.client)
        if client is None or client.services is None:
            return asked
        return asked & client.services or asked

    async def _unavailable(self, live: Live, row: str, reason: Reason) -> Live:
        self.note(EventType.SHOW_UNAVAILABLE_PAGE, live.content)
        return await self._refuse(live, row, reason)

    # --- the end of a visit ----------------------------------------------------------------------------------------

    async def decide(self, live: Live, *, lasting: bool) -> str:
        """Consent given: the register first, then the code, then the Location (CONS-03). Raises SessionLost."""
        _at(live, "consent")
        parts, content = self._parts, live.content
        lasting = lasting and content.function == "collect"
        consent_id = secrets.token_urlsafe(16)
        entry = self._entry(content, consent_id, "given", content.offered, lasting)
        family = self._family(content, consent_id, lasting)
        replaces = content.function == "collect"
        if not await parts.run(parts.store.decide, closed(live), live.row.version, entry, family, replaces):
            raise SessionLost
        self.note(EventType.RECEIVE_CONSENT, content, consent_id=consent_id)
        code = await parts.run(code_for, parts, content, family)
        self.note(EventType.SEND_AUTHORIZATION_RESPONSE, content)
        return self._location(content, [("code", code)])

    async def refuse_consent(self, live: Live) -> str:
        """Consent refused: recorded, and the client hears the usual (ERR-15)."""
        _at(live, "consent")
        self.note(EventType.RECEIVE_CONSENT_REFUSAL, live.content)
        return await self._ended(live, "ERR-15", "refused")

    async def cancel(self, live: Live) -> str:
        """Cancelled on the landing page (UI-06, ERR-11)."""
        _at(live, "landing", "login")
        self.note(EventType.SEND_AUTHORIZATION_CANCELLATION, live.content)
        return await self._ended(live, "ERR-11", "cancelled")

    async def leave(self, live: Live) -> str:
        """Leave a page that told why the flow stopped."""
        _at(live, "refused")
        return await self._ended(live, live.content.refusal or "ERR-18", "cancelled")

    async def close(self, live: Live) -> None:
        """End a visit that answers to nobody ("Mijn toestemmingen")."""
        await self._parts.run(self._parts.store.move_session, closed(live), live.row.version)

    async def _ended(self, live: Live, row: str, outcome: str) -> str:
        parts, content = self._parts, live.content
        entry = self._entry(content, secrets.token_urlsafe(16), outcome, (), None)
        if not await parts.run(parts.store.decide, closed(live), live.row.version, entry, None, False):
            raise SessionLost
        refusal = REFUSALS[row]
        self.note(EventType.SEND_AUTHORIZATION_RESPONSE, content, error_code=refusal.code)
        return self.refusal_location(content, row)

    def refusal_location(self, content: Session, row: str) -> str:
        """Where the browser goes with a refusal; the same for everything about the person (ERR-92)."""
        refusal = REFUSALS[row]
        return self._location(
            content, [("error", refusal.code or "server_error"), ("error_description", refusal.description or "")]
        )

    def _location(self, content: Session, fields: list[tuple[str, str]]) -> str:
        if self._parts.settings.issuer_parameter:
            fields = [*fields, ("iss", self._parts.settings.base_url)]
        return redirects.answer(content.redirect_uri, fields, content.raw_state)

    # --- help ------------------------------------------------------------------------------------------------------

    def provider(self, content: Session) -> Provider:
        """The provider of a visit. Raises VisitStopped when the host dropped it meanwhile."""
        provider = self._parts.providers.find(content.provider or "")
        if provider is None:
            raise VisitStopped(content)
        return provider

    def note(self, event: EventType, content: Session, **fields: object) -> None:
        """Note an event of this visit."""
        self._parts.note(
            event,
            trace_id=content.correlation_id,
            session_id=content.id,
            request_id=content.request_id,
            client_id=content.client or None,
            provider_id=content.provider,
            service_id=content.asked[0] if len(content.asked) == 1 else None,
            initiated_by="person",
            **fields,
        )

    async def _refuse(self, live: Live, row: str, reason: str | None) -> Live:
        content = live.content.but(refusal=row, reason=reason, login_kept={}, login_state=None)
        return await self._move(live, content, "refused")

    async def _move(self, live: Live, content: Session, step: str) -> Live:
        parts = self._parts
        row = moved(live, content, parts.ring, parts.now(), parts.settings.session_seconds, step)
        if not await parts.run(parts.store.move_session, row, live.row.version):
            raise SessionLost
        return Live(row, content)

    def _entry(
        self, content: Session, consent_id: str, outcome: str, granted: tuple[str, ...], lasting: bool | None
    ) -> ConsentEntry:
        parts = self._parts
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
        parts, now = self._parts, self._parts.now()
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
        )


def _at(live: Live, *steps: str) -> None:
    if live.step not in steps:
        raise SessionLost(live.content)


def _same_birth_date(asked: str | None, known: date | None) -> bool:
    return known is not None and asked == known.isoformat()


def _sealed_date(parts: Parts, text: str | None) -> bytes | None:
    return parts.ring.seal("birth-date", text.encode("ascii")) if text else None
