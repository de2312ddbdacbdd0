"""Writing a plan: in one transaction all that it comes to, with what was blocked, and what the trail must hold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from gateway.audit.record import AuditRecord
from gateway.intake import quarantine, receipts
from gateway.intake.answers import IntakeAnswer, Result, answer, issues_of, refused
from gateway.intake.change import Change, WritePlan
from gateway.intake.receipts import Taken
from gateway.intake.refusal import Refusal, refusal
from gateway.intake.sender import Sender
from gateway.intake.tasks import IMPORT, Key, Task
from gateway.quality.recorded import recorded
from gateway.store.unit import RecordedVerdict, Unit, Written, outcomes
from profiles.fhir.outcome import Issue

MISSING = "nothing with this id is here"
HERE = "this is here already; nothing was stored"
AGAIN = "said more than once, with the same content"


def carry_out(sender: Sender, plan: WritePlan, released: int | None) -> Taken:
    """Write a plan. Raises Refusal when it stands or falls as a whole and falls, Stale when the store has moved on.

    ``released`` is the number of the quarantine item that it comes from.
    """
    push = plan.push
    kept_out = [task.refused for task in push.tasks if task.refused is not None]
    if push.together and kept_out and not plan.blocked:
        raise Refusal(kept_out[0].status, [issue for fault in kept_out for issue in fault.issues])
    if plan.blocked and push.together:
        with sender.engine.begin() as connection:
            numbers = _quarantine(connection, sender, plan)
        raise _blocked(plan.blocked, numbers)
    for change in plan.changes:
        change.make_ready(sender.ring)
    label = sender.gate.counting.verdicts.validator(push.version).label
    verdicts = {change.key: _verdict(change, label) for change in plan.changes}
    early = None if _open_still(plan) else _answered(sender, plan, outcomes(plan.changes, plan.now))
    with sender.engine.begin() as connection:
        if plan.blocked:
            _quarantine(connection, sender, plan)
        unit = Unit(connection, sender, push.version, plan.now)
        watched = plan.watched
        unit.check({key: row for key, row in plan.known.rows.items() if key in watched}, watched)
        _put_patients(unit, plan)
        persons = unit.persons(change.patient_id for change in plan.changes)
        leaving = _leaving(unit, plan)
        changes = [change for change in plan.changes if change.task.refused is None]
        written = unit.write(changes, verdicts)
        for patient_id in leaving:
            unit.forget_patient(patient_id)
        results, given = early or _answered(sender, plan, written)
        taken = Taken(given, _records(sender, plan, written, persons, given.status), results)
        receipts.keep(connection, sender.ring, sender.source, push, taken)
        if released is not None:
            quarantine.mark(connection, released, released=True)
    return taken


def told(sender: Sender, plan: WritePlan, fault: Refusal) -> Taken:
    """The answer to what was refused as a whole."""
    record = AuditRecord(
        f"{sender.door.subject}:resource:refuse", datetime.now(UTC), fault.status, provider=sender.provider,
        client=sender.door.client or sender.source, interaction=plan.push.interaction,
        request_id=plan.push.request_id[:64], reason=fault.issues[0].code,
    )  # fmt: skip
    return Taken(refused(fault), [record])


def _open_still(plan: WritePlan) -> bool:
    """Whether the transaction itself may refuse a part, so that the answer cannot be made before it begins."""
    return bool(plan.blocked) or any(change.deleted and change.key[0] == "Patient" for change in plan.changes)


def _answered(sender: Sender, plan: WritePlan, written: Mapping[Key, Written]) -> tuple[Sequence[Result], IntakeAnswer]:
    """What became of each task, and the answer that tells it; of a large push this is a third of all the work."""
    results = _results(plan, written)
    return results, IntakeAnswer(200, {}) if plan.push.bundle == IMPORT else answer(plan.push, results, sender.base)


def _put_patients(unit: Unit, plan: WritePlan) -> None:
    """Who the patients are; of one that did not change only the number that came along now."""
    for change in plan.changes:
        if change.key[0] != "Patient" or change.deleted or change.task.refused is not None:
            continue
        known = plan.known.patients.get(change.key[1])
        if not change.same or known is None or (change.bsn is not None and known.sealed_bsn is None):
            unit.put_patient(change.key[1], change.bsn, change.birth_date)


def _leaving(unit: Unit, plan: WritePlan) -> list[str]:
    """The patients who are deleted: nothing of theirs may be left."""
    gone = [change for change in plan.changes if change.deleted and change.key[0] == "Patient" and not change.same]
    also = Counter(
        change.patient_id
        for change in plan.changes
        if change.deleted and change.key[0] != "Patient" and not change.same
    )
    leaving = []
    for change in gone:
        patient_id = change.key[1]
        if unit.left_of(patient_id) > also[patient_id]:
            text = "resources of this patient are left; delete those first, or in the same transaction"
            change.task.refused = refusal(409, "conflict", text, change.task.place or None)
            if plan.push.together:
                raise change.task.refused
        else:
            leaving.append(patient_id)
    return leaving


def _quarantine(connection: Connection, sender: Sender, plan: WritePlan) -> list[int]:
    push = plan.push
    if push.together:
        return [quarantine.put_away(connection, sender, push, push.tasks, plan.blocked)]
    numbers = []
    for change in plan.blocked:
        number = quarantine.put_away(connection, sender, push, [change.task], [change])
        change.task.refused = _blocked([change], [number])
        numbers.append(number)
    return numbers


def _results(plan: WritePlan, written: Mapping[Key, Written]) -> list[Result]:
    made = {id(change.task): change for change in plan.changes}
    there = {id(task): row for task, row in plan.existing}
    first = {id(task): earlier for task, earlier in plan.again}
    results: dict[int, Result] = {}

    def result(task: Task) -> Result:
        if task.refused is not None:
            return Result(task, task.refused.status)
        if (row := there.get(id(task))) is not None:
            status = 201 if task.method == "POST" and task.condition is None and row.version == 1 else 200
            return Result(task, status, row.version, row.updated, text=HERE)
        change = made[id(task)]
        outcome = written.get(change.key)
        if outcome is None:
            return Result(task, 200, text=MISSING)
        status = 201 if outcome.deed == "create" else 200
        return Result(task, status, outcome.version, outcome.updated, outcome.deed, change=change)

    for task in plan.push.tasks:
        if id(task) not in first:
            results[id(task)] = result(task)
    for task, earlier in plan.again:
        before = results[id(earlier)]
        if earlier.refused is not None:
            task.refused = earlier.refused
        results[id(task)] = Result(task, 200 if before.status == 201 else before.status, before.version,
                                   before.updated, text=AGAIN)  # fmt: skip
    return [results[id(task)] for task in plan.push.tasks]


def _records(
    sender: Sender, plan: WritePlan, written: Mapping[Key, Written], persons: Mapping[str, str], status: int
) -> list[AuditRecord]:
    """One record per person and deed; of an import also one that says how many were refused."""
    at, door, push = datetime.now(UTC), sender.door, plan.push
    counted: dict[tuple[str, str], Counter[str]] = {}
    for change in plan.changes:
        deed = written[change.key].deed if change.key in written else ""
        person = persons.get(change.patient_id, "")
        counted.setdefault((person, deed or "unchanged"), Counter())[change.key[0]] += 1
    records = [
        AuditRecord(
            f"{door.subject}:resource:{deed}", at, status, provider=sender.provider,
            client=door.client or sender.source, person=person, interaction=push.interaction,
            resources=tuple(sorted(types.items())), request_id=push.request_id[:64], reason=door.reason,
        )
        for (person, deed), types in counted.items()
    ]  # fmt: skip
    kept_out = Counter(task.type for task in push.tasks if task.refused is not None)
    if push.bundle == IMPORT and kept_out:
        refused_all = AuditRecord(
            f"{door.subject}:resource:refuse", at, 422, provider=sender.provider, client=door.client or sender.source,
            interaction=push.interaction, resources=tuple(sorted(kept_out.items())), reason=door.reason,
        )  # fmt: skip
        records.append(refused_all)
    return records


def _verdict(change: Change, label: str) -> RecordedVerdict:
    return RecordedVerdict(change.report.verdict if change.report else "unchecked", label, recorded(change.findings))


def _blocked(blocked: Sequence[Change], numbers: Sequence[int]) -> Refusal:
    held = ", ".join(map(str, numbers))
    text = (
        f"not stored: it does not meet its profile, and the policy of this source blocks; kept in quarantine as {held}"
    )
    issues = [Issue("error", "business-rule", text)]
    for change in blocked:
        issues += issues_of(change.findings, change.task.place)
    return Refusal(422, issues, held=tuple(numbers))
