"""What the summary asks of single resources, beside what the zib of 2020 has."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from profiles.conversion.paths import Node, codings, holds, listed
from profiles.conversion.special.status import absent
from profiles.fhir.tree import Resource
from profiles.record.bsn import is_bsn_system
from profiles.record.walk import objects
from profiles.record.written import said

SNOMED: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
ALCOHOL: Final = "228273003"
HL7: Final = "http://terminology.hl7.org/CodeSystem/"


def suited(resource: Resource, institution: Node, form: str = "ips") -> bool:
    """Make a resource what the summary wants, in place; False when it stands in it outside its profile.

    ``institution``: a Reference, for who measured. ``form``: ips or eps.
    """
    change = CHANGES.get(str(resource.get("resourceType")))
    if change is not None:
        change(resource, institution)
    if form == "eps" and resource.get("resourceType") == "Consent":
        _directive(resource)
    return "valueQuantity" in resource or not holds(resource.get("code"), SNOMED, ALCOHOL)


def without_bsn(resource: Resource) -> None:
    """Take every identifier of a person out that is a BSN, wherever it stands."""
    for node in list(objects(resource)):
        for name in ("identifier", "valueIdentifier"):
            rows = [row for row in listed(node.get(name)) if not is_bsn_system((row or {}).get("system"))]
            if name in node and len(rows) < len(listed(node[name])):
                if rows:
                    node[name] = rows
                else:
                    del node[name]


def _missing(resource: Resource, name: str, kinds: tuple[str, ...]) -> None:
    if not any(f"{name}{kind}" in resource or f"_{name}{kind}" in resource for kind in kinds):
        resource[f"_{name}{kinds[0]}"] = absent()


def _condition(resource: Resource, institution: Node) -> None:
    row = {"coding": [{"system": HL7 + "condition-category", "code": "problem-list-item"}]}
    resource["category"] = [row, *listed(resource.get("category"))]


def _statement(resource: Resource, institution: Node) -> None:
    _missing(resource, "effective", ("DateTime", "Period"))


def _procedure(resource: Resource, institution: Node) -> None:
    _missing(resource, "performed", ("DateTime", "Period", "String", "Age", "Range"))


def _device_use(resource: Resource, institution: Node) -> None:
    _missing(resource, "timing", ("DateTime", "Period", "Timing"))


def _observation(resource: Resource, institution: Node) -> None:
    if holds(resource.get("category"), HL7 + "observation-category", "laboratory") and "performer" not in resource:
        resource["performer"] = [dict(institution)]
    if holds(resource.get("code"), SNOMED, "365980008"):
        _tobacco(resource)
    elif holds(resource.get("code"), SNOMED, ALCOHOL):
        _alcohol(resource)


def _directive(resource: Resource) -> None:
    """The European form knows directives by the scope of an advance directive; that of the zib stands behind it."""
    adr = {"system": HL7 + "consentscope", "code": "adr"}
    scope = resource.get("scope") or {}
    resource["scope"] = {**scope, "coding": [adr, *(one for one in codings(scope) if one.get("code") != "adr")]}


def _alcohol(resource: Resource) -> None:
    """An amount is the value, with the LOINC code beside that of the zib; without one it stays what it is."""
    rows = listed(resource.get("component"))
    amounts = [row["valueQuantity"] for row in rows if isinstance(row.get("valueQuantity"), dict)]
    if len(amounts) != 1:
        return
    resource["code"]["coding"] = [{"system": LOINC, "code": "74013-4"}, *resource["code"]["coding"]]
    del resource["component"]
    status = resource.pop("valueCodeableConcept", None)
    texts = [_said(row) for row in rows if row.get("valueQuantity") is not amounts[0]]
    texts += [word for word in [_word(status)] if word]
    resource["valueQuantity"] = amounts[0]
    _noted(resource, texts)


def _tobacco(resource: Resource) -> None:
    """A moment in place of a period, words in place of components, the LOINC code beside the code of the zib."""
    coding = resource["code"]["coding"]
    if not holds(resource["code"], LOINC, "72166-2"):
        resource["code"]["coding"] = [{"system": LOINC, "code": "72166-2"}, *coding]
    texts = [_said(row) for row in listed(resource.pop("component", None))]
    period = resource.pop("effectivePeriod", None)
    if isinstance(period, dict):
        texts.append(" - ".join(str(period.get(name, "?")) for name in ("start", "end")))
        moment = resource.get("issued") or period.get("end") or period.get("start")
        if moment:
            resource["effectiveDateTime"] = moment
    _noted(resource, texts)


def _noted(resource: Resource, texts: list[str]) -> None:
    """Words behind what the note says: the profiles of the zibs have one note."""
    if texts:
        before = [str(row["text"]) for row in listed(resource.get("note")) if "text" in row]
        resource["note"] = [{"text": "\n\n".join([*before, "; ".join(texts)])}]


def _said(component: Node) -> str:
    value = component.get("valueQuantity")
    if isinstance(value, dict):
        told = said(value) or ""
    else:
        told = _word(component.get("valueCodeableConcept")) or str(component.get("valueInteger", ""))
    return f"{_word(component.get('code'))}: {told}"


def _word(concept: Any) -> str:
    rows = codings(concept)
    first = rows[0] if rows else {}
    return str((concept or {}).get("text") or first.get("display") or first.get("code") or "")


CHANGES: Final[Mapping[str, Callable[[Resource, Node], None]]] = {
    "Condition": _condition,
    "DeviceUseStatement": _device_use,
    "MedicationStatement": _statement,
    "Observation": _observation,
    "Procedure": _procedure,
}
