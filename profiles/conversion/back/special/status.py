"""States: concepts that become codes again, with the zib coding that tells more."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from profiles.conversion.back.around import BackWork
from profiles.conversion.back.steps import as_code
from profiles.conversion.datatypes import CODE_SPECIFICATION
from profiles.conversion.paths import Node, add_extension, beside, extensions, listed
from profiles.conversion.special.status import ALLERGY, HL7, SNOMED, absent

STATES: Final = {"active": "55561003", "inactive": "73425007"}
NULL: Final = HL7 + "v3-NullFlavor"
SEVERITY: Final = {"mild": "255604002", "moderate": "6736007", "severe": "24484000"}


def _zib(holder: Node, name: str, system: str, code: str) -> None:
    """The coding of the zib beside a code that has none."""
    row = beside(holder, name)
    if not extensions(row, CODE_SPECIFICATION):
        add_extension(row, CODE_SPECIFICATION, "CodeableConcept", {"coding": [{"system": system, "code": code}]})


def problem(work: BackWork) -> None:
    """Clinical and verification status of a problem as codes; unconfirmed is what 2017 calls unknown."""
    resource = work.resource
    as_code(work, "clinicalStatus", HL7 + "condition-clinical", {"relapse": "recurrence"})
    state = resource.get("clinicalStatus")
    if state in STATES:
        _zib(resource, "clinicalStatus", SNOMED, STATES[state])
    rest = as_code(work, "verificationStatus", HL7 + "condition-ver-status")
    if resource.get("verificationStatus") == "unconfirmed":
        resource["verificationStatus"] = "unknown"
        if not any(row.get("code") == "UNK" for row in rest):
            work.lose("partial", "LB-03", "Condition.verificationStatus", "unconfirmed")


def allergy(work: BackWork) -> None:
    """States of an allergy as codes, the first by the list of the zib too; how bad a reaction was as SNOMED CT too."""
    resource = work.resource
    as_code(work, "clinicalStatus", HL7 + "allergyintolerance-clinical")
    as_code(work, "verificationStatus", HL7 + "allergyintolerance-verification")
    listing = {here: there for there, here in ALLERGY.items()}
    acts = HL7 + "v3-ActStatus"
    if resource.get("verificationStatus") == "entered-in-error":
        _zib(resource, "clinicalStatus", acts, "nullified")
    elif resource.get("clinicalStatus") in listing:
        _zib(resource, "clinicalStatus", acts, listing[resource["clinicalStatus"]])
    if "verificationStatus" not in resource and "_verificationStatus" not in resource:
        resource["_verificationStatus"] = absent()
        work.assume("AllergyIntolerance.verificationStatus", "unknown")
    for reaction in listed(resource.get("reaction")):
        if reaction.get("severity") in SEVERITY:
            _zib(reaction, "severity", SNOMED, SEVERITY[reaction["severity"]])


def not_done(work: BackWork) -> None:
    """Not done is a mark of its own in STU3, with its reason; of the state beside it R4 tells nothing."""
    resource, state = work.resource, work.resource.get("status")
    dispense = work.kind == "MedicationDispense"
    if state in (("cancelled", "declined") if dispense else ("not-done",)):
        resource["notDone"] = True
        if dispense:
            del resource["status"]
        else:
            resource["status"] = "unknown"
            work.assume(f"{work.kind}.status", "unknown")
        _reasons(resource)
    elif dispense and state == "unknown":
        del resource["status"]


def _reasons(resource: Node) -> None:
    for name in ("statusReason", "statusReasonCodeableConcept", "statusReasonReference"):
        value: Any = resource.pop(name, None)
        if value is not None:
            resource[name.replace("statusReason", "notDoneReason")] = value


def taken(work: BackWork) -> None:
    """Whether a medicine is taken stands apart from the state in STU3."""
    resource, state = work.resource, work.resource.get("status")
    if state == "not-taken":
        resource["status"], resource["taken"] = "active", "n"
        work.assume("MedicationStatement.status", "active")
    elif state == "unknown":
        resource.pop("status")
        resource["_status"], resource["taken"] = absent(), "unk"
    elif state in ("active", "completed"):
        resource["taken"] = "y"
    else:
        resource["taken"] = "unk"
        work.lose("partial", "LB-05", "MedicationStatement.status", state)


CHANGES: Mapping[str, Callable[[BackWork], None]] = {
    "allergy": allergy,
    "not-done": not_done,
    "problem": problem,
    "taken": taken,
}
