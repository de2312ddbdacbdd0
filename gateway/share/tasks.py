"""Tasks of the institution that a citizen deals with: which states follow which, and what a client may say of one.

The Task is the institution's and stands in the record; of what a client sends only its state, its reason and its output
are taken. Which states follow which stands in the row of the standard.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from gateway.problems import Problem
from gateway.share.findings import finding
from gateway.share.forms import check
from gateway.share.parcel import Item, Parcel
from gateway.share.questionnaire import answered, questionnaire_at
from gateway.share.sharer import Sharer
from gateway.store.engine import reading
from gateway.store.known import StoredRow, contents_of, rows_of
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.record.stamp import moment
from profiles.record.walk import Key
from profiles.standards.receives import Role


@dataclass(slots=True)
class TaskChange:
    """A Task as it will be, and the row that it was read from. ``same``: it is like that already."""

    item: Item
    row: StoredRow | None
    """None: the Task is made by this request, as official scripts do it in test mode."""
    before: Resource
    after: Resource
    same: bool = False


def task_changes(
    parcel: Parcel, sharer: Sharer, engine: Engine, now: datetime, *, makes: bool = False
) -> list[TaskChange]:
    """The Tasks of a parcel, settled. Raises Problem: 404 unknown, 422 or 400 not allowed, 409 done before.

    ``makes``: a test token by patient id may make a Task, which no client may do in production.
    """
    items = list(parcel.of(Role.TASK))
    if not items:
        return []
    with reading(engine).connect() as connection:
        return [_change(item, parcel, sharer, connection, now, makes=makes) for item in items]


def _change(
    item: Item, parcel: Parcel, sharer: Sharer, connection: Connection, now: datetime, *, makes: bool
) -> TaskChange:
    row = rows_of(connection, sharer.provider, sharer.version, [item.key]).get(item.key)
    if row is None and makes and sharer.grant.patient and not parcel.bundle:
        return TaskChange(item, None, {}, item.resource)
    if row is None or row.deleted or row.patient_id not in sharer.patients:
        raise Problem(404, "not-found", "There is no such Task.")
    if not sharer.expects(row.version):
        text = "The Task has changed: If-Match names another version."
        raise Problem(412, "conflict", text, headers={"etag": f'W/"{row.version}"'})
    contents = dict(contents_of(connection, sharer.provider, sharer.version, [item.key]))
    before: Resource = jsonio.load(bytes(contents[item.key]))
    _same_task(item, before, sharer)
    wanted, present = item.resource.get("status"), str(before.get("status"))
    output = _output(item, parcel)
    _checked(before, output, parcel, sharer, connection)
    if wanted == present and not item.rule.output:
        return TaskChange(item, row, before, before, same=True)
    _allowed(item, present, wanted)
    return TaskChange(item, row, before, _after(item, before, str(wanted), output, now))


def _checked(before: Resource, output: Key | None, parcel: Parcel, sharer: Sharer, connection: Connection) -> None:
    """Hold the answers against the questionnaire that the Task names. Raises Problem 422."""
    response = next((one for one in parcel.items if one.key == output), None)
    if response is None:
        return
    named = _named(before)
    questionnaire = questionnaire_at(connection, sharer.provider, sharer.version, named)
    if questionnaire is None:
        response.findings.append(finding("questionnaire-unknown", "QuestionnaireResponse.questionnaire"))
        return
    if answered(response.resource).partition("|")[0] not in (questionnaire.get("url"), named):
        wrong = "These are the answers to another questionnaire than the Task asks for."
        raise Problem(422, "business-rule", wrong, expression="QuestionnaireResponse.questionnaire")
    if response.resource.get("status") not in ("completed", "amended"):
        raise Problem(422, "business-rule", "The answers are not complete.", expression="QuestionnaireResponse.status")
    if issues := check(questionnaire, response.resource):
        first = issues[0]
        raise Problem(422, first.code, first.text, expression=first.expression, more=issues[1:])


def _named(task: Resource) -> str:
    """The questionnaire that a Task names, as its reference stands there."""
    for one in task.get("input", ()):
        if one.get("type", {}).get("text") == "Questionnaire":
            return str(one.get("valueReference", {}).get("reference", ""))
    return ""


def _same_task(item: Item, before: Resource, sharer: Sharer) -> None:
    for name in item.rule.fixed:
        if _plain(item.resource.get(name), sharer) != _plain(before.get(name), sharer):
            text = f"Of a Task only its state may change; {name} is not as it was given."
            raise Problem(422, "business-rule", text, expression=f"{item.place}:Task.{name}")


def _plain(value: Any, sharer: Sharer) -> Any:
    """A value without what differs in the writing: references of this address are relative, names are left out."""
    if isinstance(value, dict):
        shown = {name: _plain(part, sharer) for name, part in value.items() if name not in ("display", "id")}
        text = shown.get("reference")
        return shown | {"reference": text.removeprefix(f"{sharer.base}/")} if isinstance(text, str) else shown
    return [_plain(part, sharer) for part in value] if isinstance(value, list) else value


def _output(item: Item, parcel: Parcel) -> Key | None:
    """The entry that the Task points at as its output. Raises Problem 400 when there is none, where one is needed."""
    if not item.rule.output:
        return None
    outputs: Any = item.resource.get("output")
    targets = [
        value.get("reference")
        for one in (outputs if isinstance(outputs, list) else ())
        if isinstance(one, dict) and isinstance(value := one.get("valueReference"), dict)
    ]
    beside = {"/".join(one.key): one.key for one in parcel.items if one.rule.type == item.rule.output}
    if len(targets) != 1 or targets[0] not in beside:
        text = f"The Task has to point at one {item.rule.output} among the entries as its output."
        raise Problem(400, "required", text, expression=f"{item.place}:Task.output")
    return beside[targets[0]]


def _allowed(item: Item, present: str, wanted: object) -> None:
    transitions = item.rule.transitions
    if wanted not in {to for states in transitions.values() for to in states}:
        text = "A Task does not get this state in this way."
        raise Problem(400, "value", text, expression=f"{item.place}:Task.status")
    if wanted == present:
        raise Problem(409, "conflict", "This Task was dealt with before.", expression=f"{item.place}:Task.status")
    if wanted not in transitions.get(present, ()):
        text = "The state that the Task has now does not allow this one."
        raise Problem(422, "business-rule", text, expression=f"{item.place}:Task.status")


def _after(item: Item, before: Resource, status: str, output: Key | None, now: datetime) -> Resource:
    """The Task of the institution in its new state. Its narrative told the old one, and goes."""
    after: Resource = jsonio.load(jsonio.dump({name: value for name, value in before.items() if name != "text"}))
    after["status"] = status
    after["lastModified"] = moment(now)
    reason = item.resource.get("statusReason")
    if isinstance(reason, dict) and isinstance(reason.get("text"), str):
        after["statusReason"] = {"text": reason["text"]}
    if output is not None:
        given = item.resource["output"][0]
        display = given["valueReference"].get("display")
        pointing = {"reference": "/".join(output)} | ({"display": display} if isinstance(display, str) else {})
        after["output"] = [{"type": {"text": output[0]}, "valueReference": pointing}]
    return after
