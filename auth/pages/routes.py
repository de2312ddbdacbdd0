"""The front channel as HTTP: authorize, the screens of a visit, and the callback of the login."""

import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from auth.errors import REFUSALS, AuthorizationError, Channel
from auth.events import EventType
from auth.flows.authorize import CORRELATION_ID, REQUEST_ID, Return, back_of, check
from auth.flows.parameters import ParameterError, Parameters, is_uuid
from auth.flows.session import Live, Session
from auth.flows.visit import SessionLost, Visits, VisitStopped
from auth.pages.catalogue import choose_language
from auth.pages.contexts import Cancel, Consent, Fault, Landing, ManageLanding, Refused
from auth.pages.presenter import VISIT, Presenter
from auth.parts import Parts

log = logging.getLogger(__name__)

_KINDS = {"collect": "consent", "share": "confirm", "subscribe": "subscribe"}
_REFUSED = {"ERR-12": ("refused.title_cancelled", "cancelled"), "ERR-13": ("refused.title_login", "login")}


@dataclass(slots=True)
class Turn:
    """What is known so far in one request, so that a fault can still show the way back."""

    back: Return | None = None
    content: Session | None = None
    trace_id: str | None = None
    request_id: str | None = None


class Overview(Protocol):
    """What shows "Mijn toestemmingen"."""

    async def overview(self, live: Live, ended: str | None) -> Response:
        """The page itself."""


class _NoOverview:
    async def overview(self, live: Live, ended: str | None) -> Response:
        raise SessionLost(None)


Handler = Callable[[Request, Turn], Awaitable[Response]]


class FrontChannel:
    """Every page that an authorization request can lead to."""

    def __init__(self, parts: Parts, visits: Visits, presenter: Presenter) -> None:
        self._parts = parts
        self._visits = visits
        self._show = presenter
        self.manage: Overview = _NoOverview()
        """The page after login for visits without a client; the router sets it."""

    # --- the authorization endpoint --------------------------------------------------------------------------------

    async def authorize(self, request: Request) -> Response:
        """GET /oauth/authorize and, for dialect L, GET /oauth/{provider}/authorize."""
        return await self.guarded(self._authorize, request)

    async def _authorize(self, request: Request, turn: Turn) -> Response:
        if request.method != "GET":
            return self._fault(request, turn, "ERR-03", "_request", headers={"Allow": "GET"})
        asked = self._read(request, turn)
        self._note(EventType.RECEIVE_AUTHORIZATION_REQUEST, turn, method="GET", uri=request.url.path)
        try:
            turn.back = back_of(self._parts, asked)
        except AuthorizationError as error:
            if not self._parts.lists.state.usable():
                return self._fault(request, turn, "ERR-18", "_busy")
            row = error.refusal
            self._note(EventType.AUTHORIZATION_REQUEST_ERROR, turn, error_code="other", status=row.status)
            self._note(EventType.SHOW_AUTHORIZATION_REQUEST_ERROR_PAGE, turn, error_description=row.description)
            return self._fault(request, turn, row.id, "_request")
        if not self._parts.lists.state.usable():
            return self._fault(request, turn, "ERR-18", "_busy")
        try:
            checked = check(self._parts, asked, request.headers, turn.back, request.path_params.get("provider"))
        except AuthorizationError as error:
            row = error.refusal
            self._note(EventType.SEND_AUTHORIZATION_REQUEST_ERROR, turn, error_code=row.code, status=302)
            return self._show.redirect(self._link(turn, row.id) or "", 302)
        language = choose_language(asked.value("lang"), request.headers.get("accept-language"))
        live, secret = await self._visits.open(checked, language)
        turn.content = live.content
        self._visits.note(EventType.SHOW_LANDING_PAGE, live.content)
        answer = self._landing(live)
        self._show.set_cookie(answer, live.content.id, secret)
        return answer

    def _read(self, request: Request, turn: Turn) -> Parameters:
        try:
            asked = Parameters.read(request.scope["query_string"], self._parts.settings.max_query)
        except ParameterError:
            asked = Parameters([])
        for name in (CORRELATION_ID, REQUEST_ID):
            value = asked.value(name) or request.headers.get(name)
            if is_uuid(value):
                turn.trace_id, turn.request_id = (
                    (value, turn.request_id) if name == CORRELATION_ID else (turn.trace_id, value)
                )
        return asked

    # --- the screens of a visit ------------------------------------------------------------------------------------

    async def screen(self, request: Request) -> Response:
        """GET /oauth/visit/{id}: the step where the visit is, in the asked language."""
        return await self.guarded(self._screen, request)

    async def _screen(self, request: Request, turn: Turn) -> Response:
        live = await self.live(request, turn)
        language = request.query_params.get("lang")
        if language is not None and language != live.content.language:
            live = await self._visits.speak(live, choose_language(language, None))
        if live.step == "manage":
            return await self.manage.overview(live, None)
        return self._step(live)

    async def proceed(self, request: Request) -> Response:
        """POST /oauth/visit/{id}/continue: to the login."""
        return await self.guarded(self._proceed, request)

    async def _proceed(self, request: Request, turn: Turn) -> Response:
        live, _ = await self.posted(request, turn)
        return self._show.redirect(await self._visits.start_login(live))

    async def cancel(self, request: Request) -> Response:
        """POST /oauth/visit/{id}/cancel: is stopping meant?"""
        return await self.guarded(self._cancel, request)

    async def _cancel(self, request: Request, turn: Turn) -> Response:
        live, _ = await self.posted(request, turn)
        content = live.content
        page = Cancel(VISIT + content.id, content.csrf)
        return self._show.page(page, language=content.language, content=content)

    async def stop(self, request: Request) -> Response:
        """POST /oauth/visit/{id}/stop: back to the client with access_denied."""
        return await self.guarded(self._stop, request)

    async def _stop(self, request: Request, turn: Turn) -> Response:
        live, _ = await self.posted(request, turn)
        return self._back(live, await self._visits.cancel(live))

    async def decide(self, request: Request) -> Response:
        """POST /oauth/visit/{id}/decide: consent given or refused."""
        return await self.guarded(self._decide, request)

    async def _decide(self, request: Request, turn: Turn) -> Response:
        live, form = await self.posted(request, turn)
        decision = form.value("decision")
        if decision == "refuse":
            return self._back(live, await self._visits.refuse_consent(live))
        if decision != "give":
            raise SessionLost(live.content)
        return self._back(live, await self._visits.decide(live, lasting=form.value("duration") == "lasting"))

    async def leave(self, request: Request) -> Response:
        """GET /oauth/visit/{id}/leave: from a page that told why the flow stopped, back to the client."""
        return await self.guarded(self._leave, request)

    async def _leave(self, request: Request, turn: Turn) -> Response:
        live = await self.live(request, turn)
        return self._back(live, await self._visits.leave(live))

    async def callback(self, request: Request) -> Response:
        """GET /login/callback: the person comes back from the login."""
        return await self.guarded(self._callback, request)

    async def _callback(self, request: Request, turn: Turn) -> Response:
        try:
            answer = Parameters.read(request.scope["query_string"], self._parts.settings.max_query)
        except ParameterError as error:
            raise SessionLost from error
        session_id = (answer.value("state") or "").partition(".")[0]
        live = await self._resumed(request, turn, session_id)
        live = await self._visits.finish_login(live, {} if answer.repeated else answer.as_dict())
        return self._show.redirect(VISIT + live.content.id)

    # --- what a step shows -----------------------------------------------------------------------------------------

    def _step(self, live: Live) -> Response:
        if live.step == "consent":
            return self._consent(live)
        if live.step == "refused":
            return self._refused(live)
        return self._landing(live)

    def _landing(self, live: Live) -> Response:
        content = live.content
        page: Landing | ManageLanding
        if content.manage:
            page = ManageLanding(VISIT + content.id, content.csrf)
        else:
            page = Landing(VISIT + content.id, content.csrf, content.function, content.representation is not None)
        return self._show.page(page, language=content.language, content=content)

    def _consent(self, live: Live) -> Response:
        content = live.content
        provider = self._visits.provider(content)
        kind = "unsubscribe" if content.days == 0 else _KINDS[content.function]
        self._visits.note(EventType.SHOW_CONSENT_PAGE, content)
        page = Consent(
            kind=kind,
            visit=VISIT + content.id,
            csrf=content.csrf,
            services=self._show.service_names(provider, content.offered),
            privacy_url=provider.privacy_url,
            replaces=content.replaces,
            representing=content.representation is not None,
            days=content.days,
        )
        return self._show.page(page, language=content.language, content=content)

    def _refused(self, live: Live) -> Response:
        content = live.content
        title, reason = _REFUSED.get(content.refusal or "", ("refused.title", "source-down"))
        provider = self._parts.providers.find(content.provider or "")
        page = Refused(
            title=title,
            visit=VISIT + content.id,
            reason=f"reason.{content.reason or reason}",
            has_client=not content.manage,
            contact_phone=provider.phone if provider else None,
        )
        return self._show.page(page, language=content.language, content=content)

    # --- help ------------------------------------------------------------------------------------------------------

    async def live(self, request: Request, turn: Turn) -> Live:
        """The visit that the path names, for this browser. Raises SessionLost."""
        return await self._resumed(request, turn, request.path_params["visit"])

    async def _resumed(self, request: Request, turn: Turn, session_id: str) -> Live:
        cookie = request.cookies.get(self._show.cookie_name(session_id))
        live = await self._visits.resume(session_id, cookie)
        turn.content = live.content
        return live

    async def posted(self, request: Request, turn: Turn) -> tuple[Live, Parameters]:
        """The visit and the posted form, when it came from our page (CT-57). Raises SessionLost."""
        live = await self.live(request, turn)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._parts.settings.max_body:
                raise SessionLost(live.content)
        try:
            form = Parameters.read(body, self._parts.settings.max_body)
        except ParameterError as error:
            raise SessionLost(live.content) from error
        if form.repeated or not hmac.compare_digest((form.value("csrf") or "").encode(), live.content.csrf.encode()):
            raise SessionLost(live.content)
        return live, form

    async def guarded(self, handler: Handler, request: Request) -> Response:
        """Run a handler; whatever goes wrong becomes the page that section 14 names."""
        turn = Turn()
        try:
            return await handler(request, turn)
        except SessionLost as error:
            turn.content = error.known
            return self._fault(request, turn, "ERR-19", "_session")
        except VisitStopped as error:
            turn.content = error.content
            return self._fault(request, turn, "ERR-18", "_busy")
        except Exception:
            turn.trace_id = turn.trace_id or str(uuid.uuid4())
            log.exception("internal error on a page, trace %s", turn.trace_id)
            return self._fault(request, turn, "ERR-17", "")

    def _fault(
        self, request: Request, turn: Turn, row: str, kind: str, headers: dict[str, str] | None = None
    ) -> Response:
        refusal = REFUSALS[row]
        content = turn.content or _nobody(turn)
        self._note(EventType.SHOW_ERROR_PAGE, turn, status=refusal.status, error_code=refusal.code or "other")
        language = content.language if turn.content else choose_language(None, request.headers.get("accept-language"))
        link = self._link(turn, row) if row in {"ERR-17", "ERR-18", "ERR-19"} else None
        retry = {"Retry-After": "60"} if refusal.status == 503 else {}
        return self._show.page(
            Fault(kind, link),
            language=language,
            content=content,
            status=refusal.status,
            trace_id=turn.trace_id,
            headers={**retry, **(headers or {})},
        )

    def _link(self, turn: Turn, row: str) -> str | None:
        """Where the refusal goes; None when nobody may be redirected."""
        refusal = REFUSALS[row]
        if refusal.channel is Channel.PAGE and row not in {"ERR-17", "ERR-18", "ERR-19"}:
            return None
        if turn.content is not None and turn.content.redirect_uri:
            return self._visits.refusal_location(turn.content, row)
        if turn.back is None:
            return None
        return self._visits.refusal_location(_nobody(turn), row)

    def _back(self, live: Live, location: str) -> Response:
        answer = self._show.redirect(location, 302)
        self._show.drop_cookie(answer, live.content.id)
        return answer

    def _note(self, event: EventType, turn: Turn, **fields: Any) -> None:
        content = turn.content
        self._parts.note(
            event,
            trace_id=turn.trace_id or (content.correlation_id if content else None),
            session_id=content.id if content else None,
            request_id=turn.request_id,
            client_id=turn.back.client.hostname if turn.back else None,
            **fields,
        )


def _nobody(turn: Turn) -> Session:
    """A stand-in for a visit that was never opened: the client's name and address, when they are valid."""
    back = turn.back
    session_id = uuid.uuid4().hex
    if back is None:
        return Session(id=session_id, csrf="", correlation_id=turn.trace_id)
    return Session(
        id=session_id,
        csrf="",
        client=back.client.hostname,
        organisation=back.client.organisation,
        redirect_uri=back.redirect_uri,
        raw_state=back.raw_state,
        correlation_id=turn.trace_id,
    )
