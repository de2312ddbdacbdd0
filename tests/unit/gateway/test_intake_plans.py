"""No push grows with the number of patients: every statement that one runs goes by an index, on both databases.

The statements are those of real imports (new, again, changed), taken where the driver gets them and explained after.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS, database
from sqlalchemy import Connection, Engine, event, select

from auth.crypto import KeyRing, Pseudonyms
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
from gateway.store.moving import Moving, persons
from gateway.store.schema import resource
from gateway.store.unit import Owner
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import unpack
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue

EVERYBODY = "(provider=? AND fhir=?)"
"""The end of a line that says that an index is walked through for all persons of a provider."""

Seen = dict[str, Any]
"""Statements with the parameters of their first run."""


def record(person: int, status: str) -> list[Resource]:
    """A patient with a condition."""
    bsn = {"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": f"99999{person:03}0"}
    return [
        {"resourceType": "Patient", "id": f"p{person}", "identifier": [{"system": "urn:local", "value": bsn["value"]}]},
        {
            "resourceType": "Condition", "id": f"c{person}", "clinicalStatus": status,
            "subject": {"reference": f"Patient/p{person}"}, "code": {"text": "x"},
        },
    ]  # fmt: skip


def brought(engine: Engine, resources: list[Resource]) -> ImportOutcome:
    """What an import of these does."""
    off, keys = QualitySettings(policy=Policy.OFF), (Pseudonyms(b"test"), KeyRing("a", {"a": bytes(32)}))
    intake = Intake(engine, IntakeSettings(), off, Counting(Verdicts()), catalogue(), *keys)
    items = [InputItem("file", frozenset({FhirVersion.STU3}), one, jsonio.dump(one), "json") for one in resources]
    outcome = ImportOutcome()
    bring(intake, intake.importer("z", "epd", Door()), items, outcome)
    return outcome


@contextmanager
def listening(engine: Engine) -> Iterator[Seen]:
    """The statements of an engine."""
    seen: Seen = {}

    @event.listens_for(engine, "before_cursor_execute")
    def _take(_c: Any, _cursor: Any, text: str, parameters: Any, _context: Any, many: bool) -> None:
        if text.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE")):
            seen.setdefault(text, parameters[0] if many else parameters)

    yield seen
    event.remove(engine, "before_cursor_execute", _take)


def scans(connection: Connection, text: str, parameters: Any) -> list[str]:
    """The lines of a plan in which a whole table is walked through although something is asked of it."""
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)
        return [row[3] for row in rows if str(row[3]).startswith("SCAN") or str(row[3]).endswith(EVERYBODY)]
    # A small table is walked through whatever there is: told not to, the planner shows whether an index fits.
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {text}", parameters).scalar_one()[0]["Plan"]
    return list(_walked(plan))


def _walked(plan: Any) -> Iterator[str]:
    """Tables of which an index is walked through, or which none answers."""
    if (
        "Relation Name" in plan
        and "Index Cond" not in plan
        and plan["Node Type"] not in ("Bitmap Heap Scan", "ModifyTable")
    ):
        yield f"{plan['Node Type']} on {plan['Relation Name']}"
    for inner in plan.get("Plans", ()):
        yield from _walked(inner)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("persons", [0, 3, 120])
def test_every_statement_of_an_import_goes_by_an_index(kind: str, persons: int, tmp_path: Path) -> None:
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        if persons:
            assert brought(engine, [one for person in range(persons) for one in record(person, "active")]).whole
        with listening(engine) as seen:
            for status in ("active", "active", "resolved"):
                assert brought(engine, record(500, status)).whole
        assert len(seen) > 5
        with engine.begin() as connection:
            faults = [(text, line) for text, given in seen.items() for line in scans(connection, text, given)]
        engine.dispose()
        assert faults == []


def moved(connection: Connection) -> Counter[str]:
    """Patients 1 and 2 turn out to be one: what moved. Then 3 and 4, whose records stay apart."""
    owner = Owner("z", "epd", Pseudonyms(b"test"), KeyRing("a", {"a": bytes(32)}))
    moving = Moving(connection, owner, FhirVersion.STU3, b"MSH|")
    counted = moving.merge("p1", "p2")
    both = persons(connection, "z", FhirVersion.STU3, ["p3", "p4"])
    moving.link(both["p3"], both["p4"])
    return counted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("people", [6, 120])
def test_what_a_merge_and_a_link_ask_goes_by_an_index(kind: str, people: int, tmp_path: Path) -> None:
    """Also what names the patient in the record of another, as a mother's condition may: it is found and led on."""
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        assert brought(engine, [one for person in range(people) for one in record(person, "active")]).whole
        mothers = record(5, "active")[1] | {"asserter": {"reference": "Patient/p1"}}
        assert brought(engine, [mothers]).whole
        with listening(engine) as seen, engine.begin() as connection:
            assert moved(connection) == {"Condition": 2}
        with engine.begin() as connection:
            faults = [(text, line) for text, given in seen.items() for line in scans(connection, text, given)]
            bodies = connection.execute(select(resource.c.json).where(resource.c.id == "c5")).scalars()
            assert [jsonio.load(unpack(body))["asserter"]["reference"] for body in bodies] == ["Patient/p2"]
        engine.dispose()
        assert faults == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_statement_that_no_index_answers_is_found(kind: str, tmp_path: Path) -> None:
    """The check itself: nothing is looked up by its source."""
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        assert brought(engine, record(1, "active")).whole
        with engine.begin() as connection:
            assert scans(connection, "SELECT pk FROM resource WHERE source = 'epd'", ()) != []
        engine.dispose()
