"""gateway db: the schema of the database."""

from pathlib import Path

import click
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from gateway.cli.context import console, database, with_settings
from gateway.settings import Settings

SCRIPTS = Path(__file__).parents[1] / "migrations"


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest version; harmless when it is there already."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["engine"] = engine
    command.upgrade(config, "head")


@click.group()
def db() -> None:
    """The schema of the database."""


@db.command("upgrade")
@with_settings
def upgrade_command(settings: Settings) -> None:
    """Create or migrate the tables."""
    with database(settings) as engine:
        upgrade(engine)
    console.print("The database is up to date.")
