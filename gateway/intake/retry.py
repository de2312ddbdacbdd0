"""Trying a quarantined item again, after the policy, the definitions or the gateway changed."""

from collections.abc import Mapping
from datetime import UTC

from gateway.intake import quarantine
from gateway.intake.quarantine import Kept
from gateway.intake.receipts import Taken
from gateway.intake.sender import Door
from gateway.intake.tasks import IMPORT, HttpCall, Key, Push, tasks_of
from gateway.intake.work import Intake
from gateway.store.engine import reading
from gateway.store.known import StoredRow, rows_of
from profiles.fhir.codec.mediatypes import Format


class CannotRetry(Exception):
    """An item that may not be tried again; the text says why."""


def retry(intake: Intake, item: Kept, operator: str = "") -> Taken:
    """Push a held item again, in the name of its source; what was imported, in that of the operator.

    Raises CannotRetry.
    """
    if item.state != "held":
        raise CannotRetry(f"{item.number} was taken in already")
    if item.door == IMPORT:
        sender = intake.importer(item.provider, item.source, Door("operator", operator, f"quarantine {item.number}"))
    elif item.source in intake.settings.sources:
        sender = intake.sender(item.source)
    else:
        raise CannotRetry(f"source {item.source} is not configured any more")
    content = quarantine.opened(item, intake.ring)
    if content.startswith(b"MSH"):
        text = "it is a message: correct it at its source and send it again; export writes it, dismiss closes it"
        raise CannotRetry(f"{item.number} cannot be tried again: {text}")
    call = HttpCall("POST", (), "", content, Format.JSON, item.version)
    push = tasks_of(call, intake.settings.entries)
    newer = _newer(intake, item, push)
    if newer:
        raise CannotRetry(f"{'/'.join(newer)} was changed after {item.number} was received; that stays")
    taken = intake.carry(sender, lambda: tasks_of(call, intake.settings.entries), released=item.number)
    if taken.answer.status >= 400:
        with intake.engine.begin() as connection:
            quarantine.mark(connection, item.number, released=False)
    return taken


def _newer(intake: Intake, item: Kept, push: Push) -> Key | None:
    """What of the item was stored or deleted after the item came in."""
    with reading(intake.engine).connect() as connection:
        rows: Mapping[Key, StoredRow] = rows_of(
            connection, item.provider, item.version, [task.key for task in push.tasks]
        )
    received = item.received if item.received.tzinfo else item.received.replace(tzinfo=UTC)
    for key, row in rows.items():
        updated = row.updated if row.updated.tzinfo else row.updated.replace(tzinfo=UTC)
        if updated > received:
            return key
    return None
