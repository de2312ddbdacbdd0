"""Treatment directives, advance directives."""

from collections.abc import Callable, Mapping
from typing import Final

from profiles.conversion.beside import content_of
from profiles.conversion.paths import (
    Node,
    add_extension,
    codings,
    extension_value,
    extensions,
    holds,
    listed,
    take_extensions,
)  # fmt: skip
from profiles.conversion.work import NICTIZ, Work
from profiles.record.walk import aim

SNOMED: Final = "http://snomed.info/sct"
OTHER: Final = NICTIZ + "ext-TreatmentDirective2.SpecificationOther"
PERMITTED: Final = {"JA": "permit", "NEE": "deny"}
UNSPECIFIED: Final = "beperking niet vastgelegd in de bron"
WETTEN: Final = "http://wetten.overheid.nl/"


def treatment_directive(work: Work) -> None:
    """Treatment, decision and restriction of the 2017 zib, in the shape of its successor of 2020."""
    resource, provision = work.resource, Node()
    for row in take_extensions(resource, NICTIZ + "zib-TreatmentDirective-Treatment"):
        provision["code"] = [*listed(provision.get("code")), extension_value(row)]
    _verified(work, provision)
    _period(work, provision)
    texts = _restrictions(work)
    decisions = take_extensions(resource, NICTIZ + "zib-TreatmentDirective-TreatmentPermitted", modifier=True)
    said = {str(one.get("code")) for row in decisions for one in codings(extension_value(row))}
    kinds = [PERMITTED[one] for one in sorted(said) if one in PERMITTED]
    if kinds:
        provision["type"] = kinds[0]
        for text in texts:
            work.lose("partial", "LL-31", "Consent.except", text)
            add_extension(resource, NICTIZ + "ext-Comment", "String", text)
    elif said or texts:
        if not texts:
            work.assume("Consent.modifierExtension", UNSPECIFIED)
        add_extension(resource, OTHER, "String", "\n".join(texts) or UNSPECIFIED, modifier=True)
    _sources(resource)
    if provision:
        resource["provision"] = provision


def _verified(work: Work, provision: Node) -> None:
    for row in take_extensions(work.resource, NICTIZ + "zib-TreatmentDirective-Verification"):
        for part in extensions(row, "Verified"):
            work.lose("lost", "LL-01", "Consent.extension(verification).Verified", extension_value(part))
        for part in extensions(row, "VerificationDate"):
            work.resource["dateTime"] = extension_value(part)
        for part in extensions(row, "VerifiedWith"):
            concept = extension_value(part)
            if holds(concept, SNOMED, "116154003") and "patient" in work.resource:
                role = {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "CONSENTER"}
                actor = {"role": {"coding": [role]}, "reference": dict(work.resource["patient"])}
                provision["actor"] = [*listed(provision.get("actor")), actor]
            else:
                work.lose("partial", "LL-02", "Consent.extension(verification).VerifiedWith", concept)


def _period(work: Work, provision: Node) -> None:
    period = work.resource.pop("period", None)
    if not isinstance(period, dict):
        return
    provision["period"] = period
    if "start" in period:
        if "dateTime" in work.resource:
            work.lose("partial", "LL-03", "Consent.period.start", period["start"])
        else:
            work.resource["dateTime"] = period["start"]
    end = str(period.get("end", ""))[:10]
    if end and end < work.day.isoformat()[: len(end)] and work.resource.get("status") == "active":
        work.resource["status"] = "inactive"


def _restrictions(work: Work) -> list[str]:
    texts = []
    for row in listed(work.resource.pop("except", None)):
        held = take_extensions(row, NICTIZ + "zib-TreatmentDirective-Restrictions")
        texts += [str(extension_value(one)) for one in held]
        rest = {key: value for key, value in row.items() if key not in ("type", "id")}
        if rest:
            work.lose("lost", "LL-22", "Consent.except", rest)
    return texts


def _sources(resource: Node) -> None:
    further = take_extensions(resource, "http://nictiz.nl/fhir/StructureDefinition/consent-additionalSources")
    for row in further:
        value = extension_value(row)
        if "sourceReference" not in resource and "sourceAttachment" not in resource and isinstance(value, dict):
            resource["sourceReference" if "reference" in value else "sourceAttachment"] = value
        elif isinstance(value, dict) and "reference" in value:
            add_extension(resource, NICTIZ + "ext-TreatmentDirective2.AdvanceDirective", "Reference", value)


def advance_directive(work: Work) -> None:
    """The type of the living will becomes what the provision is about; the representative becomes its actor."""
    resource, provision = work.resource, Node()
    kinds = [one for one in listed(resource.get("category")) if not holds(one, SNOMED, "11341000146107")]
    acd = {"system": "http://terminology.hl7.org/CodeSystem/consentcategorycodes", "code": "acd"}
    resource["category"] = [{"coding": [acd]}]
    if kinds:
        provision["code"] = kinds
    for party in listed(resource.pop("consentingParty", None)):
        role = {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "RESPRSN"}
        actor = {"role": {"coding": [role]}, "reference": party}
        provision["actor"] = [*listed(provision.get("actor")), actor]
    for row in listed(resource.pop("except", None)):
        work.lose("lost", "LL-22", "Consent.except", row)
    if isinstance(period := resource.pop("period", None), dict):
        provision["period"] = period
    if provision:
        resource["provision"] = provision
    _inline(work)


def _inline(work: Work) -> None:
    """The document of a living will stands in it; one that did not come along keeps its address, and that is told."""
    attachment = work.resource.get("sourceAttachment")
    url = attachment.get("url") if isinstance(attachment, dict) else None
    if not isinstance(attachment, dict) or not isinstance(url, str) or "data" in attachment:
        return
    target = aim(url)
    binary = work.beside.binaries.get(target) if target is not None else None
    if binary is not None:
        del attachment["url"]
        attachment.update({**content_of(binary), **attachment})
    else:
        work.lose("unmapped", "", "Consent.sourceAttachment.url", url)


def policy(work: Work) -> None:
    """The address of the law as the profiles of 2020 write it; R4 has a single identifier list."""
    for row in listed(work.resource.get("policy")):
        if isinstance(row, dict) and row.get("uri") == WETTEN:
            row["uri"] = "https://wetten.overheid.nl/"


CHANGES: Mapping[str, Callable[[Work], None]] = {
    "treatment-directive": treatment_directive,
    "advance-directive": advance_directive,
    "policy": policy,
}
