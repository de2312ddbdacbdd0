"""gateway db: the schema of the database."""

from contextlib import suppress
from pathlib import Path

import click
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from gateway.cli.context import UnknownSchema, console, database, with_settings
from gateway.settings import Settings
from gateway.store.engine import reading

SCRIPTS = Path(__file__).parents[1] / "migrations"


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest version; harmless when it is there already.

    The files of an SQLite store are then for their owner only. Raises UnknownSchema for a later release's schema.
    """
    upgrade_to(engine, "head")
    if engine.dialect.name == "sqlite" and engine.url.database:
        for end in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(engine.url.database + end).chmod(0o600)


def upgrade_to(engine: Engine, revision: str) -> None:
    """Bring the schema to a revision, with nothing else. Raises UnknownSchema as `upgrade`, also for the revision."""
    known(engine)
    if revision != "head" and revision not in _ours():
        raise UnknownSchema(f"this release does not know schema {revision}: use the release it is of")
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["engine"] = engine
    command.upgrade(config, revision)


def _ours() -> set[str]:
    return {one.revision for one in ScriptDirectory(str(SCRIPTS)).walk_revisions()}


def known(engine: Engine) -> None:
    """Raise UnknownSchema when the revision of the database is none of ours."""
    with reading(engine).connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in _ours():
        newest = ScriptDirectory(str(SCRIPTS)).get_current_head()
        raise UnknownSchema(
            f"its schema is {current}, this release knows none after {newest}: use the release it is of"
        )


@click.group()
def db() -> None:
    """The schema of the database."""


@db.command("upgrade")
@with_settings
def upgrade_command(settings: Settings) -> None:
    """Create or migrate the tables."""
    with database(settings, create=True) as engine:
        upgrade(engine)
    console.print("The database is up to date.")
