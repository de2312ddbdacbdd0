"""Alembic's entry: runs the migrations on the engine that the gateway hands over."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from alembic import context
from sqlalchemy import Connection

from auth.store.store import metadata as auth_metadata
from gateway.store import cases, counts, exchanged, flags, shared, staff
from gateway.store.schema import metadata

engine = context.config.attributes["engine"]


_TABLES = (
    cases.person_case,
    counts.usage_event,
    exchanged.referral,
    flags.release_flag,
    shared.submission,
    staff.staff_session,
)
"""Tables that stand apart: imported, so that the metadata holds them."""


@contextmanager
def without_foreign_keys(connection: Connection) -> Iterator[None]:
    """SQLite rebuilds a table by dropping the old one; with foreign keys on, that deletes what points at it."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
        faults = driver.execute("PRAGMA foreign_key_check").fetchall()
        if faults:
            raise RuntimeError(f"the upgrade left rows that point at nothing: {faults[:3]}")
        connection.commit()
    finally:
        connection.rollback()
        driver.execute("PRAGMA foreign_keys=ON")


with engine.connect() as connection, without_foreign_keys(connection):
    context.configure(
        connection=connection,
        target_metadata=[metadata, auth_metadata],
        render_as_batch=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    if connection.dialect.name != "sqlite":
        connection.commit()
