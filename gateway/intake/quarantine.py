"""What a blocking policy refused: kept sealed with its findings, so that it can be looked at and tried again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, insert, select, update

from auth.crypto import KeyRing
from gateway.intake.change import Change
from gateway.intake.sender import Sender
from gateway.intake.tasks import IMPORT, Push, Task, set_id
from gateway.quality.recorded import recorded
from gateway.store.schema import quarantine
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.repair import resolve_urns

PUSH = "push"


@dataclass(frozen=True, slots=True)
class Kept:
    """An item of the quarantine. ``findings`` say where and which rule; the content is sealed."""

    number: int
    provider: str
    source: str
    version: FhirVersion
    received: datetime
    what: str
    findings: list[dict[str, Any]]
    sealed: bytes
    state: str
    tried: datetime | None
    door: str = PUSH
    """push, or import: who tries it again is its source, or an operator."""


def put_away(
    connection: Connection, sender: Sender, push: Push, tasks: Sequence[Task], blocked: Sequence[Change]
) -> int:
    """Keep tasks that were refused for what validation found in ``blocked``; the number of the item.

    What is held already is not kept twice.
    """
    content = jsonio.dump(bundle_of(push, tasks))
    whose = f"{sender.provider}|{sender.source}|{push.version.value}|"
    digest = hashlib.sha256(whose.encode() + content).digest()
    held = connection.execute(
        select(quarantine.c.pk).where(quarantine.c.digest == digest, quarantine.c.state == "held")
    ).scalar()
    if held is not None:
        return int(held)
    findings = [
        {"resource": "/".join(change.key), **row}
        for change in blocked
        for row in msgspec.json.decode(recorded(change.findings) or b"[]")
    ]
    names = [f"{task.method} {task.type}/{task.id}" for task in tasks]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    values = {
        "provider": sender.provider,
        "source": sender.source,
        "door": IMPORT if push.bundle == IMPORT else PUSH,
        "fhir": push.version.value,
        "received": datetime.now(UTC),
        "what": ", ".join(names[:5]) + more,
        "findings": msgspec.json.encode(findings),
        "sealed": sender.ring.seal("quarantine", content),
        "digest": digest,
        "state": "held",
    }
    return int(connection.execute(insert(quarantine).values(values).returning(quarantine.c.pk)).scalar_one())


def bundle_of(push: Push, tasks: Sequence[Task]) -> Resource:
    """The tasks as they were received, as a transaction that stands by itself: ids given, references resolved."""
    entries = []
    for task in tasks:
        request: Resource = {"method": "DELETE" if task.method == "DELETE" else "PUT", "url": f"{task.type}/{task.id}"}
        entry: Resource = {"request": request}
        if task.method != "DELETE":
            resource = xmlio.parse(task.original, push.version) if task.format == "xml" else jsonio.parse(task.original)
            set_id(resource, task.id)
            resolve_urns(resource, push.urls if task.urls is None else task.urls)
            entry = {"resource": resource, **entry}
        entries.append(entry)
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def items(engine: Engine, *, number: int | None = None, state: str | None = "held") -> list[Kept]:
    """The items in this state (None: all), or the one with this number; oldest first."""
    statement = select(quarantine).order_by(quarantine.c.pk)
    if number is not None:
        statement = statement.where(quarantine.c.pk == number)
    elif state is not None:
        statement = statement.where(quarantine.c.state == state)
    with engine.connect() as connection:
        return [
            Kept(
                row.pk, row.provider, row.source, FhirVersion(row.fhir), row.received, row.what,
                msgspec.json.decode(row.findings), row.sealed, row.state, row.tried, row.door,
            )
            for row in connection.execute(statement)
        ]  # fmt: skip


def opened(item: Kept, ring: KeyRing) -> bytes:
    """The content of an item: a transaction Bundle in JSON. Raises SealError when no key opens it."""
    return ring.open("quarantine", item.sealed)


def mark(connection: Connection, number: int, *, released: bool) -> None:
    """Note that an item was tried again, and whether it was taken in."""
    values: dict[str, Any] = {"tried": datetime.now(UTC)} | ({"state": "released"} if released else {})
    connection.execute(update(quarantine).where(quarantine.c.pk == number).values(values))
