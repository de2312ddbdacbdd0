"""Filling a store with a population, fast: rows are made once per template, then copied with ids and dates changed.

What a person's record is served from is there as an import leaves it: resources, search keys, links, patients. What no
read touches is left out: originals, identifiers, verdicts, the outbox.

The first thousand persons (`MADE`) are made whole, and it is they who are read. Everybody else is there to be in the
way: rows, ids, keys and links of their own, around bodies that are packed already, those of one of the thousand. The
thousand stand evenly among the others, so that who is read lies nowhere near each other in a large store.
"""

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import count, islice
from typing import Any

import psycopg
from sqlalchemy import Engine, func, select

from auth.crypto import KeyRing, Pseudonyms
from benchmarks.population import PER_STAFF, PROVIDER, SOURCE, Population, Somebody, Template, bsns, model, without_bsn
from gateway.cli.db import upgrade
from gateway.intake.bulk import bring
from gateway.intake.outcome import ImportOutcome
from gateway.intake.read import InputItem
from gateway.intake.sender import Door
from gateway.intake.settings import IntakeSettings
from gateway.intake.work import Intake
from gateway.quality.gate import Counting
from gateway.quality.settings import Policy, QualitySettings
from gateway.quality.verdicts import Verdicts
from gateway.store.engine import open_engine
from gateway.store.schema import key_of, link, patient, resource
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import XML, pack, unpack
from profiles.fhir.search.keys import FINGERPRINT
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue

FHIR = FhirVersion.STU3
RESOURCE = (
    "pk", "key", "provider", "fhir", "patient_id", "type", "id", "source", "version", "digest", "updated", "deleted",
    "search", "json", "xml", "marks",
)  # fmt: skip
BATCH = 2_000
MADE = 1_000
"""Persons with bodies of their own."""
KEYS = len(FINGERPRINT)


@dataclass(frozen=True, slots=True)
class Served:
    """A stored resource of the model, as templates."""

    type: str
    id: Template
    json: Template
    xml: Template
    search: Template
    marks: int
    links: tuple[tuple[str, Template], ...]


@cache
def served() -> tuple[tuple[Served, ...], tuple[Served, ...]]:
    """The model's own resources and the staff's, as the loader stores them."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/model.db")
        upgrade(engine)
        found = model()
        keys = Pseudonyms(b"benchmark"), KeyRing("a", {"a": bytes(32)})
        items = [
            InputItem("model", frozenset({FHIR}), one, jsonio.dump(one), "json") for one in (*found.staff, *found.own)
        ]
        off = QualitySettings(policy=Policy.OFF)
        intake = Intake(engine, IntakeSettings(), off, Counting(Verdicts()), catalogue(), *keys)
        outcome = ImportOutcome()
        bring(intake, intake.importer(PROVIDER, SOURCE, Door()), items, outcome)
        if not outcome.whole:
            raise RuntimeError("the model cannot be stored")
        with engine.connect() as connection:
            links: dict[int, list[tuple[str, Template]]] = {}
            for row in connection.execute(select(link)):
                links.setdefault(row.resource_pk, []).append((row.target_type, Template(row.target_id.encode())))
            rows = {
                (row.type, row.id): Served(
                    row.type, Template(row.id.encode()), Template(unpack(row.json)), Template(unpack(row.xml)),
                    Template(row.search[:KEYS] + unpack(row.search[KEYS:])), row.marks,
                    tuple(links.get(row.pk, ())),
                )
                for row in connection.execute(select(resource))
            }  # fmt: skip
        engine.dispose()
    of = [tuple(rows[one["resourceType"], one["id"]] for one in some) for some in (found.own, found.staff)]
    return of[0], of[1]


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of somebody that was made, for those who have the same: ``rest`` of the id follows the patient's."""

    type: str
    rest: str
    digest: bytes
    search: bytes
    json: bytes
    xml: bytes
    marks: int
    own: tuple[tuple[str, str], ...]
    """Type and rest of the id of what it points at in the same record."""
    staff: tuple[tuple[str, str], ...]
    """Type and id, up to the number of the set, of the staff that it points at."""


Stored = tuple[tuple[Any, ...], list[tuple[int, str, str]]]
"""A row of ``resource``, with its rows of ``link``."""


class Rows:
    """The rows of a population, in the order in which they are stored."""

    def __init__(self, population: Population, pseudonyms: Pseudonyms, ring: KeyRing) -> None:
        self.population = population
        self._pseudonyms = pseudonyms
        self._ring = ring
        self._numbers = count(1)
        self._now = datetime.now(UTC)

    def patients(self) -> Iterator[tuple[Any, ...]]:
        """Rows of ``patient``: provider, fhir, patient_id, source, person, sealed_bsn, birth_date."""
        for number in range(self.population.persons):
            bsn = bsns()[number] if number < len(bsns()) else None
            person = self._pseudonyms.of(bsn or f"local|{number}")
            sealed = self._ring.seal("bsn", bsn.encode()) if bsn else None
            yield PROVIDER, FHIR.value, f"p{number}", SOURCE, person, sealed, None

    def resources(self) -> Iterator[Stored]:
        """Rows of ``resource``, each with its rows of ``link``."""
        own, staff = served()
        for number in self.population.sets_of_staff:
            nobody = Somebody(0, None, {}, 0, {-1: b"", -2: b"%d" % number, -3: b""})
            for one in staff:
                yield self._row(one, nobody, "", 0, 0)
        persons = self.population.persons
        kept: list[list[Kept]] = []
        waiting = iter(range(min(MADE, persons), persons))
        # All are made before the first copy, though what is made is stored between the copies.
        made = [[*self._made(self.population.person(number), own)] for number in range(min(MADE, persons))]
        if persons > MADE:
            kept = [[_kept(number, one) for one in rows] for number, rows in enumerate(made)]
        for rows in made:
            yield from map(self._numbered, rows)
            for number in islice(waiting, max(0, persons // MADE - 1)):
                yield from self._copied(number, kept[number % MADE])
            rows.clear()
        for number in waiting:
            yield from self._copied(number, kept[number % MADE])

    def _made(self, person: Somebody, own: Sequence[Served]) -> Iterator[Stored]:
        for number, copies in sorted(person.copies.items()):
            for copy in range(copies):
                yield self._row(own[number], person, person.patient, copy, person.days(number, copy), 0)

    def _numbered(self, made: Stored) -> Stored:
        row, links = made
        number = next(self._numbers)
        return (number, *row[1:]), [(number, *link_[1:]) for link_ in links]

    def _copied(self, who: int, kept: Sequence[Kept]) -> Iterator[Stored]:
        patient_id, staff, fhir = f"p{who}", str(who // PER_STAFF), FHIR.value
        for one in kept:
            number, id_ = next(self._numbers), patient_id + one.rest
            row = (
                number, key_of(PROVIDER, fhir, one.type, id_), PROVIDER, fhir, patient_id, one.type, id_, SOURCE, 1,
                one.digest, self._now, False, one.search, one.json, one.xml, one.marks,
            )  # fmt: skip
            links = [(number, type_, patient_id + rest) for type_, rest in one.own]
            yield row, links + [(number, type_, begin + staff) for type_, begin in one.staff]

    def _row(
        self, one: Served, who: Somebody, patient_id: str, copy: int, days: int, number: int | None = None
    ) -> Stored:
        number = next(self._numbers) if number is None else number
        id_ = one.id.fill(who, copy, 0).decode()
        json, xml, search = (template.fill(who, copy, days) for template in (one.json, one.xml, one.search))
        if one.type == "Patient" and who.bsn is None:
            json, xml, search = without_bsn(json), without_bsn(xml), without_bsn(search)
        row = (
            number, key_of(PROVIDER, FHIR.value, one.type, id_), PROVIDER, FHIR.value, patient_id, one.type, id_,
            SOURCE, 1, hashlib.sha256(json).digest(), self._now, False, search[:KEYS] + pack(search[KEYS:]), pack(json),
            pack(xml, XML), one.marks,
        )  # fmt: skip
        return row, [(number, type_, target.fill(who, copy, 0).decode()) for type_, target in one.links]


def _kept(person: int, made: Stored) -> Kept:
    row, links = made
    patient_id, staff = f"p{person}", str(person // PER_STAFF)

    def is_own(target: str) -> bool:
        return target == patient_id or target.startswith(f"{patient_id}-")

    return Kept(
        row[5], row[6][len(patient_id) :], row[9], *row[12:16],
        tuple((type_, target[len(patient_id) :]) for _, type_, target in links if is_own(target)),
        tuple((type_, target[: -len(staff)]) for _, type_, target in links if not is_own(target)),
    )  # fmt: skip


def fill(engine: Engine, population: Population, pseudonyms: Pseudonyms, ring: KeyRing) -> int:
    """Fill a store unless it has exactly these persons; how many resources it holds. ValueError for others."""
    with engine.connect() as connection:
        persons = connection.execute(select(func.count()).select_from(patient)).scalar_one()
    if persons not in (0, population.persons):
        raise ValueError(f"the database holds {persons} persons already: give an empty one")
    if not persons:
        rows = Rows(population, pseudonyms, ring)
        # Nobody else has the file open: it can be written without a journal.
        engine.dispose()
        raw = engine.raw_connection()
        try:
            driver: Any = raw.dbapi_connection
            _fill_sqlite(driver, rows) if engine.dialect.name == "sqlite" else _fill_postgres(driver, rows)
        finally:
            raw.close()
    with engine.connect() as connection:
        return int(connection.execute(select(func.max(resource.c.pk))).scalar_one())


def _fill_sqlite(driver: sqlite3.Connection, rows: Rows) -> None:
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1500000"):
        driver.execute(f"PRAGMA {pragma}")
    driver.execute("BEGIN IMMEDIATE")
    driver.executemany("INSERT INTO patient VALUES (?,?,?,?,?,?,?)", rows.patients())
    insert = f"INSERT INTO resource ({','.join(RESOURCE)}) VALUES ({','.join('?' * len(RESOURCE))})"
    found = rows.resources()
    while some := list(islice(found, BATCH)):
        driver.executemany(insert, [(*row[:10], row[10].isoformat(" "), *row[11:]) for row, _ in some])
        driver.executemany("INSERT INTO link VALUES (?,?,?)", [one for _, links in some for one in links])
    driver.execute("COMMIT")
    driver.execute("PRAGMA journal_mode=WAL")


INDEX = "ix_resource_record"
COLUMNS = "provider, fhir, patient_id, type, id, marks"


def _fill_postgres(driver: psycopg.Connection[Any], rows: Rows) -> None:
    with driver.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        with cursor.copy("COPY patient FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["varchar", "varchar", "varchar", "varchar", "varchar", "bytea", "date"])
            for patient_row in rows.patients():
                copy.write_row(patient_row)
        cursor.execute(f"DROP INDEX {INDEX}")
        cursor.execute("ALTER TABLE resource DROP CONSTRAINT uq_resource_key")
        found = rows.resources()
        while some := list(islice(found, 50 * BATCH)):
            with cursor.copy(f"COPY resource ({', '.join(RESOURCE)}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(
                    ["int8", "bytea", *["varchar"] * 6, "int4", "bytea", "timestamptz", "bool", *["bytea"] * 3, "int8"]
                )
                for row, _ in some:
                    copy.write_row(row)
            with cursor.copy("COPY link FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["int8", "varchar", "varchar"])
                for _, links in some:
                    for one in links:
                        copy.write_row(one)
        cursor.execute("ALTER TABLE resource ADD CONSTRAINT uq_resource_key UNIQUE (key)")
        cursor.execute(f"CREATE INDEX {INDEX} ON resource ({COLUMNS})")
        cursor.execute("SELECT setval(pg_get_serial_sequence('resource', 'pk'), (SELECT max(pk) FROM resource))")
    driver.commit()
    driver.autocommit = True
    # What autovacuum does in time.
    driver.execute("VACUUM ANALYZE")
    driver.autocommit = False
