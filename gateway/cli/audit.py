"""gateway audit: the access trail."""

import click
from sqlalchemy import func, select

from gateway.audit.trail import verify
from gateway.cli.context import DONE, FINDINGS, as_json, console, database, emit, with_settings
from gateway.settings import Settings
from gateway.store.engine import reading
from gateway.store.schema import audit_record


@click.group()
def audit() -> None:
    """The access trail (NEN 7513)."""


@audit.command("verify")
@as_json
@with_settings
def verify_command(settings: Settings, as_json: bool) -> None:
    """Check that no record was changed, added or taken out. Exit code 1 when something does not fit."""
    with database(settings) as engine, reading(engine).connect() as connection:
        count = connection.execute(select(func.count()).select_from(audit_record)).scalar_one()
        chains = connection.execute(select(func.count(audit_record.c.chain.distinct()))).scalar_one()
        faults = list(verify(connection, settings.audit_key.get_secret_value().encode()))
    if as_json:
        emit({"records": count, "chains": chains, "faults": faults})
        raise SystemExit(FINDINGS if faults else DONE)
    for fault in faults:
        console.print(f"chain {fault.chain}, record {fault.sequence}: {fault.text}", highlight=False)
    console.print(f"{count} records in {chains} chains, {len(faults)} faults", highlight=False)
    if faults:
        raise SystemExit(FINDINGS)
