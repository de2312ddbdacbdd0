"""gateway audit: the access trail."""

import base64
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import inspect

from gateway.audit.findings import ChainBreak
from gateway.audit.heads import Head
from gateway.audit.record import AuditRecord
from gateway.audit.retention import expire, newest
from gateway.audit.signing import open_heads, stated_heads
from gateway.audit.verify import Walked, verify
from gateway.cli.access import audited, operator
from gateway.cli.context import FINDINGS, as_json, console, database, emit, errors, fail, needs_store, with_settings
from gateway.cli.trailexport import export_command, show_command
from gateway.settings import Settings
from gateway.store.counts import usage_event
from gateway.store.engine import snapshot
from gateway.usage.proof import prove, step_heads
from gateway.wiring import audit_key_of, kept_since

_heads = click.option(
    "--heads",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File or folder with signed heads, as fetched from a syslog or object store; else the files of audit.places.",
)


@click.group()
def audit() -> None:
    """The access trail (NEN 7513)."""


audit.add_command(show_command)
audit.add_command(export_command)


@audit.command("verify")
@_heads
@as_json
@with_settings
def verify_command(settings: Settings, paths: tuple[Path, ...], as_json: bool) -> None:
    """Check that no record was changed, added or taken out, and that all that was signed for is there.

    Exit code 1 when something does not fit.
    """
    heads, faults = _stated(settings, paths)
    counted = Walked()
    with database(settings) as engine, snapshot(engine) as connection:
        found = list(verify(connection, audit_key_of(settings), heads, counted))
        if inspect(connection).has_table(usage_event.name):
            found += prove(connection, audit_key_of(settings), heads, kept_since(settings))
    # Where nothing was ever written, nothing was signed.
    faults = [*faults, *found] if counted.records or heads else found
    told: dict[str, Any] = {
        "records": counted.records,
        "chains": counted.chains,
        "removed": counted.removed,
        "statements": len(heads),
        "unsigned": counted.unsigned,
        "after_last_head": counted.after,
        "faults": [asdict(one) for one in faults],
    }
    if as_json:
        emit(told)
    else:
        _tell(faults, counted, len(heads))
    if faults:
        raise SystemExit(FINDINGS)


def _tell(faults: list[ChainBreak], counted: Walked, statements: int) -> None:
    for fault in faults:
        where = f"chain {fault.chain}, record {fault.sequence}: " if fault.chain else ""
        since = f" (what was before fits until {fault.since})" if fault.since else ""
        console.print(f"{where}{fault.text}{since}", highlight=False, markup=False, soft_wrap=True)
    if counted.unsigned:
        text = "nothing outside the database says how long these were: what was cut off their end is not seen"
        console.print(f"{len(counted.unsigned)} of the chains are not signed; {text}", highlight=False, soft_wrap=True)
    if counted.after:
        text = "their loss would not be seen; 'gateway audit sign' signs them"
        console.print(f"{counted.after} records came after the last signed head of their chain: {text}", soft_wrap=True)
    console.print(
        f"{counted.records} records in {counted.chains} chains, {statements} signed heads, {len(faults)} faults",
        highlight=False,
    )


@audit.command("sign")
@with_settings
def sign_command(settings: Settings) -> None:
    """State now, at every place, how far each chain is: for chains that no process signs any more.

    Only of a trail in which everything fits; exit code 1 when something does not, or when a place did not take it.
    """
    needs_store(settings)
    stating = open_heads(settings.audit)
    if stating is None:
        fail("audit.places: none configured")
    heads, faults = _stated(settings, ())
    counted = Walked()
    with database(settings) as engine:
        with snapshot(engine) as connection:
            faults += verify(connection, audit_key_of(settings), heads, counted)
            steps: list[Head] = []
            if inspect(connection).has_table(usage_event.name):
                faults += prove(connection, audit_key_of(settings), heads, kept_since(settings))
                steps = step_heads(connection)
        last = newest(engine)
    broken = [one for one in faults if one.kind != "statement"]
    if broken:
        _tell(broken, counted, len(heads))
        fail("nothing was signed: the trail does not fit", FINDINGS)
    found = [*counted.heads, *steps, *([last] if last else [])]
    for head in found:
        stating.state(head)
    if stating.failures:
        fail("not every place took the heads", FINDINGS)
    console.print(f"{len(found)} heads signed", highlight=False)


@audit.command("expire")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@as_json
@with_settings
def expire_command(settings: Settings, dry_run: bool, as_json: bool) -> None:
    """Remove records that are older than audit.retention_days, and record that they were removed."""
    before = datetime.now(UTC) - timedelta(days=settings.audit.retention_days)
    heads, faults = _stated(settings, ())
    stating = open_heads(settings.audit)
    with database(settings) as engine:
        done = expire(engine, audit_key_of(settings), before, heads=heads, stating=stating, dry_run=dry_run)
        if done.removed and not dry_run:
            deed = AuditRecord("operator:audit:delete", datetime.now(UTC), 200, client=operator(), interaction="expire")
            audited(engine, settings, [deed])
    broken = [*faults, *done.broken]
    if as_json:
        told = {"before": before.isoformat(), "removed": done.removed, "faults": [asdict(one) for one in broken]}
        emit(told)
    else:
        count = sum(done.removed.values())
        what = "would be removed" if dry_run else "removed"
        console.print(f"{count} records of {len(done.removed)} chains {what}", highlight=False)
        for fault in broken:
            errors.print(f"left alone: chain {fault.chain}, record {fault.sequence}: {fault.text}", markup=False)
    if broken:
        raise SystemExit(FINDINGS)


@audit.command("key")
def key_command() -> None:
    """Make a key for signing heads: the secret for audit.signing_key, and the public key that checks them."""
    made = Ed25519PrivateKey.generate()
    click.echo(f"signing_key {base64.b64encode(made.private_bytes_raw()).decode()}")
    click.echo(f"public_key  {base64.b64encode(made.public_key().public_bytes_raw()).decode()}")


def _stated(settings: Settings, paths: tuple[Path, ...]) -> tuple[list[Head], list[ChainBreak]]:
    """What was signed of the trail: read before the trail itself, which may only be further."""
    try:
        return stated_heads(settings.audit, paths)
    except OSError as fault:
        fail(f"heads: {fault}")
