"""Observations: relations in one list, what became an extension as a component, what was split off put back."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from profiles.conversion.back.around import OF_COMPONENT, BackWork
from profiles.conversion.datatypes import CODE_SPECIFICATION
from profiles.conversion.paths import (
    Node,
    add_extension,
    beside,
    extension_value,
    extensions,
    holds,
    listed,
    take_extensions,
)
from profiles.conversion.special.observations import AS_EXTENSION, HEIGHTS, LOINC, RELATIONS, SNOMED
from profiles.conversion.work import NICTIZ
from profiles.fhir.tree import Resource

LABORATORY: Final = "49581000146104"
CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
POSITIONS: Final = ((LOINC, "8361-8"), (SNOMED, "424724000"))
"""The position of the body has a code of either system; each may stand there once."""
PACK_YEARS: Final = {"unit": "PackYears", "system": "http://unitsofmeasure.org", "code": "{PackYears}"}
RESULT_STATUS: Final = "urn:oid:2.16.840.1.113883.2.4.3.11.60.40.4.16.1"
RESULTS: Final = {
    "registered": "pending", "preliminary": "preliminary", "final": "final", "amended": "appended",
    "corrected": "corrected",
}  # fmt: skip


def related(work: BackWork) -> None:
    """Members, sources and extensions of relation are one list."""
    resource, rows = work.resource, list[Node]()
    for kind, name in RELATIONS.items():
        rows += [{"type": kind, "target": one} for one in listed(resource.pop(name, None))]
    for kind, name in AS_EXTENSION.items():
        taken = take_extensions(resource, "http://hl7.org/fhir/StructureDefinition/" + name)
        rows += [{"type": kind, "target": extension_value(row)} for row in taken]
    if rows:
        resource["related"] = rows


def period_start(work: BackWork) -> None:
    """A moment is the start of a period."""
    if "effectiveDateTime" in work.resource:
        work.resource["effectivePeriod"] = {"start": work.resource.pop("effectiveDateTime")}


def _parts(work: BackWork) -> list[Resource]:
    """What was split off this observation; it is no member any more."""
    rows = [(row, work.part_of(row.get("target"))) for row in listed(work.resource.pop("related", None))]
    rest = [row for row, part in rows if part is None]
    if rest:
        work.resource["related"] = rest
    return [part for _, part in rows if part is not None]


def living_situation(work: BackWork) -> None:
    """The type of home is the value again."""
    for part in _parts(work):
        work.resource["valueCodeableConcept"] = part["valueCodeableConcept"]


def pack_years(work: BackWork) -> None:
    """Pack years are a quantity, with the fraction that was recorded where it stands beside it."""
    for row in listed(work.resource.get("component")):
        if not holds(row.get("code"), SNOMED, "401201003") or "valueInteger" not in row:
            continue
        value = Decimal(row.pop("valueInteger"))
        said = [_number(extension_value(one)) for one in extensions(row, NICTIZ + "ext-Comment")]
        if len(said) == 1 and said[0] is not None and abs(said[0] - value) < 1:
            value = said[0]
            take_extensions(row, NICTIZ + "ext-Comment")
        row["valueQuantity"] = {"value": value if value % 1 else int(value), **PACK_YEARS}


def _number(text: Any) -> Decimal | None:
    try:
        value = Decimal(str(text))
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def body_position(work: BackWork) -> None:
    """The position of the body is a component."""
    rows = take_extensions(work.resource, "http://hl7.org/fhir/StructureDefinition/observation-bodyPosition")
    for row, (system, code) in zip(rows, POSITIONS, strict=False):
        concept = {"coding": [{"system": system, "code": code}]}
        component = {"code": concept, "valueCodeableConcept": extension_value(row)}
        work.resource["component"] = [*listed(work.resource.get("component")), component]
    for row in rows[len(POSITIONS) :]:
        work.lose("partial", "LB-02", "Observation.extension(bodyPosition)", extension_value(row))


def height_position(work: BackWork) -> None:
    """Standing and lying are codes of the observation."""
    rest = []
    for row in listed(work.resource.get("component")):
        value = row.get("valueCodeableConcept")
        codes = [there for there, here in HEIGHTS.items() if holds(value, SNOMED, here)]
        if codes and holds(row.get("code"), SNOMED, "425260001") and isinstance(work.resource.get("code"), dict):
            code = work.resource["code"]
            code["coding"] = [*listed(code.get("coding")), {"system": LOINC, "code": codes[0]}]
        else:
            rest.append(row)
    work.resource.pop("component", None)
    if rest:
        work.resource["component"] = rest


def laboratory(work: BackWork) -> None:
    """The category is the one of the zib; results that were split off this panel are its components again."""
    rows = listed(work.resource.get("category"))
    rest = [one for one in rows if not holds(one, CATEGORY, "laboratory")]
    if not holds(rest, SNOMED, LABORATORY):
        rest = [{"coding": [{"system": SNOMED, "code": LABORATORY}]}, *rest]
    work.resource["category"] = rest
    state = work.resource.get("status")
    if state in RESULTS:
        concept = {"coding": [{"system": RESULT_STATUS, "code": RESULTS[state]}]}
        add_extension(beside(work.resource, "status"), CODE_SPECIFICATION, "CodeableConcept", concept)
    for part in _parts(work):
        kept = {key: part[key] for key in part if key in OF_COMPONENT or key.lstrip("_").startswith("value")}
        work.resource["component"] = [*listed(work.resource.get("component")), kept]


CHANGES: Mapping[str, Callable[[BackWork], None]] = {
    "related": related,
    "period-start": period_start,
    "living-situation": living_situation,
    "pack-years": pack_years,
    "body-position": body_position,
    "height-position": height_position,
    "laboratory": laboratory,
}
