"""The trail proves what it claims: whatever is done to it in the database is found, and named (LOG-09, LOG-10)."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS, database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, select, text

from gateway.audit.append import Appending
from gateway.audit.chain import chain_of
from gateway.audit.findings import ChainBreak
from gateway.audit.heads import Head
from gateway.audit.record import AuditRecord
from gateway.audit.removals import REMOVALS
from gateway.audit.retention import expire, newest
from gateway.audit.trail import Trail
from gateway.audit.verify import Walked, verify
from gateway.cli.db import upgrade
from gateway.store.engine import open_engine, snapshot
from gateway.store.schema import audit_record, audit_removal

KEY = b"key of the test"
NEW = datetime(2026, 5, 1, 12, 0, 0, 123_456, tzinfo=UTC)
OLD = NEW - timedelta(days=3_000)
ENDED = NEW - timedelta(days=1_827)
FORMER = "7f1c2a6e-0a0b-4c0d-8e0f-101112131415"
"""A chain as earlier releases wrote it."""


@dataclass(frozen=True)
class Store:
    """A trail that is sound, and what was signed of it."""

    engine: Engine
    heads: tuple[Head, ...]

    def faults(self) -> list[ChainBreak]:
        with snapshot(self.engine) as connection:
            return list(verify(connection, KEY, self.heads))

    def rows(self) -> list[tuple[str, int]]:
        with self.engine.connect() as connection:
            found = connection.execute(
                select(audit_record.c.chain, audit_record.c.sequence).order_by(*audit_record.primary_key)
            )
            return [(row.chain, row.sequence) for row in found]

    def run(self, statement: str, **values: object) -> int:
        with self.engine.begin() as connection:
            return connection.execute(text(statement), values).rowcount


@pytest.fixture(scope="module", params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with database(request.param, tmp_path_factory.mktemp("proof")) as url:
        made = open_engine(url)
        upgrade(made)
        yield made
        made.dispose()


def record(number: int, at: datetime) -> AuditRecord:
    return AuditRecord("pgo:resource:read", at, 200, provider=f"z{number % 2}", person=f"p{number}")


def filled(engine: Engine, sizes: list[tuple[int, int]]) -> Store:
    """Chains of so many old and new records, the first in the format of earlier releases; the old ones are removed."""
    with engine.begin() as connection:
        connection.execute(delete(audit_record))
        connection.execute(delete(audit_removal))
    heads = []
    for place, (old, new) in enumerate(sizes):
        ages = [OLD] * old + [NEW] * new
        records = [record(number, at + timedelta(microseconds=number * 1_001)) for number, at in enumerate(ages)]
        heads.append(former(engine, records) if place == 0 else written(engine, records))
    expire(engine, KEY, ENDED, heads=heads)
    last = newest(engine)
    return Store(engine, (*heads, *([last] if last else [])))


def written(engine: Engine, records: list[AuditRecord]) -> Head:
    trail = Trail(engine, KEY)
    trail.write_now(records)
    trail.stop()
    head = trail.head()
    assert head is not None
    return head


def former(engine: Engine, records: list[AuditRecord]) -> Head:
    chain, rows = chain_of(FORMER, KEY), []
    mac = chain.start
    for number, one in enumerate(records, 1):
        mac = chain.link(mac, number, one.canonical())
        rows.append((FORMER, number, one.at, one.person, one.provider, one.canonical(), mac))
    append = Appending(engine)
    append(rows)
    append.close()
    return Head(FORMER, len(rows), mac, datetime.now(UTC))


COLUMNS: dict[str, Callable[[Any], Any]] = {
    "at": lambda at: at + timedelta(milliseconds=1),
    "person": lambda person: person + "x",
    "provider": lambda provider: "elsewhere" + provider,
    "record": lambda body: body.replace(b"read", b"reed"),
    "mac": lambda mac: bytes([mac[0] ^ 1]) + mac[1:],
    "sequence": lambda number: number + 1_000,
    "chain": lambda name: name[:-1] + ("0" if name[-1] != "0" else "1"),
}
GARBAGE = {
    "sqlite": {
        "record": ("text", b"\xff\xfe", 7),
        "mac": ("text", 7.5, b"short"),
        "at": ("yesterday", 7, b"2026"),
        "person": (b"blob", 7.5),
        "provider": (b"blob",),
        "sequence": ("seven", 7.5, b"7"),
        "chain": (b"blob",),
    },
    "postgresql": {
        "record": (b"", b"\xff"),
        "mac": (b"",),
        "at": ("infinity", "-infinity", "20000-01-01", "0044-01-01 BC"),
    },
}
WHERE = "WHERE chain = :chain AND sequence = :number"


@st.composite
def tampers(draw: st.DrawFn, store: Store) -> tuple[str, str]:
    """Do one thing to the trail; what it was, and the chain in which it is to be seen."""
    chain, number = draw(st.sampled_from(store.rows()))
    others = sorted({one for one, _ in store.rows()} - {chain})
    kind = store.engine.dialect.name
    deeds = ["edit", "garbage", "delete", "cut", "whole", "insert", "rename"]
    same = [one for name, one in store.rows() if name == chain and one != number]
    deeds += (["swap"] if same else []) + (["copy"] if others else [])
    deed = draw(st.sampled_from(deeds))
    at = {"chain": chain, "number": number}
    match deed:
        case "edit":
            column = draw(st.sampled_from(sorted(COLUMNS)))
            with store.engine.begin() as connection:
                mine = (audit_record.c.chain == chain) & (audit_record.c.sequence == number)
                value = connection.execute(select(audit_record.c[column]).where(mine)).scalar_one()
                connection.execute(audit_record.update().where(mine).values({column: COLUMNS[column](value)}))
            return f"edit {column}", chain
        case "garbage":
            column = draw(st.sampled_from(sorted(GARBAGE[kind])))
            value = draw(st.sampled_from(GARBAGE[kind][column]))
            cast = "CAST(:value AS timestamptz)" if kind == "postgresql" and column == "at" else ":value"
            cast = (
                "CAST(:value AS TEXT)"
                if isinstance(value, bytes) and value == b"\xff\xfe" and kind == "sqlite"
                else cast
            )
            store.run(f"UPDATE audit_record SET {column} = {cast} {WHERE}", value=value, **at)
            return f"garbage {column} {value!r}", chain
        case "delete":
            store.run(f"DELETE FROM audit_record {WHERE}", **at)
        case "cut":
            store.run("DELETE FROM audit_record WHERE chain = :chain AND sequence >= :number", **at)
        case "whole":
            store.run("DELETE FROM audit_record WHERE chain = :chain", chain=chain)
        case "insert":
            place = draw(st.sampled_from([-1, 0, max(one for name, one in store.rows() if name == chain) + 1]))
            store.run(
                "INSERT INTO audit_record (chain, sequence, at, person, provider, record, mac)"
                f" SELECT chain, {place}, at, person, provider, record, mac FROM audit_record {WHERE}",
                **at,
            )
        case "rename":
            store.run("UPDATE audit_record SET chain = :name WHERE chain = :chain", name=f"2.{'0' * 32}", chain=chain)
        case "swap":
            other = draw(st.sampled_from(same))
            for before, after in ((number, -5), (other, number), (-5, other)):
                store.run(f"UPDATE audit_record SET sequence = {after} {WHERE}", chain=chain, number=before)
        case "copy":
            other = draw(st.sampled_from(others))
            last = max(one for name, one in store.rows() if name == other)
            store.run(
                "INSERT INTO audit_record (chain, sequence, at, person, provider, record, mac)"
                f" SELECT :other, {last + 1}, at, person, provider, record, mac FROM audit_record {WHERE}",
                other=other,
                **at,
            )
            return f"copy to {last + 1}", other
    return deed, chain


SIZES = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=3)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), sizes=SIZES)
def test_whatever_is_done_to_a_record_is_found_and_named(engine: Engine, data: st.DataObject, sizes: list[Any]) -> None:
    """LOG-10: edits of any column, wrong types, swaps, deletions, cuts, insertions, copies; also in older chains."""
    store = filled(engine, sizes)
    assert store.faults() == []
    deed, chain = data.draw(tampers(store))
    faults = store.faults()
    assert chain in {one.chain for one in faults}, (deed, faults)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), olds=st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_whatever_is_done_to_a_removal_is_found(engine: Engine, data: st.DataObject, olds: list[int]) -> None:
    """LOG-12: what says that records were removed at the end of their retention cannot be changed or taken out."""
    store = filled(engine, [(old, place % 2) for place, old in enumerate(olds)])
    assert store.faults() == []
    number = data.draw(st.integers(1, len(olds)))
    column = data.draw(st.sampled_from(["", "at", "chain", "through", "count", "before", "mac", "seal", "number"]))
    mine = audit_removal.c.number == number
    with engine.begin() as connection:
        row = connection.execute(select(audit_removal).where(mine)).one()
        if not column:
            connection.execute(delete(audit_removal).where(mine))
        else:
            value = row._mapping[column]
            changed = value + timedelta(seconds=1) if isinstance(value, datetime) else value
            changed = value + 7 if isinstance(value, int) else changed
            changed = bytes(32) if isinstance(value, bytes) else changed
            changed = "another" if isinstance(value, str) else changed
            connection.execute(audit_removal.update().where(mine).values({column: changed}))
    assert REMOVALS in {one.chain for one in store.faults()}


def test_what_is_missing_is_said_with_chain_number_and_since_when(engine: Engine) -> None:
    """LOG-10: a cut tail, a newest record and a whole chain; without what was signed none of them shows."""
    store = filled(engine, [(0, 2), (0, 5), (0, 3)])
    _, cut, whole = (one.chain for one in store.heads)
    store.run("DELETE FROM audit_record WHERE chain = :chain AND sequence > 3", chain=cut)
    store.run("DELETE FROM audit_record WHERE chain = :chain", chain=whole)
    faults = {one.chain: one for one in store.faults()}
    assert (faults[cut].kind, faults[cut].sequence) == ("cut", 4)
    assert "records 4 to 5 are missing at the end" in faults[cut].text
    assert faults[cut].since.startswith("2026-05-01T12:00:00.125")
    assert (faults[whole].kind, faults[whole].sequence) == ("gone", 1)
    assert "records 1 to 3" in faults[whole].text
    assert faults[whole].since
    assert replace(store, heads=()).faults() == []


def test_who_holds_the_audit_key_cannot_write_the_past_anew(engine: Engine) -> None:
    """LOG-10: a chain that fits, and is another one than was signed for."""
    store = filled(engine, [(0, 2), (0, 2)])
    head = store.heads[1]
    chain, mac = chain_of(head.chain, KEY), chain_of(head.chain, KEY).start
    with engine.begin() as connection:
        connection.execute(delete(audit_record).where(audit_record.c.chain == head.chain))
        for number in (1, 2):
            one = record(7, NEW)
            mac = chain.link(mac, number, one.canonical())
            connection.execute(
                insert(audit_record).values(
                    chain=head.chain, sequence=number, at=one.moment, person=one.person, provider=one.provider,
                    record=one.canonical(), mac=mac,
                )
            )  # fmt: skip
    assert [(one.chain, one.sequence, one.kind) for one in store.faults()] == [(head.chain, 2, "other")]


def test_only_what_was_touched_is_named(engine: Engine) -> None:
    store = filled(engine, [(0, 2), (0, 9)])
    chain = store.heads[1].chain
    store.run("UPDATE audit_record SET person = 'somebody' WHERE chain = :chain AND sequence = 2", chain=chain)
    store.run(
        "UPDATE audit_record SET mac = (SELECT mac FROM audit_record WHERE chain = :chain AND sequence = 1)"
        " WHERE chain = :chain AND sequence = 5",
        chain=chain,
    )
    store.run("UPDATE audit_record SET record = :body WHERE chain = :chain AND sequence = 8", chain=chain, body=b"{}")
    assert [(one.sequence, one.kind) for one in store.faults()] == [(2, "column"), (5, "changed"), (8, "changed")]
    assert "person is not what the record says" in store.faults()[0].text


def test_what_was_removed_at_the_end_of_its_retention_is_no_hole(engine: Engine) -> None:
    """LOG-12: twice, and of a chain that goes on; what was tampered with stays until somebody looked."""
    store = filled(engine, [(3, 1), (2, 2), (4, 0)])
    counted = Walked()
    with snapshot(engine) as connection:
        assert list(verify(connection, KEY, store.heads, counted)) == []
    assert (counted.removed, counted.records) == (9, 3)
    store.run("UPDATE audit_record SET provider = 'x' WHERE chain = :chain", chain=FORMER)
    later = expire(engine, KEY, NEW + timedelta(days=1), heads=store.heads)
    assert later.removed == {store.heads[1].chain: 2}
    assert {one.chain for one in later.broken} == {FORMER}
    assert {one.chain for one in store.faults()} == {FORMER}


def test_what_was_removed_and_comes_back_is_found(engine: Engine) -> None:
    store = filled(engine, [(0, 1), (1, 2)])
    chain = store.heads[1].chain
    store.run(
        "INSERT INTO audit_record (chain, sequence, at, person, provider, record, mac)"
        " SELECT chain, 1, at, person, provider, record, mac FROM audit_record WHERE chain = :chain AND sequence = 2",
        chain=chain,
    )
    assert [(one.sequence, one.kind) for one in store.faults()] == [(1, "returned")]


def test_several_processes_and_nodes_write_beside_each_other(tmp_path: Path) -> None:
    """LOG-09: each its own chain, through connections of its own, while another removes what is old."""
    with database("postgresql", tmp_path) as url:
        engines = [open_engine(url) for _ in range(3)]
        upgrade(engines[0])
        old = written(engines[0], [record(number, OLD) for number in range(20)])

        async def node(engine: Engine) -> Head:
            trail = Trail(engine, KEY)
            await asyncio.gather(*(trail.write(record(number, NEW)) for number in range(200)))
            await trail.close()
            head = trail.head()
            assert head is not None
            return head

        async def all_at_once() -> list[Head]:
            gone = asyncio.to_thread(expire, engines[2], KEY, ENDED)
            *heads, _ = await asyncio.gather(node(engines[0]), node(engines[1]), node(engines[1]), gone)
            return heads

        heads = asyncio.run(all_at_once())
        counted = Walked()
        with snapshot(engines[2]) as connection:
            assert list(verify(connection, KEY, [old, *heads], counted)) == []
        assert (counted.chains, counted.records, counted.removed, counted.unsigned) == (3, 600, 20, [])
        for one in engines:
            one.dispose()
