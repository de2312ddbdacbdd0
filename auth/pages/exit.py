"""Logging out as HTTP: the button here, and what the login bridge tells of a logout."""

import logging

from starlette.requests import Request
from starlette.responses import Response

from auth.flows.leaving import Departures, Left
from auth.flows.session import Live, Session
from auth.flows.steps import SessionLost
from auth.flows.visit import Visits
from auth.login.leaving import Departure, Heard, LogoutCall, Returned
from auth.login.port import LoginFailed, LoginUnavailable
from auth.pages.catalogue import choose_language
from auth.pages.contexts import Bye, MissingPage
from auth.pages.guard import PageGuard, Turn
from auth.pages.presenter import Presenter
from auth.parts import Parts
from auth.ports import StoreSilent

log = logging.getLogger(__name__)

_MOST = 300_000
_SILENT = {"Cache-Control": "no-store"}


class Exit(PageGuard):
    """Every way out of a login."""

    def __init__(self, parts: Parts, visits: Visits, presenter: Presenter) -> None:
        super().__init__(parts, visits, presenter)
        self._departures = Departures(parts)

    async def leave(self, live: Live) -> Response:
        """The person logs out here: goodbye, or on to the bridge."""
        left = await self._departures.leave(live)
        if left.departure is None:
            answer = self._bye(left)
        else:
            answer = self.show.onward("logout", left.departure.url, left.departure.fields, _bare(left))
        self.show.drop_cookie(answer, live.content.id)
        return answer

    async def back_again(self, request: Request) -> Response:
        """GET /login/logged-out: the browser comes back from the bridge's logout (OpenID Connect)."""
        return await self.guarded(self._back_again, request)

    async def _back_again(self, request: Request, _turn: Turn) -> Response:
        if self.parts.logout is None:
            return self._nothing(request)
        state = request.query_params.get("state", "")
        return await self._goodbye(request, Returned(state, "", complete=True))

    async def told(self, request: Request) -> Response:
        """GET or POST /login/logout: a message of the bridge that comes with the browser."""
        return await self.guarded(self._told, request)

    async def _told(self, request: Request, turn: Turn) -> Response:
        if self.parts.logout is None:
            return self._nothing(request)
        try:
            heard = await self._heard(request, "browser")
        except LoginFailed as refused:
            log.warning("a logout was refused: %s", refused.why)
            raise SessionLost from refused
        except LoginUnavailable:
            return self.fault(request, turn, "ERR-18", "_busy")
        if heard.returned is not None:
            return await self._goodbye(request, heard.returned)
        if isinstance(heard.reply, Departure):
            language = choose_language(None, request.headers.get("accept-language"))
            nobody = Session(id="-", csrf="", language=language)
            return self.show.onward("back", heard.reply.url, heard.reply.fields, nobody)
        policy = f"default-src 'none'; frame-ancestors {heard.framed_by}"
        return Response(b"", headers={**_SILENT, "Content-Security-Policy": policy})

    async def told_by_server(self, request: Request) -> Response:
        """POST /login/logout/back: a message of the bridge's server. The signature in it says whose it is."""
        if self.parts.logout is None:
            return Response(status_code=404)
        try:
            heard = await self._heard(request, "server")
        except LoginFailed as refused:
            log.warning("a logout was refused: %s", refused.why)
            return Response(b'{"error":"invalid_request"}', 400, _SILENT, "application/json")
        except (LoginUnavailable, StoreSilent) as fault:
            log.error("a logout could not be taken: %s", type(fault).__name__)
            return Response(status_code=503, headers={**_SILENT, "Retry-After": "60"})
        body = heard.reply if isinstance(heard.reply, bytes) else b""
        return Response(body, 200, _SILENT, "text/xml; charset=utf-8" if body else None)

    async def _heard(self, request: Request, way: str) -> Heard:
        """What the call says, once it is carried out. Raises LoginFailed, LoginUnavailable or StoreSilent."""
        body = await self.body(request, _MOST)
        if self.parts.logout is None or body is None:
            raise LoginFailed("logout-unreadable")
        form = {}
        if (
            request.headers.get("content-type", "").partition(";")[0].strip().lower()
            == "application/x-www-form-urlencoded"
        ):
            read = self.read_form(body)
            form = {} if read is None else read.as_dict()
        call = LogoutCall("server" if way == "server" else "browser", request.scope["query_string"], form, body)
        heard = await self.parts.logout.hear(call, self.parts.clock())
        if heard.over is not None:
            await self._departures.ended_elsewhere(heard.over)
        return heard

    async def _goodbye(self, request: Request, told: Returned) -> Response:
        """A browser that comes back: what became of the logout, when it is ours; else only goodbye."""
        left = await self._departures.returned(told)
        if left is not None:
            return self._bye(left)
        language = choose_language(None, request.headers.get("accept-language"))
        return self.show.page(Bye(), language=language)

    def _bye(self, left: Left) -> Response:
        return self.show.page(Bye(left.complete), language=left.content.language, content=_bare(left))

    def _nothing(self, request: Request) -> Response:
        language = choose_language(None, request.headers.get("accept-language"))
        return self.show.page(MissingPage(), language=language, status=404)


def _bare(left: Left) -> Session:
    """What is left of a visit for its last page: language and provider."""
    return left.content.but(id="-")
