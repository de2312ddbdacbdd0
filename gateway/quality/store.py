"""Writing tallies: numbers are added up, defect lines of a resource take the place of what stood there."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, Delete, Table, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from gateway.quality.tally import Numbers, Subject, Tally
from gateway.store.schema import quality_basis, quality_count, quality_defect, quality_finding, quality_name

Row = TypeVar("Row")

PART = 150
"""Resources in one statement; the number of parameters is bounded."""


def save(connection: Connection, tally: Tally) -> None:
    """Write a tally inside the caller's transaction. Rows go in order of their keys, so that writers never deadlock."""
    counts = [
        {**scope._asdict(), "element": element, **numbers._asdict()}
        for (scope, element), numbers in sorted(tally.numbers.items())
    ]
    _put(connection, quality_count, counts, Numbers._fields)
    findings = [
        {**scope._asdict(), "element": element, "rule": rule, "severity": severity, "found": found}
        for (scope, element, rule, severity), found in sorted(tally.rules.items())
    ]
    _put(connection, quality_finding, findings, ("found",))
    bases = [
        {"day": day, "provider": provider, "source": source, "fhir": fhir, "definitions": definitions, "seen": seen,
         "digest": hashlib.sha256(definitions.encode()).hexdigest()}
        for (day, provider, source, fhir, definitions), seen in sorted(tally.bases.items())
    ]  # fmt: skip
    _put(connection, quality_basis, bases, ("seen",))
    names = [
        {"profile": profile, "element": element, "concept": row[0], "name_nl": row[1][:255], "name_en": row[2][:255]}
        for (profile, element), row in sorted(tally.names.items())
    ]
    _put(connection, quality_name, names, ("concept", "name_nl", "name_en"), add=False)
    _defects(connection, tally)


def past(before: date) -> Sequence[Delete]:
    """What removes counts, findings and defect lines that are older."""
    return (
        delete(quality_count).where(quality_count.c.day < before),
        delete(quality_finding).where(quality_finding.c.day < before),
        delete(quality_basis).where(quality_basis.c.day < before),
        delete(quality_defect).where(quality_defect.c.last_seen < before),
    )


def forget(connection: Connection, before: date) -> None:
    """Remove what is older than the retention allows."""
    for statement in past(before):
        connection.execute(statement)


def oldest(today: date, retention_days: int) -> date:
    """The first day that is kept."""
    return today - timedelta(days=retention_days)


def _put(
    connection: Connection, table: Table, rows: list[dict[str, Any]], changed: Sequence[str], *, add: bool = True
) -> None:
    """Insert rows; where one is there already, add to it or replace what changes."""
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    new = {name: table.c[name] + statement.excluded[name] if add else statement.excluded[name] for name in changed}
    keys = [column.name for column in table.primary_key.columns]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=new), rows)


def _defects(connection: Connection, tally: Tally) -> None:
    subjects = sorted(tally.subjects)
    for part in _parts(subjects):
        first = _clear(connection, part)
        rows = [row for subject in part for row in _lines(subject, tally, first)]
        if rows:
            connection.execute(quality_defect.insert(), rows)


def _clear(connection: Connection, subjects: list[Subject]) -> dict[tuple[Any, ...], date]:
    """Take away the lines of resources that were assessed again; the day on which each was first seen."""
    key = tuple_(*(quality_defect.c[name] for name in Subject._fields))
    mine = key.in_([tuple(subject) for subject in subjects])
    found = connection.execute(select(quality_defect).where(mine)).all()
    if found:
        connection.execute(delete(quality_defect).where(mine))
    return {
        (*(row._mapping[name] for name in Subject._fields), row.rule, row.expression): row.first_seen for row in found
    }


def _lines(subject: Subject, tally: Tally, first: dict[tuple[Any, ...], date]) -> Iterator[dict[str, Any]]:
    assessed = tally.subjects[subject]
    for defect in assessed.defects:
        yield {
            **subject._asdict(),
            "profile": assessed.profile,
            "department": assessed.department,
            **defect._asdict(),
            "first_seen": first.get((*subject, defect.rule, defect.expression), assessed.day),
            "last_seen": assessed.day,
        }


def _parts(rows: Sequence[Row]) -> Iterable[list[Row]]:
    return (list(rows[start : start + PART]) for start in range(0, len(rows), PART))
