"""gateway exchange: refer to another institution, and deal with what others refer, from the terminal."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import click
from sqlalchemy import Connection

from adapters.port import AdapterMisconfigured
from gateway.audit.record import AuditRecord
from gateway.audit.trail import AuditUnavailable
from gateway.cli.access import audited, opened, operator
from gateway.cli.context import (
    FINDINGS,
    as_json,
    as_served,
    console,
    database,
    emit,
    fail,
    listing,
    needs_provider,
    with_settings,
)
from gateway.cli.serve import prepare
from gateway.exchange.bases import NoBase
from gateway.exchange.inbox import ExchangeInbox, ReceivedReferral
from gateway.exchange.parts import DATA_SETS, UnknownPart
from gateway.exchange.pulling import CannotPull, ReferralPull
from gateway.exchange.referrals import CannotRefer, Order, Referrals
from gateway.exchange.running import run_alone
from gateway.exchange.trust import PartnerFault, User
from gateway.settings import Settings, SettingsError
from gateway.share.keep import Keys
from gateway.store.engine import reading
from gateway.wiring import keys_of
from gateway.wiring.exchange import open_referrals, wire_exchange
from profiles.standards.load import catalogue

T = TypeVar("T")
provider_option = click.option("--provider", required=True, help="MedMij name of our organisation.")
user_option = click.option("--user", required=True, help="For whom: the number of the professional (UZI, employee).")
role_option = click.option("--role", required=True, help="Their role, as a code: 01.015.")


@click.group("exchange")
def exchange() -> None:
    """Other institutions: refer, follow, take back; take in, collect, finish."""


@exchange.command("serve")
@with_settings
def serve_command(settings: Settings) -> None:
    """Listen to other institutions and send what waits, on the port of section exchange."""
    settings = as_served(settings, everything=False)
    if not settings.exchange.parties:
        fail("exchange.parties: none of our organisations exchanges")
    prepare(settings, logging.INFO)
    try:
        run_alone(wire_exchange(settings), lambda: logging.getLogger("gateway.exchange").info("listening"))
    except (OSError, SettingsError, AdapterMisconfigured, ValueError) as fault:
        fail(f"cannot start: {fault}")


@exchange.command("send")
@provider_option
@click.option("--to", "partner", required=True, help="The receiving institution: its name in exchange.partners.")
@click.option("--bsn", prompt="BSN", hide_input=True, help="Of the patient. Asked for when it is not given.")
@click.option("--base", default="referral", show_default=True, help="On what it rests: referral, consent, transfer.")
@click.option("--evidence", default="", help="How that is known: a note in the record, a conversation.")
@click.option("--part", "parts", multiple=True, help="Only this part of the BgZ (repeatable).")
@click.option("--letter", "letters", multiple=True, help="Id of a DocumentReference that goes along (repeatable).")
@click.option("--handoff", default="", help="Id of the Composition of a nursing handoff, instead of a BgZ.")
@click.option("--advance", default="", help="Id of the Composition of its advance notice.")
@click.option("--days", type=click.IntRange(1, 365), help="How long the patient wants it open.")
@click.option("--data-set", type=click.Choice(DATA_SETS), default=DATA_SETS[0], show_default=True)
@as_json
@with_settings
def send_command(
    settings: Settings,
    provider: str,
    partner: str,
    bsn: str,
    base: str,
    evidence: str,
    parts: tuple[str, ...],
    letters: tuple[str, ...],
    handoff: str,
    advance: str,
    days: int | None,
    data_set: str,
    as_json: bool,
) -> None:
    """Refer a patient: the receiver is told, and may collect what is named here until the end."""
    now = datetime.now(UTC)
    with database(settings) as engine, reading(engine).connect() as store:
        needs_provider(settings, provider, store)
    order = Order(
        provider=provider,
        partner=partner,
        bsn=bsn,
        by=operator(),
        base=base,
        evidence=evidence,
        flow="eoverdracht" if handoff else "bgz",
        parts=parts,
        letters=letters,
        advance=advance,
        handoff=handoff,
        until=now + timedelta(days=days) if days else None,
    )
    standard = catalogue().standards["eoverdracht-4" if handoff else data_set]
    id_ = _changed(settings, provider, "refer", lambda made, store: made.refer(store, order, standard, now))
    if as_json:
        emit({"id": id_})
    else:
        console.print(f"referred: {id_}", highlight=False)


@exchange.command("list")
@provider_option
@click.option("--all", "every", is_flag=True, help="Also what has ended.")
@as_json
@with_settings
def list_command(settings: Settings, provider: str, every: bool, as_json: bool) -> None:
    """List what we referred and what was referred to us: nothing of their content. Exit 1 when a referral failed."""
    now = datetime.now(UTC)
    with database(settings) as engine, reading(engine).connect() as store:
        needs_provider(settings, provider, store)
        sent = open_referrals(settings).lines(store, provider, now, open_only=not every)
        came = ExchangeInbox(store, Keys(*keys_of(settings))).lines(provider, open_only=not every)
    if as_json:
        emit({"sent": [asdict(one) for one in sent], "received": [asdict(one) for one in came]})
    else:
        table = listing("way", "id", "institution", "state", "what")
        for line in sent:
            told = "expired" if line.expired else f"until {line.not_after:%Y-%m-%d}; told: {', '.join(line.notices)}"
            table.add_row("to", line.id, line.partner, line.status, told)
        for one in came:
            searches = ", ".join(f"{count} {state}" for state, count in one.searches.items())
            table.add_row("from", one.id, one.partner, one.status, f"{one.match} {searches}".strip())
        console.print(table)
    if any("dead" in line.notices for line in sent):
        raise SystemExit(FINDINGS)


@exchange.command("show")
@click.argument("referral")
@as_json
@with_settings
def show_command(settings: Settings, referral: str, as_json: bool) -> None:
    """Show one referral, of either side. What was collected is a patient's data: opening it is in the access trail."""
    keys = Keys(*keys_of(settings))
    with database(settings) as engine:
        with reading(engine).connect() as store:
            inbox = ExchangeInbox(store, keys)
            sent, came = inbox.sent(referral), inbox.open(referral)
        if sent is not None:
            opened(engine, settings, "referral", person=sent.person, rule=referral)
        elif came is not None:
            opened(engine, settings, "received referral", person=came.person, rule=referral)
    if sent is None and came is None:
        fail("there is no such referral")
    if as_json:
        emit(asdict(sent) if sent else without_content(came) if came else {})
        return
    for deed in sent.deeds if sent else came.deeds if came else ():
        told = f"{deed.at:%Y-%m-%d %H:%M}  {deed.deed}  {deed.by}  {deed.text}".rstrip()
        console.print(told, highlight=False, markup=False, soft_wrap=True)
    for search, state, count, reason in came.searches if came else ():
        console.print(f"{state}  {count}  {search}  {reason}".rstrip(), highlight=False, markup=False, soft_wrap=True)
    for item in came.items if came else ():
        found = ", ".join(f"{rule} {place}" for rule, place, severity in item.findings if severity == "error")
        told = f"{item.type}/{item.id}  {item.verdict}  {found}".rstrip()
        console.print(told, highlight=False, markup=False, soft_wrap=True)


@exchange.command("cancel")
@click.argument("referral")
@click.option("--reason", default="", help="Why; the receiver can read it.")
@with_settings
def cancel_command(settings: Settings, referral: str, reason: str) -> None:
    """Take a referral back: what was granted ends at once, and the receiver is told."""
    now = datetime.now(UTC)
    _changed(settings, "", "cancel", lambda made, store: made.cancel(store, referral, operator(), now, reason))
    console.print("Done.")


@exchange.command("update")
@click.argument("referral")
@with_settings
def update_command(settings: Settings, referral: str) -> None:
    """Tell the receiver that there is something new."""
    now = datetime.now(UTC)
    _changed(settings, "", "update", lambda made, store: made.update(store, referral, operator(), now))
    console.print("Done.")


@exchange.command("begin")
@click.argument("referral")
@with_settings
def begin_command(settings: Settings, referral: str) -> None:
    """Begin the second part of a nursing handoff that was accepted."""
    now = datetime.now(UTC)
    _changed(settings, "", "begin", lambda made, store: made.begin_handoff(store, referral, operator(), now))
    console.print("Done.")


@exchange.command("set")
@click.argument("referral")
@click.argument("state", type=click.Choice(["received", "accepted", "rejected", "in-progress", "completed", "failed"]))
@click.option("--reason", default="", help="Why; the sender can read it.")
@user_option
@role_option
@with_settings
def set_command(settings: Settings, referral: str, state: str, reason: str, user: str, role: str) -> None:
    """Say how far we are with a referral that we received."""
    _asked(settings, lambda pull: pull.move(referral, state, User(user, role), reason))
    console.print("Done.")


@exchange.command("pull")
@click.argument("referral")
@user_option
@role_option
@as_json
@with_settings
def pull_command(settings: Settings, referral: str, user: str, role: str, as_json: bool) -> None:
    """Collect what was referred to us. What is there already is not asked again. Exit code 1 for a part."""
    result = _asked(settings, lambda pull: pull.pull(referral, User(user, role)))
    if as_json:
        emit(asdict(result))
    else:
        states = ", ".join(f"{count} {state}" for state, count in result.states.items())
        console.print(f"{states}; patient: {result.match or 'not collected'}", highlight=False)
    if not result.whole:
        raise SystemExit(FINDINGS)


def _changed(settings: Settings, provider: str, deed: str, work: Callable[[Referrals, Connection], T]) -> T:
    """Do something with a referral of ours, and record who did it. Nothing is done that cannot be recorded."""
    made, at = open_referrals(settings), datetime.now(UTC)
    with database(settings) as engine:
        try:
            audited(engine, settings, [AuditRecord(f"operator:referral:{deed}", at, 200, provider, client=operator())])
            with engine.begin() as store:
                return work(made, store)
        except (CannotRefer, NoBase, UnknownPart) as fault:
            fail(str(fault))
        except AuditUnavailable:
            fail("this cannot be recorded, so it is not done")


def _asked(settings: Settings, work: Callable[[ReferralPull], Awaitable[T]]) -> T:
    async def ask() -> T:
        made = wire_exchange(settings)
        try:
            return await work(made.pull)
        finally:
            await made.close()

    with database(settings):
        try:
            return asyncio.run(ask())
        except (CannotPull, PartnerFault) as fault:
            fail(str(fault))
        except (SettingsError, AdapterMisconfigured, AuditUnavailable, ValueError, OSError) as fault:
            fail(f"the exchange cannot be used: {fault}")


def without_content(came: ReceivedReferral) -> dict[str, object]:
    """A received referral for machines: verdicts and places, no resource."""
    items = [{"type": one.type, "id": one.id, "verdict": one.verdict, "findings": one.findings} for one in came.items]
    return {**asdict(replace(came, items=())), "items": items}
