"""What the four lists hold once they are read: immutable, and each behaves as a Mapping.

Sources: sections 5 (LIST-07..LIST-16) of the agreement. XML stays in `auth.clients.parse`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, TypeVar

from auth import ports

Entry = TypeVar("Entry")

UNNAMED_INTERFACE = "1.1"
"""Interface version given to a provider list of 1.1, which names none (LIST-15)."""


class ListKind(StrEnum):
    """The four lists; the value is the root element and the part of the file name that the framework gives it."""

    WHITELIST = "Whitelist"
    CLIENTS = "OAuthclientlist"
    PROVIDERS = "Zorgaanbiederslijst"
    NAMES = "Gegevensdienstnamenlijst"

    @property
    def file_name(self) -> str:
        """The name at the registration (LIST-01), which never changes with schema versions (LIST-07)."""
        return f"MedMij_{self.value}.xml"

    @property
    def short_name(self) -> str:
        """The name in a folder of ours: lower case, `whitelist.xml`."""
        return f"{self.value.lower()}.xml"


class ListError(Exception):
    """A list that cannot be used. `text` is fit for an operator; it never holds more than a fragment of the list."""

    def __init__(self, kind: ListKind, text: str) -> None:
        super().__init__(f"{kind.value}: {text}")
        self.kind = kind
        self.text = text


@dataclass(frozen=True, slots=True)
class Heading:
    """What every list says of itself."""

    issued: datetime
    """`Tijdstempel`, always with a time zone."""
    number: int
    """`Volgnummer` (LIST-06)."""
    release: int
    """The number in the namespace."""


@dataclass(frozen=True, slots=True, repr=False)
class NationalList(Mapping[str, Entry]):
    """A list in use: a heading, and entries by their key in the order of the document."""

    kind: ClassVar[ListKind]
    heading: Heading
    entries: Mapping[str, Entry]

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", MappingProxyType(dict(self.entries)))

    def __getitem__(self, key: str) -> Entry:
        return self.entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"<{self.kind.value} {self.heading.number}, {len(self)} entries>"


@dataclass(frozen=True, slots=True)
class HostNode:
    """A host that may take part in traffic between servers."""

    hostname: str


@dataclass(frozen=True, slots=True, repr=False)
class HostWhitelist(NationalList[HostNode]):
    """WHL: nodes by host name."""

    kind: ClassVar = ListKind.WHITELIST

    def holds(self, hostname: str) -> bool:
        """Whether exactly this host name, in lower case, is listed (TLS-08)."""
        return hostname in self


@dataclass(frozen=True, slots=True)
class Notify:
    """Where a client takes notifications for one service (LIST-16)."""

    subscription_endpoint: str
    resource_endpoint: str


@dataclass(frozen=True, slots=True)
class ListedClient(ports.Client):
    """An entry of the OAuth client list, with its notification endpoints by service."""

    notify: Mapping[str, Notify] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, repr=False)
class OAuthClientList(NationalList[ListedClient]):
    """OCL: clients by host name."""

    kind: ClassVar = ListKind.CLIENTS

    def find(self, hostname: str) -> ListedClient | None:
        """The client with exactly this host name, or None."""
        return self.get(hostname)


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscriptions to a service (`Abonneren`)."""

    max_days: int
    endpoint: str


@dataclass(frozen=True, slots=True)
class ListedService:
    """A data service of a provider in one interface version: its endpoints."""

    id: str
    authorization_endpoint: str
    token_endpoint: str
    roles: Mapping[str, str]
    """Resource endpoint by system role code."""
    subscribe: Subscribe | None = None


@dataclass(frozen=True, slots=True)
class ListedProvider:
    """An entry of the provider list."""

    name: str
    """With the suffix `@medmij`."""
    kind: str | None
    """`ZA`, `BAZB`, ...; None in the list of 1.1."""
    interfaces: Mapping[str, Mapping[str, ListedService]]
    """Services by id, by interface version (`2`, or `UNNAMED_INTERFACE`)."""


@dataclass(frozen=True, slots=True, repr=False)
class ProviderList(NationalList[ListedProvider]):
    """ZAL: providers by MedMij name, suffix included."""

    kind: ClassVar = ListKind.PROVIDERS


@dataclass(frozen=True, slots=True, repr=False)
class ServiceNameList(NationalList[str]):
    """GNL: display name by service id."""

    kind: ClassVar = ListKind.NAMES

    def find(self, service_id: str) -> str | None:
        """The display name, or None."""
        return self.get(service_id)


AnyList = HostWhitelist | OAuthClientList | ProviderList | ServiceNameList
