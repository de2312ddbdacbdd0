"""The schema: migrations and tables are the same, on both databases."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from databases import KINDS, database
from sqlalchemy import MetaData

from auth.store import metadata as auth_metadata
from gateway.cli.db import upgrade
from gateway.store.engine import open_engine
from gateway.store.schema import metadata


@pytest.mark.parametrize("kind", KINDS)
def test_the_migrations_make_the_tables_that_the_code_expects(kind: str, tmp_path: Path) -> None:
    both = MetaData()
    for table in (*metadata.tables.values(), *auth_metadata.tables.values()):
        table.to_metadata(both)
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        upgrade(engine)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), both) == []
        engine.dispose()
