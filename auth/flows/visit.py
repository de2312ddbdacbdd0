"""A person's visit: landing, login, tests, consent, and the answer to the client (steps 4 to 8 of section 6).

Each step reads the session, does one thing, and moves the session on in one statement that only one request can win.
Whatever ends a visit without a code gives the client the same answer (ERR-92); only the person learns why.
"""

import hmac
import logging
import secrets
from collections.abc import Mapping
from datetime import date

from auth.crypto import SealError, digest, new_token
from auth.events import EventType
from auth.flows.arrival import Arrival
from auth.flows.authorize import AuthorizationRequest
from auth.flows.endings import Endings
from auth.flows.session import Live, Session, fresh, marked, read
from auth.flows.steps import SessionLost, VisitStopped, at
from auth.login.port import Identity, LoginAsk, LoginCancelled, LoginFailed, LoginStart, LoginUnavailable, state_of
from auth.ports import FlowStep, Level, Representation, StepEnd
from auth.store.rows import milliseconds

log = logging.getLogger(__name__)

_OPEN_STEPS = frozenset({"landing", "login", "consent", "refused", "manage"})


class Visits(Arrival, Endings):
    """Opens visits and takes them from step to step."""

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
            started=self.parts.now(),
        )
        return await self._opened(content)

    async def turned_away(self, client: str, reason: str) -> None:
        """Count an authorization request of a known client that could not be followed (ERR-04 to ERR-10)."""
        now = self.parts.clock()
        refused = StepEnd(FlowStep.ASKED, now, secrets.token_urlsafe(16), now, "", client, "", (), "refused", reason)
        await self.parts.run(self.parts.store.count, refused)

    async def open_manage(self, provider: str | None, language: str) -> tuple[Live, str]:
        """Start a visit to "Mijn toestemmingen", which has no client (LTC-07)."""
        content = Session(
            id=secrets.token_urlsafe(16), manage=True, csrf=new_token(), language=language, provider=provider
        )
        return await self._opened(content)

    async def open_own_record(self, provider: str, language: str) -> tuple[Live, str]:
        """Start a visit to "Mijn gegevens": a login like any other, and no client either."""
        content = Session(
            id=secrets.token_urlsafe(16),
            manage=True,
            own_record=True,
            csrf=new_token(),
            language=language,
            provider=provider,
        )
        return await self._opened(content)

    async def _opened(self, content: Session) -> tuple[Live, str]:
        parts = self.parts
        live, cookie = fresh(content, parts.ring, parts.now(), parts.settings.session_seconds, "landing")
        await parts.run(parts.store.add_session, live.row, *self.ended(FlowStep.ASKED, content))
        return live, cookie

    async def resume(self, session_id: str, cookie: str | None) -> Live:
        """The visit of this browser (AUTH-17). Raises SessionLost."""
        parts = self.parts
        row = await parts.session(session_id)
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
        return await self.move(live, live.content.but(language=language), live.step)

    def acting_kinds(self, content: Session) -> tuple[Representation, ...]:
        """For whom else than oneself one may read here: what is switched on for this provider (REP-07)."""
        if not content.own_record or not self.parts.settings.representation:
            return ()
        allowed = self.provider(content).representation
        return tuple(kind for kind in Representation if kind in allowed)

    async def act(self, live: Live, kind: str | None, born: date | None) -> Live | None:
        """Read for somebody else, or (no kind) for oneself; None when that is not on offer, or no birth date is given.

        As a client does in its request: the kind and the birth date are said before the login (REP-01).
        """
        at(live, "landing", "login")
        content = live.content
        if kind is not None and (kind not in self.acting_kinds(content) or born is None):
            return None
        asked = born.isoformat() if kind is not None and born is not None else None
        if (kind, asked) == (content.representation, content.asked_birth_date):
            return live
        return await self.move(live, content.but(representation=kind, asked_birth_date=asked), live.step)

    async def start_login(self, live: Live) -> LoginStart:
        """The way to the authentication service. Raises VisitStopped when it is down."""
        at(live, "landing", "login")
        parts, content = self.parts, live.content
        content = content.but(login_state=f"{content.id}.{secrets.token_urlsafe(24)}")
        try:
            start = await parts.login.start(self._ask(content))
        except LoginUnavailable as error:
            await self._login_down(content)
            raise VisitStopped(content) from error
        await self.move(live, content.but(login_kept=start.kept, login_posted={}), "login")
        self.note(EventType.SEND_AUTHENTICATION_REQUEST, content)
        return start

    async def keep_answer(self, state: str, posted: Mapping[str, str]) -> None:
        """Keep what a bridge let the browser post. Raises SessionLost.

        A post from another site brings no cookie of ours (SameSite=Lax), so nothing is done with it here: the browser
        is sent on, and what it then shows is looked at like any callback. Whoever does not know the visit's state
        cannot leave anything; what was left is not replaced.
        """
        row = await self.parts.run(self.parts.store.find_session, state.partition(".")[0])
        if row is None or row.step != "login" or row.expires <= self.parts.now():
            raise SessionLost
        try:
            live = read(row, self.parts.ring)
        except SealError as error:
            raise SessionLost from error
        if not _same(live.content.login_state, state):
            raise SessionLost
        if not live.content.login_posted:
            await self.move(live, live.content.but(login_posted=dict(posted)), "login")
        elif live.content.login_posted != posted:
            log.warning("a login was refused: %s", "another-answer")
            raise SessionLost

    async def finish_login(self, live: Live, answer: Mapping[str, str]) -> Live:
        """Read the callback; the visit goes on to consent, to "Mijn toestemmingen", or ends in a refusal."""
        content = live.content
        self.note(EventType.RECEIVE_AUTHENTICATION_RESPONSE, content)
        try:
            identity = await self._identity(live, answer)
        except LoginCancelled:
            self.note(EventType.RECEIVE_AUTHORIZATION_CANCELLATION, content)
            cancelled = self.ended(FlowStep.AUTHENTICATED, content, "refused", "cancelled")
            return await self.refuse(live, "ERR-12", None, *cancelled)
        except LoginFailed as error:
            log.warning("a login was refused: %s", error.why)
            return await self._failed(live)
        except LoginUnavailable as error:
            await self._login_down(content)
            raise VisitStopped(content) from error
        if identity.level < self._floor(content):
            return await self._failed(live, "level")
        known = content.but(
            login_kept={},
            login_state=None,
            bsn=identity.bsn,
            birth_date=identity.birth_date.isoformat() if identity.birth_date else None,
            actor_bsn=identity.actor_bsn,
            used_representation=identity.representation,
            level=int(identity.level),
            assertion_id=identity.assertion_id,
            login_posted={},
            at_bridge=identity.bridge is not None,
            bridge_kept=identity.bridge.kept if identity.bridge else {},
        )
        live = self._marked(live, identity)
        if content.manage and identity.representation == content.representation:
            return await self.move(live, known, "manage")
        return await self.arrived(live, known)

    def _marked(self, live: Live, who: Identity) -> Live:
        """The visit with what a logout at the bridge will find it by."""
        at_bridge, mark = who.bridge, self.parts.pseudonyms.mark
        if at_bridge is None:
            return live
        subject = mark("login-subject", at_bridge.subject) if at_bridge.subject else None
        session = mark("login-session", at_bridge.session) if at_bridge.session else None
        return marked(live, subject, session, milliseconds(who.authenticated))

    async def _identity(self, live: Live, answer: Mapping[str, str]) -> Identity:
        content, state = live.content, state_of(answer)
        if live.step != "login" or content.login_state is None:
            raise LoginFailed("replayed")
        if not _same(content.login_state, state):
            raise LoginFailed("another-request")
        # What may come in a form is not taken from an address: it names the person.
        asked = {name: value for name, value in answer.items() if name != "SAMLResponse"}
        parts, answer = self.parts, {**asked, **content.login_posted}
        if "SAMLart" in answer:
            self.note(EventType.SEND_ARTIFACT_RESOLUTION_REQUEST, content)
        return await parts.login.finish(answer, content.login_kept, self._ask(content), parts.clock())

    async def _login_down(self, content: Session) -> None:
        """Count that the authentication service is down. The visit stays as it is: the person may try again."""
        await self.parts.run(
            self.parts.store.count, *self.ended(FlowStep.AUTHENTICATED, content, "failed", "login-down")
        )

    async def _failed(self, live: Live, reason: str | None = None) -> Live:
        self.note(EventType.RECEIVE_AUTHENTICATION_ERROR, live.content, error_code="other")
        failed = self.ended(FlowStep.AUTHENTICATED, live.content, "failed", reason or "login")
        return await self.refuse(live, "ERR-13", reason, *failed)

    def _ask(self, content: Session) -> LoginAsk:
        return LoginAsk(
            state=content.login_state or "",
            callback=f"{self.parts.settings.base_url}/login/callback",
            level=self._floor(content),
            representation=Representation(content.representation) if content.representation else None,
            language=content.language,
        )

    def _floor(self, content: Session) -> Level:
        provider = self.parts.providers.find(content.provider) if content.provider else None
        return provider.level_floor if provider is not None else Level.MIDDEN


def _same(ours: str | None, state: str) -> bool:
    return ours is not None and hmac.compare_digest(ours.encode(), state.encode("utf-8", "replace"))
