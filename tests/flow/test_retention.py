"""What is past its time is removed, and nothing else; the removal is in the access trail (CONS-05, LOG-12)."""

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from databases import KINDS, database
from sqlalchemy import Engine, Table, func, insert, select

from auth.store.tables import metadata as auth_metadata
from auth.store.tables import sessions
from gateway.cli.db import upgrade
from gateway.cli.main import cli
from gateway.settings import load
from gateway.store.engine import open_engine
from gateway.store.schema import audit_record, metadata, original, outbox, quarantine, receipt, resource, verdict
from gateway.testmode import completed, installed
from gateway.wiring import kept, wire
from tools.configuration import rows as settings_rows

NOW = datetime.now(UTC)
LONG_AGO, LATELY = NOW - timedelta(days=3000), NOW - timedelta(days=1)
PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")


def lived_in(engine: Engine) -> None:
    """One resource of three versions, two of them old; the present one as old. Of all else one old and one new."""
    upgrade(engine)
    with engine.begin() as connection:
        served = {"pk": 1, "provider": "z", "fhir": "stu3", "patient_id": "p1", "type": "Flag", "id": "f1",
                  "source": "epd", "digest": b"d", "updated": LONG_AGO, "deleted": False, "json": b"{}",
                  "xml": b"<x/>"}  # fmt: skip
        connection.execute(insert(resource), [served | {"version": 3}, served | {"pk": 2, "id": "f2", "version": 1}])
        for key, version, came in ((1, 1, LONG_AGO), (1, 2, LATELY), (1, 3, LATELY), (2, 1, LONG_AGO)):
            whose = {"resource_pk": key, "version": version}
            connection.execute(insert(original).values(**whose, received=came, format="json", sealed=b"s"))
            connection.execute(insert(verdict).values(**whose, verdict="ok", definitions="", findings=b""))
        for at in (LONG_AGO, LATELY):
            change = {"provider": "z", "fhir": "stu3", "patient_id": "p1", "type": "Flag", "id": "f1", "version": 1}
            connection.execute(insert(outbox).values(**change, at=at, deed="create", source="epd"))
            connection.execute(
                insert(receipt).values(source="epd", request_id=str(at), digest=b"d", at=at, sealed=b"s")
            )
            for state in ("held", "released"):
                item = {"provider": "z", "source": "epd", "fhir": "stu3", "what": "", "findings": b"", "sealed": b"s"}
                connection.execute(insert(quarantine).values(**item, received=at, digest=b"d", state=state))
            milliseconds = int(at.timestamp() * 1000)
            visit = {"id": str(at), "cookie": b"c", "step": "login", "version": 1, "content": b""}
            connection.execute(insert(sessions).values(**visit, expires=milliseconds))
            connection.execute(insert(sessions).values(**visit | {"id": f"to come {at}"}, expires=milliseconds * 2))


def counts(engine: Engine, *tables: Table) -> list[int]:
    with engine.connect() as connection:
        return [connection.execute(select(func.count()).select_from(one)).scalar_one() for one in tables]


KEPT = (resource, original, verdict, outbox, receipt, quarantine, sessions)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_counts_what_a_run_then_removes_and_records(kind: str, tmp_path: Path) -> None:
    wanted = {"original": 1, "verdict": 1, "outbox": 1, "receipt": 1, "quarantine": 1, "auth_session": 2}
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        lived_in(engine)
        before = counts(engine, *KEPT)

        def run(*words: str) -> dict[str, int]:
            done = CliRunner().invoke(cli, ["retention", "run", "--json", *words], env={"GATEWAY_DATABASE_URL": url})
            assert done.exit_code == 0, done.output
            return {name: count for name, count in json.loads(done.stdout)["rows"].items() if count}

        assert run("--dry-run") == wanted
        assert counts(engine, *KEPT) == before
        assert run() == wanted
        gone = [was - now for was, now in zip(before, counts(engine, *KEPT), strict=True)]
        assert gone == [wanted.get(table.name, 0) for table in KEPT]
        with engine.connect() as connection:
            # The present version stays, however old; what is held waits for somebody.
            assert set(map(tuple, connection.execute(select(original.c.resource_pk, original.c.version)))) == {
                (1, 2), (1, 3), (2, 1)}  # fmt: skip
            assert connection.execute(select(func.count()).where(quarantine.c.state == "held")).scalar_one() == 2
            record = json.loads(connection.execute(select(audit_record.c.record)).scalar_one())
        assert record["action"] == "gateway:store:purge"
        assert dict(record["resources"]) == wanted
        assert run() == {}
        assert counts(engine, audit_record) == [1]  # nothing was removed, so there is nothing to record
        engine.dispose()


def test_a_gateway_that_runs_purges_by_itself_and_records_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The visits are the authorization server's, the rest ours: one record has both."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", f"sqlite:///{tmp_path}/gateway.db")
    settings = load()
    engine = open_engine(settings.database_url)
    lived_in(engine)

    async def running() -> None:
        wiring = wire(completed(settings, installed(settings)))
        recorded = asyncio.Event()

        async def tidy(counts: Mapping[str, int]) -> None:
            await wiring.tidy(counts)
            recorded.set()

        task = asyncio.create_task(wiring.auth.housekeeping(after=tidy))
        async with asyncio.timeout(60):
            await recorded.wait()
        task.cancel()
        await wiring.close()

    asyncio.run(running())
    with engine.connect() as connection:
        record = json.loads(connection.execute(select(audit_record.c.record)).scalar_one())
    assert dict(record["resources"]) == {
        "original": 1, "verdict": 1, "outbox": 1, "receipt": 1, "quarantine": 1, "auth_session": 2}  # fmt: skip
    engine.dispose()


def test_the_page_has_every_table_and_every_setting_that_says_how_long() -> None:
    """A table that nobody thought about is kept for ever: here somebody has to."""
    tables = {table.name for one in (metadata, auth_metadata) for table in one.sorted_tables}
    table = PAGE.split("## What is kept, and how long")[1].split("##")[0]
    named = set(re.findall(r"`([\w.]+)`", table))
    assert tables <= named
    settings = {name for name, _ in settings_rows(type(load()))}
    assert {one.setting for one in kept(load())} <= named & settings
    assert {name for name in named if "." in name} <= settings
