"""A node whose clock is wrong: on PostgreSQL the time of the database decides how long tokens and codes live."""

import asyncio
import logging
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from databases import KINDS, database
from servers import settings_for
from sqlalchemy import update

from auth.errors import BearerError
from auth.grants import Grant
from auth.ports import Peer
from auth.store.rows import milliseconds, utc_now
from auth.store.tables import access_tokens
from benchmarks.population import Population
from benchmarks.reads import prepare, token
from gateway.cli.context import as_served
from gateway.store.engine import open_engine
from gateway.wiring import wire

SLOW = timedelta(minutes=10)


def slow() -> datetime:
    return utc_now() - SLOW


def lives(url: str, left: timedelta) -> None:
    """The token of the first person expires so much from now, by a clock that is right."""
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(update(access_tokens).values(expires=milliseconds(utc_now() + left)))
    engine.dispose()


async def used(url: str) -> Grant | None:
    """The token at a node whose clock is ten minutes slow; None when it is refused."""
    wiring = wire(as_served(settings_for(url, 8080)), system=slow)
    try:
        wiring.clock.ask()
        return await wiring.auth.bearer.check(f"Bearer {token(0)}", Peer(None))
    except BearerError:
        return None
    finally:
        await wiring.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_with_a_slow_clock_does_not_take_a_token_for_longer(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with database(kind, tmp_path) as url:
        prepare(url, Population(1, 1, 0.1), 1)
        lives(url, timedelta(minutes=5))
        assert asyncio.run(used(url)) is not None
        lives(url, -timedelta(seconds=2))
        found = asyncio.run(used(url))
    if kind == "sqlite":
        assert found is not None, "a file has no time of its own: one process, one clock"
        return
    assert found is None
    assert "600 seconds apart" in caplog.text


def test_codes_and_sessions_go_by_the_same_clock(tmp_path: Path) -> None:
    with database("postgresql", tmp_path) as url:
        prepare(url, Population(1, 1, 0.1), 1)
        wiring = wire(as_served(settings_for(url, 8080)), system=slow)
        assert utc_now() - wiring.auth.parts.clock() > SLOW / 2, "until the database was asked there is only this clock"
        wiring.clock.ask()
        assert wiring.auth.parts.clock() >= utc_now() - timedelta(seconds=1)
        asyncio.run(wiring.close())
