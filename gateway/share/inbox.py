"""What citizens sent, as staff and the citizen look at it: lists, one submission whole, and what became of it.

A list says who, what and since when, and nothing clinical; what is in a submission is read one by one, by somebody who
may, and that is a line in the access trail (`view_record`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import msgspec
from sqlalchemy import Connection, func, select

from gateway.audit.record import AuditRecord
from gateway.share.keep import file_of
from gateway.share.states import OPEN, NotAllowed, State
from gateway.store.shared import filing, share_deed, shared_item, submission
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import unpack
from profiles.fhir.tree import Resource

TOLD = frozenset({State.ACCEPTED, State.FILED, State.DECLINED, State.RETURNED, State.WITHDRAWN})
"""States in which what was written is meant for the citizen."""
MOST = 200
"""Most submissions in one list."""


@dataclass(frozen=True, slots=True)
class WaitingShare:
    """One line of the inbox."""

    id: str
    provider: str
    service: str
    standard: str
    patient_id: str
    person: str
    received: datetime
    department: str
    assignee: str
    viewed: datetime | None
    due: date | None
    duplicate_of: str
    states: Mapping[str, int]
    """How many items are in which state."""
    findings: tuple[str, ...] = ()
    """Rules that were broken: what is implausible stands on top."""

    @property
    def open(self) -> bool:
        """Whether something waits for a decision."""
        return any(self.states.get(one.value) for one in OPEN)

    @property
    def urgent(self) -> bool:
        """Whether somebody should look at it first."""
        return "implausible" in self.findings


@dataclass(frozen=True, slots=True)
class SharedItem:
    """One item of a submission, with what belongs to it."""

    id: str
    type: str
    role: str
    state: str
    reason: str
    filed_as: str
    findings: Sequence[Mapping[str, str]]
    size: int
    resource: Resource = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was done, by whom and why."""

    at: datetime
    deed: str
    by: str
    text: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A submission whole."""

    line: WaitingShare
    fhir: str
    client: str
    actor: str
    items: Sequence[SharedItem]
    deeds: Sequence[Deed]
    filings: Sequence[tuple[str, str, str, int]]
    """Item, target, state and number of attempts on the way to the EHR."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """Reads; inside the caller's transaction."""

    connection: Connection

    def lines(
        self,
        provider: str,
        *,
        open_only: bool = True,
        service: str = "",
        department: str | None = None,
        patient_id: str = "",
        most: int = MOST,
    ) -> list[WaitingShare]:
        """The submissions of a provider: what is urgent first, then what waits longest. Repeats are left out."""
        asked = [submission.c.provider == provider, submission.c.duplicate_of == ""]
        asked += [submission.c.service == service] if service else []
        asked += [submission.c.department == department] if department is not None else []
        asked += [submission.c.patient_id == patient_id] if patient_id else []
        if open_only:
            waits = select(shared_item.c.submission_pk).where(shared_item.c.state.in_([one.value for one in OPEN]))
            asked.append(submission.c.pk.in_(waits))
        found = self._lines(select(submission).where(*asked).order_by(submission.c.received).limit(most))
        return sorted(found, key=lambda line: (not line.urgent, line.received))

    def of_person(self, person: str, most: int = MOST) -> list[WaitingShare]:
        """What one person sent, everywhere: the newest first, repeats left out."""
        mine = select(submission).where(submission.c.person == person, submission.c.duplicate_of == "")
        return self._lines(mine.order_by(submission.c.received.desc()).limit(most))

    def with_clients(self, person: str, most: int = MOST) -> list[tuple[WaitingShare, str]]:
        """What one person sent, and with which client."""
        lines = self.of_person(person, most)
        asked = select(submission.c.id, submission.c.client).where(submission.c.id.in_([line.id for line in lines]))
        clients = {row.id: row.client for row in self.connection.execute(asked)}
        return [(line, clients[line.id]) for line in lines]

    def reasons(self, submission_id: str) -> list[tuple[str, str]]:
        """State and reason of each item, for the citizen: what staff wrote for them."""
        rows = self.connection.execute(
            select(shared_item.c.state, shared_item.c.reason)
            .join(submission, shared_item.c.submission_pk == submission.c.pk)
            .where(submission.c.id == submission_id, shared_item.c.role == "item")
            .order_by(shared_item.c.position)
        )
        return [(row.state, row.reason if row.state in TOLD else "") for row in rows]

    def open(self, submission_id: str) -> Opened:
        """One submission whole. Whether somebody may open it is for the caller to know. Raises NotAllowed."""
        row = self.connection.execute(select(submission).where(submission.c.id == submission_id)).one_or_none()
        if row is None:
            raise NotAllowed("there is no such submission")
        line = self._lines(select(submission).where(submission.c.pk == row.pk))[0]
        return Opened(
            line, row.fhir, row.client, row.actor, self._items(row.pk), self._deeds(row.pk), self._filings(row.pk)
        )

    def file(self, item_id: str) -> bytes:
        """The file of a Binary that was sent; empty when it has none any more."""
        pk = self.connection.execute(
            select(shared_item.c.pk).where(shared_item.c.type == "Binary", shared_item.c.id == item_id)
        ).scalar()
        return file_of(self.connection, pk) if pk is not None else b""

    def _lines(self, wanted: object) -> list[WaitingShare]:
        rows = list(self.connection.execute(wanted).all())  # type: ignore[call-overload]
        pks = [row.pk for row in rows]
        counts: dict[int, dict[str, int]] = {pk: {} for pk in pks}
        told: dict[int, dict[str, None]] = {pk: {} for pk in pks}
        for start in range(0, len(pks), MOST):
            some = pks[start : start + MOST]
            states = select(shared_item.c.submission_pk, shared_item.c.state, func.count()).where(
                shared_item.c.submission_pk.in_(some), shared_item.c.role == "item"
            )
            for pk, state, count in self.connection.execute(
                states.group_by(shared_item.c.submission_pk, shared_item.c.state)
            ):
                counts[pk][state] = count
            found = select(shared_item.c.submission_pk, shared_item.c.findings).where(
                shared_item.c.submission_pk.in_(some), shared_item.c.findings != b""
            )
            for pk, findings in self.connection.execute(found):
                told[pk].update(dict.fromkeys(one["rule"] for one in msgspec.json.decode(bytes(findings))))
        return [
            WaitingShare(
                row.id, row.provider, row.service, row.standard, row.patient_id, row.person, row.received,
                row.department, row.assignee, row.viewed, row.due, row.duplicate_of, counts[row.pk],
                tuple(told[row.pk]),
            )
            for row in rows
        ]  # fmt: skip

    def _items(self, pk: int) -> list[SharedItem]:
        rows = self.connection.execute(
            select(shared_item).where(shared_item.c.submission_pk == pk).order_by(shared_item.c.position)
        )
        return [
            SharedItem(
                row.id, row.type, row.role, row.state, row.reason, row.filed_as,
                msgspec.json.decode(bytes(row.findings)) if row.findings else (), row.size,
                jsonio.load(unpack(bytes(row.json))) if row.json else {},
            )
            for row in rows
        ]  # fmt: skip

    def _deeds(self, pk: int) -> list[Deed]:
        rows = self.connection.execute(
            select(share_deed).where(share_deed.c.submission_pk == pk).order_by(share_deed.c.pk)
        )
        return [Deed(row.at, row.deed, row.by, row.text) for row in rows]

    def _filings(self, pk: int) -> list[tuple[str, str, str, int]]:
        rows = self.connection.execute(
            select(shared_item.c.id, filing.c.target, filing.c.state, filing.c.attempts)
            .join(shared_item, filing.c.item_pk == shared_item.c.pk)
            .where(shared_item.c.submission_pk == pk)
        )
        return [(row.id, row.target, row.state, row.attempts) for row in rows]


def view_record(line: WaitingShare, account: str, at: datetime, outcome: int, reason: str = "") -> AuditRecord:
    """The line of the access trail for somebody of the staff who opens (200) or may not open (403) a submission."""
    return AuditRecord(
        "staff:submission:view", at, outcome, provider=line.provider, service=line.service, client=account,
        person=line.person, interaction="read", rule=line.id, reason=reason,
    )  # fmt: skip
