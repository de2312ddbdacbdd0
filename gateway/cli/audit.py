"""gateway audit: the access trail."""

import click
from sqlalchemy import func, select

from gateway.audit.trail import verify
from gateway.cli.context import FINDINGS, console, database, with_settings
from gateway.settings import Settings
from gateway.store.engine import reading
from gateway.store.schema import audit_record


@click.group()
def audit() -> None:
    """The access trail (NEN 7513)."""


@audit.command("verify")
@with_settings
def verify_command(settings: Settings) -> None:
    """Check that no record was changed, added or taken out. Exit code 1 when something does not fit."""
    with database(settings) as engine, reading(engine).connect() as connection:
        count = connection.execute(select(func.count()).select_from(audit_record)).scalar_one()
        chains = connection.execute(select(func.count(audit_record.c.chain.distinct()))).scalar_one()
        faults = list(verify(connection, settings.audit_key.get_secret_value().encode()))
    for fault in faults:
        console.print(f"chain {fault.chain}, record {fault.sequence}: {fault.text}", highlight=False)
    console.print(f"{count} records in {chains} chains, {len(faults)} faults", highlight=False)
    if faults:
        raise SystemExit(FINDINGS)
