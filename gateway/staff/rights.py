"""What each role of the staff may do: a table (rights.toml)."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path

from gateway.staff.settings import StaffRole
from profiles.rows import Row, RowError, read


class Right(StrEnum):
    """What somebody may do."""

    INBOX_LIST = "inbox-list"
    INBOX_OPEN = "inbox-open"
    INBOX_DECIDE = "inbox-decide"
    INBOX_ROUTE = "inbox-route"
    CORRECTIONS = "corrections"
    CORRECT = "correct"
    QUESTIONNAIRES = "questionnaires"
    FILING = "filing"
    QUARANTINE = "quarantine"
    SOURCES = "sources"
    QUALITY = "quality"
    PERSON = "person"
    TRACE = "trace"
    FIGURES = "figures"
    WITHHOLD = "withhold"
    ERASE = "erase"
    MONTHS = "months"
    MONTHS_RELEASE = "months-release"


class RightsRow(Row, frozen=True):
    """A role of rights.toml."""

    rights: frozenset[Right]


@cache
def table() -> Mapping[StaffRole, frozenset[Right]]:
    """The rights of each role. Raises RowError when the table names what there is not, or leaves a role out."""
    rows = read(Path(__file__).with_name("rights.toml"), dict[StaffRole, RightsRow])
    if rows.keys() != set(StaffRole):
        raise RowError("rights.toml: each role needs a row")
    return {role: row.rights for role, row in rows.items()}


def rights_of(roles: Iterable[StaffRole]) -> frozenset[Right]:
    """Everything that somebody with these roles may do."""
    return frozenset().union(*(table()[role] for role in roles))
