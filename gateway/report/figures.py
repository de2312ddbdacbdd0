"""Reading the counts: sums by what a report asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, func, inspect, not_, select

from gateway.quality.tally import MUST, Numbers
from gateway.store.schema import quality_basis, quality_count, quality_defect, quality_finding, quality_name

Counted = Literal["resources", "elements", "musts"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a report is about; an empty field is everything. ``profiles`` belong to the standard that was chosen."""

    provider: str = ""
    source: str = ""
    profiles: frozenset[str] | None = None
    first: date | None = None
    last: date | None = None

    def conditions(self, table: Table, first: str = "day", last: str = "day") -> list[ColumnElement[bool]]:
        """The choice as conditions on a table; ``first`` and ``last`` name its columns of days."""
        clauses: list[ColumnElement[bool]] = []
        if self.provider:
            clauses.append(table.c.provider == self.provider)
        if self.source:
            clauses.append(table.c.source == self.source)
        if self.profiles is not None:
            clauses.append(table.c.profile.in_(sorted(self.profiles)))
        if self.first is not None:
            clauses.append(table.c[last] >= self.first)
        if self.last is not None:
            clauses.append(table.c[first] <= self.last)
        return clauses


@dataclass(frozen=True, slots=True)
class Figures:
    """The counts of a choice."""

    connection: Connection
    choice: Choice

    def sums(self, *by: str, of: Counted = "resources") -> Sequence[tuple[tuple[Any, ...], Numbers]]:
        """The numbers by columns, in their order: of whole resources, of elements, or of those that must be there."""
        columns = [quality_count.c[name] for name in by]
        sums = [func.sum(quality_count.c[name]) for name in Numbers._fields]
        element = quality_count.c.element
        must = element.startswith(MUST)
        which = {"resources": element == "", "elements": and_(element != "", not_(must)), "musts": must}[of]
        rows = self.connection.execute(
            select(*columns, *sums)
            .where(which, *self.choice.conditions(quality_count))
            .group_by(*columns)
            .order_by(*columns)
        ).all()
        return [(tuple(row[: len(by)]), Numbers(*(int(one or 0) for one in row[len(by) :]))) for row in rows]

    def findings(self, severity: str = "error") -> Sequence[tuple[str, str, str, int]]:
        """Profile, element, rule and how often it was found, most first."""
        by = [quality_finding.c[name] for name in ("profile", "element", "rule")]
        total = func.sum(quality_finding.c.found)
        rows = self.connection.execute(
            select(*by, total)
            .where(quality_finding.c.severity == severity, *self.choice.conditions(quality_finding))
            .group_by(*by)
            .order_by(total.desc(), *by)
        ).all()
        return [(str(row[0]), str(row[1]), str(row[2]), int(row[3])) for row in rows]

    def bases(self) -> Sequence[tuple[str, str, date, date, int]]:
        """Release, definitions that judged, first and last day, and how many verdicts, newest last.

        Of a database that was not upgraded yet: nothing. A choice of profiles does not narrow it: definitions are of
        all of them together.
        """
        if not inspect(self.connection).has_table(quality_basis.name):
            return []
        which = replace(self.choice, profiles=None).conditions(quality_basis)
        by = (quality_basis.c.fhir, quality_basis.c.definitions)
        days, seen = (func.min(quality_basis.c.day), func.max(quality_basis.c.day)), func.sum(quality_basis.c.seen)
        rows = self.connection.execute(select(*by, *days, seen).where(*which).group_by(*by).order_by(days[1], *by))
        return [(str(row[0]), str(row[1]), row[2], row[3], int(row[4])) for row in rows]

    def defects(self) -> Sequence[Row[Any]]:
        """Every defect line that was there in the period, by department."""
        order = ("department", "provider", "source", "profile", "element", "type", "reference", "pk")
        return self.connection.execute(
            select(quality_defect)
            .where(*self.choice.conditions(quality_defect, "first_seen", "last_seen"))
            .order_by(*(quality_defect.c[name] for name in order))
        ).all()

    def days(self) -> tuple[date, date] | None:
        """The first and last day with figures."""
        column = quality_count.c.day
        row = self.connection.execute(
            select(func.min(column), func.max(column)).where(*self.choice.conditions(quality_count))
        ).one()
        return (row[0], row[1]) if row[0] is not None else None

    def names(self, language: str) -> Mapping[tuple[str, str], tuple[str, str]]:
        """Name and concept by profile and element."""
        rows = self.connection.execute(select(quality_name)).all()
        return {
            (row.profile, row.element): (row.name_en if language == "en" else row.name_nl, row.concept) for row in rows
        }


def has_figures(connection: Connection) -> bool:
    """Whether the database has the tables of the counts at all."""
    return inspect(connection).has_table(quality_count.name)
