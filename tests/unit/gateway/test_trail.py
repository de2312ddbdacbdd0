"""The audit trail: durable before the answer, chained, and a change shows (LOG-09, LOG-10)."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from databases import KINDS, database
from sqlalchemy import delete, update

from gateway.audit.record import AuditRecord
from gateway.audit.trail import AuditUnavailable, Trail
from gateway.audit.verify import verify
from gateway.store.engine import open_engine
from gateway.store.schema import audit_record, metadata

KEY = b"key of the test"


def record(number: int) -> AuditRecord:
    return AuditRecord(
        "pgo:resource:search-type", datetime.now(UTC), 200, person=f"p{number}", resources=(("Flag", 1),)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_concurrent_records_are_chained_and_a_change_is_found(kind: str, tmp_path: Path) -> None:
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        metadata.create_all(engine)

        async def write() -> None:
            trail = Trail(engine, KEY)
            await asyncio.gather(*(trail.write(record(number)) for number in range(100)))
            await trail.close()

        asyncio.run(write())
        with engine.connect() as connection:
            assert list(verify(connection, KEY)) == []
            assert len(list(verify(connection, b"another key"))) == 100
        with engine.begin() as connection:
            connection.execute(update(audit_record).where(audit_record.c.sequence == 7).values(record=b"{}"))
            connection.execute(delete(audit_record).where(audit_record.c.sequence == 50))
        with engine.connect() as connection:
            faults = {fault.sequence: fault.text for fault in verify(connection, KEY)}
        engine.dispose()
        assert "changed" in faults[7]
        assert "missing" in faults[51]


def test_a_process_that_was_suspended_does_not_blame_its_database(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/slow.db")
    metadata.create_all(engine)

    async def write() -> None:
        trail = Trail(engine, KEY, timeout=0.3)
        with engine.connect() as other:
            other.execute(delete(audit_record))
            writing = asyncio.ensure_future(trail.write(record(1)))
            await asyncio.sleep(0.05)
            # Nothing of the process runs: neither the clock that gives up, nor what the database answers in time.
            time.sleep(1.2)  # noqa: ASYNC251 - that is what is tried
            other.rollback()
        await writing
        await trail.close()

    asyncio.run(write())
    with engine.connect() as connection:
        assert list(verify(connection, KEY)) == []
    engine.dispose()


def test_no_store_no_record_no_answer(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/empty.db")

    async def write() -> None:
        trail = Trail(engine, KEY)
        with pytest.raises(AuditUnavailable):
            await trail.write(record(1))
        metadata.create_all(engine)
        await trail.write(record(2))
        await trail.close()

    asyncio.run(write())
    with engine.connect() as connection:
        assert list(verify(connection, KEY)) == []
    engine.dispose()


def test_a_record_says_what_left_and_nothing_more() -> None:
    shown = AuditRecord("pgo:resource:read", datetime(2026, 2, 3, 10, 0, tzinfo=UTC), 200, provider="z").canonical()
    assert shown == b'{"action":"pgo:resource:read","at":"2026-02-03T10:00:00.000+00:00","outcome":200,"provider":"z"}'
