"""Problems, allergies, contacts, procedures and requests: what R4 arranges otherwise."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from profiles.conversion.datatypes import unwrapped
from profiles.conversion.paths import (
    Node,
    add_extension,
    codings,
    extension_value,
    holds,
    listed,
    take_extensions,
)  # fmt: skip
from profiles.conversion.special import status
from profiles.conversion.special.linked import EPISODE, kind_of, with_location
from profiles.conversion.work import NICTIZ, Work

ORDER_STATUS: Final = ("zib-ProcedureRequest-OrderStatus", "zib-MedicalDeviceRequest-OrderStatus", "OrderStatus")
V2_0443: Final = "http://terminology.hl7.org/CodeSystem/v2-0443"


def context(work: Work) -> None:
    """What was the context is the encounter, or an extension when it is an episode of care."""
    value = work.resource.pop("context", None)
    if value is None:
        return
    if kind_of(value) == "EpisodeOfCare":
        add_extension(work.resource, EPISODE, "Reference", value)
    elif work.kind == "MedicationDispense":
        work.resource["context"] = value
    else:
        work.resource["encounter"] = value


def not_done(work: Work) -> None:
    """Not done is a state in R4; its reason is the reason of the state."""
    if work.resource.pop("notDone", None) is True:
        work.resource["status"] = "not-done" if work.kind == "Procedure" else "cancelled"
    for name in ("notDoneReason", "notDoneReasonCodeableConcept", "notDoneReasonReference"):
        reason = work.resource.pop(name, None)
        if reason is not None:
            key = {"notDoneReason": "statusReason"}.get(name, name.replace("notDoneReason", "statusReason"))
            work.resource[key] = reason


def requester(work: Work) -> None:
    """Who asks stands by itself; on whose behalf has no place."""
    value = work.resource.get("requester")
    if isinstance(value, dict) and ("agent" in value or "onBehalfOf" in value):
        del work.resource["requester"]
        agent = value.get("agent") or Node()
        agent = unwrapped(value, agent.get("reference"), agent, work, f"{work.kind}.requester.agent")
        if agent:
            work.resource["requester"] = agent
        if value.get("extension"):
            work.lose("unmapped", "", f"{work.kind}.requester.extension", value["extension"])
        if "onBehalfOf" in value:
            work.lose("partial", "LL-15", f"{work.kind}.requester.onBehalfOf", value["onBehalfOf"])
    beside = work.resource.get("_status")
    if not isinstance(beside, dict):
        return
    for row in list(listed(beside.get("extension"))):
        if str(row.get("url", "")).endswith(ORDER_STATUS):
            work.lose("partial", "LL-04", f"{work.kind}.status.extension(orderStatus)", extension_value(row))
            take_extensions(beside, str(row["url"]))
    if beside == {}:
        del work.resource["_status"]


def intent(work: Work) -> None:
    """The intent is a code, no longer a concept."""
    value = work.resource.get("intent")
    if isinstance(value, dict):
        work.resource["intent"] = next((row["code"] for row in codings(value) if row.get("code")), "order")


def service(work: Work) -> None:
    """A request for a procedure is a request for a service; an organisation that does it is a location."""
    work.resource["resourceType"] = "ServiceRequest"
    for performer in listed(work.resource.pop("performer", None)):
        place = kind_of(performer) == "Organization"
        name = "locationReference" if place else "performer"
        target = with_location(performer, work) if place else performer
        work.resource[name] = [*listed(work.resource.get(name)), target]


def performers(work: Work) -> None:
    """The role of who did it is a function; an organisation that did it is the location."""
    if isinstance(work.resource.get("category"), list):
        work.resource["category"] = work.resource["category"][0]
    rest: list[Any] = []
    for row in listed(work.resource.pop("performer", None)):
        if "role" in row:
            row["function"] = row.pop("role")
        if kind_of(row.get("actor")) == "Organization" and "location" not in work.resource:
            work.resource["location"] = with_location(row["actor"], work)
            if set(row) == {"actor"}:
                continue
        rest.append(row)
    if rest:
        work.resource["performer"] = rest


def encounter(work: Work) -> None:
    """Why: a text is a code without coding, a diagnosis is a reason; where: a location of the organisation."""
    resource = work.resource
    reasons = listed(resource.pop("reason", None))
    if reasons:
        resource["reasonCode"] = [*listed(resource.get("reasonCode")), *reasons]
    kept = []
    for row in listed(resource.pop("diagnosis", None)):
        condition = row.get("condition")
        if condition is not None:
            resource["reasonReference"] = [*listed(resource.get("reasonReference")), condition]
        if set(row) - {"condition"}:
            kept.append({"use" if key == "role" else key: value for key, value in row.items()})
    if kept:
        resource["diagnosis"] = kept
    if "incomingReferral" in resource:
        resource["basedOn"] = resource.pop("incomingReferral")
    for row in listed(resource.get("participant")):
        roles = listed(row.get("type"))
        if len(roles) > 1:
            work.lose("partial", "LL-18", "Encounter.participant.type", roles[1:])
            row["type"] = roles[:1]
    provider = resource.get("serviceProvider")
    if isinstance(provider, dict) and "location" not in resource and kind_of(provider) == "Organization":
        resource["location"] = [{"location": with_location(provider, work)}]


def immunization(work: Work) -> None:
    """When, who, and the doses of a series have other names; not given is a state."""
    resource = work.resource
    if resource.pop("notGiven", None) is True:
        resource["status"] = "not-done"
    explanation = resource.pop("explanation", None)
    if isinstance(explanation, dict):
        if "reason" in explanation:
            resource["reasonCode"] = explanation["reason"]
        if "reasonNotGiven" in explanation:
            resource["statusReason"] = listed(explanation["reasonNotGiven"])[0]
    if "date" in resource:
        resource["occurrenceDateTime"] = resource.pop("date")
    if "_date" in resource:
        resource["_occurrenceDateTime"] = resource.pop("_date")
    if "occurrenceDateTime" not in resource and "_occurrenceDateTime" not in resource:
        resource["_occurrenceDateTime"] = status.absent()
        work.assume("Immunization.date", "unknown")
    rows = [_administrator(row, work) for row in listed(resource.pop("practitioner", None)) if "actor" in row]
    if rows:
        resource["performer"] = rows
    for row in listed(resource.pop("vaccinationProtocol", None)):
        _protocol(row, work)


def _administrator(row: Node, work: Work) -> Node:
    role = row.get("role")
    if role is not None and not holds(role, V2_0443, "AP"):
        work.lose("partial", "LL-28", "Immunization.practitioner.role", role)
    actor = row["actor"]
    return {"function": {"coding": [{"system": V2_0443, "code": "AP"}]}, "actor": actor}


def _protocol(row: Node, work: Work) -> None:
    names = {"series": "series", "authority": "authority", "targetDisease": "targetDisease"}
    made = {there: row[here] for here, there in names.items() if here in row}
    for here, there in (("doseSequence", "doseNumberPositiveInt"), ("seriesDoses", "seriesDosesPositiveInt")):
        if here in row:
            made[there] = row[here]
    if "doseNumberPositiveInt" not in made:
        made["doseNumberString"] = "unknown"
        work.assume("Immunization.vaccinationProtocol.doseSequence", "unknown")
    for key in set(row) - {*names, "doseSequence", "seriesDoses"}:
        work.lose("unmapped", "", f"Immunization.vaccinationProtocol.{key}", row[key])
    work.resource["protocolApplied"] = [*listed(work.resource.get("protocolApplied")), made]


def recommendation(work: Work) -> None:
    """One resource for each recommendation; the desired date is the criterion."""
    rows = listed(work.resource.get("recommendation"))
    for row in rows:
        _criterion(row, work)
    if "date" not in work.resource:
        _made_on(work)
    work.resource["recommendation"] = rows[:1]
    for number, row in enumerate(rows[1:], 2):
        work.made.append({**work.resource, "id": work.part(str(number)), "recommendation": [row]})


def _made_on(work: Work) -> None:
    updated = (work.resource.get("meta") or {}).get("lastUpdated")
    if isinstance(updated, str):
        work.resource["date"] = updated
    else:
        work.resource["_date"] = status.absent()
    work.assume("ImmunizationRecommendation.date", updated or "unknown")


def _criterion(row: Node, work: Work) -> None:
    criteria = listed(row.pop("dateCriterion", None))
    desired = row.pop("date", None)
    path = "ImmunizationRecommendation.recommendation.dateCriterion"
    starts = [one for one in criteria if not _is_end(one)]
    for one in criteria:
        if _is_end(one):
            work.lose("lost", "LL-05", path, one.get("value"))
    value = desired or next((one.get("value") for one in starts), None)
    for one in starts if desired else starts[1:]:
        work.lose("partial", "LL-29", path, one.get("value"))
    if value:
        code = {"coding": [{"system": "http://loinc.org", "code": "30980-7"}]}
        row["dateCriterion"] = [{"code": code, "value": value}]
    if isinstance(row.get("vaccineCode"), dict):
        row["vaccineCode"] = [row["vaccineCode"]]
    for name in ("doseNumber",):
        if name in row:
            row["doseNumberPositiveInt"] = row.pop(name)


def _is_end(row: Node) -> bool:
    return any(one.get("code") in ("latest", "overdue") for one in codings(row.get("code")))


def coverage(work: Work) -> None:
    """A coverage has a state, by its period; bank details stand beside it; each payor has a coverage of its own."""
    resource = work.resource
    if "status" not in resource:
        resource["status"] = status.by_period(resource.get("period"), work.day)
        work.assume("Coverage.status", resource["status"])
    payors = listed(resource.get("payor"))
    for one in payors:
        for row in take_extensions(one, NICTIZ + "zib-Payer-BankInformation"):
            row["url"] = NICTIZ + "ext-Payer.BankInformation"
            for part in listed(row.get("extension")):
                name = str(part.get("url"))
                part["url"] = {"Bankcode": "bankCode"}.get(name, name[:1].lower() + name[1:])
            resource["extension"] = [*listed(resource.get("extension")), row]
    if "grouping" in resource:
        work.lose("unmapped", "", "Coverage.grouping", resource.pop("grouping"))
    if "sequence" in resource:
        work.lose("unmapped", "", "Coverage.sequence", resource.pop("sequence"))
    made = [_covered(work, one, number) for number, one in enumerate(payors, 1)]
    if made:
        resource.clear()
        resource.update(made[0])
        work.made += made[1:]


def _covered(work: Work, payor: Node, number: int) -> Node:
    made = {**work.resource, "payor": [payor]}
    if number > 1:
        made["id"] = work.part(str(number))
    if kind_of(payor) in ("Patient", "RelatedPerson"):
        pay = {"system": "http://terminology.hl7.org/CodeSystem/coverage-selfpay", "code": "pay"}
        made["type"] = {"coding": [pay]}
        made["meta"] = {**(made.get("meta") or {}), "profile": [NICTIZ + "nl-core-Payer.PayerPerson"]}
    return made


def specimen(work: Work) -> None:
    """One note; the number of a container is an extension."""
    notes = listed(work.resource.get("note"))
    if len(notes) > 1:
        work.resource["note"] = [{"text": "\n\n".join(str(one.get("text", "")) for one in notes)}]
    for row in listed(work.resource.get("container")):
        for one in listed(row.pop("identifier", None)):
            value = str(one.get("value", ""))
            if value.isascii() and value.isdigit():
                url = "http://hl7.org/fhir/StructureDefinition/specimen-sequenceNumber"
                add_extension(row, url, "Integer", int(value))
            else:
                work.lose("partial", "LL-27", "Specimen.container.identifier", value)


def explanation(work: Work) -> None:
    """The explanation of a nutrition advice is a note."""
    for url in ("zib-NutritionAdvice-Explanation", "ext-Comment"):
        for row in take_extensions(work.resource, NICTIZ + url):
            work.resource["note"] = [*listed(work.resource.get("note")), {"text": extension_value(row)}]


def report(work: Work) -> None:
    """Who made a report stands by itself."""
    rows = listed(work.resource.get("performer"))
    for row in rows:
        if "role" in row:
            work.lose("unmapped", "", "DiagnosticReport.performer.role", row["role"])
    if rows and all(isinstance(one, dict) and "actor" in one for one in rows):
        work.resource["performer"] = [one["actor"] for one in rows]
    if "codedDiagnosis" in work.resource:
        work.resource["conclusionCode"] = work.resource.pop("codedDiagnosis")
    if "image" in work.resource:
        rows = listed(work.resource.pop("image"))
        work.resource["media"] = rows
    if isinstance(work.resource.get("category"), dict):
        work.resource["category"] = [work.resource["category"]]


def document(work: Work) -> None:
    """A document: when it was indexed is its date, its class a category, when it was made stands with the content."""
    resource = work.resource
    if "indexed" in resource:
        resource["date"] = resource.pop("indexed")
    if "class" in resource:
        resource["category"] = [resource.pop("class")]
    created = resource.pop("created", None)
    for row in listed(resource.get("content")):
        if created is not None and isinstance(row.get("attachment"), dict):
            row["attachment"].setdefault("creation", created)
    held = resource.get("context")
    if isinstance(held, dict):
        if isinstance(held.get("encounter"), dict):
            held["encounter"] = [held["encounter"]]
        related = [one["ref"] for one in listed(held.get("related")) if isinstance(one, dict) and "ref" in one]
        if related:
            held["related"] = related


def manifest(work: Work) -> None:
    """The contents of a manifest are references."""
    rows = listed(work.resource.pop("content", None))
    if rows:
        work.resource["content"] = [row.get("it", row) for row in rows if isinstance(row, dict)]


def provenance(work: Work) -> None:
    """Who and what are references; what was done is a concept."""
    activity = work.resource.get("activity")
    if isinstance(activity, dict) and "coding" not in activity:
        work.resource["activity"] = {"coding": [activity]}
    reasons = [{"coding": [one]} for one in listed(work.resource.pop("reason", None))]
    if reasons:
        work.resource["reason"] = reasons
    for agent in listed(work.resource.get("agent")):
        agent.pop("relatedAgentType", None)
        for old, new in (("whoReference", "who"), ("onBehalfOfReference", "onBehalfOf")):
            if old in agent:
                agent[new] = agent.pop(old)
    for entity in listed(work.resource.get("entity")):
        if "whatReference" in entity:
            entity["what"] = entity.pop("whatReference")


def problem(work: Work) -> None:
    """States of a problem."""
    status.problem(work)


def allergy(work: Work) -> None:
    """States, category and criticality of an allergy."""
    status.allergy(work)


CHANGES: Mapping[str, Callable[[Work], None]] = {
    "allergy": allergy,
    "context": context,
    "coverage": coverage,
    "document": document,
    "encounter": encounter,
    "explanation": explanation,
    "immunization": immunization,
    "intent": intent,
    "manifest": manifest,
    "not-done": not_done,
    "performers": performers,
    "problem": problem,
    "provenance": provenance,
    "recommendation": recommendation,
    "report": report,
    "requester": requester,
    "service": service,
    "specimen": specimen,
}
