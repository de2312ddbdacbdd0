"""A person's visit as one value: everything between the authorization request and the answer, sealed in the store."""

from typing import Any, Self

import msgspec

from auth.crypto import KeyRing, digest, new_token
from auth.ports import ServiceContents
from auth.store.rows import SessionRow

_PURPOSE, _ANSWER = "session", "answer"


class Session(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of a browser session (AUTH-17). Never leaves the server; `id` alone is public."""

    id: str
    manage: bool = False
    """True for a visit to "Mijn toestemmingen" without an authorization request."""
    own_record: bool = False
    """True for such a visit that leads to the own record instead ("Mijn gegevens")."""
    csrf: str
    language: str = "nl"
    provider: str | None = None

    client: str = ""
    organisation: str = ""
    redirect_uri: str = ""
    raw_state: str | None = None
    dialect: str = "C"
    function: str = "collect"
    asked: tuple[str, ...] = ()
    days: int | None = None
    representation: str | None = None
    asked_birth_date: str | None = None
    correlation_id: str | None = None
    request_id: str | None = None
    challenge: str | None = None
    started: int = 0
    """When the visit began, in milliseconds; 0 in visits that are not counted."""

    login_state: str | None = None
    login_kept: dict[str, str] = {}
    login_posted: dict[str, str] = {}
    """What the bridge let the browser post, until the browser comes to fetch what follows from it."""
    at_bridge: bool = False
    """True when logging out here is to be told to the bridge."""
    bridge_kept: dict[str, str] = {}
    """What telling it needs."""

    bsn: str | None = None
    birth_date: str | None = None
    actor_bsn: str | None = None
    used_representation: str | None = None
    level: int | None = None
    assertion_id: str | None = None

    offered: tuple[str, ...] = ()
    replaces: bool = False
    name: str | None = None
    contents: dict[str, ServiceContents] = {}
    absent: dict[str, str] = {}
    """What the consent page tells of the person and of each service."""
    consent_id: str | None = None

    refusal: str | None = None
    """Row of the error table that ended the flow, once it ended in a page."""
    reason: str | None = None

    def __repr__(self) -> str:
        return f"Session(id={self.id!r})"

    def but(self, **changes: object) -> Self:
        """A copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)


class Live:
    """A session as it was read for this request: content, step and the version that it must still have."""

    __slots__ = ("content", "row")

    def __init__(self, row: SessionRow, content: Session) -> None:
        self.row = row
        self.content = content

    @property
    def step(self) -> str:
        """Where the visit is: landing, login, consent, refused, manage, leaving or done."""
        return self.row.step


def fresh(content: Session, ring: KeyRing, now: int, seconds: int, step: str) -> tuple[Live, str]:
    """A new session and the secret for its cookie."""
    cookie = new_token()
    row = SessionRow(content.id, digest(cookie), step, 0, now + seconds * 1000, _sealed(content, ring))
    return Live(row, content), cookie


def moved(live: Live, content: Session, ring: KeyRing, now: int, seconds: int, step: str) -> SessionRow:
    """The row that takes the place of this one."""
    return live.row._replace(
        step=step, version=live.row.version + 1, expires=now + seconds * 1000, content=_sealed(content, ring)
    )


_UNMARKED: dict[str, Any] = {"login_subject": None, "login_session": None, "login_at": None}


def marked(live: Live, subject: str | None, session: str | None, at: int | None) -> Live:
    """The visit with the marks by which a logout at the bridge finds it."""
    return Live(live.row._replace(login_subject=subject, login_session=session, login_at=at), live.content)


class FirstAnswer(msgspec.Struct, frozen=True):
    """What is left of a visit that ended, for a second press of the same button: its answer."""

    csrf: str
    location: str
    digest: bytes = b""
    """Of the code in it: once that was offered, its answer is not repeated."""

    def __repr__(self) -> str:
        return "FirstAnswer()"


REPEAT_MILLISECONDS = 30_000
"""How long a second press gets the first answer again."""


def answered(live: Live, ring: KeyRing, now: int, first: FirstAnswer) -> SessionRow:
    """The row of a visit that is over and that remembers its answer for some seconds."""
    content = ring.seal(_ANSWER, msgspec.json.encode(first))
    return live.row._replace(
        step="done", version=live.row.version + 1, expires=now + REPEAT_MILLISECONDS, content=content, **_UNMARKED
    )


def first_answer(row: SessionRow, ring: KeyRing, now: int) -> FirstAnswer | None:
    """The answer that a visit gave just now; None when it ended otherwise, or longer ago. Raises SealError."""
    if row.step != "done" or not row.content or row.expires <= now:
        return None
    return msgspec.json.decode(ring.open(_ANSWER, bytes(row.content)), type=FirstAnswer)


def closed(live: Live) -> SessionRow:
    """The row of a visit that is over: its content is gone."""
    return live.row._replace(step="done", version=live.row.version + 1, content=b"", **_UNMARKED)


def read(row: SessionRow, ring: KeyRing) -> Live:
    """Open a row. Raises SealError."""
    return Live(row, msgspec.json.decode(ring.open(_PURPOSE, bytes(row.content)), type=Session))


def _sealed(content: Session, ring: KeyRing) -> bytes:
    return ring.seal(_PURPOSE, msgspec.json.encode(content))
