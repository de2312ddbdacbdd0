"""Receiving what a citizen sends: read, settled, kept. Whole or not at all before the answer, and once per request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from auth.ages import today
from gateway.problems import Problem
from gateway.share.answer import ShareAnswered
from gateway.share.content import codings
from gateway.share.deeds import Deeds, Targets, nowhere
from gateway.share.findings import finding
from gateway.share.keep import (
    KeptSubmission,
    Keys,
    ShareKeeping,
    find,
    open_items,
    pieces_of,
    sent_before,
    stored_items,
)
from gateway.share.lifting import Content, Lifter, TooLongText, mapped
from gateway.share.offers import ENDED, Offers
from gateway.share.outcome import outcome_of
from gateway.share.parcel import Item, Parcel, read_parcel
from gateway.share.rules import accepting
from gateway.share.settings import ShareSettings
from gateway.share.settle import ShareSettling
from gateway.share.sharer import Sharer
from gateway.share.tasks import TaskChange, task_changes
from gateway.store.engine import reading
from gateway.store.unit import Stale, now_in_milliseconds
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.tree import Resource
from profiles.record.walk import Key
from profiles.standards.receives import Role

ATTEMPTS = 6
AGAIN = {"40001", "40P01"}
"""SQL states of PostgreSQL after which the same transaction may be tried again."""


@dataclass(frozen=True, slots=True)
class Receiving:
    """The share pipeline of one process. Synchronous: call it from worker threads."""

    engine: Engine
    settings: ShareSettings
    keys: Keys
    settling: ShareSettling
    targets: Targets = nowhere
    """Where accepted items go."""
    makes_tasks: bool = False
    """Whether a test token may make a Task: official scripts do, in test mode only."""

    def take(self, lifter: Lifter, format_: Format, sharer: Sharer) -> ShareAnswered:
        """Carry out a request that is whole. Raises Problem, FormatError, SQLAlchemyError; then nothing is stored."""
        digest = lifter.digest
        for _ in range(ATTEMPTS):
            if (before := self._before(sharer, digest)) is not None:
                return before
            try:
                return self._taken(lifter, format_, sharer, digest)
            except (Stale, IntegrityError):
                continue
            except DBAPIError as fault:
                if getattr(fault.orig, "sqlstate", None) not in AGAIN:
                    raise
        text = "The same is being changed by others; try again."
        raise Problem(503, "transient", text, headers={"retry-after": "1"})

    def _before(self, sharer: Sharer, digest: bytes) -> ShareAnswered | None:
        """The answer that this request got before. Raises Problem 409 when its id was used for something else."""
        with reading(self.engine).connect() as connection:
            kept = find(connection, sharer.grant.client, sharer.request_id)
        if kept is None:
            return None
        same = (sharer.grant.subject, sharer.provider, sharer.service, digest)
        if (kept.person, kept.provider, kept.service, kept.digest) != same:
            raise Problem(409, "duplicate", "This request id was used for another request.")
        return ShareAnswered(
            kept.bundle, kept.id, kept.outcomes, kept.resources, kept.received, self._file(kept), repeated=True
        )

    def _file(self, kept: KeptSubmission) -> Callable[[Key], Content]:
        def file(key: Key) -> Content:
            with reading(self.engine).connect() as connection:
                pks = {(one.type, one.id): one.pk for one in stored_items(connection, kept.pk)}
                return mapped(pieces_of(connection, pks[key]), self.settings.spool) if key in pks else b""

        return file

    def _taken(self, lifter: Lifter, format_: Format, sharer: Sharer, digest: bytes) -> ShareAnswered:
        body = lifter.rest()
        resource = jsonio.parse(body) if format_ is Format.JSON else xmlio.parse(body, sharer.version)
        _whole(lifter, resource)
        parcel = read_parcel(resource, sharer.receives, sharer.rule.type)
        if sharer.target and any(item.id != sharer.target for item in parcel.items):
            raise Problem(400, "invalid", "The id of the resource is not that of the address.", expression="id")
        now = now_in_milliseconds()
        self.settling.settle(parcel, sharer, lifter)
        tasks = task_changes(parcel, sharer, self.engine, now, makes=self.makes_tasks)
        outcomes = [outcome_of(item, sharer.patient_id) for item in parcel.items]
        shared = list(parcel.of(Role.ITEM))
        submission = ""
        with self.engine.begin() as connection:
            self._follow_up(connection, sharer, shared)
            keeping = ShareKeeping(connection, self.keys, sharer, now, timedelta(hours=self.settings.repeat_hours))
            if shared:
                self._room(connection, sharer, len(shared))
                submission = keeping.keep(parcel, digest, outcomes, tasks)
                self._by_rule(connection, sharer, submission, shared, now)
            else:
                keeping.change_tasks(tasks)
            self._next(connection, sharer, tasks)
        return ShareAnswered(parcel.bundle, submission, outcomes, _resources(parcel, tasks), now, _files(parcel))

    def _follow_up(self, connection: Connection, sharer: Sharer, shared: Sequence[Item]) -> None:
        """What can only follow on an earlier one, without one: taken all the same, and told."""
        later = sharer.receives.follow_ups
        if not later or sent_before(connection, sharer):
            return
        for item in shared:
            if later & set(codings(item.resource.get("category"))):
                item.findings.append(finding("no-earlier-request", f"{item.rule.type}.category"))

    def _by_rule(
        self, connection: Connection, sharer: Sharer, submission: str, shared: Sequence[Item], now: datetime
    ) -> None:
        """What a written rule accepts; nothing that is implausible."""
        able = [(item.id, item.resource) for item in shared if all(one.rule != "implausible" for one in item.findings)]
        accepted = accepting(self.settings.rules, sharer.provider, sharer.service, sharer.patient_id, able, today(now))
        for rule, ids in accepted.items():
            Deeds(connection, f"rule {rule}", now, self.targets).accept(submission, ids)

    def _next(self, connection: Connection, sharer: Sharer, tasks: list[TaskChange]) -> None:
        """When a Task ended, the next that waits for its turn is put."""
        ended = {one.row.patient_id for one in tasks if one.row is not None and one.after.get("status") in ENDED}
        for patient_id in ended:
            Offers(connection, self.keys, sharer.provider, sharer.version).next_turn(patient_id)

    def _room(self, connection: Connection, sharer: Sharer, more: int) -> None:
        waiting = open_items(connection, sharer.provider, sharer.grant.subject)
        if waiting and waiting + more > self.settings.open_items:
            text = "Too much of this person waits for a decision; nothing more is taken now."
            raise Problem(403, "forbidden", text)


def _resources(parcel: Parcel, tasks: list[TaskChange]) -> dict[Key, Resource]:
    found = {item.key: item.resource for item in parcel.items if item.fault is None}
    return found | {change.item.key: change.after for change in tasks}


def _whole(lifter: Lifter, resource: Resource) -> None:
    """What was lifted and is no file stands where it stood. Raises Problem 422 when it is too long for that."""
    try:
        lifter.restore(resource)
    except TooLongText:
        raise Problem(422, "too-long", "A value that is no file is longer than a value may be.") from None


def start_of(sharer: Sharer) -> bytes:
    """What the digest of a request begins with: the same bytes to another service are another request."""
    return b"\0".join((sharer.service.encode(), sharer.rule.id.encode(), b""))


def _files(parcel: Parcel) -> Callable[[Key], Content]:
    files = {item.key: item.content or b"" for item in parcel.items}
    return lambda key: files.get(key, b"")
