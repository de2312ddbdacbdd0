"""The unit of work: what a source pushed is stored whole, with its versions, or not at all."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec
from sqlalchemy import Connection, Engine, delete, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from auth.crypto import KeyRing, Pseudonyms
from gateway.audit.record import AuditRecord
from gateway.intake import quarantine
from gateway.intake.answers import Answer, Result, answer, done, found, refused
from gateway.intake.change import Change, Plan
from gateway.intake.judge import gate_of, recorded
from gateway.intake.plan import plan as planned
from gateway.intake.refusal import Refusal, refusal
from gateway.intake.sender import Sender
from gateway.intake.settings import IntakeSettings
from gateway.intake.tasks import Key, Push
from gateway.quality.gate import Counting
from gateway.quality.settings import QualitySettings
from gateway.store.engine import reading
from gateway.store.schema import receipt
from gateway.store.unit import Stale, Unit, Verdict, Written
from profiles.fhir.outcome import Issue
from profiles.record.expect import Expectations
from profiles.standards.load import Catalogue

ATTEMPTS = 6
DEEDS = {"create": "stored", "update": "stored", "delete": "deleted", "": "nothing changed"}
MISSING = "nothing with this id is here"
AGAIN = {"40001", "40P01"}
"""SQL states of PostgreSQL after which the same transaction may be tried again."""


_KEPT = msgspec.json.Decoder(tuple[Answer, list[AuditRecord]])


@dataclass(slots=True)
class Taken:
    """The answer to a push, and what the audit trail must hold before it is given."""

    answer: Answer
    records: list[AuditRecord] = field(default_factory=list)


class Intake:
    """Takes in what sources push. Synchronous: call it from worker threads."""

    def __init__(
        self,
        engine: Engine,
        settings: IntakeSettings,
        quality: QualitySettings,
        counting: Counting,
        catalogue: Catalogue,
        pseudonyms: Pseudonyms,
        ring: KeyRing,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.ring = ring
        self._quality = quality
        self._counting = counting
        self._catalogue = catalogue
        self._pseudonyms = pseudonyms
        self._expected = Expectations(catalogue)
        self.sender = lru_cache(maxsize=None)(self._sender)

    def _sender(self, name: str) -> Sender:
        source = self.settings.sources[name]
        return Sender(
            source.provider,
            name,
            self._pseudonyms,
            self.ring,
            self.engine,
            frozenset(source.patients_of),
            self._expected,
            gate_of(source, self._quality, self._catalogue, self._counting),
        )

    def take(self, name: str, make: Callable[[], Push], *, released: int | None = None) -> Taken:
        """Carry out a push of a source.

        ``make`` reads it anew for every attempt: another request may change the store in between. ``released`` is the
        number of the quarantine item that it comes from. Raises SQLAlchemyError when the store does not answer, and
        what ``make`` raises.
        """
        for _ in range(ATTEMPTS):
            push = make()
            if push.request_id and (kept := self._answered(name, push)):
                return kept
            plan = planned(self.sender(name), push)
            try:
                return self._carry_out(name, plan, released)
            except Refusal as fault:
                return self._told(name, plan, fault)
            except (Stale, IntegrityError):
                continue
            except DBAPIError as fault:
                if getattr(fault.orig, "sqlstate", None) not in AGAIN:
                    raise
        busy = refusal(503, "transient", "the same resources are being changed by others; try again")
        busy.headers["retry-after"] = "1"
        return Taken(refused(busy))

    # --- what was answered before ----------------------------------------------------------------------------------

    def _answered(self, name: str, push: Push) -> Taken | None:
        with reading(self.engine).connect() as connection:
            row = connection.execute(
                select(receipt.c.digest, receipt.c.sealed).where(
                    receipt.c.source == name, receipt.c.request_id == push.request_id
                )
            ).one_or_none()
        if row is None:
            return None
        if bytes(row.digest) != push.digest:
            text = "this request id was used for another request"
            return Taken(refused(refusal(409, "duplicate", text)))
        given, records = _KEPT.decode(self.ring.open("receipt", bytes(row.sealed)))
        # Recorded again: who asks again may do so because the first record could not be written.
        return Taken(given, [replace(one, at=datetime.now(UTC), reason="repeated") for one in records])

    def _keep_answer(self, connection: Connection, name: str, push: Push, taken: Taken) -> None:
        if push.request_id:
            values = {
                "source": name,
                "request_id": push.request_id,
                "digest": push.digest,
                "at": datetime.now(UTC),
                "sealed": self.ring.seal("receipt", msgspec.json.encode((taken.answer, taken.records))),
            }
            connection.execute(insert(receipt).values(values))

    def forget_receipts(self) -> int:
        """Remove answers that are too old to be asked for again; how many."""
        before = datetime.now(UTC) - timedelta(days=self.settings.receipt_days)
        with self.engine.begin() as connection:
            return connection.execute(delete(receipt).where(receipt.c.at < before)).rowcount

    # --- carrying out ----------------------------------------------------------------------------------------------

    def _carry_out(self, name: str, plan: Plan, released: int | None) -> Taken:
        push = plan.push
        kept_out = [task for task in push.tasks if task.refused is not None]
        if push.together and kept_out and not plan.blocked:
            raise _together([task.refused for task in kept_out if task.refused is not None])
        sender = self.sender(name)
        if plan.blocked and push.together:
            with self.engine.begin() as connection:
                numbers = self._quarantine(connection, name, plan)
            raise _blocked(plan.blocked, numbers)
        with self.engine.begin() as connection:
            if plan.blocked:
                self._quarantine(connection, name, plan)
            unit = Unit(connection, sender, push.version)
            watched = plan.watched
            unit.check({key: row for key, row in plan.known.rows.items() if key in watched}, watched)
            _put_patients(unit, plan)
            persons = unit.persons(change.patient_id for change in plan.changes)
            leaving = self._leaving(unit, plan)
            label = self._counting.verdicts.validator(push.version).label
            changes = [change for change in plan.changes if change.task.refused is None]
            written = unit.write(changes, {change.key: _verdict(change, label) for change in changes})
            for patient_id in leaving:
                unit.forget_patient(patient_id)
            given = answer(push, self._results(plan, written), f"{self.settings.url}/intake/{name}")
            taken = Taken(given, self._records(name, plan, written, persons, given.status))
            self._keep_answer(connection, name, push, taken)
            if released is not None:
                quarantine.mark(connection, released, released=True)
        return taken

    def _leaving(self, unit: Unit, plan: Plan) -> list[str]:
        """The patients who are deleted: nothing of theirs may be left."""
        gone = [change for change in plan.changes if change.deleted and change.key[0] == "Patient" and not change.same]
        also = Counter(
            change.patient_id
            for change in plan.changes
            if change.deleted and change.key[0] != "Patient" and not change.same
        )
        found = []
        for change in gone:
            patient_id = change.key[1]
            if unit.left_of(patient_id) > also[patient_id]:
                text = "resources of this patient are left; delete those first, or in the same transaction"
                change.task.refused = refusal(409, "conflict", text, change.task.place or None)
                if plan.push.together:
                    raise change.task.refused
            else:
                found.append(patient_id)
        return found

    def _quarantine(self, connection: Connection, name: str, plan: Plan) -> list[int]:
        sender, push = self.sender(name), plan.push
        if push.together:
            number = quarantine.put_away(connection, sender.provider, name, push, push.tasks, plan.blocked, self.ring)
            return [number]
        numbers = []
        for change in plan.blocked:
            number = quarantine.put_away(connection, sender.provider, name, push, [change.task], [change], self.ring)
            change.task.refused = _blocked([change], [number])
            numbers.append(number)
        return numbers

    def _results(self, plan: Plan, written: Mapping[Key, Written]) -> list[Result]:
        made = {id(change.task): change for change in plan.changes}
        there = {id(task): row for task, row in plan.existing}
        results = []
        for task in plan.push.tasks:
            if task.refused is not None:
                results.append(Result(task, task.refused.status, issues=task.refused.issues))
            elif (row := there.get(id(task))) is not None:
                status = 201 if task.method == "POST" and task.condition is None and row.version == 1 else 200
                issues = done("this is here already; nothing was stored")
                results.append(Result(task, status, row.version, row.updated, issues))
            else:
                results.append(_result(made[id(task)], written.get(made[id(task)].key)))
        return results

    # --- telling ---------------------------------------------------------------------------------------------------

    def _told(self, name: str, plan: Plan, fault: Refusal) -> Taken:
        source = self.settings.sources[name]
        record = AuditRecord(
            "ehr:resource:refuse", datetime.now(UTC), fault.status, provider=source.provider, client=name,
            interaction=plan.push.bundle or plan.push.tasks[0].method.lower(), request_id=plan.push.request_id[:64],
            reason=fault.issues[0].code,
        )  # fmt: skip
        return Taken(refused(fault), [record])

    def _records(
        self, name: str, plan: Plan, written: Mapping[Key, Written], persons: Mapping[str, str], status: int
    ) -> list[AuditRecord]:
        """One record per person and deed."""
        source, at = self.settings.sources[name], datetime.now(UTC)
        counted: dict[tuple[str, str], Counter[str]] = {}
        for change in plan.changes:
            deed = written[change.key].deed if change.key in written else ""
            person = persons.get(change.patient_id, "")
            counted.setdefault((person, deed or "unchanged"), Counter())[change.key[0]] += 1
        return [
            AuditRecord(
                f"ehr:resource:{deed}", at, status, provider=source.provider, client=name, person=person,
                interaction=plan.push.bundle or plan.push.tasks[0].method.lower(),
                resources=tuple(sorted(types.items())), request_id=plan.push.request_id[:64],
            )
            for (person, deed), types in counted.items()
        ]  # fmt: skip


def _put_patients(unit: Unit, plan: Plan) -> None:
    for change in plan.changes:
        if change.key[0] == "Patient" and not change.deleted and not change.same:
            unit.put_patient(change.key[1], change.bsn, change.birth_date)


def _result(change: Change, written: Written | None) -> Result:
    task = change.task
    if written is None:
        return Result(task, 200, issues=done(MISSING))
    issues = done(DEEDS[written.deed], change.findings, change.repairs if written.deed else (), task.place)
    return Result(task, 201 if written.deed == "create" else 200, written.version, written.updated, issues)


def _verdict(change: Change, label: str) -> Verdict:
    return Verdict(change.report.verdict if change.report else "unchecked", label, recorded(change.findings))


def _together(faults: Sequence[Refusal]) -> Refusal:
    return Refusal(faults[0].status, [issue for fault in faults for issue in fault.issues])


def _blocked(blocked: Sequence[Change], numbers: Sequence[int]) -> Refusal:
    held = ", ".join(map(str, numbers))
    text = (
        f"not stored: it does not meet its profile, and the policy of this source blocks; kept in quarantine as {held}"
    )
    issues = [Issue("error", "business-rule", text)]
    for change in blocked:
        issues += found(change.findings, change.task.place)
    return Refusal(422, issues)
