"""The port of single logout: leaving the session at the login bridge, and hearing from it that one is over.

What a bridge says is believed after its signature only; the one call without (OpenID Connect front-channel logout)
names a session by a number that only the bridge and we know. A message of logout that comes again does no harm: it ends
sessions that began before it was made, and those are over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

LOGOUT, LOGOUT_BACK, LOGGED_OUT = "/login/logout", "/login/logout/back", "/login/logged-out"
"""Where a bridge tells of a logout, through the browser and from server to server; where it sends the browser back."""


@dataclass(frozen=True, slots=True)
class BridgeSession:
    """The session at the bridge that a login belongs to."""

    subject: str = field(repr=False)
    """How the bridge names the person there; with SAML this may be the citizen number."""
    session: str
    """The bridge's own number of the session; empty: it gave none."""
    kept: dict[str, str] = field(repr=False)
    """What `leave` needs; the flow keeps it sealed."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes, what it posts there (nothing: it is sent on), and what is kept for the way back."""

    url: str
    fields: dict[str, str] = field(default_factory=dict, repr=False)
    kept: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogoutAsk:
    """A person logs out here: the state that comes back, and the language."""

    state: str
    language: str = "nl"


@dataclass(frozen=True, slots=True)
class LogoutCall:
    """A call that the bridge makes, by the browser or from server to server."""

    way: Literal["browser", "server"]
    query: bytes
    """As it was received: a signature may be over it."""
    form: Mapping[str, str] = field(repr=False)
    """The posted form; empty when nothing was posted, or something else."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Over:
    """Which sessions of the bridge are over. At least one of subject and sessions says something."""

    subject: str = field(repr=False)
    """Only of this person; empty: whoever has one of the sessions."""
    sessions: tuple[str, ...]
    """Only these; none: every session of the subject."""
    at: datetime
    """When the bridge said so: what began later is another session."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The browser comes back from a logout that began here."""

    state: str
    request: str
    """Which request it answers, where the protocol says so."""
    complete: bool
    """Whether the bridge and whoever it told are logged out."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a call says, and the answer to it."""

    over: Over | None = None
    returned: Returned | None = None
    reply: Departure | bytes | None = None
    """Back to the bridge through the browser, or the body of the answer to its server."""
    framed_by: str = ""
    """Origin of the page that shows the answer in a frame."""


class SingleLogout(Protocol):
    """What a login bridge can do beside logging in."""

    async def leave(self, kept: Mapping[str, str], ask: LogoutAsk) -> Departure | None:
        """Log out at the bridge; None when that is done already, from server to server. Raises LoginUnavailable."""

    async def hear(self, call: LogoutCall, now: datetime) -> Heard:
        """Read a call of the bridge. Raises LoginFailed with one of our own words, or LoginUnavailable."""
