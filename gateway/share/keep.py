"""Keeping what was sent: a submission with its items in one transaction, and the Tasks that it dealt with.

What stands here is no part of anybody's record. The tables are their own; no read of the record looks at them.
"""

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select

from auth.crypto import KeyRing, Pseudonyms
from gateway.quality.recorded import recorded
from gateway.share import outcome
from gateway.share.outcome import EntryOutcome
from gateway.share.parcel import Item, Parcel
from gateway.share.sharer import Sharer
from gateway.share.states import OPEN, State
from gateway.share.tasks import TaskChange
from gateway.store.documents import PIECE
from gateway.store.identity import tokens
from gateway.store.shared import share_deed, shared_content, shared_item, submission
from gateway.store.unit import Owner, Pending, Unit, digest_of
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.packing import JSON, pack, unpack
from profiles.fhir.search.keys import stored
from profiles.fhir.tree import Resource
from profiles.record.stamp import stamp, unstamp
from profiles.record.walk import Key, links
from profiles.standards.receives import Role

SOURCE = "test"
"""The source of a Task that a test token made."""
RECEIVED = "received"
GATEWAY = "gateway"
"""Who did what nobody decided."""


@dataclass(frozen=True, slots=True)
class KeptSubmission:
    """A submission as it stands in the store: enough to give its answer again."""

    pk: int
    id: str
    bundle: str
    digest: bytes
    person: str
    service: str
    provider: str
    outcomes: Sequence[EntryOutcome]
    resources: Mapping[Key, Resource] = field(repr=False)
    received: datetime


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the house: for what is sealed, and for identifiers."""

    pseudonyms: Pseudonyms
    ring: KeyRing


def content_digest(parcel: Parcel) -> bytes:
    """By which two submissions say the same, whatever their form and their urns: ids and versions left out."""
    found = hashlib.sha256()
    for item in parcel.items:
        if item.role in (Role.ITEM, Role.PART) and item.fault is None:
            found.update(item.original_digest)
    return found.digest()


def find(connection: Connection, client: str, request_id: str) -> KeptSubmission | None:
    """The submission that a client's request made before."""
    asked = (submission.c.client == client, submission.c.request_id == request_id)
    row = connection.execute(select(submission).where(*asked)).one_or_none()
    if row is None:
        return None
    resources = {(one.type, one.id): one.resource for one in stored_items(connection, row.pk) if one.resource}
    return KeptSubmission(
        row.pk, row.id, row.bundle, bytes(row.digest), row.person, row.service, row.provider,
        outcome.read(bytes(row.outcomes)), resources, row.received,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One kept entry with its resource; the file of a Binary stands apart."""

    pk: int
    type: str
    id: str
    role: str
    state: str
    resource: Resource = field(repr=False)
    size: int


def stored_items(connection: Connection, submission_pk: int) -> Iterator[StoredItem]:
    """The entries of a submission, in order; the resource of one whose content was removed is empty."""
    wanted = select(
        shared_item.c.pk, shared_item.c.type, shared_item.c.id, shared_item.c.role, shared_item.c.state,
        shared_item.c.json, shared_item.c.size,
    )  # fmt: skip
    rows = connection.execute(
        wanted.where(shared_item.c.submission_pk == submission_pk).order_by(shared_item.c.position)
    )
    for row in rows:
        body = bytes(row.json)
        resource = jsonio.load(unpack(body)) if body else {}
        yield StoredItem(row.pk, row.type, row.id, row.role, row.state, resource, row.size)


def file_of(connection: Connection, item_pk: int) -> bytes:
    """The file of a kept Binary; empty when it has none any more."""
    return b"".join(pieces_of(connection, item_pk))


def pieces_of(connection: Connection, item_pk: int) -> Iterator[bytes]:
    """The same, piece by piece."""
    wanted = select(shared_content.c.data).where(shared_content.c.item_pk == item_pk)
    rows = connection.execution_options(yield_per=1).execute(wanted.order_by(shared_content.c.number))
    return (bytes(row.data) for row in rows)


def open_items(connection: Connection, provider: str, person: str) -> int:
    """How many items of a person wait for a decision."""
    waiting = (
        select(func.count())
        .select_from(shared_item.join(submission, shared_item.c.submission_pk == submission.c.pk))
        .where(
            submission.c.person == person,
            submission.c.provider == provider,
            shared_item.c.state.in_([one.value for one in OPEN]),
        )
    )
    return connection.execute(waiting).scalar_one()


def sent_before(connection: Connection, sharer: Sharer) -> bool:
    """Whether the person sent anything through this service before."""
    earlier = select(submission.c.pk).where(
        submission.c.person == sharer.grant.subject,
        submission.c.provider == sharer.provider,
        submission.c.service == sharer.service,
    )
    return connection.execute(earlier.limit(1)).scalar() is not None


def same_before(connection: Connection, sharer: Sharer, content: bytes, since: datetime) -> str:
    """The id of a submission of this person that said the same; empty when there is none."""
    earlier = connection.execute(
        select(submission.c.id)
        .where(
            submission.c.person == sharer.grant.subject,
            submission.c.received >= since,
            submission.c.provider == sharer.provider,
            submission.c.service == sharer.service,
            submission.c.content == content,
            submission.c.duplicate_of == "",
        )
        .order_by(submission.c.received)
    ).scalar()
    return str(earlier or "")


@dataclass(frozen=True, slots=True)
class ShareKeeping:
    """One write: in the caller's transaction."""

    connection: Connection
    keys: Keys
    sharer: Sharer
    now: datetime
    repeat: timedelta

    def keep(self, parcel: Parcel, digest: bytes, outcomes: Sequence[EntryOutcome], tasks: Sequence[TaskChange]) -> str:
        """Keep a settled parcel; the id of the submission. Raises Stale; IntegrityError for what was kept before."""
        self.change_tasks(tasks)
        content = content_digest(parcel)
        again = same_before(self.connection, self.sharer, content, self.now - self.repeat)
        made, pk = self._submission(parcel, digest, content, outcomes, again)
        kept = [item for item in parcel.items if item.fault is None and item.role not in (Role.PERSON, Role.TASK)]
        for position, item in enumerate(kept):
            self._item(pk, position, item)
        said = f"repeats {again}" if again else ""
        self.connection.execute(
            insert(share_deed).values(submission_pk=pk, at=self.now, deed=RECEIVED, by=GATEWAY, text=said)
        )
        return made

    def _submission(
        self, parcel: Parcel, digest: bytes, content: bytes, outcomes: Sequence[EntryOutcome], again: str
    ) -> tuple[str, int]:
        sharer, grant, made = self.sharer, self.sharer.grant, str(uuid.uuid4())
        months = sharer.receives.months
        values = {
            "id": made, "provider": sharer.provider, "service": sharer.service, "standard": sharer.standard.id,
            "rule": sharer.rule.id, "fhir": sharer.version.value, "client": grant.client, "person": grant.subject,
            "actor": grant.actor or "", "patient_id": sharer.patient_id, "sealed_bsn": grant.sealed_bsn,
            "basis": grant.consent_id or "", "request_id": sharer.request_id,
            "correlation_id": sharer.correlation_id, "digest": digest, "content": content, "bundle": parcel.bundle,
            "received": self.now, "outcomes": outcome.written(outcomes), "duplicate_of": again, "department": "",
            "assignee": "", "due": months_later(self.now.date(), months) if months else None,
        }  # fmt: skip
        pk = self.connection.execute(insert(submission).values(values).returning(submission.c.pk)).scalar_one()
        return made, int(pk)

    def _item(self, submission_pk: int, position: int, item: Item) -> None:
        body = jsonio.dump(item.resource)
        values = {
            "submission_pk": submission_pk, "position": position, "type": item.rule.type, "id": item.id,
            "role": item.role.value, "state": State.INBOX.value if item.role is Role.ITEM else "",
            "reason": "", "filed_as": "", "json": pack(body, JSON), "findings": recorded(item.findings),
            "sealed": self.keys.ring.seal("shared", pack(item.original, JSON)),
            "digest": digest_of(body, item.content), "size": len(item.content or b""),
        }  # fmt: skip
        pk = self.connection.execute(insert(shared_item).values(values).returning(shared_item.c.pk)).scalar_one()
        content = item.content or b""
        for number, start in enumerate(range(0, len(content), PIECE)):
            piece = content[start : start + PIECE]
            self.connection.execute(insert(shared_content).values(item_pk=pk, number=number, data=piece))

    def change_tasks(self, tasks: Sequence[TaskChange]) -> None:
        """Put Tasks into their new state, as new versions in the record. Raises Stale."""
        for change in tasks:
            if not change.same:
                self._task(change)

    def _task(self, change: TaskChange) -> None:
        version, key, row = self.sharer.version, change.item.key, change.row
        owner = Owner(self.sharer.provider, row.source if row else SOURCE, self.keys.pseudonyms, self.keys.ring)
        unit = Unit(self.connection, owner, version, self.now)
        unit.check({key: row} if row else {}, [key])
        patient_id = row.patient_id if row else self.sharer.patient_id
        pending = pending_of(change.after, patient_id, self.keys.pseudonyms, version, self.now)
        pending.before = row
        restamp(pending, change.after, row.version + 1 if row else 1, self.now, version)
        unit.write([pending], {})


def pending_of(resource: Resource, patient_id: str, pseudonyms: Pseudonyms, version: Any, now: datetime) -> Pending:
    """A resource of our own on its way into the record, as its first version."""
    key = (str(resource["resourceType"]), str(resource["id"]))
    body = jsonio.load(jsonio.dump(resource))
    unstamp(body)
    pending = Pending(key, patient_id, None, digest=digest_of(jsonio.dump(body), None))
    pending.tokens = tokens(pseudonyms, body)
    pending.links = frozenset(links(body))
    pending.keys = stored(version, body)
    restamp(pending, body, 1, now, version)
    pending.original = pending.json
    return pending


def restamp(pending: Pending, resource: Resource, number: int, now: datetime, version: Any) -> None:
    """State which version it becomes, in what will be served."""
    unstamp(resource)
    stamp(resource, number, now)
    pending.json, pending.xml = jsonio.dump(resource), xmlio.fragment(resource, version)
    pending.keys = stored(version, resource)
    pending.original = pending.json


def months_later(day: date, months: int) -> date:
    """The same day so many months on, or the last of that month."""
    year, month = divmod(day.month - 1 + months, 12)
    first_after = date(day.year + year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    last = (first_after - timedelta(days=1)).day
    return date(day.year + year, month + 1, min(day.day, last))
