"""The official BgZ fixtures as an EHR: their own values in the tables of the sample EHR, in SQLite or in PostgreSQL."""

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
from conformance.ehr_of_fixtures.acts import ACTS
from conformance.ehr_of_fixtures.measured import MEASUREMENTS
from conformance.ehr_of_fixtures.medication import MEDICATION
from conformance.ehr_of_fixtures.paths import Source, key_of, walk
from conformance.ehr_of_fixtures.persons import PERSONS
from conformance.ehr_of_fixtures.problems import PROBLEMS
from conformance.ehr_of_fixtures.rule import Rule
from world.mapping_files import read_mapping

from adapters.sql import sample
from profiles.fhir.tree import Resource
from profiles.record.walk import references
from workbench.qualify.loadset import QualificationSet

Row = dict[str, str]
Tables = dict[str, dict[str, Row]]
"""The rows by table and key."""

RULES: Mapping[str, Sequence[Rule]] = {**PERSONS, **PROBLEMS, **ACTS, **MEDICATION, **MEASUREMENTS}

ONLY_ASKED = {"operation": {"state": "A", "surgical": "N"}}
"""What a row has that no resource says it of: an operation that was asked for and not done yet."""

WITHIN = {"lab_result": "panel_id", "specimen": "parent_id", "directive": "advance_id"}
"""Columns that point at a row of the same table, which then comes first."""


def profile_of(resource: Resource) -> str:
    """The last part of the profile that a resource claims."""
    return str(resource["meta"]["profile"][0]).rpartition("/")[2]


def rows_of(loaded: QualificationSet) -> Tables:
    """The rows that the fixtures of a set become. ValueError when two resources differ about one row."""
    terms = read_mapping(sample.MAPPING).terms
    shown = {one["reference"]: one["display"] for one in references([item.resource for item in loaded.items])}
    roles = {
        f"PractitionerRole/{item.resource['id']}": item.resource["practitioner"]["reference"]
        for item in loaded.items
        if item.resource["resourceType"] == "PractitionerRole"
    }
    known = Source(None, {}, "", 0, None, terms, loaded.bsn, shown, roles)
    found: Tables = {}
    for item in loaded.items:
        here = replace(known, resource=item.resource, owner=_owner(item.resource) or item.patient)
        for rule in RULES[profile_of(item.resource)]:
            for source in _sources(here, rule):
                _add(found, rule, source)
    for table, defaults in ONLY_ASKED.items():
        for row in found[table].values():
            row.update({name: value for name, value in defaults.items() if name not in row})
    return found


def _owner(resource: Resource) -> str | None:
    """Whose a resource is: the Patient that it names."""
    if resource["resourceType"] == "Patient":
        return str(resource["id"])
    named = [str(one["reference"]) for name in ("subject", "patient", "beneficiary") for one in walk(resource, name)]
    return next((one.removeprefix("Patient/") for one in named if one.startswith("Patient/")), None)


def _sources(here: Source, rule: Rule) -> Iterator[Source]:
    """What each row of a rule is made of."""
    parent = key_of(f"{here.resource['resourceType']}/{here.resource['id']}")
    for position, node in enumerate(walk(here.resource, rule.at) if rule.at else [here.resource], 1):
        yield replace(here, node=node, parent=parent, position=position)


def _add(found: Tables, rule: Rule, source: Source) -> None:
    key = rule.value(source)
    if key is None:
        raise ValueError(f"{rule.table}: a row without a key, of {source.resource['id']}")
    row = found.setdefault(rule.table, {}).setdefault(key, {rule.key: key} if rule.key else {})
    for name, column in rule.columns.items():
        value = column(source)
        if value is not None and row.setdefault(name, value) != value:
            raise ValueError(f"{rule.table}.{name}: {source.resource['id']} says another value than was there")


def fill_sqlite(tables: Tables, path: Path) -> str:
    """Make the EHR with these rows in a new SQLite file; gives its database URL."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sample.SCHEMA.read_text("utf-8"))
        connection.execute("pragma foreign_keys = on")
        _fill(tables, "?", connection.execute)
        connection.commit()
    return f"sqlite:///{path}"


def fill_postgres(tables: Tables, url: str) -> str:
    """Make the EHR with these rows in an empty PostgreSQL database; gives its URL again."""
    with psycopg.connect(url) as connection:
        connection.execute(sample.SCHEMA.read_text("utf-8"))
        _fill(tables, "%s", connection.execute)
    return url


def _fill(tables: Tables, mark: str, execute: Callable[[str, Sequence[str]], object]) -> None:
    """Insert all rows, in the order in which the schema makes its tables."""
    order = re.findall(r"^create table (\w+)", sample.SCHEMA.read_text("utf-8"), re.MULTILINE)
    for table in sorted(tables, key=order.index):
        for row in _first_to_last(table, tables[table].values()):
            marks = ", ".join(mark for _ in row)
            execute(f"insert into {table} ({', '.join(row)}) values ({marks})", list(row.values()))


def _first_to_last(table: str, rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: WITHIN.get(table) in row)
