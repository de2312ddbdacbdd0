"""The door: the page before the login, the way to the institution's login and back, and out."""

import hmac
import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import anyio.to_thread
import msgspec
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from auth.crypto import KeyRing, SealError, new_token
from auth.login.oidc import OidcLogin
from auth.login.port import LoginAsk, LoginCancelled, LoginFailed, LoginUnavailable
from auth.pages.static import static_file
from auth.ports import Level
from gateway.audit.record import AuditRecord
from gateway.audit.trail import AuditUnavailable
from gateway.staff.account import NoAccount, account_of
from gateway.staff.forms import BadForm, read_form
from gateway.staff.guard import StaffGuard, token_of
from gateway.staff.settings import StaffSettings
from gateway.staff.visit import ROOT, frame_of, language_of, page, said

log = logging.getLogger("gateway.staff")

STYLE = Path(__file__).parent / "static" / "staff.css"
"""What the pages have beside the style sheet of the citizen's."""
MINUTES = timedelta(minutes=10)
"""How long a login may take."""
_INSIDE = re.compile(r"/staff/[a-z0-9/-]{1,120}")
"""Where a login may lead: nowhere but to our own pages."""


class _Kept(msgspec.Struct, frozen=True):
    """What the browser keeps, sealed, while somebody logs in."""

    state: str
    kept: dict[str, str]
    to: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StaffDoor:
    """Login and logout. ``base`` is the public address of these pages."""

    guard: StaffGuard
    settings: StaffSettings
    login: OidcLogin
    ring: KeyRing
    base: str
    providers: Collection[str]

    @property
    def routes(self) -> list[BaseRoute]:
        """The page before the login, the login, and what every page needs."""
        return [
            Route(ROOT, self.home),
            Route(f"{ROOT}/login", self.start),
            Route(f"{ROOT}/callback", self.callback),
            Route(f"{ROOT}/logout", self.leave, methods=["POST"]),
            Route(f"{ROOT}/style.css", _style),
            Route(f"{ROOT}/base.css", _base),
            Route(f"{ROOT}/icon.svg", _icon),
        ]

    async def home(self, request: Request) -> Response:
        """The page before the login; who is logged in goes on to their first room."""
        try:
            account, secret = await self.guard.account(request)
        except SQLAlchemyError:
            return said(request, "busy", 503)
        if account is None:
            return page("login.html", frame_of(request), to=_inside(request.query_params.get("to", "")))
        frame = frame_of(request, account, token_of(secret))
        return page("home.html", frame)

    async def start(self, request: Request) -> Response:
        """To the institution's login."""
        state, now = new_token(), self.guard.sessions.clock()
        ask = LoginAsk(state, f"{self.base}{ROOT}/callback", Level.BASIS, language=language_of(request))
        try:
            going = await self.login.start(ask)
        except LoginUnavailable:
            return said(request, "login_down", 503)
        kept = _Kept(state, going.kept, _inside(request.query_params.get("to", "")), now)
        answer = RedirectResponse(
            going.url, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        )
        sealed = self.ring.seal("staff-login", msgspec.json.encode(kept)).hex()
        answer.set_cookie(self._going, sealed, path="/", secure=self.guard.secure, httponly=True, samesite="lax")
        return answer

    async def callback(self, request: Request) -> Response:
        """Back from the login: a session for who has work here, a page for who has not."""
        now = self.guard.sessions.clock()
        kept = self._kept(request, now)
        if kept is None:
            return said(request, "session", 400)
        try:
            claims, _ = await self.login.claims(
                dict(request.query_params), kept.kept, f"{self.base}{ROOT}/callback", now
            )
            account = account_of(claims, self.settings, self.providers)
            await self.guard.trail.write(
                AuditRecord("staff:login:open", now, 200, client=account.id, reason=" ".join(account.roles))
            )
            secret = await anyio.to_thread.run_sync(self.guard.sessions.open, account)
        except LoginCancelled:
            return self._without(said(request, "cancelled", 200))
        except LoginFailed as fault:
            log.warning("staff login failed: %s", fault.why)
            return self._without(said(request, "login_failed", 403))
        except LoginUnavailable:
            return said(request, "login_down", 503)
        except NoAccount as fault:
            return await self._nothing_here(request, str(fault))
        except (AuditUnavailable, SQLAlchemyError):
            return said(request, "busy", 503)
        answer = RedirectResponse(kept.to or ROOT, 303, headers={"Cache-Control": "no-store"})
        # A session that this browser had before is not taken over: it gets a fresh secret.
        answer.set_cookie(self.guard.cookie, secret, path="/", secure=self.guard.secure, httponly=True, samesite="lax")
        return self._without(answer)

    async def leave(self, request: Request) -> Response:
        """Out."""
        try:
            account, secret = await self.guard.account(request)
            form = await read_form(request)
            if account is None or not hmac.compare_digest(form.one("csrf").encode(), token_of(secret).encode()):
                return said(request, "session", 403)
            await anyio.to_thread.run_sync(self.guard.sessions.close, secret)
            now = self.guard.sessions.clock()
            await self.guard.trail.write(AuditRecord("staff:login:close", now, 200, client=account.id))
        except BadForm:
            return said(request, "form", 400)
        except (AuditUnavailable, SQLAlchemyError):
            return said(request, "busy", 503)
        answer = said(request, "bye", 200)
        answer.delete_cookie(self.guard.cookie, path="/", secure=self.guard.secure, httponly=True)
        return answer

    async def _nothing_here(self, request: Request, why: str) -> Response:
        try:
            await self.guard.refused_login(why)
        except AuditUnavailable:
            return said(request, "busy", 503)
        return self._without(said(request, "no_role", 403))

    @property
    def _going(self) -> str:
        return f"{self.guard.cookie}-login"

    def _without(self, answer: Response) -> Response:
        answer.delete_cookie(self._going, path="/", secure=self.guard.secure, httponly=True)
        return answer

    def _kept(self, request: Request, now: datetime) -> _Kept | None:
        """What this browser began; None when it is not its own login that comes back, or too late."""
        try:
            sealed = bytes.fromhex(request.cookies.get(self._going, ""))
            kept = msgspec.json.decode(self.ring.open("staff-login", sealed), type=_Kept)
        except (ValueError, SealError, msgspec.MsgspecError):
            return None
        state = request.query_params.get("state", "")
        fits = hmac.compare_digest(state.encode("utf-8", "replace"), kept.state.encode())
        return kept if fits and timedelta() <= now - kept.at <= MINUTES else None


def _inside(path: str) -> str:
    return path if _INSIDE.fullmatch(path) else ""


async def _base(_request: Request) -> Response:
    return Response(static_file("style.css"), media_type="text/css", headers={"X-Content-Type-Options": "nosniff"})


async def _style(_request: Request) -> Response:
    return Response(STYLE.read_bytes(), media_type="text/css", headers={"X-Content-Type-Options": "nosniff"})


async def _icon(_request: Request) -> Response:
    return Response(static_file("icon.svg"), media_type="image/svg+xml", headers={"X-Content-Type-Options": "nosniff"})
