"""A mapping to begin with, from the tables of a database: what can be known without looking at any row.

It finds the table of persons (a column for the BSN), the tables that point at it, and by the words of ``draft.toml``
what these are about. The draft can be loaded as it is; each column that nobody placed yet stands in a comment.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import inspect

from adapters.port import AdapterMisconfigured
from adapters.sql.database import open_engine, translated
from adapters.sql.dialects import dialect_of
from profiles.record.whose import OWNERS
from profiles.rows import Row, read
from profiles.standards.load import catalogue

_BSN = re.compile(r"bsn|burgerservice|sofinr", re.IGNORECASE)
_BORN = re.compile(r"birth|geb(oorte)?_?dat", re.IGNORECASE)
_PERSON = re.compile(r"pat|pers|cli[eë]nt", re.IGNORECASE)


class AboutRow(Row, frozen=True):
    """``[[about]]`` of draft.toml: words in the name of a table, and what such a table is about."""

    words: tuple[str, ...]
    type: str
    rows: tuple[str, ...]


class AboutRows(Row, frozen=True):
    """draft.toml."""

    about: tuple[AboutRow, ...]


@dataclass(frozen=True, slots=True)
class DraftColumn:
    """A column: its name as a query writes it, its name as a formula does, its type, and the table it points at."""

    written: str
    name: str
    type: str
    points_at: str | None = None


@dataclass(frozen=True, slots=True)
class DraftTable:
    """A table or view with its columns and the names of those that make its key."""

    written: str
    name: str
    columns: tuple[DraftColumn, ...]
    key: tuple[str, ...]


def read_tables(url: str, schema: str | None = None) -> list[DraftTable]:
    """The tables and views of a database. Raises `AdapterError`."""
    try:
        dialect = dialect_of(url)
    except ValueError as error:
        raise AdapterMisconfigured(str(error)) from None
    engine = open_engine(url, dialect, 1, None)
    try:
        with translated(dialect):
            found = inspect(engine)
            names = sorted({*found.get_table_names(schema), *found.get_view_names(schema)})
            quote = engine.dialect.identifier_preparer.quote
            return [_table(found, name, schema, quote) for name in names]
    finally:
        engine.dispose()


def draft(tables: Sequence[DraftTable]) -> str:
    """The text of a mapping file: a section for each table that is about persons."""
    person, number = _people(tables)
    lines = [
        "# A draft: the queries and ids are there; say of every section what its columns mean (docs/mapping.md).",
        "# Names to use: gateway adapters names. Try it: gateway adapters explain, gateway adapters preview.",
        "mapping: draft",
        "version: stu3",
        "systems: {snomed: 'http://snomed.info/sct', loinc: 'http://loinc.org'}",
        "",
    ]
    if person is None or number is None or not person.key:
        lines += [
            "# No table with a column for the BSN and a key was found: write this query, and a section for each table.",
            "patient: {query: 'select patient_id, birth_date from patient where bsn = :bsn'}",
            "sections: {}",
            *(f"# {table.name}: {_shown(table.columns)}" for table in tables),
        ]
        return "\n".join(lines) + "\n"
    return "\n".join([*lines, *_patient(person, number), "sections:", *_sections(tables, person)]) + "\n"


def _patient(person: DraftTable, number: DraftColumn) -> Iterator[str]:
    key = next(one for one in person.columns if one.name == person.key[0])
    born = next((f", {one.written} as birth_date" for one in person.columns if _BORN.search(one.name)), "")
    yield "patient:"
    yield "  query: >-"
    yield f"    select {key.written} as patient_id{born}"
    yield f"    from {person.written} where {number.written} = :bsn"
    yield ""


def _sections(tables: Sequence[DraftTable], person: DraftTable) -> Iterator[str]:
    for table in tables:
        pointer = _pointer(table, person)
        if pointer is None or not table.key:
            yield f"# {table.name}: nothing in it says which patient it is about, or it has no key."
            continue
        about = _about(table.name) if table is not person else AboutRow((), "Patient", ("bgz-3/patient",))
        text = list(_section(table, pointer, about or AboutRow((), "Basic", ())))
        # What it is about nobody knows: it stands there to be completed, and makes nothing until then.
        yield from text if about else (f"# {line}" for line in ["What is this about?", *text])


def _section(table: DraftTable, pointer: DraftColumn, about: AboutRow) -> Iterator[str]:
    rows, kind = about.rows, about.type
    others = [one for one in table.columns if one is not pointer]
    yield f"  {re.sub(r'[^A-Za-z0-9_]', '_', table.name)}:"
    yield f"    type: {kind}"
    if rows:
        standard, _, rule = rows[0].partition("/")
        expected = next(one for one in catalogue().standards[standard].rules if one.id == rule).profiles
        yield from [f"    profile: {expected[0]}"] if expected else []
        yield f"    rows: [{', '.join(rows)}]"
        yield "    partly: a draft, its columns are not placed yet"
    chosen = ", ".join([f"{pointer.written} as patient_id", *(_selected(one) for one in others)])
    yield "    query: >-"
    yield f"      select {chosen}"
    yield f"      from {table.written} where {pointer.written} = :patient"
    yield "    resource:"
    names = ["patient_id" if one == pointer.name else one for one in table.key]
    made = "id(patient_id)" if kind == "Patient" else f"key('{_plain(table.name)}', {', '.join(names)})"
    yield f'      id: "={made}"'
    owners = OWNERS.elements(kind)
    if kind != "Patient" and owners:
        yield from _owner(owners[0])
    yield f"      # to be placed: {_shown(others)}"


def _owner(path: str) -> Iterator[str]:
    first, _, rest = path.partition(".")
    if rest:
        yield f"      {first}: [{{{rest}: \"=reference('Patient', patient_id)\"}}]"
    else:
        yield f"      {first}: \"=reference('Patient', patient_id)\""


def _selected(column: DraftColumn) -> str:
    return column.written if column.written == column.name else f"{column.written} as {column.name}"


def _shown(columns: Sequence[DraftColumn]) -> str:
    return ", ".join(f"{one.name} ({one.type})" for one in columns)


def _people(tables: Sequence[DraftTable]) -> tuple[DraftTable | None, DraftColumn | None]:
    """The table of persons and its column for the BSN: one whose name says so goes first, then that most point at."""
    candidates = [(table, one) for table in tables for one in table.columns if _BSN.search(one.name)]

    def points(table: DraftTable) -> int:
        return sum(one.points_at == table.name for other in tables for one in other.columns)

    candidates.sort(key=lambda pair: (bool(_PERSON.search(pair[0].name)), points(pair[0])), reverse=True)
    return candidates[0] if candidates else (None, None)


def _pointer(table: DraftTable, person: DraftTable) -> DraftColumn | None:
    """The column of a table that says which person a row is about."""
    key = person.key[0]
    if table is person:
        return next(one for one in table.columns if one.name == key)
    named = (one for one in table.columns if one.points_at == person.name)
    alike = (one for one in table.columns if one.name.lower() in (key.lower(), f"{person.name}_{key}".lower()))
    return next(named, None) or next(alike, None)


def _about(name: str) -> AboutRow | None:
    return next((one for one in _words() if any(word in name.lower() for word in one.words)), None)


@cache
def _words() -> tuple[AboutRow, ...]:
    return read(Path(__file__).with_suffix(".toml"), AboutRows).about


def _table(inspector: Any, name: str, schema: str | None, quote: Any) -> DraftTable:
    """A table as SQLAlchemy's inspector sees it. A name that no formula can write gets one that it can."""
    keys = inspector.get_foreign_keys(name, schema)
    points = {column: key["referred_table"] for key in keys for column in key["constrained_columns"]}
    columns = tuple(
        DraftColumn(quote(one["name"]), _plain(one["name"]), str(one["type"]), points.get(one["name"]))
        for one in inspector.get_columns(name, schema)
    )
    key = tuple(_plain(one) for one in inspector.get_pk_constraint(name, schema).get("constrained_columns") or ())
    written = f"{quote(schema)}.{quote(name)}" if schema else quote(name)
    return DraftTable(written, name, columns, key)


def _plain(name: str) -> str:
    made = re.sub(r"\W", "_", name, flags=re.ASCII)
    return made if re.match(r"[A-Za-z_]", made) else f"_{made}"
