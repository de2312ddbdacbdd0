"""Expand, then contract (docs/operations.md): the release before goes on while a store is migrated.

Each step may only add, in a way that the code before it does not notice; what does more is named here, with the reason.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from databases import KINDS, database
from sqlalchemy import Engine, inspect, text

from gateway.cli.db import SCRIPTS, upgrade, upgrade_to
from gateway.store.engine import open_engine

CONTRACTS = {
    "0003": "the content of a document got a version, which is a part of its key",
    "0006": "a resource is unique by a key of its own, which whoever writes must give",
}
"""Steps that the code before them notices, and why they were made so."""


def revisions() -> list[str]:
    return [one.revision for one in ScriptDirectory(str(SCRIPTS)).walk_revisions()][::-1]


def shape(engine: Engine) -> tuple[dict[tuple[str, str], tuple[str, bool]], set[tuple[str, tuple[str, ...]]]]:
    """Columns with type and whether an insert may leave them out; and what must be unique."""
    found = inspect(engine)
    columns, unique = {}, set()
    for table in found.get_table_names():
        keys = set(found.get_pk_constraint(table)["constrained_columns"])
        for column in found.get_columns(table):
            number = column["name"] in keys and "INT" in str(column["type"]).upper() and len(keys) == 1
            spared = column["nullable"] or column["default"] is not None or number
            columns[table, column["name"]] = (str(column["type"]), bool(spared))
        for one in (*found.get_unique_constraints(table), *(i for i in found.get_indexes(table) if i["unique"])):
            unique.add((table, tuple(str(name) for name in one["column_names"])))
    return columns, unique


def noticed(before: object, after: object) -> Iterator[str]:
    """What the code before a step would notice of it."""
    (had, unique_had), (has, unique_has) = before, after  # type: ignore[misc]
    tables = {table for table, _ in had}
    for (table, name), kind in had.items():
        if (table, name) not in has:
            yield f"{table}.{name} is gone"
        elif has[table, name][0] != kind[0] or (kind[1] and not has[table, name][1]):
            yield f"{table}.{name} was {kind} and is {has[table, name]}"
    for (table, name), (_, spared) in has.items():
        if table in tables and (table, name) not in had and not spared:
            yield f"{table}.{name} must be given, which the code before does not"
    yield from (f"{table} must be unique in {names}" for table, names in unique_has - unique_had if table in tables)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_only_adds_or_is_named_with_its_reason(kind: str, tmp_path: Path) -> None:
    found: dict[str, list[str]] = {}
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        before = None
        for revision in revisions():
            upgrade_to(engine, revision)
            after = shape(engine)
            if before is not None and (told := list(noticed(before, after))):
                found[revision] = told
            before = after
        engine.dispose()
    assert set(found) == set(CONTRACTS), found


@pytest.mark.postgres
def test_the_release_before_reads_and_writes_while_the_newest_steps_are_made(tmp_path: Path) -> None:
    """From the schema of the release before to the newest, on PostgreSQL, with the gateway in use."""
    write = "INSERT INTO outbox (at, provider, fhir, patient_id, type, id, version, deed, source) VALUES (now(), 'z', 'stu3', 'p', 'Flag', 'f', 1, 'create', 'epd')"  # fmt: skip  # noqa: E501
    with database("postgresql", tmp_path) as url:
        engine = open_engine(url)
        upgrade_to(engine, "0008")
        stop, begun, done, faults = threading.Event(), threading.Event(), [0], []

        def in_use() -> None:
            try:
                while not stop.is_set():
                    with engine.begin() as connection:
                        connection.execute(text("SET LOCAL lock_timeout = '2s'"))
                        connection.execute(text(write))
                        connection.execute(text("SELECT count(*) FROM original")).scalar_one()
                    done[0] += 1
                    begun.set()
            except Exception as fault:
                faults.append(fault)
                begun.set()

        user = threading.Thread(target=in_use)
        user.start()
        try:
            begun.wait(20)
            upgrade(engine)
        finally:
            stop.set()
            user.join()
        assert faults == []
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM outbox")).scalar_one() == done[0] > 0
        assert {"ix_outbox_at"} <= {one["name"] for one in inspect(engine).get_indexes("outbox")}
        engine.dispose()
