"""A person's visit as one value: everything between the authorization request and the answer, sealed in the store."""

from typing import Self

import msgspec

from auth.crypto import KeyRing, digest, new_token
from auth.store.rows import SessionRow

_PURPOSE = "session"


class Session(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of a browser session (AUTH-17). Never leaves the server; `id` alone is public."""

    id: str
    manage: bool = False
    """True for a visit to "Mijn toestemmingen" without an authorization request."""
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

    login_state: str | None = None
    login_kept: dict[str, str] = {}

    bsn: str | None = None
    birth_date: str | None = None
    actor_bsn: str | None = None
    used_representation: str | None = None
    level: int | None = None
    assertion_id: str | None = None

    offered: tuple[str, ...] = ()
    replaces: bool = False
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
        """Where the visit is: landing, login, consent, refused, manage or done."""
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


def closed(live: Live) -> SessionRow:
    """The row of a visit that is over: its content is gone."""
    return live.row._replace(step="done", version=live.row.version + 1, content=b"")


def read(row: SessionRow, ring: KeyRing) -> Live:
    """Open a row. Raises SealError."""
    return Live(row, msgspec.json.decode(ring.open(_PURPOSE, bytes(row.content)), type=Session))


def _sealed(content: Session, ring: KeyRing) -> bytes:
    return ring.seal(_PURPOSE, msgspec.json.encode(content))
