"""The port through which a person is authenticated (IDN-01). OpenID Connect and SAML 2.0 fill it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from auth.login.leaving import BridgeSession
from auth.ports import Level, Representation


@dataclass(frozen=True, slots=True)
class LoginAsk:
    """What a login must be like."""

    state: str
    """Comes back unchanged in the callback: see `state_of`."""
    callback: str
    level: Level
    representation: Representation | None = None
    language: str = "nl"


def state_of(answer: Mapping[str, str | None]) -> str:
    """The state in a callback: `state` of OAuth, `RelayState` of SAML."""
    return answer.get("state") or answer.get("RelayState") or ""


@dataclass(frozen=True, slots=True)
class LoginStart:
    """Where to send the browser, what it posts there (nothing: it is sent on), and what is kept sealed for `finish`."""

    url: str
    kept: dict[str, str]
    fields: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who logged in. Numbers never show in `repr`."""

    bsn: str = field(repr=False)
    """The person whose data it is about: the represented one when somebody acts for another (REP-03)."""
    level: Level
    authenticated: datetime
    assertion_id: str
    """Digest that names the assertion in the consent register; not the assertion itself."""
    birth_date: date | None = field(default=None, repr=False)
    actor_bsn: str | None = field(default=None, repr=False)
    representation: Representation | None = None
    bridge: BridgeSession | None = None
    """The session at the bridge, for single logout; None: it has none that we would end."""


class LoginCancelled(Exception):
    """The person cancelled at the authentication service (ERR-12)."""


class LoginFailed(Exception):
    """No acceptable assertion came back (ERR-13). `why` is one of our own words, for the log."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class LoginUnavailable(Exception):
    """The authentication service does not answer (ERR-18)."""


class Login(Protocol):
    """Sends a person to an authentication service and reads what comes back."""

    async def start(self, ask: LoginAsk) -> LoginStart:
        """Prepare the way to the bridge. Raises LoginUnavailable."""

    async def finish(
        self, answer: Mapping[str, str], kept: Mapping[str, str], ask: LoginAsk, now: datetime
    ) -> Identity:
        """Read the callback's parameters. Raises LoginCancelled, LoginFailed or LoginUnavailable.

        The level floor and the representation are for the caller to compare with what was asked.
        """
