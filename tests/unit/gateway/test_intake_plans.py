"""No push grows with the number of patients: every statement that one runs goes by an index, on both databases.

The statements are those of real imports (new, again, changed), taken where the driver gets them and explained after.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS, database
from sqlalchemy import Connection, Engine, event

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
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue

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
        return [row[3] for row in rows if str(row[3]).startswith("SCAN")]
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
