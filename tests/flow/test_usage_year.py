"""A simulated year: what the gateway says of it equals an independent count, to the last unit."""

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest
from databases import KINDS, database
from sqlalchemy import Engine, delete, func, select, update
from world.usage_year import KEY, NAMES, PROVIDER, Told, play

from gateway.cli.db import upgrade
from gateway.store.counts import usage_event
from gateway.store.engine import open_engine, reading
from gateway.usage.figures import UseFigures, UsePeriod, count, month
from gateway.usage.proof import prove

LATER = datetime(2027, 3, 1, tzinfo=UTC)
MONTHS = [f"2026-{number:02d}" for number in range(1, 13)]


def by_two(url: str, visits: int) -> Told:
    """Two processes write beside each other; the sum of what they meant."""
    told = Told()
    with ProcessPoolExecutor(2, get_context("spawn")) as both:
        for part in both.map(play, [url, url], [11, 12], [visits // 2, visits - visits // 2]):
            told.merge(part)
    return told


def agree(figures: UseFigures, told: Told, text: str) -> None:
    """Every figure of a month is what was meant."""
    assert figures.visits == told.visits[text]
    assert figures.completed == told.completed[text]
    assert {name: figures.reached[name] for name in NAMES} == {name: told.reached[text, name] for name in NAMES}
    assert figures.ends == Counter({key[1:]: number for key, number in told.ends.items() if key[0] == text})
    assert figures.uses == Counter({key[1:]: number for key, number in told.uses.items() if key[0] == text})
    assert figures.requests == Counter({key[1]: number for key, number in told.requests.items() if key[0] == text})
    assert figures.ages == Counter({key[1]: number for key, number in told.ages.items() if key[0] == text})
    assert figures.persons == sum(1 for when, _ in told.persons if when == text)
    assert figures.served == sum(1 for when, _ in told.served if when == text)


def year(url: str, visits: int) -> tuple[Engine, Told, list[UsePeriod]]:
    upgrade(engine := open_engine(url))
    told = by_two(url, visits)
    with reading(engine).connect() as connection:
        return engine, told, [count(connection, month(text), LATER, PROVIDER) for text in MONTHS]


def holds(url: str, visits: int) -> None:
    engine, told, periods = year(url, visits)
    for text, period in zip(MONTHS, periods, strict=True):
        agree(period.real, told, text)
    assert sum(period.test.visits for period in periods) == told.test > 0
    with reading(engine).connect() as connection:
        assert connection.execute(select(func.count()).select_from(usage_event)).scalar_one() == told.written
        assert list(prove(connection, KEY)) == []
    engine.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_the_figures_of_a_year_equal_an_independent_count(kind: str, tmp_path: Path) -> None:
    """RP-01, RP-05, RP-06, RP-07, RP-08: two processes, visits that end in every way, rolled back transactions.

    RP-C01, RP-C03 to RP-C10, RP-C11, RP-C12, RP-C13, RP-C24 and RP-C29 are drawn among them.
    """
    with database(kind, tmp_path) as url:
        holds(url, 2_000 if kind == "sqlite" else 600)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_the_figures_of_a_large_year_equal_an_independent_count(kind: str, tmp_path: Path) -> None:
    """RP-01: 100,000 visits."""
    with database(kind, tmp_path) as url:
        holds(url, 100_000)


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_changes_what_is_counted_is_found(kind: str, tmp_path: Path) -> None:
    """RP-35: an event that is changed, moved, taken out, or cut off the end, of steps and of requests."""
    with database(kind, tmp_path) as url:
        upgrade(engine := open_engine(url))
        play(url, 3, 12)
        steps, requests = usage_event.c.chain.startswith("u."), usage_event.c.chain.startswith("2.")
        for which in (steps, requests):
            with reading(engine).connect() as connection:
                rows = connection.execute(
                    select(usage_event).where(which).order_by(usage_event.c.chain, usage_event.c.sequence)
                ).all()
            middle, last = rows[len(rows) // 2], rows[-1]
            forged = update(usage_event).values(event=middle.event.replace(b'"at"', b'"At"'))
            moved = update(usage_event).values(at=datetime(2020, 1, 1, tzinfo=UTC))
            for row, deed in (
                (middle, forged),
                (middle, moved),
                (middle, delete(usage_event)),
                (last, delete(usage_event)),
            ):
                where = (usage_event.c.chain == row.chain) & (usage_event.c.sequence == row.sequence)
                with engine.connect() as connection, connection.begin() as transaction:
                    connection.execute(deed.where(where))
                    assert {fault.chain for fault in prove(connection, KEY)} == {row.chain}
                    transaction.rollback()
        engine.dispose()
