"""Trust between institutions as a port: who is calling and what for, and how we show who we are ourselves.

Three ways are known (Twiin over mutual TLS, a Nuts node, the generic functions). Task, grants, states and rules are the
same behind each. `twiin` is built; the other two need a sidecar that speaks for us.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Connected:
    """What the TLS connection says of the other end. ``hosts`` is None where nobody ends TLS (test mode only)."""

    hosts: tuple[str, ...] | None
    thumbprint: str = ""
    """SHA-256 of the certificate, in hexadecimal."""
    ura: str = ""
    """The URA that stands in the certificate; empty for one without."""


@dataclass(frozen=True, slots=True)
class User:
    """The professional for whom something is collected, as the institution vouches for them."""

    id: str = ""
    role: str = ""

    @property
    def known(self) -> bool:
        """Whether there is a person: a system acting by itself is nobody."""
        return bool(self.id and self.role)


NOBODY = User()
"""A system that acts by itself."""


@dataclass(frozen=True, slots=True)
class TokenAsked:
    """A token request that is signed by a partner for an organisation of theirs."""

    partner: str
    ura: str
    scope: str
    base: str = field(default="", repr=False)
    """The authorization base that it shows; empty: none."""
    user: User = NOBODY
    replay: tuple[tuple[bytes, int], ...] = ()
    """Digest and end (seconds since 1970) of each assertion: good once."""


class TokenDenied(Exception):
    """A token request that is not accepted: an OAuth error code and a public text."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error = error
        self.text = text


class PartnerFault(Exception):
    """Another institution cannot be asked, or does not answer as it should. ``later``: it may, later."""

    def __init__(self, text: str, *, later: bool, seconds: int = 0, status: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.later = later
        self.seconds = seconds
        """What the other side said of when to try again; 0: nothing."""
        self.status = status


class InstitutionTrust(Protocol):
    """One way of trusting other institutions."""

    def belongs(self, partner: str, connection: Connected) -> bool:
        """Whether a connection may act for a partner."""

    def asked(self, provider: str, form: Mapping[str, str], connection: Connected) -> TokenAsked:
        """A token request for an organisation of ours, checked. Raises TokenDenied. May read files."""

    async def token(self, provider: str, partner: str, scope: str, base: str = "", user: User = NOBODY) -> str:
        """An access token at a partner, in the name of an organisation of ours. Raises PartnerFault."""
