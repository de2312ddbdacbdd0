"""gateway release: withhold one item of a record, or show it before its time; what holds; and what the rows say."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime

import click

from gateway.audit.record import AuditRecord
from gateway.cli.access import audited, operator, release_table
from gateway.cli.context import (
    as_json,
    console,
    database,
    emit,
    fail,
    listing,
    served_provider,
    with_settings,
)
from gateway.release.deeds import FlagWish, NotFlagged, check, end, flag, flags, person_of
from gateway.release.shield import Flag
from gateway.settings import Settings
from gateway.store.engine import reading
from gateway.wiring import keys_of
from profiles.record.bsn import valid_bsn

_provider = click.option("--provider", required=True, help="MedMij name of the care provider.")
_item = click.argument("item", metavar="TYPE/ID")
_reason = click.option("--reason", required=True, help="Why, for who looks at it later. Names nobody.")
_bsn = click.option("--bsn", "asked", is_flag=True, help="Ask whose it is: for what only a live source has.")


@click.group()
def release() -> None:
    """What may be shown: withhold one item, show it before its time, what holds, and what the rows say."""


@release.command("withhold")
@_item
@_provider
@_reason
@_bsn
@click.option("--silent", is_flag=True, help="The person is not told that something is withheld.")
@as_json
@with_settings
def withhold_command(
    settings: Settings, item: str, provider: str, reason: str, asked: bool, silent: bool, as_json: bool
) -> None:
    """Show this item to nobody: not to apps, not to the person, not to other institutions."""
    _decide(settings, provider, _wish(item, Flag.WITHHELD, reason, told=not silent), asked, as_json)


@release.command("early")
@_item
@_provider
@_reason
@_bsn
@as_json
@with_settings
def early_command(settings: Settings, item: str, provider: str, reason: str, asked: bool, as_json: bool) -> None:
    """Show this result now: its kind waits, and somebody has told the person."""
    _decide(settings, provider, _wish(item, Flag.RELEASED, reason), asked, as_json)


@release.command("end")
@click.argument("number", type=int)
@_provider
@as_json
@with_settings
def end_command(settings: Settings, number: int, provider: str, as_json: bool) -> None:
    """End decision NUMBER of the list: from now on the rows decide again."""
    served_provider(settings, provider)
    now = datetime.now(UTC)
    with database(settings) as engine:
        with reading(engine).connect() as connection:
            held = [one for one in flags(connection, [provider], ended=False) if one.number == number]
        if not held:
            fail("there is no such decision that holds")
        audited(engine, settings, [_record("end", provider, held[0].person, now, f"decision {number}")])
        try:
            with engine.begin() as connection:
                end(connection, [provider], number, operator(), now)
        except NotFlagged as fault:
            fail(str(fault))
    _told({"number": number, "ended": True}, f"decision {number} ended", as_json)


@release.command("list")
@_provider
@click.option("--all", "everything", is_flag=True, help="Also decisions that ended.")
@as_json
@with_settings
def list_command(settings: Settings, provider: str, everything: bool, as_json: bool) -> None:
    """The decisions that hold: which item, since when, by whom and why. No names, no content."""
    served_provider(settings, provider)
    with database(settings) as engine, reading(engine).connect() as connection:
        kept = flags(connection, [provider], ended=everything)
    if as_json:
        emit([{name: value for name, value in asdict(one).items() if name != "person"} for one in kept])
        return
    table = listing("number", "item", "decision", "since", "by", "told", "reason", "ended")
    for one in kept:
        table.add_row(
            str(one.number), f"{one.type}/{one.id}", one.deed.value, f"{one.at:%Y-%m-%d %H:%M}", one.account,
            "yes" if one.told else "no", one.reason, f"{one.ended:%Y-%m-%d %H:%M}" if one.ended else "",
        )  # fmt: skip
    console.print(table)


@release.command("rows")
@as_json
@with_settings
def rows_command(settings: Settings, as_json: bool) -> None:
    """The rows that hold: how many working days each kind of result waits, and what labels mean."""
    table = release_table(settings)
    if as_json:
        emit(table)
        return
    console.print(f"version {table.version}, norm {table.limit} working days", highlight=False)
    shown = listing("row", "name", "types", "what")
    for kind in table.kind:
        shown.add_row(kind.id, kind.en, ", ".join(kind.types), f"waits {kind.days} working days")
    for label in table.sensitive:
        told = "told" if label.told else "not told"
        shown.add_row(label.id, label.en, ", ".join(label.types) or "all", f"{label.policy}, the person is {told}")
    console.print(shown)


def _wish(item: str, deed: Flag, reason: str, *, told: bool = True) -> FlagWish:
    type_, _, id_ = item.partition("/")
    wish = FlagWish(type_, id_, deed, reason, told)
    try:
        wish.check()
    except NotFlagged as fault:
        fail(str(fault))
    return wish


def _decide(settings: Settings, provider: str, wish: FlagWish, asked: bool, as_json: bool) -> None:
    served_provider(settings, provider)
    now = datetime.now(UTC)
    with database(settings) as engine:
        with reading(engine).connect() as connection:
            person = _person(settings) if asked else person_of(connection, provider, wish.type, wish.id)
            try:
                check(connection, provider, person, wish)
            except NotFlagged as fault:
                fail(str(fault))
        # On record first: what nobody can account for is not done.
        audited(engine, settings, [_record(wish.deed.value, provider, person, now, wish.type)])
        try:
            with engine.begin() as connection:
                number = flag(connection, provider, person, wish, operator(), now)
        except NotFlagged as fault:
            fail(str(fault))
    answer = {"number": number, "item": f"{wish.type}/{wish.id}", "deed": wish.deed.value, "told": wish.told}
    _told(answer, f"decision {number}: {wish.type}/{wish.id} is {wish.deed.value}", as_json)


def _person(settings: Settings) -> str:
    asked = click.prompt("BSN", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not valid_bsn(bsn := asked.strip()):
        fail("this is not a BSN")
    return keys_of(settings)[0].of(bsn)


def _record(what: str, provider: str, person: str, now: datetime, rule: str) -> AuditRecord:
    return AuditRecord(
        f"operator:release:{what}", now, 200, provider=provider, client=operator(), person=person, interaction=what,
        rule=rule,
    )  # fmt: skip


def _told(answer: object, text: str, as_json: bool) -> None:
    if as_json:
        emit(answer)
    else:
        console.print(text, highlight=False)
