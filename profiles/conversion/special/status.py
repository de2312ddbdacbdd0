"""States: codes that became concepts, with the zib coding that tells more."""

import datetime as dt
from typing import Any, Final

from profiles.conversion.datatypes import CODE_SPECIFICATION
from profiles.conversion.losses import told
from profiles.conversion.paths import Node, codings, extension_value, extensions, listed, take
from profiles.conversion.work import Work

HL7: Final = "http://terminology.hl7.org/CodeSystem/"
SNOMED: Final = "http://snomed.info/sct"
NULL: Final = HL7 + "v3-NullFlavor"
VERIFICATION: Final = {
    "provisional": ("provisional", SNOMED, "415684004"),
    "differential": ("differential", SNOMED, "410590009"),
    "confirmed": ("confirmed", SNOMED, "410605003"),
    "refuted": ("refuted", SNOMED, "410516002"),
    "unknown": ("unconfirmed", NULL, "UNK"),
}
ALLERGY: Final = {"active": "active", "obsolete": "inactive", "completed": "resolved"}
ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def absent(reason: str = "unknown") -> Node:
    """What stands beside a primitive that must be there and that the source does not have."""
    return {"extension": [{"url": ABSENT, "valueCode": reason}]}


def by_period(period: Any, day: dt.date) -> str:
    """The state of a coverage: cancelled when ended, draft when not begun, else active."""
    start, end = (period.get("start"), period.get("end")) if isinstance(period, dict) else (None, None)
    today = day.isoformat()
    if isinstance(end, str) and end[:10] < today[: len(end[:10])]:
        return "cancelled"
    return "draft" if isinstance(start, str) and start[:10] > today[: len(start[:10])] else "active"


def _zib(beside: Any) -> list[Node]:
    rows = extensions(beside, CODE_SPECIFICATION) if isinstance(beside, dict) else []
    return [one for row in rows for one in codings(extension_value(row))]


def problem(work: Work) -> None:
    """Clinical and verification status of a Condition as concepts, the zib coding behind that of HL7."""
    value, beside = take(work.resource, "clinicalStatus")
    zib = _zib(beside)
    if value or zib:
        first = [{"system": HL7 + "condition-clinical", "code": value}] if value else []
        work.resource["clinicalStatus"] = {"coding": [*first, *zib]}
    value, beside = take(work.resource, "verificationStatus")
    zib = _zib(beside)
    if value in VERIFICATION:
        code, system, own = VERIFICATION[value]
        row = {"system": HL7 + "condition-ver-status", "code": code}
        work.resource["verificationStatus"] = {"coding": [row, *(zib or [{"system": system, "code": own}])]}
    elif value or zib:
        row = {"system": HL7 + "condition-ver-status", "code": value or "unconfirmed"}
        work.resource["verificationStatus"] = {"coding": [row, *zib]}
        if value == "entered-in-error":
            work.assume("Condition.verificationStatus", value)

    _ended(work, {one.get("code") for one in codings(work.resource.get("clinicalStatus"))})


def _ended(work: Work, states: set[Any]) -> None:
    """R4 forbids an end beside a state that goes on: which of the two is right is not ours to say, so the end is told
    in the note and the state stays."""
    ended = {key: value for key, value in work.resource.items() if key.lstrip("_").startswith("abatement")}
    if not ended or states & {"inactive", "remission", "resolved"}:
        return
    for key, value in ended.items():
        del work.resource[key]
        work.lose("unmapped", "", f"Condition.{key}", value)
        text = f"Einddatum in de bron, bij een probleem dat niet is afgesloten: {told(value)}"
        work.resource["note"] = [*listed(work.resource.get("note")), {"text": text}]


def allergy(work: Work) -> None:
    """Clinical status by the zib coding first; one that was nullified is entered in error and has none."""
    resource = work.resource
    value, beside = take(resource, "clinicalStatus")
    verification, _ = take(resource, "verificationStatus")
    said = [str(one.get("code")) for one in _zib(beside) if str(one.get("system")).endswith("ActStatus")]
    if "nullified" in said:
        verification, value = "entered-in-error", None
    else:
        value = next((ALLERGY[one] for one in said if one in ALLERGY), value)
    if verification == "entered-in-error":
        value = None
    if value:
        resource["clinicalStatus"] = {"coding": [{"system": HL7 + "allergyintolerance-clinical", "code": value}]}
    if verification:
        row = {"system": HL7 + "allergyintolerance-verification", "code": verification}
        resource["verificationStatus"] = {"coding": [row]}
    _category(work)


def _category(work: Work) -> None:
    rows, beside = listed(work.resource.get("category")), listed(work.resource.get("_category"))
    if max(len(rows), len(beside)) > 1:
        work.lose("partial", "LL-07", "AllergyIntolerance.category", rows[1:])
        for name, kept in (("category", rows[:1]), ("_category", beside[:1])):
            work.resource.pop(name, None)
            if any(one is not None for one in kept):
                work.resource[name] = kept
    for reaction in listed(work.resource.get("reaction")):
        severity = reaction.pop("_severity", None)
        if severity is not None and "severity" not in reaction:
            known = {"255604002": "mild", "6736007": "moderate", "24484000": "severe"}
            code = next((known[str(one["code"])] for one in _zib(severity) if one.get("code") in known), None)
            if code:
                reaction["severity"] = code
