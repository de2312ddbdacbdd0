"""Read what is known of a receiver from ``data/<name>.toml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from profiles.fhir.version import FhirVersion
from profiles.standards.load import short_names
from profiles.standards.names import full_profile, full_value
from profiles.standards.tables import Text, Texts, read_table

DATA = Path(__file__).parent / "data"


class ReceiverError(ValueError):
    """There is no receiver with this name, or its file cannot be used; the text says which are known."""


class ReleaseTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Profiles that a receiver knows in one FHIR release: shown in a list, seen where another points at it, unread."""

    shown: Texts = ()
    reference: Texts = ()
    unread: Texts = ()


class ReceiverTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of facts."""

    name: Text
    title: Text
    first_byte: float
    titles: dict[str, Texts]
    searches: dict[str, dict[str, Text]]
    exact: bool = True
    repeats: int = 0
    pages: int = 1
    STU3: ReleaseTable = ReleaseTable()
    R4: ReleaseTable = ReleaseTable()


@dataclass(frozen=True, slots=True)
class Receiver:
    """An app that collects: what it asks, how long it waits, and which resources it can show."""

    name: str
    title: str
    first_byte: float
    repeats: int
    pages: int
    exact: bool
    """Whether addresses of profiles are compared letter by letter."""
    searches: Mapping[str, Mapping[str, str]]
    """By data service and name: path and query, with ``{date}`` for the day itself."""
    known: Mapping[FhirVersion, ReleaseTable]
    titles: Mapping[str, tuple[str, ...]]


def names() -> list[str]:
    """The receivers of which facts are known."""
    return sorted(path.stem for path in DATA.glob("*.toml"))


@cache
def receiver(name: str) -> Receiver:
    """A receiver by name. Raises ReceiverError, or StandardError when its file is wrong."""
    if name not in names():
        raise ReceiverError(f"unknown receiver {name}; known are {', '.join(names())}")
    row, short = read_table(DATA / f"{name}.toml", ReceiverTable), short_names()

    def full(table: ReleaseTable) -> ReleaseTable:
        parts = ([full_profile(one, short) for one in part] for part in (table.shown, table.reference, table.unread))
        return ReleaseTable(*map(tuple, parts))

    searches = {
        service: {one: full_value(query, short) for one, query in found.items()}
        for service, found in row.searches.items()
    }
    known = {FhirVersion.STU3: full(row.STU3), FhirVersion.R4: full(row.R4)}
    return Receiver(row.name, row.title, row.first_byte, row.repeats, row.pages, row.exact, searches, known, row.titles)
