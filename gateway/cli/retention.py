"""gateway retention: remove what is past its time, or tell what that would be."""

from collections.abc import Mapping
from datetime import UTC, datetime

import click
from sqlalchemy import Engine

from auth.clients.open import NoSource
from gateway.audit.trail import AuditUnavailable
from gateway.cli.access import audited, operator
from gateway.cli.context import FINDINGS, as_json, as_served, console, database, emit, fail, listing, with_settings
from gateway.retention import dry, purge, recorded
from gateway.settings import Settings
from gateway.wiring import Wiring, kept, wire


@click.group()
def retention() -> None:
    """How long what is kept is kept."""


@retention.command("run")
@click.option("--dry-run", is_flag=True, help="Only count what would be removed.")
@as_json
@with_settings
def run_command(settings: Settings, dry_run: bool, as_json: bool) -> None:
    """Remove what is past its time, as a running gateway does every hour; it is recorded in the access trail."""
    with database(settings) as engine:
        try:
            wiring = wire(as_served(settings))
        except NoSource as fault:
            fail(str(fault))
        try:
            counts = _counted(engine, wiring) if dry_run else _removed(engine, wiring)
        finally:
            wiring.engine.dispose()
    if as_json:
        emit({"dry_run": dry_run, "rows": counts})
        return
    table = listing("what", "rows to go" if dry_run else "rows removed")
    for name, count in counts.items():
        table.add_row(name, str(count))
    console.print(table)


def _counted(engine: Engine, wiring: Wiring) -> dict[str, int]:
    return _named({**wiring.auth.due(), **dry(engine, kept(wiring.settings), datetime.now(UTC))})


def _removed(engine: Engine, wiring: Wiring) -> dict[str, int]:
    counts = _named({**wiring.auth.purge(), **purge(engine, kept(wiring.settings), datetime.now(UTC))})
    record = recorded(counts, operator())
    try:
        audited(engine, wiring.settings, [record] if record else [])
    except AuditUnavailable:
        fail(f"removed, but it could not be recorded in the access trail: {counts}", FINDINGS)
    return counts


def _named(counts: Mapping[str, int]) -> dict[str, int]:
    """With names that are text and nothing more: those of tables are of a kind of their own."""
    return {"".join(name): count for name, count in counts.items()}
