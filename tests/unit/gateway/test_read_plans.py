"""No read grows with the number of patients: every hot statement goes by an index that begins with the person.

The plans are looked at in an empty store, a small one and a larger one, before and after statistics, on both databases.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from databases import KINDS, database
from sqlalchemy import Engine, insert

from auth.store.statements import GRANT_SELECT
from gateway.cli.db import upgrade
from gateway.store.engine import open_engine
from gateway.store.queries import BODIES, OF_PATIENT, OF_PERSON, SHARED_TARGETS, Hot, Selects
from gateway.store.reader import PLANNER, _compiled
from gateway.store.schema import document, document_content, link, patient, resource


def statements() -> Iterator[tuple[str, Hot]]:
    """Everything that a read can run."""
    for whose, selects in (("person", OF_PERSON), ("patient", OF_PATIENT)):
        for each in fields(Selects):
            found = getattr(selects, each.name)
            for name, one in (found if isinstance(found, dict) else {"": found}).items():
                yield f"{whose} {each.name} {name}", one
    yield from ((f"bodies {name}", one) for name, one in BODIES.items())
    yield "shared targets", SHARED_TARGETS
    yield "grant", Hot(_compiled(GRANT_SELECT, "sqlite"), _compiled(GRANT_SELECT, "postgresql"))


HOT = list(statements())
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAY: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "p": (("person",), ("provider", "fhir", "patient_id")),
    "r": (("provider", "fhir", "patient_id"), ("pk",), ("rowid",)),
    "l": (("resource_pk",),),
    "d": (("resource_pk", "version"),),
    "c": (("resource_pk", "version", "number"),),
    "auth_access_token": (("digest",),),
    "issued": (("digest",),),
    "auth_family": (("id",),),
}
"""By table: with which conditions an index may be used. By its number only after the person's own rows were found."""


def filled(engine: Engine, persons: int) -> None:
    """Persons with a few resources each, and shared ones."""
    people, rows, links, documents = [], [], [], []
    for number in range(persons):
        who = {"provider": "z", "fhir": "stu3", "patient_id": f"p{number}", "source": "s"}
        people.append({**who, "person": f"person-{number}"})
        kinds = [(type_, f"{number}-{copy}") for type_ in ("Observation", "Condition", "Binary") for copy in range(3)]
        for type_, id_ in (*kinds, ("Practitioner", f"dr{number}")):
            owner = {"patient_id": ""} if type_ == "Practitioner" else {}
            rest = {"version": 1, "digest": b"d", "json": b"{}", "xml": b"<x/>", "updated": NOW, "deleted": False}
            rows.append({**who, "pk": len(rows) + 1, "type": type_, "id": id_, **owner, **rest})
            links.append({"resource_pk": len(rows), "target_type": "Practitioner", "target_id": f"dr{number}"})
            documents.append({"resource_pk": len(rows), "version": 1})
    with engine.begin() as connection:
        for table, some in (
            (patient, people),
            (resource, rows),
            (link, links),
            (document, [{**one, "size": 1, "sha1": b"s"} for one in documents]),
            (document_content, [{**one, "number": 0, "data": b"x"} for one in documents]),
        ):
            if some:
                connection.execute(insert(table), some)


@contextmanager
def store(kind: str, folder: Path, persons: int, *, analyzed: bool) -> Iterator[str]:
    """A store with so many persons."""
    with database(kind, folder) as url:
        engine = open_engine(url)
        upgrade(engine)
        filled(engine, persons)
        if analyzed:
            with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                connection.exec_driver_sql("ANALYZE")
        yield url
        engine.dispose()


def sqlite_faults(url: str) -> Iterator[str]:
    """What is wrong with SQLite's plans."""
    engine = open_engine(url)
    with engine.connect() as connection:
        for name, one in HOT:
            given = dict.fromkeys(re.findall(r":([a-z_]+)", one.sqlite), "1")
            rows = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one.sqlite}", given)]
            seen = [line for line in rows if line.startswith(("SEARCH", "SCAN"))]
            assert any(line.startswith("SEARCH") for line in seen), (name, rows)
            for line in seen:
                if re.match(r"SCAN (k VIRTUAL TABLE|p$|CONSTANT ROW)", line):
                    continue  # the keys that were asked, and the person's patients that an inner select found
                found = re.match(r"SEARCH (\w+) USING .*\((.*)\)", line)
                asked = tuple(re.findall(r"(\w+)=\?", found[2])) if found else ()
                if found is None or not any(asked[: len(may)] == may for may in MAY[found[1]]):
                    yield f"{name}: {line}"
    engine.dispose()


def postgres_faults(url: str) -> Iterator[str]:
    """What is wrong with PostgreSQL's plans, made as the read path makes them: once, for every value."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in PLANNER:
            connection.execute(f"SET {setting}".encode())
        for name, one in HOT:
            names = list(dict.fromkeys(re.findall(r"%\(([a-z_]+)\)s", one.postgresql)))
            text = re.sub(r"%\(([a-z_]+)\)s", lambda found: f"${names.index(found[1]) + 1}", one.postgresql)  # noqa: B023
            connection.execute(f"PREPARE hot AS {text}".encode())
            nothing = ", ".join(["NULL"] * len(names))
            row = connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE hot({nothing})".encode()).fetchone()
            connection.execute("DEALLOCATE hot")
            assert row is not None
            scans = list(_scans(row[0][0]["Plan"]))
            assert scans, name
            for scan in scans:
                alias = str(scan["Alias"]).rstrip("_0123456789")
                asked = str(scan.get("Index Cond", ""))
                by = any(all(re.search(rf"\b{part}\)?(::text)? = ", asked) for part in may) for may in MAY[alias])
                if "Seq" in scan["Node Type"] or not by:
                    yield f"{name}: {scan['Node Type']} on {alias} by {asked or 'nothing'}"


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every place in a plan where a table is read; of a bitmap the index below it says by what."""
    if plan["Node Type"] == "Bitmap Heap Scan":
        yield {**plan, "Index Cond": plan["Plans"][0].get("Index Cond", "")}
        return
    if "Relation Name" in plan:
        yield plan
    for inner in plan.get("Plans", ()):
        yield from _scans(inner)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("persons", [0, 3, 200])
@pytest.mark.parametrize("analyzed", [False, True], ids=["fresh", "analyzed"])
def test_every_read_begins_with_the_person(kind: str, persons: int, analyzed: bool, tmp_path: Path) -> None:
    with store(kind, tmp_path, persons, analyzed=analyzed) as url:
        faults = sqlite_faults(url) if kind == "sqlite" else postgres_faults(url)
        assert "\n".join(faults) == ""


def test_a_statement_that_goes_by_type_alone_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself: this one reads a type of everybody."""
    text = """SELECT r.json FROM resource AS r WHERE r.provider = :provider AND r.fhir = :fhir AND r.type = :type
        AND EXISTS (SELECT 1 FROM patient AS p WHERE p.patient_id = r.patient_id AND p.person = :person)"""
    monkeypatch.setitem(globals(), "HOT", [("old", Hot.of(text, text))])
    for kind in KINDS:
        with store(kind, tmp_path, 3, analyzed=False) as url:
            faults = sqlite_faults(url) if kind == "sqlite" else postgres_faults(url)
            assert list(faults) != []
