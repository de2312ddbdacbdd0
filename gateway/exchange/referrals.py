"""The sending side: a referral is made, told, changed, withdrawn; Task, grants and notification in one transaction.

Every deed is an event of the referral, which is only added to. A change of the Task is compared and set by its version,
so that of two at the same time exactly one wins.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from auth.crypto import digest, new_token
from gateway.calendar import utc
from gateway.exchange.bases import base_of
from gateway.exchange.grants import OpenGrant, kept, row_ids
from gateway.exchange.parts import LETTERS_CODE, LETTERS_SEARCH, chosen, rows_of, search_of
from gateway.exchange.settings import ExchangeSettings
from gateway.exchange.states import ENDED, REQUESTED, NotFollowing, Side, step
from gateway.exchange.workflow import (
    BASE,
    Ends,
    changed_task,
    inputs_of,
    notification_task,
    reference_input,
    search_input,
    workflow_task,
)
from gateway.problems import Problem
from gateway.share.keep import Keys
from gateway.store.exchanged import exchange_notice, referral, referral_event
from gateway.store.schema import patient, resource
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.record.bsn import valid_bsn
from profiles.record.stamp import moment
from profiles.standards.model import Standard

SEAL = "exchange"
SEND_HOURS = 72
"""A notification is tried no longer than this, nor beyond the end of the grant (NPN-13)."""
ADVANCE, HANDOFF = "http://snomed.info/sct|721915006", "http://snomed.info/sct|11171000146100"
TRIES = 3


class CannotRefer(ValueError):
    """A referral that cannot be made or changed; the text says why, for staff."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a professional orders. ``until`` is the wish of the patient; None: what the legal base says."""

    provider: str
    partner: str
    bsn: str = field(repr=False)
    by: str
    base: str = "referral"
    evidence: str = ""
    flow: str = "bgz"
    parts: Sequence[str] = ()
    letters: Sequence[str] = ()
    advance: str = ""
    """Id of the Composition with the advance notice of a handoff."""
    handoff: str = ""
    """Id of the Composition of the handoff."""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReferralLine:
    """One referral as staff see it in a list: nothing of the person but that there is one."""

    id: str
    provider: str
    partner: str
    flow: str
    status: str
    created: datetime
    not_after: datetime
    withdrawn: bool
    expired: bool
    notices: tuple[str, ...]
    """State of each notification."""


@dataclass(frozen=True, slots=True)
class Referrals:
    """The referrals of this house. ``standard`` gives a data set by its id."""

    settings: ExchangeSettings
    keys: Keys
    standard: Callable[[str], Standard]

    def refer(self, store: Connection, order: Order, standard: Standard, now: datetime) -> str:
        """Make a referral; gives the id of its Task. Raises CannotRefer, NoBase or UnknownPart."""
        ends = self._ends(order.provider, order.partner)
        base = base_of(order.base, order.flow, order.evidence)
        if base.asks:
            raise CannotRefer(f"{base.id}: the question to {base.asks} is not asked for referrals; choose another base")
        if not valid_bsn(order.bsn):
            raise CannotRefer("this is no citizen service number")
        person = self.keys.pseudonyms.of(order.bsn)
        patient_id = self._patient(store, order.provider, person, standard)
        not_after = min(order.until or now + timedelta(days=base.days), now + timedelta(days=365))
        if not_after <= now:
            raise CannotRefer("the end lies in the past")
        rows, inputs = self._inputs(order, standard)
        documents = [(one, "DocumentReference") for one in order.letters]
        documents += [(one, "Composition") for one in (order.advance, order.handoff) if one]
        for id_, type_ in documents:
            self._holds(store, order.provider, standard, patient_id, type_, id_)
        id_, group, opens_task, opens_data = str(uuid.uuid4()), str(uuid.uuid4()), new_token(), new_token()
        task = workflow_task(id_, group, order.flow, ends, patient_id, order.by, (now, not_after), inputs, opens_data)
        store.execute(
            insert(referral).values(
                id=id_,
                provider=order.provider,
                partner=order.partner,
                ura=ends.receiver,
                group_id=group,
                flow=order.flow,
                standard=standard.id,
                rows=kept(rows),
                letters=kept(order.letters),
                compositions=kept([one for one in (order.advance, order.handoff) if one]),
                person=person,
                patient_id=patient_id,
                sealed_bsn=self.keys.ring.seal("bsn", order.bsn.encode()),
                legal_base=base.id,
                evidence=order.evidence,
                created=now,
                created_by=order.by,
                not_after=not_after,
                withdrawn_reason="",
                status=REQUESTED,
                version=1,
                sealed_task=self._seal(task),
                task_base=digest(opens_task),
                data_base=digest(opens_data),
            )
        )
        event(store, id_, now, "referred", order.by, f"to {order.partner}, base {base.id}")
        self._notify(store, self._row(store, id_), (now, not_after), opens_task)
        return id_

    def update(self, store: Connection, id_: str, by: str, now: datetime) -> None:
        """Tell the receiver that there is more: a new notification of the same group. Raises CannotRefer."""
        row = self._row(store, id_)
        if row.status in ENDED or utc(row.not_after) <= now:
            raise CannotRefer("this referral has ended")
        event(store, id_, now, "updated", by, "")
        self._notify(store, row, (now, utc(row.not_after)), self._task_base(store, id_))

    def cancel(self, store: Connection, id_: str, by: str, now: datetime, reason: str = "") -> None:
        """Take a referral back. What was not told yet is not told; else the receiver hears. Raises CannotRefer."""
        self._by_sender(store, id_, "cancelled", by, now, reason)
        row = self._row(store, id_)
        mine = (exchange_notice.c.referral_id == id_, exchange_notice.c.state == "waiting")
        # One that is being sent right now may have arrived.
        store.execute(update(exchange_notice).where(*mine).values(state="dropped"))
        # What was tried, or is being sent right now, may have arrived: only that is taken back.
        tried = (exchange_notice.c.attempts > 0) | exchange_notice.c.claimed.is_not(None)
        told = select(exchange_notice).where(exchange_notice.c.referral_id == id_, tried, ~exchange_notice.c.cancels)
        last = store.execute(told.order_by(exchange_notice.c.pk.desc()).limit(1)).one_or_none()
        if last is not None:
            times = (now, now + timedelta(hours=SEND_HOURS))
            self._notify(store, row, times, "", cancels=last.identifier)

    def begin_handoff(self, store: Connection, id_: str, by: str, now: datetime) -> None:
        """Begin the second part of an accepted nursing handoff, and tell of it. Raises CannotRefer."""
        self._by_sender(store, id_, "in-progress", by, now, "")
        self.update(store, id_, by, now)

    def task(self, store: Connection, id_: str, partner: str) -> tuple[Resource, int] | None:
        """The Task as a partner may read it, with its version; None for an unknown one or another's (NP-15)."""
        row = store.execute(select(referral).where(referral.c.id == id_, referral.c.partner == partner)).one_or_none()
        return None if row is None else (self._open(row.sealed_task), row.version)

    def change(
        self, store: Connection, id_: str, partner: str, sent: Resource, by: str, now: datetime, version: int | None
    ) -> tuple[Resource, int]:
        """A receiver changes the Task. ``version`` is that of If-Match, where there is one.

        Raises Problem: 404 another's, 412 a later version, 422 a change that is not theirs.
        """
        for _ in range(TRIES):
            row = store.execute(
                select(referral).where(referral.c.id == id_, referral.c.partner == partner)
            ).one_or_none()
            if row is None:
                raise Problem(404, "not-found", "There is no such Task.")
            if version is not None and version != row.version:
                raise Problem(412, "conflict", "The Task was changed since it was read.")
            stored = self._open(row.sealed_task)
            changes = changed_task(stored, sent)
            if changes["status"] == row.status:
                return stored, row.version
            after = self._moved(store, row, changes, "receiver", by, now)
            if after is not None:
                return after, row.version + 1
        raise Problem(409, "conflict", "The Task is being changed by somebody else. Try again.")

    def handoffs(self, store: Connection, provider: str, partner: str, composition: str = "") -> list[str]:
        """The ids of the handoffs to a partner that open something now; with ``composition``: that one."""
        mine = (referral.c.provider == provider, referral.c.partner == partner, referral.c.flow == "eoverdracht")
        rows = store.execute(select(referral).where(*mine, referral.c.withdrawn.is_(None)).order_by(referral.c.created))
        opened = {row.id: self._compositions(row) for row in rows}
        return [id_ for id_, named in opened.items() if (composition in named if composition else named)]

    def grant(self, store: Connection, id_: str) -> OpenGrant | None:
        """What the data grant of a referral opens, as it stands now."""
        row = store.execute(select(referral).where(referral.c.id == id_)).one_or_none()
        if row is None:
            return None
        return OpenGrant(
            id_,
            self.standard(row.standard),
            row_ids(row.rows),
            row_ids(row.letters),
            self._compositions(row),
            self.keys.ring.open("bsn", bytes(row.sealed_bsn)).decode(),
            utc(row.not_after),
            row.withdrawn is not None,
        )

    def lines(self, store: Connection, provider: str, now: datetime, *, open_only: bool) -> list[ReferralLine]:
        """The referrals of a provider, newest first."""
        wanted = select(referral).where(referral.c.provider == provider).order_by(referral.c.created.desc())
        if open_only:
            wanted = wanted.where(referral.c.status.not_in(ENDED))
        return [self._line(store, row, now) for row in store.execute(wanted)]

    def _line(self, store: Connection, row: Row[Any], now: datetime) -> ReferralLine:
        told = select(exchange_notice.c.state).where(exchange_notice.c.referral_id == row.id)
        return ReferralLine(
            row.id,
            row.provider,
            row.partner,
            row.flow,
            row.status,
            utc(row.created),
            utc(row.not_after),
            row.withdrawn is not None,
            row.status not in ENDED and utc(row.not_after) <= now,
            tuple(store.execute(told.order_by(exchange_notice.c.pk)).scalars()),
        )

    def _by_sender(self, store: Connection, id_: str, status: str, by: str, now: datetime, reason: str) -> None:
        for _ in range(TRIES):
            row = self._row(store, id_)
            changes: dict[str, Any] = {"status": status} | ({"statusReason": {"text": reason}} if reason else {})
            try:
                if self._moved(store, row, changes, "sender", by, now) is not None:
                    return
            except Problem as fault:
                raise CannotRefer(fault.text) from fault
        raise CannotRefer("the referral is being changed by somebody else; try again")

    def _moved(
        self, store: Connection, row: Row[Any], changes: dict[str, Any], side: Side, by: str, now: datetime
    ) -> Resource | None:
        """The Task in its new state, kept; None when somebody else was faster. Raises Problem 422."""
        wanted = str(changes["status"])
        try:
            row_of_step = step(row.flow, row.status, wanted, side)
        except NotFollowing as fault:
            text = "The state that the Task has now does not allow this one."
            raise Problem(422, "business-rule", text, expression="Task.status") from fault
        after = {name: value for name, value in self._open(row.sealed_task).items() if name != "text"}
        after |= {**changes, "lastModified": moment(now)}
        values: dict[str, Any] = {"status": wanted, "version": row.version + 1, "sealed_task": self._seal(after)}
        if row_of_step is not None and row_of_step.withdraws and row.withdrawn is None:
            values |= {"withdrawn": now, "withdrawn_reason": wanted}
        mine = (referral.c.id == row.id, referral.c.version == row.version)
        if store.execute(update(referral).where(*mine).values(**values)).rowcount != 1:
            return None
        event(store, row.id, now, wanted, by, "")
        return after

    def _compositions(self, row: Row[Any]) -> frozenset[str]:
        """EO-04: first the advance notice, then the handoff, then neither."""
        code = {"requested": ADVANCE, "received": ADVANCE, "accepted": ADVANCE, "in-progress": HANDOFF}.get(row.status)
        named = {
            f"{coding['system']}|{coding['code']}": one["valueReference"]["reference"].removeprefix("Composition/")
            for one in self._open(row.sealed_task)["input"]
            if "valueReference" in one
            for coding in one["type"]["coding"]
        }
        return frozenset({named[code]}) if code in named else frozenset()

    def _inputs(self, order: Order, standard: Standard) -> tuple[list[str], list[dict[str, Any]]]:
        if order.flow == "eoverdracht":
            if not order.handoff:
                raise CannotRefer("a nursing handoff needs the Composition that is handed over")
            named = [(ADVANCE, order.advance), (HANDOFF, order.handoff)]
            return [], [reference_input(code, f"Composition/{id_}") for code, id_ in named if id_]
        rows: list[str] = []
        inputs = []
        for part in chosen(order.parts, standard):
            rules = list(rows_of(part, standard))
            rows += [rule.id for rule in rules]
            inputs.append(search_input(part.codes, search_of(rules[0])))
        if order.letters:
            inputs.append(search_input([LETTERS_CODE], LETTERS_SEARCH))
        return rows, inputs

    def _notify(
        self, store: Connection, row: Row[Any], times: tuple[datetime, datetime], base: str, *, cancels: str = ""
    ) -> None:
        """Put a notification into the outbox. ``cancels``: identifier of the one that it takes back."""
        identifier, ends = str(uuid.uuid4()), self._ends(row.provider, row.partner)
        named = cancels or identifier
        body = notification_task(named, row.group_id, row.id, ends, times, base, cancels=bool(cancels))
        store.execute(
            insert(exchange_notice).values(
                referral_id=row.id,
                identifier=identifier,
                cancels=bool(cancels),
                # The notification of a handoff has no body: it is the address that names the Task (EO-01).
                sealed=b"" if row.flow == "eoverdracht" else self._seal(body),
                state="waiting",
                attempts=0,
                next=times[0],
                until=min(times[1], times[0] + timedelta(hours=SEND_HOURS)),
                answer="",
            )
        )

    def _task_base(self, store: Connection, id_: str) -> str:
        """What opens the Task, as the first notification said it: it stands nowhere else."""
        told = select(exchange_notice.c.sealed).where(exchange_notice.c.referral_id == id_, ~exchange_notice.c.cancels)
        sealed = bytes(store.execute(told.order_by(exchange_notice.c.pk).limit(1)).scalar_one())
        return str(inputs_of(self._open(sealed))[BASE]["valueString"]) if sealed else ""

    def _ends(self, provider: str, partner: str) -> Ends:
        party, other = self.settings.parties.get(provider), self.settings.partners.get(partner)
        if party is None:
            raise CannotRefer(f"{provider} does not exchange: there is no exchange.parties.{provider}")
        if other is None:
            raise CannotRefer(f"unknown partner; known are {', '.join(sorted(self.settings.partners)) or 'none'}")
        if other.paused:
            raise CannotRefer("nothing is exchanged with this partner at the moment")
        if not other.notification_url:
            raise CannotRefer("this partner cannot be reached: it has no notification_url")
        return Ends(party.ura, party.name, other.ura, other.name, self.settings.issuer)

    def _patient(self, store: Connection, provider: str, person: str, standard: Standard) -> str:
        mine = (patient.c.person == person, patient.c.provider == provider, patient.c.fhir == standard.fhir.value)
        held = store.execute(select(patient.c.patient_id).where(*mine).order_by(patient.c.patient_id)).scalars().first()
        if held is None:
            raise CannotRefer("this person is not known at the provider")
        return str(held)

    def _holds(
        self, store: Connection, provider: str, standard: Standard, patient_id: str, type_: str, id_: str
    ) -> None:
        mine = (
            resource.c.provider == provider,
            resource.c.fhir == standard.fhir.value,
            resource.c.patient_id == patient_id,
            resource.c.type == type_,
            resource.c.id == id_,
        )
        if store.execute(select(resource.c.pk).where(*mine, ~resource.c.deleted)).first() is None:
            raise CannotRefer(f"the record of this person holds no {type_} with that id")

    def _row(self, store: Connection, id_: str) -> Row[Any]:
        row = store.execute(select(referral).where(referral.c.id == id_)).one_or_none()
        if row is None:
            raise CannotRefer("there is no such referral")
        return row

    def _seal(self, task: Resource) -> bytes:
        return self.keys.ring.seal(SEAL, jsonio.dump(task))

    def _open(self, sealed: bytes) -> Resource:
        opened: Resource = jsonio.load(self.keys.ring.open(SEAL, bytes(sealed)))
        return opened


def event(store: Connection, id_: str, now: datetime, deed: str, by: str, text: str) -> None:
    """Add to the history of a referral."""
    values = {"referral_id": id_, "at": now, "deed": deed, "by": by[:120], "text": text}
    store.execute(insert(referral_event).values(**values))
