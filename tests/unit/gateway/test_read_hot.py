"""What the read path keeps between requests is bounded, and nothing in it can be about a person."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from databases import KINDS, database
from sqlalchemy import select, text

from gateway.audit.append import Appending, NotAppended
from gateway.cli.db import upgrade
from gateway.collect.held import ParsedKeys
from gateway.http.asked import LONGEST, MOST, AskedQuestions, Question
from gateway.store.engine import open_engine
from gateway.store.schema import audit_record
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.interactions import FhirRequest, route
from profiles.fhir.search.keys import stored
from profiles.fhir.search.search import parse_query
from profiles.fhir.version import FhirVersion
from profiles.standards.admit import admit
from profiles.standards.load import catalogue


def question(path: str, query: str, standard: str = "bgz-3") -> Question:
    """A request that a standard allows, as the endpoint understands it."""
    rows, what = catalogue().standards[standard], route("GET", path)
    request = FhirRequest(
        rows.fhir,
        what.interaction,
        what.type,
        what.id,
        what.operation,
        tuple(parse_query(query)),
        base="https://g/z/48/fhir",
    )
    return Question(Format.JSON, what, request, admit(rows, request))


def test_a_search_is_understood_once() -> None:
    asked = AskedQuestions()
    found = question("Condition", "")
    key = ("https://g/z/48/fhir", "GET", "Condition", "", None)
    asked.keep(key, found)
    assert asked.get(key) is found
    assert asked.get((*key[:4], "application/fhir+xml")) is None
    assert found.link == "https://g/z/48/fhir/Condition"


def test_reads_and_long_queries_are_not_kept() -> None:
    asked = AskedQuestions()
    read = ("b", "GET", "Binary/1", "", None)
    asked.keep(read, question("Binary/1", "", "pdfa-3"))
    assert asked.get(read) is None
    long = ("b", "GET", "Condition", "x" * (LONGEST + 1), None)
    asked.keep(long, question("Condition", ""))
    assert asked.get(long) is None


def test_what_is_kept_of_questions_is_bounded() -> None:
    asked, found = AskedQuestions(), question("Condition", "")
    for number in range(MOST * 2 + 3):
        asked.keep(("b", "GET", f"Condition{number}", "", None), found)
    assert len(asked._known) <= MOST


def test_parsed_keys_stay_within_their_room_and_what_is_used_stays() -> None:
    kept = [stored(FhirVersion.STU3, {"resourceType": "Flag", "id": f"f{number}"}).search for number in range(1_000)]
    parsed = ParsedKeys(100_000)
    used = parsed.get(kept[0])
    for one in kept:
        found = parsed.get(one)
        assert found is not None
        assert parsed.get(kept[0]) is used
    room = sum(11 * len(one) + 300 for one in (*parsed._young, *parsed._old))
    assert room <= 100_000
    assert parsed.get(None) is None
    assert parsed.get(b"other tables") is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_of_audit_records_is_whole_or_not_at_all(kind: str, tmp_path: Path) -> None:
    """LOG-09: also when the database took half of them, and the next group finds a connection that works."""
    at = datetime(2026, 1, 1, 12, 30, 0, 250_000, tzinfo=UTC)
    row = ("chain", 1, at, "person", "z", b"{}", b"m" * 32)
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        append = Appending(engine)
        append([row])
        with pytest.raises(NotAppended):
            append([("chain", 2, *row[2:]), row])  # the second is there already
        append([("chain", 2, *row[2:]), ("chain", 3, *row[2:])])
        with engine.connect() as connection:
            found = connection.execute(select(audit_record).order_by(audit_record.c.sequence)).all()
            assert [one.sequence for one in found] == [1, 2, 3]
            assert {one.at.replace(tzinfo=UTC) for one in found} == {at}
        append.close()
        engine.dispose()


def test_a_lost_database_is_told_and_found_again(tmp_path: Path) -> None:
    row = ("chain", 1, datetime(2026, 1, 1, tzinfo=UTC), "person", "z", b"{}", b"m" * 32)
    with database("postgresql", tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        append = Appending(engine)
        append([row])
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        # A connection that was closed says nothing of the database now: it is replaced, and the record is there once.
        append([("chain", 2, *row[2:])])
        with engine.connect() as connection:
            found = connection.execute(select(audit_record).order_by(audit_record.c.sequence)).all()
            assert [one.sequence for one in found] == [1, 2]
        engine.dispose()
    with pytest.raises(NotAppended):
        append([("chain", 3, *row[2:])])
    append.close()
    engine.dispose()
