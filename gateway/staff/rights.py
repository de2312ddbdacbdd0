"""What each role of the staff may do: a table (rights.toml)."""

import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from importlib import resources

from gateway.staff.settings import StaffRole


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


@cache
def table() -> Mapping[StaffRole, frozenset[Right]]:
    """The rights of each role. Raises ValueError when the table names what there is not, or leaves a role out."""
    rows = tomllib.loads(resources.files("gateway.staff").joinpath("rights.toml").read_text("utf-8"))
    found = {StaffRole(name): frozenset(Right(one) for one in row["rights"]) for name, row in rows.items()}
    if found.keys() != set(StaffRole):
        raise ValueError("rights.toml: each role needs a row")
    return found


def rights_of(roles: Iterable[StaffRole]) -> frozenset[Right]:
    """Everything that somebody with these roles may do."""
    return frozenset().union(*(table()[role] for role in roles))
