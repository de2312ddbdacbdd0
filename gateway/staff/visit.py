"""One request of somebody who is logged in, and how a page comes out of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import anyio.to_thread
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection, Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from auth.pages.catalogue import Texts, choose_language, read_catalogue
from gateway.audit.record import AuditRecord
from gateway.audit.trail import Trail
from gateway.staff.account import StaffAccount
from gateway.staff.forms import StaffForm
from gateway.staff.rights import Right
from gateway.staff.views import RoomLink, RoomView, StaffFrame
from gateway.store.engine import reading

ROOT = "/staff"
LANGUAGE_COOKIE = "staff-language"
CATALOGUE = read_catalogue("gateway.staff")
ROOMS: tuple[tuple[str, Right], ...] = (
    ("inbox", Right.INBOX_LIST),
    ("corrections", Right.CORRECTIONS),
    ("questionnaires", Right.QUESTIONNAIRES),
    ("withhold", Right.WITHHOLD),
    ("filing", Right.FILING),
    ("quarantine", Right.QUARANTINE),
    ("sources", Right.SOURCES),
    ("quality", Right.QUALITY),
    ("person", Right.PERSON),
    ("trace", Right.TRACE),
    ("figures", Right.FIGURES),
    ("months", Right.MONTHS),
    ("erasure", Right.ERASE),
)
"""The rooms in the order of the menu, and the right that opens each."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
T = TypeVar("T")
TEMPLATES = Environment(
    loader=PackageLoader("gateway.staff"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def language_of(request: Request) -> str:
    """The language of a page: asked now, chosen before, or what the browser prefers."""
    wanted = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    return choose_language(wanted, request.headers.get("accept-language"))


def page(template: str, frame: StaffFrame, status: int = 200, **values: Any) -> Response:
    """A page, with the headers of every page."""
    texts = Texts(frame.language, CATALOGUE)
    html = TEMPLATES.get_template(template).render(frame=frame, t=texts, **values)
    answer = HTMLResponse(html, status, HEADERS)
    answer.set_cookie(LANGUAGE_COOKIE, frame.language, path=ROOT, httponly=True, samesite="lax")
    return answer


def said(request: Request, key: str, status: int, account: StaffAccount | None = None, csrf: str = "") -> Response:
    """A page that says one thing."""
    frame = frame_of(request, account, csrf)
    return page("said.html", frame, status, title=f"said.{key}", text=f"said.{key}_text")


def frame_of(request: Request, account: StaffAccount | None = None, csrf: str = "", room: str = "") -> StaffFrame:
    """The frame of a page for this account."""
    language = language_of(request)
    texts = Texts(language, CATALOGUE)
    rooms = tuple(
        RoomLink(f"{ROOT}/{name}", texts(f"rooms.{name}"), name == room)
        for name, right in ROOMS
        if account is not None and account.may(right)
    )
    other = "en" if language == "nl" else "nl"
    # Only a page that is fetched can be fetched again in the other language.
    again = request.url.include_query_params(lang=other).query
    address = f"{request.url.path}?{again}" if request.method in ("GET", "HEAD") else ""
    return StaffFrame(ROOT, language, address, account.name if account else "", csrf, rooms)


@dataclass(frozen=True, slots=True)
class StaffCall:
    """One request of an account, in a room."""

    request: Request
    account: StaffAccount
    csrf: str = field(repr=False)
    room: str
    now: datetime
    engine: Engine = field(repr=False)
    trail: Trail = field(repr=False)
    form: StaffForm = field(repr=False)
    trace: str = ""

    @property
    def t(self) -> Texts:
        """The texts in the language of this page."""
        return Texts(self.language, CATALOGUE)

    @property
    def language(self) -> str:
        """The language of this page."""
        return language_of(self.request)

    async def note(self, action: str, outcome: int = 200, **about: Any) -> None:
        """Write a line of the access trail: ``action`` without its subject. Raises AuditUnavailable."""
        about.setdefault("provider", self.account.providers[0] if len(self.account.providers) == 1 else "")
        record = AuditRecord(
            f"staff:{action}", self.now, outcome, client=self.account.id, request_id=self.trace, **about
        )
        await self.trail.write(record)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Read the store off the loop. Raises SQLAlchemyError."""

        def run() -> T:
            with reading(self.engine).connect() as connection:
                return work(connection)

        return await anyio.to_thread.run_sync(run)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Do something in one transaction, off the loop. Raises SQLAlchemyError and what ``work`` raises."""

        def run() -> T:
            with self.engine.begin() as connection:
                return work(connection)

        return await anyio.to_thread.run_sync(run)

    def show(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page in the frame of the room."""
        return page(template, frame_of(self.request, self.account, self.csrf, self.room), status, **values)

    def shown(self, view: RoomView, status: int = 200) -> Response:
        """A room that is lists and forms."""
        return self.show("room.html", status, view=view)

    def said(self, key: str, status: int) -> Response:
        """A page that says one thing."""
        return said(self.request, key, status, self.account, self.csrf)

    def back(self, path: str, done: str = "") -> Response:
        """Go on to a page of ours after a deed, so that loading it again does nothing twice."""
        query = f"?done={done}" if done else ""
        return RedirectResponse(f"{ROOT}/{path}{query}", 303, headers={"Cache-Control": "no-store"})

    def done(self, known: Sequence[str]) -> str:
        """What the page before says was done, in words; only what this page knows."""
        name = self.request.query_params.get("done", "")
        return self.t(f"done.{name}") if name in known else ""
