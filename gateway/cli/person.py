"""gateway person: what is held of one person: show, export, erase by two people, hold against erasure."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from sqlalchemy import Engine

from auth.crypto import SealError
from gateway.audit.record import AuditRecord
from gateway.cli.access import audited, deliver, operator, release_table
from gateway.cli.context import (
    as_json,
    console,
    database,
    emit,
    fail,
    listing,
    needs_store,
    served_provider,
    with_settings,
)
from gateway.privacy.cases import CaseRefused, Kind, PersonCase, PersonCases, bases
from gateway.privacy.export import exported
from gateway.privacy.holdings import STAYS, PersonScope, held
from gateway.release.shield import ReleasePolicy
from gateway.settings import Settings
from gateway.store.engine import reading
from gateway.wiring import keys_of
from profiles.record.bsn import valid_bsn

_provider = click.option("--provider", required=True, help="MedMij name of the care provider.")
_reason = click.option("--reason", required=True, help="Why, in a few words; who asked, and the number of the letter.")
_number = click.argument("number", type=int)


def _basis(kind: Kind) -> Callable[[Any], Any]:
    names = [one.id for one in bases(kind)]
    return click.option("--basis", required=True, type=click.Choice(names), help="On which ground.")


@click.group()
def person() -> None:
    """What is held of one person. The BSN is asked, or read from a pipe; it never stands in a command line."""


@person.command("show")
@_provider
@as_json
@with_settings
def show_command(settings: Settings, provider: str, as_json: bool) -> None:
    """How many rows of each table are this person's, what would stay after erasing and why, and open cases."""
    scope, bsn = _asked(settings, provider)
    _, ring = keys_of(settings)
    with database(settings) as engine:
        _record(engine, settings, "show", scope)
        with reading(engine).connect() as connection:
            try:
                counts = held(connection, ring, scope, bsn)
            except SealError:
                fail("something that is sealed cannot be opened: a key is missing")
            lines = PersonCases(connection, ring, (provider,), operator(), datetime.now(UTC)).lines(open_only=True)
    mine = [_told(one) for one in lines if one.person == scope.person]
    if as_json:
        emit({"provider": provider, "held": counts, "stays": STAYS, "cases": mine})
        return
    table = listing("table", "rows")
    for name, count in sorted(counts.items()):
        table.add_row(name, str(count))
    console.print(table if counts else "nothing is held of this person")
    for name, why in STAYS.items():
        console.print(f"stays: {name}: {why}", highlight=False, soft_wrap=True)
    for one in mine:
        console.print(f"case {one['number']}: {one['kind']}, {one['basis']}, {one['state']}", highlight=False)


@person.command("export")
@_provider
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@with_settings
def export_command(settings: Settings, provider: str, output: Path | None) -> None:
    """Everything that is held of this person, as JSON: record, documents, what they sent, consents, who looked."""
    scope, bsn = _asked(settings, provider)
    now = datetime.now(UTC)
    release_table(settings)
    with database(settings) as engine:
        _record(engine, settings, "export", scope)
        with reading(engine).connect() as connection:
            shield = ReleasePolicy(settings.release.rules).shield_now(connection, provider, scope.person, now)
            made = exported(connection, keys_of(settings)[1], scope, bsn, shield)
    deliver(msgspec.json.format(msgspec.json.encode({"made": now, **made}), indent=1), output)


@person.command("erase")
@_provider
@_basis("erase")
@_reason
@as_json
@with_settings
def erase_command(settings: Settings, provider: str, basis: str, reason: str, as_json: bool) -> None:
    """Ask to erase all that is held of this person. Somebody else decides: `gateway person approve`."""
    _open(settings, provider, "erase", basis, reason, as_json)


@person.command("hold")
@_provider
@_basis("hold")
@_reason
@as_json
@with_settings
def hold_command(settings: Settings, provider: str, basis: str, reason: str, as_json: bool) -> None:
    """Hold what is kept of this person against erasure, until `gateway person release`."""
    _open(settings, provider, "hold", basis, reason, as_json)


@person.command("cases")
@_provider
@click.option("--all", "everything", is_flag=True, help="Also what was decided.")
@as_json
@with_settings
def cases_command(settings: Settings, provider: str, everything: bool, as_json: bool) -> None:
    """The cases: what, on which ground, by whom, and how they ended. No names."""
    served_provider(settings, provider)
    with database(settings) as engine, reading(engine).connect() as connection:
        lines = _cases(connection, settings, provider).lines(open_only=not everything)
    if as_json:
        emit([_told(one) for one in lines])
        return
    table = listing("number", "kind", "ground", "asked", "by", "state", "decided by", "reason")
    for one in lines:
        table.add_row(
            str(one.number), one.kind, one.basis, f"{one.asked:%Y-%m-%d %H:%M}", one.asked_by, one.state,
            one.decided_by, one.reason,
        )  # fmt: skip
    console.print(table)


@person.command("approve")
@_number
@_provider
@click.option("--yes", is_flag=True, help="Do it: it cannot be undone.")
@as_json
@with_settings
def approve_command(settings: Settings, number: int, provider: str, yes: bool, as_json: bool) -> None:
    """Erase, as the second person: never the one who asked. It cannot be undone."""
    if not yes:
        fail("this cannot be undone: say --yes")
    _decide(settings, provider, number, "approve", as_json)


@person.command("refuse")
@_number
@_provider
@as_json
@with_settings
def refuse_command(settings: Settings, number: int, provider: str, as_json: bool) -> None:
    """Say no to a request, as the second person."""
    _decide(settings, provider, number, "refuse", as_json)


@person.command("release")
@_number
@_provider
@as_json
@with_settings
def release_command(settings: Settings, number: int, provider: str, as_json: bool) -> None:
    """End a hold."""
    _decide(settings, provider, number, "release", as_json)


def _asked(settings: Settings, provider: str) -> tuple[PersonScope, str]:
    served_provider(settings, provider)
    needs_store(settings)
    asked = click.prompt("BSN", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not valid_bsn(bsn := asked.strip()):
        fail("this is not a BSN")
    return PersonScope(provider, keys_of(settings)[0].of(bsn)), bsn


def _cases(connection: Any, settings: Settings, provider: str) -> PersonCases:
    return PersonCases(connection, keys_of(settings)[1], (provider,), operator(), datetime.now(UTC))


def _record(engine: Engine, settings: Settings, what: str, scope: PersonScope, **about: Any) -> None:
    """On record first: what nobody can account for is not done."""
    deed = AuditRecord(
        f"operator:person:{what}", datetime.now(UTC), 200, provider=scope.provider, client=operator(),
        person=scope.person, interaction=what, **about,
    )  # fmt: skip
    audited(engine, settings, [deed])


def _open(settings: Settings, provider: str, kind: Kind, basis: str, reason: str, as_json: bool) -> None:
    scope, bsn = _asked(settings, provider)
    with database(settings) as engine:
        _record(engine, settings, f"{kind}-ask", scope, rule=basis)
        try:
            with engine.begin() as connection:
                number = _cases(connection, settings, provider).ask(kind, scope, bsn, basis, reason)
        except CaseRefused as fault:
            fail(str(fault))
    _say({"number": number, "kind": kind, "basis": basis}, f"case {number} is open", as_json)


def _decide(settings: Settings, provider: str, number: int, what: str, as_json: bool) -> None:
    served_provider(settings, provider)
    counts: dict[str, int] = {}
    with database(settings) as engine:
        try:
            with reading(engine).connect() as connection:
                cases = _cases(connection, settings, provider)
                case = cases.get(number) if what == "release" else cases.check(number, erasing=what == "approve")
            scope = PersonScope(provider, case.person)
            _record(engine, settings, f"{case.kind}-{what}", scope, rule=case.basis, reason=f"case {number}")
            with engine.begin() as connection:
                counts = getattr(_cases(connection, settings, provider), what)(number) or {}
        except CaseRefused as fault:
            fail(str(fault))
        if what == "approve":
            rows = tuple(sorted(counts.items()))
            _record(engine, settings, "erased", scope, rule=case.basis, reason=f"case {number}", resources=rows)
    _say({"number": number, "done": what, "erased": counts}, f"case {number}: {what}", as_json)


def _told(one: PersonCase) -> dict[str, Any]:
    hidden = ("person", "sealed_bsn")
    return {name: value for name, value in asdict(one).items() if name not in hidden}


def _say(answer: object, text: str, as_json: bool) -> None:
    if as_json:
        emit(answer)
    else:
        console.print(text, highlight=False)
