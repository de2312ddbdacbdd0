"""The front channel as HTTP: authorize, the screens of a visit, and the callback of the login."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from auth.errors import AuthorizationError
from auth.events import EventType
from auth.flows.authorize import CORRELATION_ID, REQUEST_ID, back_of, check
from auth.flows.parameters import ParameterError, Parameters, is_uuid
from auth.flows.session import Live
from auth.flows.steps import SessionLost
from auth.flows.visit import Visits
from auth.login.port import state_of
from auth.pages.catalogue import choose_language
from auth.pages.contexts import Cancel, MissingPage
from auth.pages.guard import PageGuard, Turn
from auth.pages.own import OWN_RECORD
from auth.pages.presenter import VISIT, Presenter
from auth.pages.stages import Stages
from auth.parts import Parts

POSTED = 300_000
"""Largest form that a login bridge may let the browser post, in bytes."""


class Overview(Protocol):
    """What shows "Mijn toestemmingen" once the person is logged in."""

    async def overview(self, live: Live, ended: str | None) -> Response:
        """The page itself."""


class FrontChannel(PageGuard):
    """Every page that an authorization request can lead to."""

    def __init__(self, parts: Parts, visits: Visits, presenter: Presenter, manage: Overview) -> None:
        super().__init__(parts, visits, presenter)
        self._stages = Stages(visits, presenter)
        self._manage = manage

    # --- the authorization endpoint --------------------------------------------------------------------------------

    async def authorize(self, request: Request) -> Response:
        """GET /oauth/authorize and, for dialect L, GET /oauth/{provider}/authorize."""
        return await self.guarded(self._authorize, request)

    async def _authorize(self, request: Request, turn: Turn) -> Response:
        if request.method != "GET":
            return self.fault(request, turn, "ERR-03", "_request", headers={"Allow": "GET"})
        asked = self._read(request, turn)
        self.note(EventType.RECEIVE_AUTHORIZATION_REQUEST, turn, method="GET", uri=request.url.path)
        try:
            turn.back = back_of(self.parts, asked)
        except AuthorizationError as error:
            if not self.parts.lists.state.usable():
                return self.fault(request, turn, "ERR-18", "_busy")
            row = error.refusal
            self.note(EventType.AUTHORIZATION_REQUEST_ERROR, turn, error_code="other", status=row.status)
            self.note(EventType.SHOW_AUTHORIZATION_REQUEST_ERROR_PAGE, turn, error_description=row.description)
            return self.fault(request, turn, row.id, "_request")
        if not self.parts.lists.state.usable():
            return self.fault(request, turn, "ERR-18", "_busy")
        try:
            checked = check(self.parts, asked, request.headers, turn.back, request.path_params.get("provider"))
        except AuthorizationError as error:
            row = error.refusal
            await self.visits.turned_away(turn.back.client.hostname, row.id)
            self.note(EventType.SEND_AUTHORIZATION_REQUEST_ERROR, turn, error_code=row.code, status=302)
            return self.show.redirect(self.link(turn, row.id) or "", 302)
        language = choose_language(asked.value("lang"), request.headers.get("accept-language"))
        live, secret = await self.visits.open(checked, language)
        turn.content = live.content
        self.visits.note(EventType.SHOW_LANDING_PAGE, live.content)
        answer = self._stages.landing(live)
        self.show.set_cookie(answer, live.content.id, secret)
        return answer

    def _read(self, request: Request, turn: Turn) -> Parameters:
        try:
            asked = Parameters.read(request.scope["query_string"], self.parts.settings.max_query)
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
            live = await self.visits.speak(live, choose_language(language, None))
        if live.step == "manage" and live.content.own_record:
            return self.show.redirect(f"{OWN_RECORD}/inzage/{live.content.id}")
        if live.step == "manage":
            return await self._manage.overview(live, None)
        return self._stages.step(live)

    async def proceed(self, request: Request) -> Response:
        """POST /oauth/visit/{id}/continue: to the login."""
        return await self.guarded(self._proceed, request)

    async def _proceed(self, request: Request, turn: Turn) -> Response:
        live, form = await self.posted(request, turn)
        if live.content.own_record:
            chosen = await self.visits.act(live, form.value("acting"), _day(form.value("born")))
            if chosen is None or ("born" in form.as_dict() and form.value("acting") is None):
                return self._stages.landing(live, wrong=True)
            live = chosen
        start = await self.visits.start_login(live)
        return self.show.onward("login", start.url, start.fields, live.content)

    async def cancel(self, request: Request) -> Response:
        """POST /oauth/visit/{id}/cancel: is stopping meant?"""
        return await self.guarded(self._cancel, request)

    async def _cancel(self, request: Request, turn: Turn) -> Response:
        live, _ = await self.posted(request, turn)
        content = live.content
        page = Cancel(VISIT + content.id, content.csrf)
        return self.show.page(page, language=content.language, content=content)

    async def stop(self, request: Request) -> Response:
        """POST /oauth/visit/{id}/stop: back to the client with access_denied."""
        return await self.guarded(self._stop, request)

    async def _stop(self, request: Request, turn: Turn) -> Response:
        live, _ = await self.posted(request, turn)
        return self.back(live, await self.visits.cancel(live))

    async def decide(self, request: Request) -> Response:
        """POST /oauth/visit/{id}/decide: consent given or refused."""
        return await self.guarded(self._decide, request)

    async def _decide(self, request: Request, turn: Turn) -> Response:
        try:
            return await self._decided(request, turn)
        except SessionLost:
            again = await self._again(request)
            if again is None:
                raise
            return again

    async def _decided(self, request: Request, turn: Turn) -> Response:
        live, form = await self.posted(request, turn)
        decision = form.value("decision")
        if decision == "refuse":
            return self.back(live, await self.visits.refuse_consent(live))
        if decision != "give":
            raise SessionLost(live.content)
        location = await self.visits.decide(live, lasting=form.value("duration") == "lasting")
        # The secret stays for some seconds: a second press of the button gets the same answer.
        return self.show.redirect(location, 302)

    async def _again(self, request: Request) -> Response | None:
        """The first answer, for a second press of the button that gave it (CT-57)."""
        form = await self.form(request)
        if form is None or form.value("decision") != "give":
            return None
        session_id = request.path_params["visit"]
        cookie = request.cookies.get(self.show.cookie_name(session_id))
        location = await self.visits.answer_again(session_id, cookie, form.value("csrf"))
        return self.show.redirect(location, 302) if location else None

    async def leave(self, request: Request) -> Response:
        """GET /oauth/visit/{id}/leave: from a page that told why the flow stopped, back to the client."""
        return await self.guarded(self._leave, request)

    async def _leave(self, request: Request, turn: Turn) -> Response:
        live = await self.live(request, turn)
        return self.back(live, await self.visits.leave(live))

    async def callback(self, request: Request) -> Response:
        """GET or POST /login/callback: the person comes back from the login."""
        return await self.guarded(self._callback, request)

    async def _callback(self, request: Request, turn: Turn) -> Response:
        if request.method == "POST":
            return await self._posted_answer(request)
        try:
            answer = Parameters.read(request.scope["query_string"], self.parts.settings.max_query)
        except ParameterError as error:
            raise SessionLost from error
        session_id = state_of({name: answer.value(name) for name in ("state", "RelayState")}).partition(".")[0]
        live = await self.resumed(request, turn, session_id)
        live = await self.visits.finish_login(live, {} if answer.repeated else answer.as_dict())
        return self.show.redirect(VISIT + live.content.id)

    async def _posted_answer(self, request: Request) -> Response:
        """An answer in a form (SAML): kept, and the browser goes on as by redirect."""
        body = await self.body(request, POSTED)
        form = self.read_form(body) if body is not None else None
        state = form.value("RelayState") if form is not None else None
        answer = form.value("SAMLResponse") if form is not None else None
        if "post" not in self.parts.settings.saml.answers or not state or not answer:
            raise SessionLost
        await self.visits.keep_answer(state, {"SAMLResponse": answer})
        return self.show.redirect(f"/login/callback?{urlencode({'RelayState': state})}")

    # --- addresses that lead nowhere -------------------------------------------------------------------------------

    def missing(self, request: Request, status: int, headers: Mapping[str, str]) -> Response:
        """The page for an address, or a method, that there is not. Nothing of the request is repeated on it."""
        language = choose_language(None, request.headers.get("accept-language"))
        return self.show.page(MissingPage(), language=language, status=status, headers=headers)

    def busy(self, request: Request) -> Response:
        """ERR-18, while too much is asked of us: nothing of the request was looked at."""
        return self.fault(request, Turn(), "ERR-18", "_busy")


def _day(written: str | None) -> date | None:
    """A day as people here write it, 31-01-2019; None when it is none."""
    found = re.fullmatch(r"([0-9]{1,2})[-/. ]([0-9]{1,2})[-/. ]([0-9]{4})", (written or "").strip(), re.ASCII)
    try:
        return date(*(int(one) for one in reversed(found.groups()))) if found else None
    except ValueError:
        return None
