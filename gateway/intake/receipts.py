"""What was answered to a request that named itself: the same request again gets the same answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection, Delete, Engine, delete, insert, select

from auth.crypto import KeyRing
from gateway.audit.record import AuditRecord
from gateway.intake.answers import IntakeAnswer, Result, refused
from gateway.intake.refusal import refusal
from gateway.intake.tasks import Push
from gateway.store.engine import reading
from gateway.store.schema import receipt

_KEPT = msgspec.json.Decoder(tuple[IntakeAnswer, list[AuditRecord]])


@dataclass(slots=True)
class Taken:
    """The answer to a push, what the audit trail must hold before it is given, and what became of each task.

    Without ``results`` nothing was carried out: the answer says why, or it is the answer of an earlier time.
    """

    answer: IntakeAnswer
    records: list[AuditRecord] = field(default_factory=list)
    results: Sequence[Result] = ()


def answered(engine: Engine, ring: KeyRing, source: str, push: Push) -> Taken | None:
    """What this request was answered before; a refusal when its id was used for another one."""
    with reading(engine).connect() as connection:
        row = connection.execute(
            select(receipt.c.digest, receipt.c.sealed).where(
                receipt.c.source == source, receipt.c.request_id == push.request_id
            )
        ).one_or_none()
    if row is None:
        return None
    if bytes(row.digest) != push.digest:
        text = "this request id was used for another request"
        return Taken(refused(refusal(409, "duplicate", text)))
    given, records = _KEPT.decode(ring.open("receipt", bytes(row.sealed)))
    # Recorded again: who asks again may do so because the first record could not be written.
    return Taken(given, [replace(one, at=datetime.now(UTC), reason="repeated") for one in records])


def keep(connection: Connection, ring: KeyRing, source: str, push: Push, taken: Taken) -> None:
    """Keep an answer, when the request has a name."""
    if push.request_id:
        values = {
            "source": source,
            "request_id": push.request_id,
            "digest": push.digest,
            "at": datetime.now(UTC),
            "sealed": ring.seal("receipt", msgspec.json.encode((taken.answer, taken.records))),
        }
        connection.execute(insert(receipt).values(values))


def past(before: datetime) -> Delete:
    """What removes the answers that are older."""
    return delete(receipt).where(receipt.c.at < before)


def forget(engine: Engine, before: datetime) -> int:
    """Remove answers that are older; how many."""
    with engine.begin() as connection:
        return connection.execute(past(before)).rowcount
