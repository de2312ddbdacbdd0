"""The two Tasks of an exchange (FHIR STU3): the workflow Task at the sender, and the notification that tells of it.

Neither holds a name, a birth date, a citizen number or a clinical word: the workflow Task points at the Patient, who is
opened only by the grant for the data; the notification says no more than where the Task is.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.problems import Problem
from profiles.fhir.tree import Resource
from profiles.record.stamp import moment

URA = "http://fhir.nl/fhir/NamingSystem/ura"
UUID_SYSTEM = "https://tools.ietf.org/html/rfc4122"
UUID_SYSTEMS = frozenset({UUID_SYSTEM, "urn:ietf:rfc:3986"})
TASK_CODE = "http://fhir.nl/fhir/NamingSystem/TaskCode"
PARAMETER = "http://fhir.nl/fhir/NamingSystem/TaskParameter"
SNOMED = "http://snomed.info/sct"
PULL, BASE, GET_TASK = "pull-notification", "authorization-base", "get-workflow-task"
TASK_CODES = frozenset({TASK_CODE, "http://fhir.nl/fhir/NamingSystem/TaskCodes"})
PARAMETERS = frozenset({PARAMETER, "http://xxx.nl/fhir/CodeSystem/TaskParameterType"})
"""Spellings that are understood when they come (NPN-04); only the first is sent."""
FLOW_CODES = {"bgz": "3457005", "eoverdracht": "308292007"}
"""SNOMED CT: referral; handoff of nursing."""
CHANGES = frozenset(
    {"status", "statusReason", "businessStatus", "lastModified", "executionPeriod", "note", "output", "owner"}
)
"""What a receiver may change of a Task (NPW-08)."""
_BASIC = frozenset({"text", "meta", "id"})
"""What is no statement of the client: the narrative goes with a change of state, meta is ours."""
_UUID = re.compile(r"(?:urn:uuid:)?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})", re.ASCII)
_TASK = re.compile(r"/?Task/([A-Za-z0-9\-.]{1,64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ends:
    """Both organisations of an exchange, by URA and name, and the system that sends."""

    sender: str
    sender_name: str
    receiver: str
    receiver_name: str
    system: str


def workflow_task(
    id_: str, group: str, flow: str, ends: Ends, patient_id: str, by: str, times: tuple[datetime, datetime],
    inputs: Sequence[Mapping[str, Any]], base: str,
) -> Resource:  # fmt: skip
    """The workflow Task as it begins. ``times`` are now and the end of the grant; ``base`` opens the data."""
    return {
        "resourceType": "Task",
        "id": id_,
        "identifier": [_uuid(id_)],
        "groupIdentifier": _uuid(group),
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": SNOMED, "code": FLOW_CODES[flow]}]},
        "for": {"reference": f"Patient/{patient_id}"},
        "authoredOn": moment(times[0]),
        "lastModified": moment(times[0]),
        "requester": {"agent": {"display": by}, "onBehalfOf": _organization(ends.sender, ends.sender_name)},
        "owner": _organization(ends.receiver, ends.receiver_name),
        "restriction": {"period": {"end": moment(times[1])}},
        "input": [*inputs, {"type": _parameter(BASE), "valueString": base}],
    }


def search_input(codes: Sequence[str], search: str) -> dict[str, Any]:
    """One part of a BgZ as input of a workflow Task."""
    coded = [dict(zip(("system", "code"), code.rsplit("|", 1), strict=True)) for code in codes]
    return {"type": {"coding": coded}, "valueString": search}


def reference_input(code: str, reference: str) -> dict[str, Any]:
    """One message of a nursing handoff as input of its Task."""
    system, _, value = code.rpartition("|")
    return {"type": {"coding": [{"system": system, "code": value}]}, "valueReference": {"reference": reference}}


def notification_task(
    identifier: str, group: str, task_id: str, ends: Ends, times: tuple[datetime, datetime], base: str,
    *, cancels: bool = False,
) -> Resource:  # fmt: skip
    """The notification (NPN-03): where the Task is, and what opens it; nothing of a person."""
    return {
        "resourceType": "Task",
        "identifier": [_uuid(identifier)],
        "basedOn": [{"reference": f"Task/{task_id}"}],
        "groupIdentifier": _uuid(group),
        "status": "cancelled" if cancels else "requested",
        "intent": "proposal",
        "code": {"coding": [{"system": TASK_CODE, "code": PULL}]},
        "authoredOn": moment(times[0]),
        "requester": {
            "agent": {"identifier": {"system": "urn:ietf:rfc:3986", "value": ends.system}},
            "onBehalfOf": _organization(ends.sender, ends.sender_name),
        },
        "owner": _organization(ends.receiver, ends.receiver_name),
        "restriction": {"period": {"end": moment(times[1])}},
        "input": [
            {"type": _parameter(BASE), "valueString": base},
            {"type": _parameter(GET_TASK), "valueBoolean": True},
        ],
    }


@dataclass(frozen=True, slots=True)
class Notified:
    """What a notification says, checked."""

    identifier: str
    group: str
    task_id: str
    sender: str
    owner: str
    cancels: bool
    base: str = field(repr=False)


def read_notification(task: Resource) -> Notified:
    """What a notification says. Raises Problem 400 for what is none, 422 for one that leads nowhere (NP-09)."""
    if task.get("resourceType") != "Task":
        raise Problem(400, "invalid", "A notification is a Task.", expression="Task")
    if not any(system in TASK_CODES and code == PULL for system, code in _codings(task.get("code"))):
        raise Problem(400, "value", "The code of a notification is pull-notification.", expression="Task.code")
    status = task.get("status")
    if status not in ("requested", "cancelled"):
        raise Problem(400, "value", "A notification is requested or cancelled.", expression="Task.status")
    identifiers = task.get("identifier")
    identifier = _uuid_of(identifiers[0] if isinstance(identifiers, list) and identifiers else None, "Task.identifier")
    given = inputs_of(task)
    base = _text_of(given.get(BASE, {}).get("valueString"))
    requester = task.get("requester")
    sender = ura_of(requester.get("onBehalfOf") if isinstance(requester, dict) else None)
    if not sender:
        raise Problem(400, "required", "Who refers is not named by a URA.", expression="Task.requester.onBehalfOf")
    owner = ura_of(task.get("owner"))
    if not owner:
        raise Problem(400, "required", "The receiving organisation is not named by a URA.", expression="Task.owner")
    group = _uuid_of(task.get("groupIdentifier"), "Task.groupIdentifier")
    if status == "cancelled":
        return Notified(identifier, group, "", sender, owner, True, base)
    based = task.get("basedOn")
    named = based[0].get("reference") if isinstance(based, list) and based and isinstance(based[0], dict) else None
    found = _TASK.fullmatch(named) if isinstance(named, str) else None
    if found is None or given.get(GET_TASK, {}).get("valueBoolean") is not True or not base:
        text = "The notification leads to no workflow Task that can be read."
        raise Problem(422, "business-rule", text, expression="Task.input")
    return Notified(identifier, group, found[1], sender, owner, False, base)


def changed_task(stored: Resource, sent: Resource) -> dict[str, Any]:
    """What a receiver may change and did. Raises Problem 422 for any other difference (NPW-08)."""
    for name in sorted((stored.keys() | sent.keys()) - CHANGES - _BASIC):
        if _plain(stored.get(name)) != _plain(sent.get(name)):
            raise _fixed(name)
    if sent.get("id", stored["id"]) != stored["id"]:
        raise _fixed("id")
    if ura_of(sent.get("owner")) != ura_of(stored.get("owner")):
        raise _fixed("owner")
    before, after = stored.get("note") or [], sent.get("note") or []
    if not isinstance(after, list) or _plain(after[: len(before)]) != _plain(before):
        raise _fixed("note")
    if not isinstance(sent.get("status"), str):
        raise Problem(400, "required", "The Task has no state.", expression="Task.status")
    return {name: sent[name] for name in CHANGES if name in sent}


def inputs_of(task: Resource) -> dict[str, dict[str, Any]]:
    """The inputs of a Task whose type is a parameter of the exchange, by its code."""
    return {
        code: one
        for one in _dicts(task.get("input"))
        for system, code in _codings(one.get("type"))
        if system in PARAMETERS
    }


def searches_of(task: Resource) -> list[object]:
    """The searches that a workflow Task names, as they stand there: they are somebody else's text."""
    return [one["valueString"] for one in _dicts(task.get("input")) if "valueString" in one and not _of_exchange(one)]


def references_of(task: Resource) -> list[tuple[str, str]]:
    """Code and reference of the inputs that point at something."""
    return [
        (code, str(one["valueReference"].get("reference", "")))
        for one in _dicts(task.get("input"))
        if isinstance(one.get("valueReference"), dict)
        for _, code in _codings(one.get("type"))
    ]


def ura_of(reference: object) -> str:
    """The URA in a reference by identifier; empty when there is none."""
    given = reference.get("identifier") if isinstance(reference, dict) else None
    if not isinstance(given, dict) or given.get("system") != URA:
        return ""
    value = given.get("value")
    return value if isinstance(value, str) and re.fullmatch(r"[0-9]{8}", value, re.ASCII) else ""


def service_of(task: Resource) -> str:
    """The id of the healthcare service that a Task is routed to; empty when it says none."""
    for one in _dicts(task.get("extension")):
        if str(one.get("url", "")).endswith("/task-stu3-healthcareservice"):
            named = one.get("valueReference")
            text = named.get("reference", "") if isinstance(named, dict) else ""
            return text.rpartition("/")[2] if isinstance(text, str) else ""
    return ""


def _of_exchange(given: Mapping[str, Any]) -> bool:
    return any(system in PARAMETERS for system, _ in _codings(given.get("type")))


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())


def _codings(concept: object) -> list[tuple[object, Any]]:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return [(one.get("system"), one["code"]) for one in _dicts(codings) if isinstance(one.get("code"), str)]


def _plain(value: Any) -> Any:
    """A value without what differs in the writing only."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items() if name != "id"}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _fixed(name: str) -> Problem:
    # The name may be the client's own: only those that FHIR knows are repeated.
    known = re.fullmatch(r"[a-zA-Z]{1,30}", name, re.ASCII) is not None
    text = f"Of a Task the receiver does not change {name if known else 'this'}."
    return Problem(422, "business-rule", text, expression=f"Task.{name}" if known else "Task")


def _uuid(value: str) -> dict[str, str]:
    return {"system": UUID_SYSTEM, "value": f"urn:uuid:{value}"}


def _uuid_of(given: object, place: str) -> str:
    value = given.get("value") if isinstance(given, dict) and given.get("system") in UUID_SYSTEMS else None
    found = _UUID.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Problem(400, "required", "An identifier here is a UUID.", expression=place)
    return found[1].lower()


def _text_of(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 200 else ""


def _parameter(code: str) -> dict[str, Any]:
    return {"coding": [{"system": PARAMETER, "code": code}]}


def _organization(ura: str, name: str) -> dict[str, Any]:
    return {"identifier": {"system": URA, "value": ura}, "display": name}
