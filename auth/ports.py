"""The questions that the authorization server asks others.

Two sides. The **host** (the gateway) knows the providers, their data services and whether there are data for a person;
it implements `Providers` and `Host`. The **lists** (auth.clients) and the **transport** (auth.peer) know which
clients exist and who is at the other end of a connection; they implement `ClientList`, `Whitelist`, `ServiceNames`,
`ListsState`, gathered in `Lists`, and deliver `Peer`.

Nothing here imports anything of ours but the event type, so every part can be built and tested against it alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from auth.events import Event

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

# --- lists and transport -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Client:
    """One entry of the OAuth client list (LIST-16)."""

    hostname: str
    """Lower case; equals `client_id` and the DNS name of the client certificate."""
    organisation: str
    """Name shown to people (UI-04)."""
    services: frozenset[str] | None
    """Data services the client is qualified for; None when the list does not say (LIST-17)."""


class ClientList(Protocol):
    """The OAuth client list as it is now."""

    def find(self, hostname: str) -> Client | None:
        """The client with exactly this host name (byte for byte), or None."""


class Whitelist(Protocol):
    """The list of host names that may take part in traffic between servers."""

    def holds(self, hostname: str) -> bool:
        """True when exactly this host name (lower case) is listed. No suffix or wildcard match (TLS-08)."""


class ServiceNames(Protocol):
    """The list of display names of data services."""

    def find(self, service_id: str) -> str | None:
        """The display name, or None when the list has none."""


class ListsState(Protocol):
    """How fresh the lists are (SLA-05)."""

    def age(self) -> timedelta:
        """Time since the last successful fetch of the oldest list that matters."""

    def usable(self) -> bool:
        """False once the lists are too old (8 hours) or absent: new authorizations are refused then."""


class Lists(Protocol):
    """One consistent view of all lists. Every property may change between two requests, never half."""

    @property
    def clients(self) -> ClientList: ...

    @property
    def whitelist(self) -> Whitelist: ...

    @property
    def names(self) -> ServiceNames: ...

    @property
    def state(self) -> ListsState: ...


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of the connection, as `auth.peer.transport.peer_of(scope)` finds it.

    `hostnames` holds the DNS names of a client certificate whose chain, validity, use and revocation were checked,
    in lower case. None: no (acceptable) certificate was shown.
    """

    hostnames: tuple[str, ...] | None


class PeerOf(Protocol):
    """How the transport delivers the peer of an ASGI request."""

    def __call__(self, scope: Mapping[str, object], /) -> Peer: ...


# --- the host ------------------------------------------------------------------------------------------------------


class Function(StrEnum):
    """What a data service is for (section 3 of the agreement)."""

    COLLECT = "collect"
    SHARE = "share"


class Level(IntEnum):
    """Level of assurance of a login, in the order of DigiD (IDN-02)."""

    BASIS = 10
    MIDDEN = 20
    SUBSTANTIEEL = 25
    HOOG = 30


class Representation(StrEnum):
    """Acting for somebody else (REP-01); the values are the scope parts."""

    VOLUNTARY = "onbehalfof"
    PARENTAL = "onbehalfofchild"


class AbsenceReason(StrEnum):
    """Why there is nothing (mission context, section 7). Shown to the person, never told to the client."""

    NO_RELATION = "no-relation"
    NOT_OFFERED = "not-offered"
    AGE = "age"
    NO_MANDATE = "no-mandate"
    CONSENT_ENDED = "consent-ended"
    EMPTY = "empty"
    DELAYED = "delayed"
    WITHHELD = "withheld"
    SOURCE_DOWN = "source-down"
    INVALID_BLOCKED = "invalid-blocked"


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """A data service as one provider offers it."""

    id: str
    name: str
    """Name for people, used when the national list has none."""
    function: Function
    subscribe_max_days: int | None = None
    """Longest subscription in days (`MaximaleDuur`); None: no subscriptions."""
    group: str | None = None
    """Services of one group are one line on the consent page that opens: a key of ``[groups]`` in its texts."""
    about: str = ""
    """One sentence in plain Dutch that says what it holds; on the consent page in an opened group."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A care provider that this gateway serves."""

    name: str
    """MedMij name without the suffix `@medmij`."""
    display_name: str
    services: Mapping[str, ServiceInfo]
    logo: str | None = None
    """Path or https URL of the logo; the host must allow its origin by `AuthSettings.image_sources`."""
    privacy_url: str | None = None
    phone: str | None = None
    level_floor: Level = Level.MIDDEN
    representation: frozenset[Representation] = frozenset()
    """Kinds of representation that are switched on; empty: the scope parts are refused (REP-07)."""


class Providers(Protocol):
    """The care providers on offer."""

    def find(self, name: str) -> Provider | None:
        """The provider with exactly this MedMij name (no suffix), or None."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person as the login found them. The number never shows in `repr`, logs or errors (IDN-07)."""

    pseudonym: str
    """Keyed hash of the citizen number, hexadecimal: the same person always has the same one."""
    bsn: str = field(repr=False)
    birth_date: date | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ServiceContents:
    """What there is for a person in one data service, as far as it is known before it is asked for."""

    parts: tuple[tuple[str, int], ...]
    """What people call it, and how many there are; 0 when that cannot be told beforehand."""
    since: str | None = None
    """The year of the oldest of them."""


@dataclass(frozen=True, slots=True)
class Available:
    """The answer of an availability or receivability test."""

    services: frozenset[str]
    """Those of the asked services that can be delivered (or received) for the person."""
    reason: AbsenceReason | None = None
    """Why nothing is left, when `services` is empty; NO_RELATION is assumed when absent."""
    birth_date: date | None = field(default=None, repr=False)
    """Birth date in the provider's system, when known; used for the age rule and for representation (REP-05)."""
    name: str | None = field(default=None, repr=False)
    """Name in the provider's system, when known; shown to who decides, and to nobody else."""
    contents: Mapping[str, ServiceContents] = field(default_factory=dict, repr=False)
    """By service; what is not known (a source that is only asked later) is not there."""
    absent: Mapping[str, AbsenceReason] = field(default_factory=dict)
    """Why the other asked services cannot be delivered, by service."""


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One line of the plain-language access log that a person sees."""

    time: datetime
    client: str
    """Host name of the client."""
    provider: str
    service_id: str
    what: str
    """What was collected, in the person's words (for example the Dutch names of the zibs)."""
    count: int | None = None
    """Number of items, when known."""
    represented_by: str | None = None
    """Pseudonym of the representative, when somebody acted for the person. Compared on the page, never shown."""


class FlowStep(StrEnum):
    """How far a visit came; each ends in a transaction of ours or of the resource server."""

    ASKED = "asked"
    AUTHENTICATED = "authenticated"
    AVAILABLE = "available"
    CONSENTED = "consented"
    TOKEN = "token"  # noqa: S105
    EXCHANGE = "exchange"


@dataclass(frozen=True, slots=True)
class StepEnd:
    """The end of one step of one visit, for who counts. The person is told to be made a pseudonym, never to be kept."""

    step: FlowStep
    at: datetime
    flow: str
    """The authorization server's own session id; empty when there was no session yet."""
    started: datetime | None
    """When the visit began; None for what comes from a lasting consent without the person."""
    provider: str
    client: str
    function: str
    services: tuple[str, ...]
    outcome: str = "ok"
    """ok, refused or failed."""
    reason: str = ""
    """A row of the error table, or an absence reason."""
    person: Person | None = field(default=None, repr=False)
    representation: str | None = None
    lasting: bool = False


class Journal(Protocol):
    """Counts steps, inside the transaction that ends them: what is rolled back was never counted."""

    def label(self, connection: Connection, step: StepEnd) -> str:
        """What the use of a token is counted under; kept with the token. Holds nothing that names a person."""

    def write(self, connection: Connection, steps: Sequence[StepEnd]) -> None:
        """Count steps. The last statement of a transaction: it may hold a lock until the end of it."""


@dataclass(frozen=True, slots=True)
class SentEntry:
    """Something that a person sent, and what became of it, for the page "Mijn toestemmingen"."""

    time: datetime
    client: str
    provider: str
    service_id: str
    states: tuple[tuple[str, int], ...]
    """What stands how: open, accepted, filed, declined, asked, expired or withdrawn, with how many of it."""
    reasons: tuple[str, ...] = ()
    """What the institution wrote to the person."""


class Reads(Protocol):
    """Runs selects of ours on the host's connections for reading, past worker threads and SQLAlchemy's engine."""

    async def __call__(self, statement: Select[Any], parameters: Mapping[str, Any], /) -> Sequence[tuple[Any, ...]]:
        """All rows, as the driver gives them. Raises StoreSilent."""
        ...


class StoreSilent(Exception):
    """A store did not answer in time, or cannot be written now: 503, and the client may try again."""


class Host(Protocol):
    """What the gateway does for the authorization server."""

    async def availability(
        self, provider: Provider, person: Person, services: frozenset[str], actor: Person | None
    ) -> Available:
        """Which of these services have data for this person (AVL-01, AVL-05). Cancelled after 5 s (AVL-03).

        Raises anything when the source cannot answer: the person then sees a temporary-fault page.
        """

    async def receivability(
        self, provider: Provider, person: Person, services: frozenset[str], actor: Person | None
    ) -> Available:
        """Whether the provider accepts data of this person for these services (AVL-07)."""

    async def access_log(self, pseudonym: str, limit: int) -> Sequence[AccessEntry]:
        """Who collected what of this person, newest first, for the page "Mijn toestemmingen"."""

    async def sent(self, pseudonym: str, limit: int) -> Sequence[SentEntry]:
        """What this person sent, newest first, and what became of it (DL-C37)."""

    def note(self, event: Event) -> None:
        """Take note of an event. Must not block and must not raise; called from threads too (LOG-08)."""
