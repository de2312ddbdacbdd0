"""The resources of one person as a mapping makes them, each with where its values came from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.mapping.compiled import CompiledSection, ZibMapping, load_mapping
from adapters.mapping.explain import OriginTrace, ValueOrigin
from adapters.mapping.template import RecordError
from adapters.port import PatientKey
from adapters.sql.database import Conversation, Database
from adapters.sql.people import People, children_of, people
from adapters.sql.settings import SqlSettings
from profiles.fhir.tree import Resource


@dataclass(frozen=True, slots=True)
class PreviewedRecord:
    """One row of one section: the resource with its origins, or why it cannot be mapped."""

    section: str
    row: int
    resource: Resource | None = field(repr=False)
    origins: tuple[ValueOrigin, ...] = field(repr=False)
    fault: str = ""


async def preview(
    settings: SqlSettings, file: Path, patient: PatientKey, deadline: float, rows: Sequence[str] = ()
) -> list[PreviewedRecord] | None:
    """The records of a person by the mapping in ``file``, of the sections that answer ``rows`` (``standard/rule``).

    Without rows: of all sections that are not shared.
    Unlike an answer, a row that cannot be mapped is there with its reason. None: the source does not know the person.
    Raises `AdapterError`.
    """
    trace = OriginTrace()
    mapping = load_mapping(file, trace)
    wanted = [one for one in mapping.sections if (_rows(one) & set(rows) if rows else not one.shared)]
    database = Database(settings.url.get_secret_value(), 1, settings.limits, snapshot=settings.snapshot)

    def work(talk: Conversation) -> list[PreviewedRecord] | None:
        known = people(talk, mapping, settings.name, patient)
        return [made for one in wanted for made in _records(talk, one, known, trace)] if known else None

    try:
        return await database.run(deadline, work)
    finally:
        await database.close()


def rows_of(mapping: ZibMapping) -> list[str]:
    """The request rows that the sections of a mapping name."""
    return sorted({row for section in mapping.sections for row in _rows(section)})


def _rows(section: CompiledSection) -> set[str]:
    return {f"{standard}/{rule}" for standard, rule in section.rows}


def _records(
    talk: Conversation, section: CompiledSection, known: People, trace: OriginTrace
) -> Iterator[PreviewedRecord]:
    number = 0
    for patient in sorted(known):
        parameters = {"patient": known[patient].key}
        children = children_of(talk, section, patient, parameters)
        for row in talk.rows(section.query, parameters):
            section.check_owner(row, patient)
            number += 1
            trace.taken()
            try:
                made, fault = section.resource_of(row, children, None), ""
            except RecordError as error:
                made, fault = None, str(error)
            yield PreviewedRecord(section.name, number, made, trace.taken(), fault)
