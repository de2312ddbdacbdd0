"""What stands before every staff page: session, right, token of the form, the trail; and a page for each fault."""

import hashlib
import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio.to_thread
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.audit.record import AuditRecord
from gateway.audit.trail import AuditUnavailable, Trail
from gateway.share.states import NotAllowed
from gateway.staff.account import StaffAccount
from gateway.staff.forms import BadForm, StaffForm, read_form
from gateway.staff.rights import Right
from gateway.staff.sessions import StaffSessions
from gateway.staff.visit import ROOT, StaffCall, said
from gateway.store.reader import StoreUnavailable

log = logging.getLogger("gateway.staff")

Room = Callable[[StaffCall], Awaitable[Response]]


def token_of(secret: str) -> str:
    """The token that a form of this session carries; it does not give the session away."""
    return hmac.digest(secret.encode(), b"staff form", hashlib.sha256).hex()


class Withheld(Exception):
    """This account may not see this: what it is, is not said. The trail has it already."""


@dataclass(frozen=True, slots=True)
class StaffGuard:
    """Makes routes of rooms."""

    engine: Engine
    trail: Trail
    sessions: StaffSessions
    secure: bool
    """Whether the cookie is for https only."""

    @property
    def cookie(self) -> str:
        """Name of the cookie of a session."""
        return "__Host-staff" if self.secure else "staff"

    def page(self, path: str, right: Right, room: str, handler: Room, view: str = "") -> Route:
        """GET of a page. ``view`` is what the trail calls it; empty when the page says itself whom it is about."""
        return Route(f"{ROOT}/{path}", self._guarded(right, room, handler, view), methods=["GET"])

    def deed(self, path: str, right: Right, room: str, handler: Room, view: str = "") -> Route:
        """POST of a form that came from our page."""
        return Route(f"{ROOT}/{path}", self._guarded(right, room, handler, view), methods=["POST"])

    async def account(self, request: Request) -> tuple[StaffAccount | None, str]:
        """Who is logged in with this browser, and the secret of the session. Raises SQLAlchemyError."""
        secret = request.cookies.get(self.cookie, "")
        if not 20 <= len(secret) <= 100:
            return None, ""
        return await anyio.to_thread.run_sync(self.sessions.of, secret), secret

    def _guarded(self, right: Right, room: str, handler: Room, view: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            account: StaffAccount | None = None
            token = ""
            trace = str(uuid.uuid4())
            try:
                account, secret = await self.account(request)
                if account is None:
                    return _to_login(request)
                token, form = token_of(secret), StaffForm({})
                if request.method == "POST":
                    form = await read_form(request)
                    if not hmac.compare_digest(form.one("csrf").encode(), token.encode()):
                        return said(request, "form", 403, account, token)
                now = self.sessions.clock()
                call = StaffCall(request, account, token, room, now, self.engine, self.trail, form, trace)
                if not account.may(right):
                    await call.note(f"{right.value}:refused", 403)
                    return call.said("forbidden", 403)
                if view:
                    await call.note(view)
                return await handler(call)
            except BadForm:
                return said(request, "form", 400, account, token)
            except Withheld:
                return said(request, "withheld", 403, account, token)
            except NotAllowed:
                return said(request, "gone", 409, account, token)
            except (AuditUnavailable, SQLAlchemyError, StoreUnavailable) as fault:
                # What is not recorded is not shown.
                log.error("staff page: %s, trace %s", type(fault).__name__, trace)
                return said(request, "busy", 503, account, token)
            except Exception:
                log.exception("internal error on a staff page, trace %s", trace)
                return said(request, "fault", 500, account, token)

        return answer

    async def refused_login(self, why: str) -> None:
        """Tell the trail of a login that has no work here. Raises AuditUnavailable."""
        await self.trail.write(AuditRecord("staff:login:refused", self.sessions.clock(), 403, reason=why))


def _to_login(request: Request) -> Response:
    """The way to the login, and back to this page: what was posted is lost, and the person is told so."""
    if request.method == "POST":
        return said(request, "session", 401)
    return RedirectResponse(f"{ROOT}?to={request.url.path}", 303, headers={"Cache-Control": "no-store"})
