"""Who the person is in this database, and the child rows of a section: what every question begins with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from adapters.mapping.compiled import PATIENT_COLUMN, CompiledSection, ZibMapping
from adapters.port import PatientKey
from adapters.sql.database import Conversation, Row, grouped


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A record of the person. ``key`` is the id as the database wrote it: in a CHAR column with spaces behind it."""

    key: str = field(repr=False)
    birth_date: date | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)


People = Mapping[str, PersonRow]
"""The records of one person by id, without spaces behind it."""


def people(talk: Conversation, mapping: ZibMapping, source: str, patient: PatientKey) -> People:
    """The records of a person: by the id that is known already, else by BSN."""
    local = patient.local_id(source)
    if local is not None:
        return {local: PersonRow(local, patient.birth_date)}
    if patient.bsn is None:
        return {}
    rows = talk.rows(mapping.patient_query, {"bsn": patient.bsn.reveal()})
    keys = ((str(row[PATIENT_COLUMN]), row) for row in rows if row[PATIENT_COLUMN] is not None)
    return {key.strip(): PersonRow(key, _date(row.get("birth_date")), _text(row.get("name"))) for key, row in keys}


def children_of(
    talk: Conversation, section: CompiledSection, patient: str, parameters: Mapping[str, str]
) -> dict[str, dict[Any, Sequence[Row]]]:
    """The child rows of a section by name, each by the column that it shares with its parent. Raises `WrongPatient`."""
    return {
        name: grouped(_owned(section, talk.rows(child.query, parameters), patient), child.by)
        for name, child in section.children.items()
    }


def _owned(section: CompiledSection, rows: Iterator[Row], patient: str) -> Iterator[Row]:
    for row in rows:
        section.check_owner(row, patient)
        yield row


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _date(value: object) -> date | None:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None
