"""The rows of the store as values, and how instants are kept."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple


class GrantRow(NamedTuple):
    """What `GRANT_SELECT` returns, in this order, as plain driver values."""

    client: str
    provider: str
    function: str
    services: str
    subject: str
    sealed_bsn: bytes | None
    patient: str | None
    actor: str | None
    issued: int
    expires: int
    revoked: int | None
    ended: int | None
    correlation_id: str | None
    consent_id: str | None
    days: int | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """One row of `auth_family`."""

    id: str
    consent_id: str | None
    client: str
    provider: str
    function: str
    dialect: str
    services: frozenset[str]
    days: int | None
    subject: str
    sealed_bsn: bytes | None
    patient: str | None
    actor: str | None
    sealed_actor: bytes | None
    sealed_birth_date: bytes | None
    representation: str | None
    lasting: bool
    created: int
    used: int
    ended: int | None = None
    ended_why: str | None = None
    flow: str | None = None
    """The session in which the consent was given."""
    started: int | None = None
    """When that session began."""


@dataclass(frozen=True, slots=True)
class Code:
    """One row of `auth_code`, as it was when it was spent."""

    family: str
    client: str
    redirect_uri: str
    correlation_id: str | None
    session_id: str | None
    challenge: str | None
    challenge_method: str | None
    expires: int


@dataclass(frozen=True, slots=True)
class Refresh:
    """One row of `auth_refresh_token`."""

    digest: bytes
    family: str
    services: frozenset[str]
    issued: int
    expires: int | None
    spent: int | None
    spent_by: str | None
    successor: bytes | None
    superseded: bool


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """One line of the consent register (CONS-01)."""

    entry: str
    consent_id: str
    outcome: str
    """given, refused, cancelled, withdrawn, expired or replaced."""
    moment: int
    channel: str
    function: str
    provider: str
    client: str
    organisation: str
    offered: tuple[str, ...]
    granted: tuple[str, ...]
    lasting: bool | None = None
    days: int | None = None
    text_version: str | None = None
    interface_version: str | None = None
    subject: str | None = None
    actor: str | None = None
    representation: str | None = None
    assertion_id: str | None = None
    level: int | None = None
    correlation_id: str | None = None
    session_id: str | None = None


class SessionRow(NamedTuple):
    """One row of `auth_session`."""

    id: str
    cookie: bytes
    step: str
    version: int
    expires: int
    content: bytes
    login_subject: str | None = None
    login_session: str | None = None
    login_at: int | None = None


class IssuedCode(NamedTuple):
    """A code as it is kept: what is known of it, under the digest of what was issued."""

    digest: bytes
    code: Code


class SpentCode(NamedTuple):
    """The outcome of offering a code: the code when this call won it, and whether it existed already spent."""

    code: Code | None
    replayed_family: str | None


def milliseconds(moment: datetime) -> int:
    """UTC milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def moment(value: int) -> datetime:
    """The instant of a stored value."""
    return datetime.fromtimestamp(value / 1000, UTC)


Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock of production; tests inject their own."""
    return datetime.now(UTC)


def fields_of(row: Any) -> dict[str, Any]:
    """A row as parameters."""
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def family_values(family: Family) -> dict[str, Any]:
    """A family as parameters."""
    return {**fields_of(family), "services": " ".join(sorted(family.services))}


def family_of(row: Any) -> Family:
    """A family from a row of its table."""
    return Family(**{**row, "services": frozenset(row["services"].split())})


def consent_values(entry: ConsentEntry) -> dict[str, Any]:
    """A consent line as parameters."""
    return {**fields_of(entry), "offered": " ".join(entry.offered), "granted": " ".join(entry.granted)}


def entries_of(rows: Any) -> list[ConsentEntry]:
    """Consent lines from the rows of a result."""
    return [
        ConsentEntry(**{**row, "offered": tuple(row["offered"].split()), "granted": tuple(row["granted"].split())})
        for row in rows.mappings()
    ]
