"""Requests, contacts, reports and documents: what STU3 arranges otherwise."""

from collections.abc import Callable, Mapping
from typing import Final

from profiles.conversion.back.around import BackWork
from profiles.conversion.paths import extension_value, listed, take_extensions
from profiles.conversion.special.linked import EPISODE
from profiles.fhir.basetypes import facts
from profiles.fhir.version import FhirVersion

INTENT: Final = "http://hl7.org/fhir/request-intent"


def context(work: BackWork) -> None:
    """The encounter, or else the episode of care, is the context again."""
    resource = work.resource
    if facts(FhirVersion.STU3).property(work.kind, "context") is None:
        return
    if "encounter" in resource:
        resource["context"] = resource.pop("encounter")
    if "context" not in resource:
        rows = take_extensions(resource, EPISODE)
        if rows:
            resource["context"] = extension_value(rows[0])
        if len(rows) > 1:
            work.lose(
                "partial", "LB-02", f"{work.kind}.extension(episodeOfCare)", [extension_value(row) for row in rows[1:]]
            )


def requester(work: BackWork) -> None:
    """Who asks is an agent."""
    if "requester" in work.resource:
        work.resource["requester"] = {"agent": work.resource["requester"]}


def intent(work: BackWork) -> None:
    """The intent of a request for a device is a concept."""
    value = work.resource.get("intent")
    if isinstance(value, str):
        work.resource["intent"] = {"coding": [{"system": INTENT, "code": value}]}


def service(work: BackWork) -> None:
    """A request for a service is one for a procedure; a location that was made is the organisation that does it."""
    resource = work.resource
    resource["resourceType"] = "ProcedureRequest"
    rest = []
    for row in listed(resource.pop("locationReference", None)):
        organization = work.made_for(row, "Organization")
        if organization is None:
            rest.append(row)
        else:
            resource["performer"] = [*listed(resource.get("performer")), organization]
    if rest:
        resource["locationReference"] = rest


def encounter(work: BackWork) -> None:
    """Why: concepts, and conditions as diagnoses; where: a location that was made goes."""
    resource = work.resource
    if "reasonCode" in resource:
        resource["reason"] = resource.pop("reasonCode")
    rows = [
        {("role" if key == "use" else key): row[key] for key in row} for row in listed(resource.pop("diagnosis", None))
    ]
    reasons = [{"condition": one} for one in listed(resource.pop("reasonReference", None))]
    known = [row.get("condition") for row in rows]
    rows += [one for one in reasons if one["condition"] not in known]
    if rows:
        resource["diagnosis"] = rows
    if "basedOn" in resource:
        resource["incomingReferral"] = resource.pop("basedOn")
    kept = [one for one in listed(resource.pop("location", None)) if not _is_made(one.get("location"), work)]
    if kept:
        resource["location"] = kept


def _is_made(reference: object, work: BackWork) -> bool:
    organization = work.made_for(reference, "Organization")
    provider = work.resource.get("serviceProvider")
    return (
        organization is not None
        and isinstance(provider, dict)
        and organization["reference"] == provider.get("reference")
    )


def report(work: BackWork) -> None:
    """Who made a report is an actor; what it concludes are diagnoses; what it shows are images."""
    rows = listed(work.resource.pop("performer", None))
    if rows:
        work.resource["performer"] = [{"actor": one} for one in rows]
    for here, there in (("conclusionCode", "codedDiagnosis"), ("media", "image")):
        if here in work.resource:
            work.resource[there] = work.resource.pop(here)


def document(work: BackWork) -> None:
    """A document: its date is when it was indexed, its category a class; when it was made stands with the whole too."""
    resource = work.resource
    if "date" in resource:
        resource["indexed"] = resource.pop("date")
    if "category" in resource:
        resource["class"] = resource.pop("category")
    for row in listed(resource.get("content")):
        attachment = row.get("attachment")
        if isinstance(attachment, dict) and "creation" in attachment:
            resource.setdefault("created", attachment["creation"])
    held = resource.get("context")
    if isinstance(held, dict) and "related" in held:
        held["related"] = [{"ref": one} for one in listed(held["related"])]


def manifest(work: BackWork) -> None:
    """The contents of a manifest are references in a place of their own."""
    rows = listed(work.resource.pop("content", None))
    if rows:
        work.resource["content"] = [{"it": one} for one in rows]


def provenance(work: BackWork) -> None:
    """What was done and why are codings; who and what say that they are references."""
    resource = work.resource
    activity = resource.get("activity")
    if isinstance(activity, dict):
        resource["activity"] = [activity]
    for name in ("activity", "reason"):
        concepts = listed(resource.pop(name, None))
        rows = [row for one in concepts for row in listed(one.get("coding"))]
        if rows:
            resource[name] = rows
        for one in concepts:
            if set(one) - {"coding"}:
                work.lose("lost", "LB-01", f"Provenance.{name}", one)
    for agent in listed(resource.get("agent")):
        for old, new in (("who", "whoReference"), ("onBehalfOf", "onBehalfOfReference")):
            if old in agent:
                agent[new] = agent.pop(old)
    for entity in listed(resource.get("entity")):
        if "what" in entity:
            entity["whatReference"] = entity.pop("what")


CHANGES: Mapping[str, Callable[[BackWork], None]] = {
    "context": context,
    "document": document,
    "encounter": encounter,
    "intent": intent,
    "manifest": manifest,
    "provenance": provenance,
    "report": report,
    "requester": requester,
    "service": service,
}
