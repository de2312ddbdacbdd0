"""gateway share: what citizens sent, decided on from the terminal; for institutions without the staff pages."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

import click
from sqlalchemy import Connection

from gateway.audit.trail import AuditUnavailable
from gateway.cli.access import audited, operator
from gateway.cli.context import DONE, FINDINGS, as_json, console, database, emit, fail, needs_provider, with_settings
from gateway.settings import Settings
from gateway.share.deeds import Deeds
from gateway.share.filing import by_hand, retry
from gateway.share.inbox import Inbox, Opened, view_record
from gateway.share.readable import readable
from gateway.share.states import NotAllowed
from gateway.store.engine import reading
from gateway.wiring.sharing import targets
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource


@click.group("share")
def share() -> None:
    """What citizens sent: list, show, accept, decline; and what goes to the EHR."""


@share.command("list")
@click.option("--provider", required=True, help="MedMij name of the care provider.")
@click.option("--all", "every", is_flag=True, help="Also what was decided.")
@as_json
@with_settings
def list_command(settings: Settings, provider: str, every: bool, as_json: bool) -> None:
    """List submissions: nothing of their content. Exit code 1 when something waits."""
    with database(settings) as engine, reading(engine).connect() as connection:
        needs_provider(settings, provider, connection)
        lines = Inbox(connection).lines(provider, open_only=not every)
    if as_json:
        emit([{name: value for name, value in asdict(line).items() if name != "person"} for line in lines])
        raise SystemExit(FINDINGS if any(line.open for line in lines) else DONE)
    for line in lines:
        states = ", ".join(f"{count} {state}" for state, count in sorted(line.states.items()))
        marks = ", ".join(line.findings)
        told = f"{line.id}  {line.received:%Y-%m-%d %H:%M}  {line.service}  {states}  {marks}".rstrip()
        console.print(told, highlight=False, markup=False, soft_wrap=True)
    console.print(f"{len(lines)} submissions", highlight=False)
    if any(line.open for line in lines):
        raise SystemExit(FINDINGS)


@share.command("show")
@click.argument("submission")
@as_json
@with_settings
def show_command(settings: Settings, submission: str, as_json: bool) -> None:
    """Show one submission: it holds a patient's data, and opening it is in the access trail."""
    with database(settings) as engine:
        with reading(engine).connect() as connection:
            try:
                opened = Inbox(connection).open(submission)
            except NotAllowed as fault:
                fail(str(fault))
        try:
            audited(engine, settings, [view_record(opened.line, operator(), datetime.now(UTC), 200)])
        except AuditUnavailable:
            fail("the access cannot be recorded, so nothing is shown")
    if as_json:
        # By the codec, in which decimals keep their digits.
        sys.stdout.write(jsonio.dump(_plain(opened)).decode() + "\n")
        return
    for item in opened.items:
        if item.role == "item":
            console.print(f"{item.id}  {item.state}  {item.reason}".rstrip(), highlight=False, markup=False)
            shown = readable(item.resource)
            for text in (shown.title, *(f"{line.text}: {', '.join(line.answers)}" for line in shown.lines)):
                console.print(f"  {text}", highlight=False, markup=False, soft_wrap=True)
    for deed in opened.deeds:
        told = f"{deed.at:%Y-%m-%d %H:%M}  {deed.deed}  {deed.by}  {deed.text}".rstrip()
        console.print(told, highlight=False, markup=False, soft_wrap=True)


@share.command("accept")
@click.argument("submission")
@click.option("--item", "items", multiple=True, help="Only this item (repeatable).")
@with_settings
def accept_command(settings: Settings, submission: str, items: tuple[str, ...]) -> None:
    """Accept: it goes to the EHR."""
    _do(settings, lambda deeds: deeds.accept(submission, items))


@share.command("decline")
@click.argument("submission")
@click.option("--reason", required=True, help="Why: the citizen reads this.")
@click.option("--item", "items", multiple=True, help="Only this item (repeatable).")
@with_settings
def decline_command(settings: Settings, submission: str, reason: str, items: tuple[str, ...]) -> None:
    """Do not take it into the record."""
    _do(settings, lambda deeds: deeds.decline(submission, reason, items))


@share.command("retry")
@click.argument("item")
@with_settings
def retry_command(settings: Settings, item: str) -> None:
    """Try once more to file what was given up."""
    _work(settings, lambda connection: retry(connection, item, datetime.now(UTC)))


@share.command("filed")
@click.argument("item")
@click.option("--as", "ehr_id", required=True, help="What the EHR calls it.")
@with_settings
def filed_command(settings: Settings, item: str, ehr_id: str) -> None:
    """Say that an item was filed by hand."""
    _work(settings, lambda connection: by_hand(connection, item, ehr_id, operator(), datetime.now(UTC)))


def _plain(opened: Opened) -> Resource:
    """A submission as one document: what came, what was done with it, by whom."""
    return {
        "submission": opened.line.id,
        "received": opened.line.received.isoformat(),
        "service": opened.line.service,
        "items": [asdict(item) for item in opened.items],
        "deeds": [{**asdict(deed), "at": deed.at.isoformat()} for deed in opened.deeds],
    }


def _do(settings: Settings, deed: Callable[[Deeds], None]) -> None:
    ways = targets(settings)
    _work(settings, lambda connection: deed(Deeds(connection, operator(), datetime.now(UTC), ways)))


def _work(settings: Settings, work: Callable[[Connection], None]) -> None:
    with database(settings) as engine:
        try:
            with engine.begin() as connection:
                work(connection)
        except NotAllowed as fault:
            fail(str(fault))
    console.print("Done.")
