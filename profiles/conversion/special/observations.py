"""Observations: relations, components that became something else, results that became resources of their own."""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from profiles.conversion.paths import Node, add_extension, codings, holds, listed
from profiles.conversion.work import NICTIZ, Work

SNOMED: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
RELATIONS: Final = {"has-member": "hasMember", "derived-from": "derivedFrom"}
AS_EXTENSION: Final = {"sequel-to": "observation-sequelTo", "replaces": "observation-replaces"}
STATUSES: Final = {"pending": "registered", "appended": "amended"}
FLAGS: Final = {"281302008": "H", "281300000": "L", "11896004": "I", "30714006": "R", "131196009": "S"}


def related(work: Work) -> None:
    """What was one list of relations is one element, or one extension, for each kind; two components that have become
    the same (one was SNOMED, one LOINC) are one."""
    rows = listed(work.resource.get("component"))
    _components(work.resource, [row for at, row in enumerate(rows) if not any(_same(row, one) for one in rows[:at])])
    if isinstance(work.resource.get("interpretation"), dict):
        work.resource["interpretation"] = [work.resource["interpretation"]]
    for row in listed(work.resource.pop("related", None)):
        kind, target = row.get("type", "has-member"), row.get("target")
        if target is not None and kind in RELATIONS:
            name = RELATIONS[kind]
            work.resource[name] = [*listed(work.resource.get(name)), target]
        elif target is not None and kind in AS_EXTENSION:
            url = "http://hl7.org/fhir/StructureDefinition/" + AS_EXTENSION[kind]
            add_extension(work.resource, url, "Reference", target)
        else:
            work.lose("partial", "LL-11", "Observation.related", row)


def period_start(work: Work) -> None:
    """Only when it began is kept of a period."""
    period = work.resource.pop("effectivePeriod", None)
    if isinstance(period, dict):
        if "start" in period:
            work.resource["effectiveDateTime"] = period["start"]
        if "end" in period:
            work.lose("partial", "LL-08", "Observation.effectivePeriod.end", period["end"])


def living_situation(work: Work) -> None:
    """The type of home is an observation of its own, a member of this one."""
    concept = work.resource.pop("valueCodeableConcept", None)
    if concept is None:
        return
    kept: Node = {key: work.resource[key] for key in KEPT if key in work.resource}
    house: Node = {
        "resourceType": "Observation",
        "id": work.part("house"),
        "meta": {"profile": [NICTIZ + "nl-core-LivingSituation.HouseType"]},
        **kept,
        "code": {"coding": [{"system": SNOMED, "code": "272497004"}], "text": "Soort woning"},
        "valueCodeableConcept": concept,
    }
    work.made.append(house)
    work.resource["hasMember"] = [{"reference": f"Observation/{house['id']}"}]


KEPT: Final = (
    "status",
    "subject",
    "encounter",
    "effectiveDateTime",
    "effectivePeriod",
    "issued",
    "performer",
    "specimen",
)
"""What a resource that is split off has from the one it came from."""


def pack_years(work: Work) -> None:
    """Pack years are a whole number; what was recorded stays beside it when it was not."""
    for row in listed(work.resource.get("component")):
        quantity = row.get("valueQuantity")
        if not holds(row.get("code"), SNOMED, "401201003") or not isinstance(quantity, dict):
            continue
        value = quantity.get("value")
        if not isinstance(value, (int, Decimal)):
            continue
        del row["valueQuantity"]
        whole = int(Decimal(value).quantize(Decimal(1), ROUND_HALF_UP))
        row["valueInteger"] = whole
        if whole != value:
            work.lose("partial", "LL-09", "Observation.component(packYears).value", str(value))
            add_extension(row, NICTIZ + "ext-Comment", "String", str(value))


def body_position(work: Work) -> None:
    """The position of the body is an extension, no longer a component."""
    rest = []
    for row in listed(work.resource.get("component")):
        code, value = row.get("code"), row.get("valueCodeableConcept")
        if value is not None and (holds(code, LOINC, "8361-8") or holds(code, SNOMED, "424724000")):
            url = "http://hl7.org/fhir/StructureDefinition/observation-bodyPosition"
            add_extension(work.resource, url, "CodeableConcept", value)
        else:
            rest.append(row)
    _components(work.resource, rest)


def _same(component: Node, other: Node) -> bool:
    """Whether two components say the same of the same, whatever the words."""

    def told(row: Node) -> Any:
        return [[(c.get("system"), c.get("code")) for c in codings(row.get("code"))][:1], _bare(row)]

    return bool(codings(component.get("code"))) and bool(told(component) == told(other))


def _bare(row: Node) -> Node:
    value = {key: held for key, held in row.items() if key != "code"}
    concept = value.get("valueCodeableConcept")
    if isinstance(concept, dict):
        value["valueCodeableConcept"] = [(c.get("system"), c.get("code")) for c in codings(concept)]
    return value


def _components(resource: Node, rows: list[Any]) -> None:
    resource.pop("component", None)
    if rows:
        resource["component"] = rows


HEIGHTS: Final = {"8308-9": "10904000", "8306-3": "102538003"}


def height_position(work: Work) -> None:
    """Standing and lying were codes of their own; now they are a component."""
    code = work.resource.get("code")
    rows = codings(code)
    positions = [HEIGHTS[str(row.get("code"))] for row in rows if row.get("code") in HEIGHTS]
    if not positions or not isinstance(code, dict):
        return
    rest = [row for row in rows if row.get("code") not in HEIGHTS]
    code["coding"] = rest if holds({"coding": rest}, LOINC, "8302-2") else [{"system": LOINC, "code": "8302-2"}, *rest]
    component = {
        "code": {"coding": [{"system": SNOMED, "code": "425260001"}]},
        "valueCodeableConcept": {"coding": [{"system": SNOMED, "code": positions[0]}]},
    }
    work.resource["component"] = [*listed(work.resource.get("component")), component]


def laboratory(work: Work) -> None:
    """Status and category as 2020 has them; a panel of components becomes a panel of results."""
    resource = work.resource
    _status(resource)
    category = listed(resource.get("category"))
    if not holds(category, "http://terminology.hl7.org/CodeSystem/observation-category", "laboratory"):
        row = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
        resource["category"] = [{"coding": [row]}, *category]
    for holder in [resource, *listed(resource.get("component"))]:
        _flagged(holder)
    _panel(work)


def _status(resource: Node) -> None:
    beside = resource.pop("_status", None)
    rows = listed(beside.get("extension")) if isinstance(beside, dict) else []
    codes = [str(one.get("code")) for row in rows for one in codings(row.get("valueCodeableConcept"))]
    for code in codes:
        if code in STATUSES or code in ("preliminary", "final", "corrected"):
            resource["status"] = STATUSES.get(code, code)


def _flagged(holder: Node) -> None:
    for concept in listed(holder.get("interpretation")):
        rows = codings(concept)
        wanted = [
            FLAGS[str(one.get("code"))] for one in rows if one.get("system") == SNOMED and one.get("code") in FLAGS
        ]
        v3 = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
        if wanted and not any(one.get("system") == v3 for one in rows):
            concept["coding"] = [*rows, {"system": v3, "code": wanted[0]}]


def _panel(work: Work) -> None:
    resource, rows = work.resource, listed(work.resource.get("component"))
    if not rows:
        return
    shared = {
        key: resource[key] for key in ("meta", *KEPT, "category", "context", "effectiveInstant") if key in resource
    }
    members = []
    for number, row in enumerate(rows, 1):
        ident = work.part(f"c{number}")
        result = {"resourceType": "Observation", "id": ident, **shared, **row}
        interpretation = result.get("interpretation")
        if isinstance(interpretation, dict):
            result["interpretation"] = [interpretation]
        if "context" in result:
            result["encounter"] = result.pop("context")
        work.made.append(result)
        members.append({"reference": f"Observation/{ident}"})
    resource["hasMember"] = [*listed(resource.get("hasMember")), *members]
    _components(resource, [])


CHANGES: Mapping[str, Callable[[Work], None]] = {
    "related": related,
    "period-start": period_start,
    "living-situation": living_situation,
    "pack-years": pack_years,
    "body-position": body_position,
    "height-position": height_position,
    "laboratory": laboratory,
}
