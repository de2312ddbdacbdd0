"""What every page handler stands on: the visit of this browser, posted forms, and a typed page for whatever fails."""

import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from auth.errors import REFUSALS, Channel
from auth.events import EventType
from auth.flows.authorize import Return
from auth.flows.parameters import ParameterError, Parameters
from auth.flows.session import Live, Session
from auth.flows.steps import SessionLost, VisitStopped
from auth.flows.visit import Visits
from auth.pages.catalogue import choose_language
from auth.pages.contexts import FaultPage
from auth.pages.presenter import Presenter
from auth.parts import Parts
from auth.ports import StoreSilent

log = logging.getLogger(__name__)

_WITH_LINK = frozenset({"ERR-17", "ERR-18", "ERR-19"})
"""Pages that carry the refusal in a link, when client and redirect URI are known."""


@dataclass(slots=True)
class Turn:
    """What is known so far in one request, so that a fault can still show the way back."""

    back: Return | None = None
    content: Session | None = None
    trace_id: str | None = None
    request_id: str | None = None


Handler = Callable[[Request, Turn], Awaitable[Response]]


class PageGuard:
    """Common ground of the page handlers."""

    def __init__(self, parts: Parts, visits: Visits, presenter: Presenter) -> None:
        self.parts = parts
        self.visits = visits
        self.show = presenter

    async def live(self, request: Request, turn: Turn) -> Live:
        """The visit that the path names, for this browser. Raises SessionLost."""
        return await self.resumed(request, turn, request.path_params["visit"])

    async def resumed(self, request: Request, turn: Turn, session_id: str) -> Live:
        """The visit with this id, for this browser. Raises SessionLost."""
        cookie = request.cookies.get(self.show.cookie_name(session_id))
        live = await self.visits.resume(session_id, cookie)
        turn.content = live.content
        return live

    async def posted(self, request: Request, turn: Turn) -> tuple[Live, Parameters]:
        """The visit and the posted form, when it came from our page (CT-57). Raises SessionLost."""
        live = await self.live(request, turn)
        form = await self.form(request)
        if form is None or not hmac.compare_digest((form.value("csrf") or "").encode(), live.content.csrf.encode()):
            raise SessionLost(live.content)
        return live, form

    async def form(self, request: Request) -> Parameters | None:
        """The posted form, read once; None when it is too large, cannot be read, or says a thing twice."""
        if not hasattr(request.state, "form"):
            body = await self.body(request, self.parts.settings.max_body)
            request.state.form = None if body is None else self.read_form(body)
        found: Parameters | None = request.state.form
        return found

    async def body(self, request: Request, most: int) -> bytes | None:
        """What was posted; None when it is too large, or did not come whole."""
        body = b""
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    return None
        except ClientDisconnect:
            return None
        return body

    def read_form(self, body: bytes) -> Parameters | None:
        """A form; None when it cannot be read, or says a thing twice."""
        try:
            form = Parameters.read(body, len(body))
        except ParameterError:
            return None
        return None if form.repeated else form

    async def guarded(self, handler: Handler, request: Request) -> Response:
        """Run a handler; whatever goes wrong becomes the page that section 14 names."""
        turn = Turn()
        try:
            return await handler(request, turn)
        except SessionLost as error:
            turn.content = error.known
            return self.fault(request, turn, "ERR-19", "_session")
        except VisitStopped as error:
            turn.content = error.content
            return self.fault(request, turn, "ERR-18", "_busy")
        except StoreSilent as fault:
            log.error("the store does not answer a page: %s", type(fault.__cause__).__name__)
            return self.fault(request, turn, "ERR-18", "_busy")
        except Exception:
            # The number on the page is the one in our log, and the client's own where the visit has it (LOG-07).
            known = turn.content.correlation_id if turn.content else None
            turn.trace_id = turn.trace_id or known or str(uuid.uuid4())
            log.exception("internal error on a page, trace %s", turn.trace_id)
            return self.fault(request, turn, "ERR-17", "")

    def fault(
        self, request: Request, turn: Turn, row: str, kind: str, headers: dict[str, str] | None = None
    ) -> Response:
        """The page of a row of the error table; `kind` chooses its texts (UI-12)."""
        refusal = REFUSALS[row]
        content = turn.content or _nobody(turn)
        self.note(EventType.SHOW_ERROR_PAGE, turn, status=refusal.status, error_code=refusal.code or "other")
        language = content.language if turn.content else choose_language(None, request.headers.get("accept-language"))
        link = self.link(turn, row) if row in _WITH_LINK else None
        retry = {"Retry-After": "60"} if refusal.status == 503 else {}
        return self.show.page(
            FaultPage(kind, link),
            language=language,
            content=content,
            status=refusal.status,
            trace_id=turn.trace_id,
            headers={**retry, **(headers or {})},
        )

    def link(self, turn: Turn, row: str) -> str | None:
        """Where the refusal goes; None when nobody may be redirected."""
        refusal = REFUSALS[row]
        if refusal.channel is Channel.PAGE and row not in _WITH_LINK:
            return None
        if turn.content is not None and turn.content.redirect_uri:
            return self.visits.refusal_location(turn.content, row)
        if turn.back is None:
            return None
        return self.visits.refusal_location(_nobody(turn), row)

    def back(self, live: Live, location: str) -> Response:
        """Send the browser to the client; the visit is over."""
        answer = self.show.redirect(location, 302)
        self.show.drop_cookie(answer, live.content.id)
        return answer

    def note(self, event: EventType, turn: Turn, **fields: Any) -> None:
        """Note an event of a request that may have no visit yet."""
        content = turn.content
        self.parts.note(
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
