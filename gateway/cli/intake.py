"""gateway intake: what sources pushed and a blocking policy refused, and folders that are watched."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from sqlalchemy import Engine

from adapters.port import AdapterMisconfigured
from auth.crypto import SealError
from gateway.audit.record import AuditRecord
from gateway.audit.trail import AuditUnavailable
from gateway.cli.access import audited, deliver, opened, operator
from gateway.cli.context import DONE, FINDINGS, as_json, console, database, emit, fail, needs_store, with_settings
from gateway.intake import quarantine
from gateway.intake.flat.folder import FolderBusy
from gateway.intake.flat.watch import watch
from gateway.intake.quarantine import Kept
from gateway.intake.receipts import Taken
from gateway.intake.retry import CannotRetry, retry
from gateway.logs import configure
from gateway.settings import Settings
from gateway.wiring import keys_of, open_gate, recording, save_counts
from gateway.wiring.intake import open_intake


@click.group()
def intake() -> None:
    """What was pushed and is held in quarantine."""


@intake.command("list")
@click.option("--all", "every", is_flag=True, help="Also what was taken in since.")
@as_json
@with_settings
def list_command(settings: Settings, every: bool, as_json: bool) -> None:
    """List the quarantine. Exit code 1 when something is held."""
    with database(settings) as engine:
        held = quarantine.items(engine, state=None if every else "held")
    if as_json:
        emit([_plain(item) for item in held])
        raise SystemExit(FINDINGS if any(item.state == "held" for item in held) else DONE)
    for item in held:
        rules = Counter(row["rule"] for row in item.findings if row["severity"] == "error")
        told = ", ".join(f"{rule} {count}" for rule, count in rules.most_common(3))
        line = f"{item.number}  {item.received:%Y-%m-%d %H:%M}  {item.provider}  {item.source}  {item.version.value}"
        console.print(f"{line}  {item.what}  ({told})  {item.state}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"{len(held)} in quarantine" if held else "The quarantine is empty.", highlight=False)
    if any(item.state == "held" for item in held):
        raise SystemExit(FINDINGS)


@intake.command("show")
@click.argument("number", type=int)
@as_json
@with_settings
def show_command(settings: Settings, number: int, as_json: bool) -> None:
    """Show why an item is held: the findings, by place and rule. The content stays sealed."""
    with database(settings) as engine:
        item = _item(engine, number)
    if as_json:
        emit(_plain(item))
        return
    console.print(
        f"{item.number}: {item.what}; {item.provider}, source {item.source}, {item.state}",
        highlight=False,
        soft_wrap=True,
    )
    for row in item.findings:
        zib = f" [{row['zib']}]" if row.get("zib") else ""
        line = f"  {row['severity']}: {row['resource']} {row['expression']}: {row['rule']}{zib}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


@intake.command("export")
@click.argument("number", type=int)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File; left out: standard output.")
@with_settings
def export_command(settings: Settings, number: int, output: Path | None) -> None:
    """Write the content of an item in plain: a transaction Bundle. It holds a patient's data."""
    _, ring = keys_of(settings)
    with database(settings) as engine:
        item = _item(engine, number)
        try:
            content = quarantine.opened(item, ring)
        except SealError as fault:
            fail(f"{number} cannot be opened: {fault}")
        opened(engine, settings, "quarantine", provider=item.provider, reason=f"export {number}")
    deliver(content + b"\n", output)


@intake.command("dismiss")
@click.argument("number", type=int)
@with_settings
def dismiss_command(settings: Settings, number: int) -> None:
    """Close an item that was dealt with otherwise (sent again, decided by people). Its content stays, sealed."""
    with database(settings) as engine:
        item = _item(engine, number)
        with engine.begin() as connection:
            quarantine.mark(connection, item.number, released=True)
        opened(engine, settings, "quarantine", provider=item.provider, reason=f"dismiss {number}")
    console.print(f"{number} is closed", highlight=False)


@intake.command("watch")
@click.argument("sources", nargs=-1)
@click.option("--once", is_flag=True, help="Take what stands still now, and end.")
@with_settings
def watch_command(settings: Settings, sources: tuple[str, ...], once: bool) -> None:
    """Take what sources put in their folders (intake.sources.NAME.folder), each file once, until stopped.

    Without SOURCES: all that have a folder. With --once: exit code 1 when a file was refused, or lines of it.
    """
    needs_store(settings)
    known = {name: one for name, one in settings.intake.sources.items() if one.folder}
    if unknown := set(sources) - set(known):
        fail(f"no source with a folder: {', '.join(sorted(unknown))}")
    chosen = [name for name in known if not sources or name in sources]
    if not chosen:
        fail("intake.sources: none has a folder")
    configure(logging.INFO)
    gate = open_gate(settings)
    with database(settings) as engine, recording(engine, settings) as trail:
        work = open_intake(engine, settings, gate)

        def note(records: Sequence[AuditRecord]) -> None:
            trail.write_now(records)
            with engine.begin() as connection:
                save_counts(connection, settings, gate)

        try:
            whole = watch(work, chosen, note, once=once)
        except (AdapterMisconfigured, FolderBusy, OSError) as fault:
            fail(f"cannot watch: {fault}")
    if once and not whole:
        raise SystemExit(FINDINGS)


@intake.command("retry")
@click.argument("numbers", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="Everything that is held, oldest first.")
@as_json
@with_settings
def retry_command(settings: Settings, numbers: tuple[int, ...], every: bool, as_json: bool) -> None:
    """Try items again. Exit code 1 when one of them is still refused."""
    if not numbers and not every:
        fail("name the items, or use --all")
    with database(settings) as engine:
        gate = open_gate(settings)
        work = open_intake(engine, settings, gate)
        chosen = quarantine.items(engine) if every else [_item(engine, number) for number in numbers]
        told: dict[int, str] = {}
        still = 0
        for item in chosen:
            try:
                taken = retry(work, item, operator())
                audited(engine, settings, taken.records)
            except (CannotRetry, SealError, AuditUnavailable) as fault:
                still += 1
                told[item.number] = str(fault) or type(fault).__name__
                continue
            still += taken.answer.status >= 400
            told[item.number] = _said(taken)
        with engine.begin() as connection:
            save_counts(connection, settings, gate)
    if as_json:
        emit([{"number": number, "text": text} for number, text in told.items()])
    for number, text in told.items() if not as_json else ():
        console.print(f"{number}: {text}", highlight=False, markup=False, soft_wrap=True)
    if still:
        raise SystemExit(FINDINGS)


def _plain(item: Kept) -> dict[str, object]:
    """An item without its content, which stays sealed."""
    return {name: getattr(item, name) for name in Kept.__dataclass_fields__ if name != "sealed"}


def _said(taken: Taken) -> str:
    if taken.answer.status < 400:
        return "taken in"
    issue = taken.answer.resource["issue"][0]
    return f"still refused: {issue['details']['text']}"


def _item(engine: Engine, number: int) -> Kept:
    found = quarantine.items(engine, number=number)
    if not found:
        fail(f"there is no item {number}")
    return found[0]
