"""The schema: migrations and tables are the same, on both databases."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from databases import KINDS, database
from sqlalchemy import MetaData, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from auth.store.store import metadata as auth_metadata
from auth.store.tables import consents
from gateway.cli.db import upgrade
from gateway.store.cases import person_case
from gateway.store.counts import usage_event
from gateway.store.engine import open_engine
from gateway.store.exchanged import referral
from gateway.store.flags import release_flag
from gateway.store.shared import submission
from gateway.store.staff import staff_session


@pytest.mark.parametrize("kind", KINDS)
def test_the_migrations_make_the_tables_that_the_code_expects(kind: str, tmp_path: Path) -> None:
    assert {id(one.metadata) for one in (usage_event, referral, staff_session, person_case, release_flag)} == {
        id(submission.metadata)
    }
    both, metadata = MetaData(), submission.metadata
    for table in (*metadata.tables.values(), *auth_metadata.tables.values()):
        table.to_metadata(both)
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        upgrade(engine)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), both) == []
        engine.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_no_line_of_the_consent_register_changes(kind: str, tmp_path: Path) -> None:
    """CONS-01: the database refuses, whatever program asks; old lines may still go (CONS-05)."""
    entry = {"entry": "1", "consent_id": "1", "outcome": "given", "moment": 1, "channel": "pgo", "function": "collect"}
    names = {"provider": "zandoord", "client": "pgo.example", "organisation": "PGO", "offered": "48", "granted": "48"}
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        with engine.begin() as connection:
            connection.execute(insert(consents).values(**entry, **names))
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(update(consents).values(granted="48 50"))
        with engine.begin() as connection:
            assert connection.execute(select(consents.c.granted)).scalar_one() == "48"
            assert connection.execute(delete(consents)).rowcount == 1
        engine.dispose()
