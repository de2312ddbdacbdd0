"""Questionnaires that an institution puts ready for a person: the Task of each, when it is whose turn, how it ends.

A Task stands in the record, where a PGO finds it; everything that happens to it is a version of it. A person sees one
that is ``requested``; those that are offered in turn wait as ``draft`` until the one before has ended.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select, update

from gateway.share.keep import Keys, pending_of, restamp
from gateway.share.states import NotAllowed
from gateway.store.known import StoredRow, contents_of, known, rows_of
from gateway.store.schema import resource
from gateway.store.shared import offered_task
from gateway.store.unit import Owner, Unit, now_in_milliseconds
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import unpack
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.label import label
from profiles.record.stamp import moment

SOURCE = "questionnaires"
"""The source of what is offered here; an EHR that pushes its own Tasks has its own."""
CODE = {"system": "http://loinc.org", "code": "74468-0", "display": "Questionnaire form definition Document"}
PROFILE = "http://nictiz.nl/fhir/StructureDefinition/vl-QuestionnaireProvisioningTask"
ENDED = frozenset({"completed", "failed", "rejected", "cancelled"})
OPEN = frozenset({"requested", "accepted"})
WAITING = "draft"


@dataclass(frozen=True, slots=True)
class Offer:
    """One Task as staff see it."""

    id: str
    patient_id: str
    status: str
    questionnaire: str
    description: str
    offered: str
    changed: str
    until: str
    reason: str
    response: str
    """Reference to what came back; empty until then."""


@dataclass(frozen=True, slots=True)
class Offers:
    """The questionnaires of one provider, inside the caller's transaction."""

    connection: Connection
    keys: Keys
    provider: str
    version: FhirVersion = FhirVersion.STU3

    def offer(
        self,
        patient_id: str,
        questionnaire_id: str,
        requester: str,
        until: datetime | None = None,
        *,
        in_turn: bool = False,
    ) -> str:
        """Put a questionnaire ready; the id of its Task. ``requester`` names who asks, as the citizen reads it.

        ``in_turn``: it waits while another one is open. Raises NotAllowed for a patient or questionnaire that is not
        known here.
        """
        keys = [("Patient", patient_id), ("Questionnaire", questionnaire_id)]
        contents = {
            key: jsonio.load(bytes(body))
            for key, body in contents_of(self.connection, self.provider, self.version, keys)
        }
        patients = known(self.connection, self.provider, self.version, keys).patients
        if patient_id not in patients or keys[0] not in contents:
            raise NotAllowed("this patient is not known here")
        if keys[1] not in contents:
            raise NotAllowed("this questionnaire is not known here")
        status = WAITING if in_turn and any(one.status in OPEN for one in self.of(patient_id)) else "requested"
        now = now_in_milliseconds()
        task = _task(contents[keys[0]], contents[keys[1]], requester, status, now, until)
        self._unit(SOURCE, now).write([pending_of(task, patient_id, self.keys.pseudonyms, self.version, now)], {})
        values = {"provider": self.provider, "fhir": self.version.value, "task_id": task["id"], "offered": now}
        self.connection.execute(insert(offered_task).values(values | {"until": until}))
        return str(task["id"])

    def withdraw(self, task_id: str, reason: str) -> None:
        """Take back an offer that was not answered yet. Raises NotAllowed."""
        row, task = self._found(task_id)
        if task.get("status") not in (*OPEN, WAITING):
            raise NotAllowed("only what is open can be withdrawn")
        self._change(row, task, "cancelled", reason)
        self.next_turn(row.patient_id)

    def expire(self, now: datetime) -> int:
        """End what was not answered in time; how many."""
        mine = (offered_task.c.provider == self.provider, offered_task.c.fhir == self.version.value)
        due = select(offered_task.c.task_id).where(*mine, offered_task.c.until < now)
        ended = 0
        for task_id in list(self.connection.execute(due).scalars()):
            pair = self._there(task_id)
            if pair is not None and pair[1].get("status") in (*OPEN, WAITING):
                row, task = pair
                self._change(row, task, "cancelled", "De termijn is voorbij.")
                self.next_turn(row.patient_id)
                ended += 1
            done = update(offered_task).where(*mine, offered_task.c.task_id == task_id)
            self.connection.execute(done.values(until=None))
        return ended

    def next_turn(self, patient_id: str) -> None:
        """Let the oldest that waits be the next, when nothing of the person is open."""
        mine = list(self._tasks(patient_id))
        if any(task.get("status") in OPEN for _, task in mine):
            return
        waiting = [pair for pair in mine if pair[1].get("status") == WAITING]
        waiting.sort(key=lambda pair: pair[0].pk)
        if waiting:
            self._change(*waiting[0], "requested", "")

    def of(self, patient_id: str) -> list[Offer]:
        """The offers of a patient, those that an EHR pushed included; the newest first."""
        found = [_offer(row, task) for row, task in self._tasks(patient_id)]
        return sorted(found, key=lambda one: one.offered, reverse=True)

    def newest(self, most: int = 200) -> list[Offer]:
        """The newest offers that were made here, for all patients."""
        mine = (offered_task.c.provider == self.provider, offered_task.c.fhir == self.version.value)
        wanted = select(offered_task.c.task_id).where(*mine).order_by(offered_task.c.offered.desc()).limit(most)
        there = [self._there(task_id) for task_id in list(self.connection.execute(wanted).scalars())]
        return [_offer(*pair) for pair in there if pair is not None]

    def _found(self, task_id: str) -> tuple[StoredRow, Resource]:
        pair = self._there(task_id)
        if pair is None:
            raise NotAllowed("there is no such Task")
        return pair

    def _there(self, task_id: str) -> tuple[StoredRow, Resource] | None:
        """The Task of an offer; None when it was removed from the record since."""
        key = ("Task", task_id)
        row = rows_of(self.connection, self.provider, self.version, [key], lock=True).get(key)
        if row is None or row.deleted:
            return None
        contents = dict(contents_of(self.connection, self.provider, self.version, [key]))
        return row, jsonio.load(bytes(contents[key]))

    def _tasks(self, patient_id: str) -> Iterator[tuple[StoredRow, Resource]]:
        mine = [resource.c.provider == self.provider, resource.c.fhir == self.version.value]
        mine.append(resource.c.patient_id == patient_id)
        wanted = select(
            resource.c.pk, resource.c.patient_id, resource.c.source, resource.c.version, resource.c.digest,
            resource.c.updated, resource.c.deleted, resource.c.json,
        ).where(*mine, resource.c.type == "Task", resource.c.deleted.is_(False))  # fmt: skip
        for row in self.connection.execute(wanted).all():
            yield StoredRow(*row[:7]), jsonio.load(unpack(bytes(row.json)))

    def _change(self, row: StoredRow, task: Resource, status: str, reason: str) -> None:
        now = now_in_milliseconds()
        after = {name: value for name, value in task.items() if name != "text"}
        after |= {"status": status, "lastModified": moment(now)}
        if reason:
            after["statusReason"] = {"text": reason}
        pending = pending_of(after, row.patient_id, self.keys.pseudonyms, self.version, now)
        pending.before = row
        restamp(pending, jsonio.load(pending.json), row.version + 1, now, self.version)
        self._unit(row.source, now).write([pending], {})

    def _unit(self, source: str, now: datetime) -> Unit:
        owner = Owner(self.provider, source, self.keys.pseudonyms, self.keys.ring)
        return Unit(self.connection, owner, self.version, now)


def _task(
    patient: Resource, questionnaire: Resource, requester: str, status: str, now: datetime, until: datetime | None
) -> Resource:
    title = str(questionnaire.get("title") or questionnaire.get("name") or "Vragenlijst")
    person = {"reference": f"Patient/{patient['id']}", "display": label(patient) or "De persoon zelf"}
    asked = {"reference": f"Questionnaire/{questionnaire['id']}", "display": f"Vragenlijst: {title}"}
    task: Resource = {
        "resourceType": "Task",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [PROFILE]},
        "status": status,
        "intent": "order",
        "code": {"coding": [CODE]},
        "description": f"De vragenlijst '{title}' is beschikbaar om in te vullen",
        "authoredOn": moment(now),
        "lastModified": moment(now),
        "requester": {"agent": {"display": requester}},
        "owner": person,
    }
    if until is not None:
        task["restriction"] = {"period": {"end": moment(until.astimezone(UTC))}}
    return task | {
        "input": [
            {"type": {"text": "Questionnaire"}, "valueReference": asked},
            {"type": {"text": "Subject"}, "valueReference": person},
        ],
    }


def _offer(row: StoredRow, task: Resource) -> Offer:
    inputs = [one for one in task.get("input", ()) if one.get("type", {}).get("text") == "Questionnaire"]
    outputs = [one.get("valueReference", {}).get("reference", "") for one in task.get("output", ())]
    return Offer(
        str(task["id"]),
        row.patient_id,
        str(task.get("status", "")),
        str(inputs[0].get("valueReference", {}).get("display", "")) if inputs else "",
        str(task.get("description", "")),
        str(task.get("authoredOn", "")),
        str(task.get("lastModified", "")),
        str(task.get("restriction", {}).get("period", {}).get("end", "")),
        str(task.get("statusReason", {}).get("text", "")),
        outputs[0] if outputs else "",
    )
