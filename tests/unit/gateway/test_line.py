"""Reads on PostgreSQL: many selects are on their way at once by few connections, and each gets its own answer."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from databases import database
from sqlalchemy import text

from gateway.store.engine import open_engine
from gateway.store.queries import Hot
from gateway.store.reader import PostgresReader, StoreUnavailable, open_reader

ECHO = Hot.of("", "SELECT :number::int, :word::text, pg_backend_pid() WHERE 'a%%b' LIKE 'a%%'")
SLOW = Hot.of("", "SELECT pg_sleep(0.2)")
WRONG = Hot.of("", "SELECT 1 / :number::int")
Reading = Callable[[PostgresReader], Awaitable[None]]


def with_reader(tmp_path: Path, reading: Reading) -> None:
    """Run something with a reader on a database of its own."""

    async def run(url: str) -> None:
        reader = open_reader(url)
        assert isinstance(reader, PostgresReader)
        try:
            await reading(reader)
        finally:
            await reader.close()

    with database("postgresql", tmp_path) as url:
        asyncio.run(run(url))


def test_every_one_of_many_reads_at_once_gets_its_own_rows(tmp_path: Path) -> None:
    async def reading(reader: PostgresReader) -> None:
        async def one(number: int) -> int:
            rows = await reader.fetch(ECHO, {"number": number, "word": f"é{number}"})
            assert [row[:2] for row in rows] == [(number, f"é{number}")]
            return int(rows[0][2])

        backends = {await one(1), *await asyncio.gather(*map(one, range(200)))}
        assert 1 <= len(backends) <= 8
        assert reader.figures()["pool_size"] <= 8

    with_reader(tmp_path, reading)


def test_a_fault_of_one_statement_is_nobody_elses(tmp_path: Path) -> None:
    async def reading(reader: PostgresReader) -> None:
        beside = asyncio.ensure_future(reader.fetch(SLOW, {}))
        with pytest.raises(StoreUnavailable):
            await reader.fetch(WRONG, {"number": 0})
        assert len(await beside) == 1
        assert list(await reader.fetch(WRONG, {"number": 1})) == [(1,)]

    with_reader(tmp_path, reading)


def test_who_goes_away_takes_nobodys_answer_along(tmp_path: Path) -> None:
    async def reading(reader: PostgresReader) -> None:
        await reader.fetch(WRONG, {"number": 1})
        gone = asyncio.ensure_future(reader.fetch(SLOW, {}))
        kept = asyncio.ensure_future(reader.fetch(ECHO, {"number": 7, "word": "x"}))
        await asyncio.sleep(0.02)
        gone.cancel()
        assert (await kept)[0][:2] == (7, "x")

    with_reader(tmp_path, reading)


def test_a_connection_that_the_server_ends_is_replaced_before_it_is_used(tmp_path: Path) -> None:
    async def run(url: str) -> None:
        reader, engine = open_reader(url), open_engine(url)
        first = (await reader.fetch(ECHO, {"number": 1, "word": "x"}))[0][2]
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": first})
        engine.dispose()
        for _ in range(100):
            if not reader.figures():
                break
            await asyncio.sleep(0.02)
        assert (await reader.fetch(ECHO, {"number": 1, "word": "x"}))[0][2] != first
        await reader.close()

    with database("postgresql", tmp_path) as url:
        asyncio.run(run(url))


def test_a_database_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        reader = open_reader("postgresql://nobody@127.0.0.1:1/none")
        told = await asyncio.gather(*(reader.fetch(SLOW, {}) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(one, StoreUnavailable) for one in told)
        await reader.close()

    asyncio.run(run())
