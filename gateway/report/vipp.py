"""VIPP figures with their definition and norm: how many of the people with a contact got their data (RP-30 to RP-33).

Who had a contact comes from a list of the institution. Numbers of persons become pseudonyms while the list is read, and
are never kept; what the list says is told by its hash.
"""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Connection

from auth.ages import age
from auth.crypto import Pseudonyms
from auth.store.rows import milliseconds
from gateway.report.document import Cell, Column, ReportDocument, ReportSection, Share
from gateway.report.words import words
from gateway.usage.figures import days, read_events
from gateway.usage.keys import YearKeys, pseudonym
from gateway.usage.visits import visits
from gateway.version import SOFTWARE
from profiles.record.bsn import valid_bsn
from profiles.rows import Row, read

YES = frozenset({"ja", "yes", "true", "1", "j", "y"})


class ListRefused(ValueError):
    """The list cannot be read; the text says which line, and never what stands in it."""


class VippFigure(Row, frozen=True):
    """``[[figure]]`` of vipp.toml: who counts, of whom, which norm, from and until which day."""

    id: str
    valid_from: date
    services: tuple[str, ...]
    """Empty: any service."""
    adults: bool
    list: str
    norm: str
    days: int
    nl: str
    en: str
    shown: str
    still: str
    login: bool = False
    """Counts who logged in, also when nothing was collected."""
    valid_until: date | None = None


class VippFigures(Row, frozen=True):
    """vipp.toml."""

    version: str
    figure: tuple[VippFigure, ...]


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """A person of the list: the pseudonyms under the keys of the years of the period, and what the list says."""

    keys: frozenset[str]
    adult: bool
    relevant: bool


@dataclass(frozen=True, slots=True)
class ContactList:
    """Who had a contact. ``digest`` is the SHA-256 of the file, ``lines`` how many lines it had."""

    people: Sequence[ListedPerson]
    digest: str
    lines: int


@dataclass(frozen=True, slots=True)
class FigureResult:
    """A figure: the part and the whole, who counted but is not on the list, and whether the norm is met."""

    figure: VippFigure
    part: int
    whole: int
    outside: int

    @property
    def met(self) -> bool | None:
        """Compared without rounding (RP-C20); None when there is no whole."""
        return self.part * 100 >= Decimal(self.figure.norm) * self.whole if self.whole else None


def figures_on(day: date) -> Sequence[VippFigure]:
    """The figures whose wording holds on a day."""
    rows = _rows().figure
    return [one for one in rows if one.valid_from <= day and (one.valid_until is None or day <= one.valid_until)]


def _rows() -> VippFigures:
    return read(Path(__file__).with_name("vipp.toml"), VippFigures)


@dataclass
class _Contact:
    keys: set[str] = field(default_factory=set)
    adult: bool = False
    relevant: bool = False


def read_list(content: bytes, first: date, last: date, pseudonyms: Pseudonyms, keys: Sequence[bytes]) -> ContactList:
    """Read a list: CSV with the columns bsn, contact, birth and dbc (ja/nee), separated by ``;`` or ``,``.

    Contacts outside the days do not count. ``keys`` are those of the years that the period touches. Raises ListRefused.
    """
    text = content.decode("utf-8-sig", "replace")
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    if not {"bsn", "contact", "birth", "dbc"} <= set(rows.fieldnames or ()):
        raise ListRefused("the first line must name the columns bsn, contact, birth and dbc")
    people: dict[str, _Contact] = {}
    lines = 0
    for lines, row in enumerate(rows, 1):
        bsn = (row["bsn"] or "").strip()
        try:
            contact, birth = date.fromisoformat(row["contact"]), date.fromisoformat(row["birth"])
        except (TypeError, ValueError):
            raise ListRefused(f"line {lines + 1}: contact and birth are dates as 2026-03-31") from None
        if not valid_bsn(bsn):
            raise ListRefused(f"line {lines + 1}: this is not a BSN")
        if not first <= contact <= last:
            continue
        person = people.setdefault(pseudonyms.of(bsn), _Contact())
        person.adult |= age(birth, contact) >= 16
        person.relevant |= (row["dbc"] or "").strip().lower() in YES
    listed = [
        ListedPerson(frozenset(pseudonym(key, "person", name) for key in keys), one.adult, one.relevant)
        for name, one in people.items()
    ]
    return ContactList(listed, hashlib.sha256(content).hexdigest(), lines)


def year_keys(connection: Connection, keys: YearKeys, provider: str, first: date, last: date) -> list[bytes]:
    """The keys of the years of a period. Raises KeyDestroyed when one is gone."""
    return [keys.of(connection, provider, year) for year in range(first.year, last.year + 1)]


def measure(
    connection: Connection, provider: str, listed: ContactList, figure: VippFigure, last: date, now: datetime
) -> FigureResult:
    """Count one figure over the days that it asks, ending with ``last``."""
    counted = dict(_counted(connection, provider, figure, last, now))
    of_whom = [
        one for one in listed.people if (one.adult or not figure.adults) and (one.relevant or figure.list == "all")
    ]
    part = sum(1 for one in of_whom if one.keys & counted.keys())
    every = frozenset(key for one in listed.people for key in one.keys)
    outside = sum(1 for key, adult in counted.items() if key not in every and (adult or not figure.adults))
    return FigureResult(figure, part, len(of_whom), outside)


def _counted(
    connection: Connection, provider: str, figure: VippFigure, last: date, now: datetime
) -> Iterator[tuple[str, bool]]:
    """Persons (pseudonyms) who count, and whether they are 16 or over."""
    window = days(last - timedelta(days=figure.days - 1), last)
    for visit in visits(read_events(connection, window, provider), milliseconds(now)):
        if visit.test or not visit.person or not window.holds(visit.start):
            continue
        got = visit.completed & set(figure.services) if figure.services else visit.completed
        if figure.login or (got and visit.use == "collect"):
            yield visit.person, visit.age in ("16+", "")


def document(
    connection: Connection,
    provider: str,
    content: bytes,
    last: date,
    now: datetime,
    pseudonyms: Pseudonyms,
    keys: YearKeys,
    language: str = "nl",
) -> ReportDocument:
    """The report of every figure that holds on a day. Raises ListRefused and KeyDestroyed."""
    text, common = words(language, "vipp"), words(language, "words")
    sections = []
    for figure in figures_on(last):
        first = last - timedelta(days=figure.days - 1)
        each = year_keys(connection, keys, provider, first, last)
        listed = read_list(content, first, last, pseudonyms, each)
        result = measure(connection, provider, listed, figure, last, now)
        met = {None: "-", True: text["met"], False: text["not_met"]}[result.met]
        rows: list[list[Cell]] = [
            [text["reached"], Share(result.part, result.whole)],
            [text["norm"], f"{figure.norm}%: {met}"],
            [text["outside"], result.outside],
            [text["shown"], figure.shown],
            [text["still"], figure.still],
        ]
        population = text["population"].format(lines=listed.lines, digest=listed.digest)
        sections.append(
            ReportSection(
                figure.id,
                figure.id,
                [Column("what", text["what"]), Column("value", text["value"])],
                rows,
                figure.en if language == "en" else figure.nl,
                population,
                f"{first} - {last} (Europe/Amsterdam)",
                f"{figure.norm}% ({_rows().version}; {text['since']} {figure.valid_from})",
            )
        )
    notes = [text["about"].format(provider=provider, software=SOFTWARE)]
    return ReportDocument("vipp", text["title"], now.strftime("%Y-%m-%d %H:%M UTC"), language, notes, sections, common)
