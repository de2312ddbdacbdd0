"""gateway questionnaire: put a questionnaire ready for a patient, see what became of it, take it back."""

from dataclasses import asdict
from datetime import UTC, datetime

import click

from gateway.cli.context import as_json, console, database, emit, fail, needs_provider, with_settings
from gateway.settings import Settings
from gateway.share.keep import Keys
from gateway.share.offers import Offers
from gateway.share.states import NotAllowed
from gateway.wiring import keys_of


@click.group()
def questionnaire() -> None:
    """Questionnaires for patients. The questionnaire itself comes in by push or import, as any resource."""


@questionnaire.command("offer")
@click.argument("patient")
@click.argument("questionnaire_id")
@click.option("--provider", required=True, help="MedMij name of the care provider.")
@click.option("--by", "requester", required=True, help="Who asks, as the citizen reads it.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day on which it can be answered.")
@click.option("--in-turn", is_flag=True, help="Wait while another one is open.")
@with_settings
def offer_command(
    settings: Settings,
    patient: str,
    questionnaire_id: str,
    provider: str,
    requester: str,
    until: datetime | None,
    in_turn: bool,
) -> None:
    """Put a questionnaire ready for PATIENT (the id of the Patient here)."""
    end = until.replace(hour=23, minute=59, tzinfo=UTC) if until else None
    with database(settings) as engine:
        try:
            with engine.begin() as connection:
                needs_provider(settings, provider, connection)
                offers = Offers(connection, Keys(*keys_of(settings)), provider)
                id_ = offers.offer(patient, questionnaire_id, requester, end, in_turn=in_turn)
        except NotAllowed as fault:
            fail(str(fault))
    console.print(f"Task {id_}", highlight=False)


@questionnaire.command("list")
@click.option("--provider", required=True, help="MedMij name of the care provider.")
@click.option("--patient", default="", help="Only of this patient.")
@as_json
@with_settings
def list_command(settings: Settings, provider: str, patient: str, as_json: bool) -> None:
    """What was offered, and what became of it."""
    with database(settings) as engine, engine.connect() as connection:
        needs_provider(settings, provider, connection)
        offers = Offers(connection, Keys(*keys_of(settings)), provider)
        offered = offers.of(patient) if patient else offers.newest()
    if as_json:
        emit([asdict(one) for one in offered])
        return
    for one in offered:
        told = f"{one.id}  {one.status}  {one.patient_id}  {one.offered[:16]}  {one.questionnaire}  {one.response}"
        console.print(told.rstrip(), highlight=False, markup=False, soft_wrap=True)
    console.print(f"{len(offered)} offered", highlight=False)


@questionnaire.command("withdraw")
@click.argument("task")
@click.option("--provider", required=True, help="MedMij name of the care provider.")
@click.option("--reason", default="", help="Why: the citizen's app may show it.")
@with_settings
def withdraw_command(settings: Settings, task: str, provider: str, reason: str) -> None:
    """Take back what was not answered yet."""
    with database(settings) as engine:
        try:
            with engine.begin() as connection:
                needs_provider(settings, provider, connection)
                Offers(connection, Keys(*keys_of(settings)), provider).withdraw(task, reason)
        except NotAllowed as fault:
            fail(str(fault))
    console.print("Withdrawn.")
