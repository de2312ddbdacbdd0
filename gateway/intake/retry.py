"""Trying a quarantined item again, after the policy, the definitions or the gateway changed."""

import time
from collections.abc import Mapping, Sequence

from adapters.port import AdapterMisconfigured
from gateway.calendar import utc
from gateway.intake import quarantine
from gateway.intake.answers import IntakeAnswer, refused
from gateway.intake.hl7v2.acknowledge import Answered, ErrorSegment
from gateway.intake.hl7v2.message import MessageFault
from gateway.intake.hl7v2.take import MessageOutcome, MessageTaker
from gateway.intake.hl7v2.waiting import WAITING
from gateway.intake.quarantine import Kept
from gateway.intake.receipts import Taken
from gateway.intake.refusal import refusal
from gateway.intake.sender import Door
from gateway.intake.tasks import IMPORT, HttpCall, Key, tasks_of
from gateway.intake.work import Intake
from gateway.store.engine import reading
from gateway.store.known import StoredRow, rows_of
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.outcome import Issue, operation_outcome


class CannotRetry(Exception):
    """An item that may not be tried again; the text says why."""


def retry(intake: Intake, item: Kept, operator: str = "") -> Taken:
    """Push a held item again, in the name of its source; what was imported, in that of the operator.

    Raises CannotRetry.
    """
    if item.state == WAITING:
        raise CannotRetry(f"{item.number} is being carried out, or will be at the next start")
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
        return _message(intake, item, content)
    call = HttpCall("POST", (), "", content, Format.JSON, item.version)
    push = tasks_of(call, intake.settings.entries)
    _nothing_newer(intake, item, [task.key for task in push.tasks])
    taken = intake.carry(sender, lambda: tasks_of(call, intake.settings.entries), released=item.number)
    if taken.answer.status >= 400:
        with intake.engine.begin() as connection:
            quarantine.mark(connection, item.number, released=False)
    return taken


def _message(intake: Intake, item: Kept, content: bytes) -> Taken:
    """A message that was held, once more: after another mapping, or when people mended what it ran into."""
    settings = intake.settings.sources[item.source].mllp
    if settings is None:
        raise CannotRetry(f"source {item.source} has no mllp any more; dismiss closes {item.number}")
    try:
        taker = MessageTaker(item.source, settings, intake)
        _nothing_newer(intake, item, taker.touched(content))
        outcome = taker.take(content, f"again-{item.number}-{int(time.time())}:")
    except MessageFault as fault:
        outcome = MessageOutcome(Answered("AE", (ErrorSegment.of(fault),)))
    except AdapterMisconfigured as fault:
        raise CannotRetry(str(fault)) from None
    left = [line.text for line in outcome.said.lines if line.severity == "E"]
    taken = outcome.said.code == "AA" and not left
    with intake.engine.begin() as connection:
        quarantine.mark(connection, item.number, released=taken)
    if taken:
        return Taken(
            IntakeAnswer(200, operation_outcome([Issue("information", "informational", "taken in")])), outcome.records
        )
    told = refused(refusal(422, "business-rule", "; ".join(left[:5]) or outcome.said.code))
    return Taken(told, outcome.records)


def _nothing_newer(intake: Intake, item: Kept, keys: Sequence[Key]) -> None:
    """That nothing of the item was changed after it came in. Raises CannotRetry."""
    newer = _newer(intake, item, keys)
    if newer:
        raise CannotRetry(f"{'/'.join(newer)} was changed after {item.number} was received; that stays")


def _newer(intake: Intake, item: Kept, keys: Sequence[Key]) -> Key | None:
    """What of the item was stored or deleted after the item came in."""
    with reading(intake.engine).connect() as connection:
        rows: Mapping[Key, StoredRow] = rows_of(connection, item.provider, item.version, keys)
    received = utc(item.received)
    for key, row in rows.items():
        updated = utc(row.updated)
        if updated > received:
            return key
    return None
