"""Treatment directives and advance directives."""

from collections.abc import Callable, Mapping
from typing import Final

from profiles.conversion.back.around import BackWork
from profiles.conversion.paths import Node, add_extension, extension_value, holds, listed, take_extensions
from profiles.conversion.special.consent import OTHER, SNOMED, UNSPECIFIED, WETTEN
from profiles.conversion.work import NICTIZ

DECISIONS: Final = "urn:oid:2.16.840.1.113883.2.4.3.11.60.40.4"
DECIDED: Final = {"permit": "JA", "deny": "NEE"}
RESTRICTED: Final = "JA_MAAR"
CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/consentcategorycodes"
ROLES: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
ZIB: Final = NICTIZ + "zib-TreatmentDirective-"


def treatment_directive(work: BackWork) -> None:
    """Treatment, decision, restriction and whom it was agreed with, in the shape of the zib of 2017."""
    resource = work.resource
    provision = resource.pop("provision", None) or Node()
    for concept in listed(provision.pop("code", None)):
        add_extension(resource, ZIB + "Treatment", "CodeableConcept", concept)
    _agreed(work, listed(provision.pop("actor", None)))
    if "period" in provision:
        resource["period"] = provision.pop("period")
    texts = [str(extension_value(row)) for row in take_extensions(resource, OTHER, modifier=True)]
    code = DECIDED.get(str(provision.pop("type", "")), "")
    # A specification takes something away from a permission; it never softens a refusal.
    code = RESTRICTED if texts and code != "NEE" else code
    if code:
        decision = {"coding": [{"system": DECISIONS, "code": code}]}
        add_extension(resource, ZIB + "TreatmentPermitted", "CodeableConcept", decision, modifier=True)
    for text in texts:
        if text != UNSPECIFIED:
            row: Node = {"type": "deny"}
            add_extension(row, ZIB + "Restrictions", "String", text)
            resource["except"] = [*listed(resource.get("except")), row]
    for row in take_extensions(resource, NICTIZ + "ext-TreatmentDirective2.AdvanceDirective"):
        url = "http://nictiz.nl/fhir/StructureDefinition/consent-additionalSources"
        add_extension(resource, url, "Reference", extension_value(row))
    _rest(work, provision)


def _agreed(work: BackWork, actors: list[Node]) -> None:
    """Agreed with the patient on a day is verified with the patient on that day; no one else has a place."""
    parts: list[Node] = []
    for actor in actors:
        aim = str((actor.get("reference") or {}).get("reference", ""))
        if holds(actor.get("role"), ROLES, "CONSENTER") and aim.startswith("Patient/"):
            concept = {"coding": [{"system": SNOMED, "code": "116154003"}]}
            parts.append({"url": "VerifiedWith", "valueCodeableConcept": concept})
        else:
            work.lose("lost", "LB-09", "Consent.provision.actor", actor.get("reference"))
    if not parts:
        return
    if "dateTime" in work.resource:
        parts.append({"url": "VerificationDate", "valueDateTime": work.resource.pop("dateTime")})
    rows = [{"url": ZIB + "Verification", "extension": [{"url": "Verified", "valueBoolean": True}, *parts]}]
    work.assume("Consent.extension(verification).Verified", True)
    work.resource["extension"] = [*listed(work.resource.get("extension")), *rows]


def _rest(work: BackWork, provision: Node) -> None:
    for key, value in provision.items():
        work.lose("lost", "LB-01", f"Consent.provision.{key}", value)


def advance_directive(work: BackWork) -> None:
    """What the provision is about is the type of the living will; its actor is the representative."""
    resource = work.resource
    provision = resource.pop("provision", None) or Node()
    kinds = listed(provision.pop("code", None))
    rest = [one for one in listed(resource.get("category")) if not holds(one, CATEGORIES, "acd")]
    resource["category"] = [{"coding": [{"system": SNOMED, "code": "11341000146107"}]}, *kinds, *rest]
    for actor in listed(provision.pop("actor", None)):
        if holds(actor.get("role"), ROLES, "RESPRSN") and isinstance(actor.get("reference"), dict):
            resource["consentingParty"] = [*listed(resource.get("consentingParty")), actor["reference"]]
        else:
            work.lose("lost", "LB-01", "Consent.provision.actor", actor)
    if "period" in provision:
        resource["period"] = provision.pop("period")
    _rest(work, provision)


def policy(work: BackWork) -> None:
    """The address of the law as the profiles of 2017 write it."""
    for row in listed(work.resource.get("policy")):
        if row.get("uri") == "https://wetten.overheid.nl/":
            row["uri"] = WETTEN


CHANGES: Mapping[str, Callable[[BackWork], None]] = {
    "treatment-directive": treatment_directive,
    "advance-directive": advance_directive,
    "policy": policy,
}
