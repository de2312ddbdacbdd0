"""A whole BgZ visit on both databases: pages, login, consent, token, 28 searches at once; and what it leaves behind."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from databases import KINDS, database
from servers import Running, serving
from sqlalchemy import select

from auth.store.tables import consents
from gateway.audit.verify import verify
from gateway.store.counts import usage_event
from gateway.store.engine import open_engine, reading
from gateway.store.schema import audit_record
from gateway.usage.events import STEPS
from gateway.usage.figures import UseFigures, Window, count
from gateway.usage.proof import prove
from workbench.pgo.answers import SearchAnswer
from workbench.pgo.client import PgoClient, connect
from workbench.pgo.endpoints import GatewayEndpoints
from workbench.pgo.walk import VisitError, admitted


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with database(request.param, tmp_path_factory.mktemp("store")) as url, serving(url, visits=True) as running:
        yield running


def visit(server: Running, person: str) -> tuple[SearchAnswer, ...]:
    settings = GatewayEndpoints(server.base, f"{server.base}/demo-pgo/callback")

    async def go() -> tuple[SearchAnswer, ...]:
        async with connect() as http:
            tokens = await admitted(http, settings, "ziekenhuiszandoord", person)
            return await PgoClient(http, settings).collect(tokens)

    return asyncio.run(go())


def test_a_person_collects_the_whole_bgz(server: Running) -> None:
    """SC-P1, SC-T1: every search of data service 48 is answered, and has something for a rich record."""
    sections = [one for one in visit(server, "Joke van Veldhuizen") if one.search.service.id == "48"]
    assert len(sections) == 28
    assert not [one.id for one in sections if not one.complete or not one.matches]


def test_every_answer_left_a_record_and_the_consent_was_there_first(server: Running) -> None:
    """LOG-09, CONS-03, CONS-04: who, which client, for whom by pseudonym, on which basis; the chain is whole."""
    visit(server, "Bram Oudejans")
    engine = open_engine(server.settings.database_url)
    with reading(engine).connect() as connection:
        records = [json.loads(row.record) for row in connection.execute(select(audit_record))]
        given = {row.consent_id: row for row in connection.execute(select(consents))}
        assert list(verify(connection, server.settings.audit_key.get_secret_value().encode())) == []
    engine.dispose()
    answered = [record for record in records if record["action"].startswith("pgo:") and record["outcome"] == 200]
    assert len(answered) >= 30
    for record in answered:
        assert record["client"] == "pgo.demo.example"
        assert record["provider"] == "ziekenhuiszandoord"
        assert len(record["person"]) == 64
        assert record["basis"] in given
        assert given[record["basis"]].subject == record["person"]
    moments = [row.moment for row in given.values()]
    assert min(moments) <= min(_milliseconds(record["at"]) for record in answered)


@pytest.mark.parametrize("person", ["Daan Wiersma", "Noor El Amrani", "Ruben Schouten"])
def test_who_cannot_collect_is_told_so_before_any_consent(server: Running, person: str) -> None:
    """AVL-04 (15 years), AVL-01 (nothing recorded; no treatment relation), UI-07: no consent page, nothing granted."""
    with pytest.raises(VisitError, match="Dit kan nu niet"):
        visit(server, person)


def counted(server: Running) -> UseFigures:
    """What was counted today: all persons of the demo world are test persons."""
    engine, now = open_engine(server.settings.database_url), datetime.now(UTC)
    with reading(engine).connect() as connection:
        period = count(connection, Window(now - timedelta(days=1), now + timedelta(minutes=1)), now)
        assert list(prove(connection, server.settings.audit_key.get_secret_value().encode())) == []
    engine.dispose()
    assert period.real.ends == {}, "nobody but test persons ended a visit"
    return period.test


def test_a_visit_is_counted_once_with_every_step_and_nothing_that_names_a_person(server: Running) -> None:
    """RP-C01, RP-C03, RP-C13, RP-02, RP-06: however many searches; somebody without data ends at availability."""
    before = counted(server)
    visit(server, "Joke van Veldhuizen")
    with pytest.raises(VisitError):
        visit(server, "Ruben Schouten")
    after = counted(server)
    assert after.visits - before.visits == 2
    assert after.completed - before.completed == 1
    assert {step: after.reached[step] - before.reached[step] for step in STEPS} == {
        "asked": 2, "authenticated": 2, "available": 1, "consented": 1, "token": 1, "exchange": 1,
    }  # fmt: skip
    assert (after.ends - before.ends).total() == 1
    assert after.requests["ok"] - before.requests["ok"] > 28
    engine = open_engine(server.settings.database_url)
    with reading(engine).connect() as connection:
        events = b"".join(row.event for row in connection.execute(select(usage_event.c.event)))
        persons = {row.subject for row in connection.execute(select(consents.c.subject)) if row.subject}
        visits = {row.session_id for row in connection.execute(select(consents.c.session_id)) if row.session_id}
    engine.dispose()
    assert not [one for one in (*persons, *visits, "Veldhuizen") if one.encode() in events]


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
