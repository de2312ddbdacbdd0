"""Data types on the way back: first the shape of R4 is held to, at the end each element takes that of STU3.

Both walks make new objects. What has no place in STU3 is told (LB-01); of a list where STU3 has one, the first stays.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from profiles.conversion.back.around import Around, stands_for
from profiles.conversion.back.inverse import choices, extensions, systems, types
from profiles.conversion.datatypes import (
    ADDRESS_TYPE,
    ADDRESSES,
    CODE_SPECIFICATION,
    QUALIFIER,
    ROLE_REFERENCE,
    TELECOM_TYPE,
    UNQUALIFIED,
)  # fmt: skip
from profiles.conversion.paths import Node, codings, extension_value, listed, take_extensions
from profiles.conversion.paths import extensions as rows_of
from profiles.conversion.special.status import absent
from profiles.conversion.work import NICTIZ, Work
from profiles.fhir.basetypes import ElementFacts, facts
from profiles.fhir.version import FhirVersion

V3_USE: Final = "http://terminology.hl7.org/CodeSystem/v3-AddressUse"
OF_2020: Final = NICTIZ + "ext-"


def shaped(node: Node, kind: str, work: Work, path: str) -> Node:
    """An object of R4 as new objects, with only what has the shape that R4 asks; the rest is told as unmapped."""
    made: Node = {}
    for key, value in node.items():
        name = key.removeprefix("_")
        known = facts(FhirVersion.R4).property(kind, name)
        if key == "resourceType":
            made[key] = value
            continue
        if known is None:
            work.lose("unmapped", "", f"{path}.{name}", value)
            continue
        below = known[1] if key == name else "Element"
        rows = [row for row in listed(value) if _fits(row, below, key != name)]
        if len(rows) < len(listed(value)) or (len(rows) > 1 and not known[0].many):
            work.lose("unmapped", "", f"{path}.{name}", value)
        if below != "Resource":
            rows = [shaped(row, below, work, f"{path}.{name}") if isinstance(row, dict) else row for row in rows]
        if rows:
            made[key] = rows if known[0].many else rows[0]
    return made


def _fits(row: Any, kind: str, beside: bool) -> bool:
    primitive = facts(FhirVersion.R4).kind(kind) == "primitive"
    if row is None:
        return primitive or beside
    return isinstance(row, (str, bool, int, Decimal)) if primitive and not beside else isinstance(row, dict)


def returned(node: Node, kind: str, work: Work, record: Around, path: str) -> Node:
    """An object in the shape of STU3; contained resources are left alone."""
    change = CHANGES.get(kind)
    given = change(dict(node), work, path) if change else node
    made: Node = {}
    for key, value in given.items():
        name = key.removeprefix("_")
        known = facts(FhirVersion.STU3).property(kind, name)
        if key == "resourceType":
            made[key] = value
        elif known is None:
            work.lose("lost", "LB-01", f"{path}.{name}", value)
        else:
            made |= _element(key, value, known, work, record, f"{path}.{name}")
    return made


def _element(key: str, value: Any, known: tuple[ElementFacts, str], work: Work, record: Around, place: str) -> Node:
    element, kind = known
    below = "Element" if key.startswith("_") else kind
    rows = listed(value)
    if below == "HumanName" and element.many:
        rows = called(rows)
    if below == "Reference":
        rows = [_placed(row, element.targets, work, record) if isinstance(row, dict) else row for row in rows]
    if element.codes is not None and below == "code":
        rows = _known(rows, element, work, place)
        if not rows and element.min:
            return {f"_{key}": absent()}
    if not element.many and len(rows) > 1:
        work.lose("partial", "LB-02", place, rows[1:])
    if below != "Resource":
        rows = [returned(row, below, work, record, place) if isinstance(row, dict) else row for row in rows]
    return {key: rows if element.many else rows[0]} if rows else {}


def _known(rows: list[Any], element: ElementFacts, work: Work, place: str) -> list[Any]:
    """The codes that STU3 has; the others are told."""
    codes = element.codes or frozenset()
    for row in rows:
        if row is not None and row not in codes:
            work.lose("lost", "LB-12", place, row)
    return [row for row in rows if row is None or row in codes]


def _placed(reference: Node, targets: tuple[str, ...], work: Work, record: Around) -> Node:
    """A reference where STU3 has other targets: what a made role stands for; a real role as extension, beside whom it
    names."""
    aimed = record.aimed(reference)
    direct = stands_for(aimed)
    if direct is not None and (not targets or str(direct["reference"]).partition("/")[0] in targets):
        return {**direct, **{key: value for key, value in reference.items() if key in ("display", "extension")}}
    text = str(reference.get("reference", ""))
    if not text.startswith("PractitionerRole/") or not targets or "PractitionerRole" in targets:
        return reference
    names = ("practitioner", "organization") if aimed is not None else ()
    rows = [aimed[name] for name in names if aimed is not None and isinstance(aimed.get(name), dict)]
    whom = next((row for row in rows if str(row.get("reference")).partition("/")[0] in targets), Node())
    made = {key: value for key, value in whom.items() if key in ("reference", "identifier", "display")}
    if "display" in reference:
        made.setdefault("display", reference["display"])
    role = {key: value for key, value in reference.items() if key != "extension"}
    return {**made, "extension": [*listed(reference.get("extension")), {"url": ROLE_REFERENCE, "valueReference": role}]}


def called(names: list[Any]) -> list[Any]:
    """Names as those of STU3: the one that somebody is called by is a part of the official one."""
    official = [one for one in names if isinstance(one, dict) and one.get("use", "official") == "official"]
    usual = [one for one in names if isinstance(one, dict) and set(one) == {"use", "given"} and one["use"] == "usual"]
    if len(official) != 1 or not usual:
        return names
    texts = [text for one in usual for text in listed(one["given"])]
    called_by = {"extension": [{"url": QUALIFIER, "valueCode": "CL"}]}
    given, beside = listed(official[0].get("given")), listed(official[0].get("_given"))
    beside = [*beside, *[None] * (len(given) - len(beside))]
    whole = {**official[0], "given": [*given, *texts], "_given": [*beside, *(dict(called_by) for _ in texts)]}
    return [whole if one is official[0] else one for one in names if one not in usual]


def _name(node: Node, work: Work, path: str) -> Node:
    rows = [_without_unknown(row) for row in listed(node.pop("_given", None))]
    if any(row is not None for row in rows):
        node["_given"] = rows
    return node


def _without_unknown(row: Any) -> Any:
    if not isinstance(row, dict):
        return row
    rest = [one for one in listed(row.get("extension")) if one != UNQUALIFIED]
    made = {key: value for key, value in row.items() if key != "extension"} | ({"extension": rest} if rest else {})
    return made or None


def _coding(node: Node, work: Work, path: str) -> Node:
    system = str(node.get("system"))
    if path.endswith("identifier.type.coding"):
        own = [there for there, codes in choices().types.items() if node.get("code") in codes]
        if own and system.endswith("v2-0203"):
            return {**node, "system": own[0]}
    return {**node, "system": systems()[system]} if system in systems() else node


def _identifier(node: Node, work: Work, path: str) -> Node:
    system = str(node.get("system"))
    return {**node, "system": systems()[system]} if system in systems() else node


def _extension(node: Node, work: Work, path: str) -> Node:
    url = str(node.get("url"))
    known = extensions(work.kind)
    if url in known:
        return {**node, "url": known[url]}
    if url.startswith(OF_2020):
        work.lose("partial", "LB-04", path, url)
    return node


def _reference(node: Node, work: Work, path: str) -> Node:
    text = node.get("reference")
    kind, slash, rest = text.partition("/") if isinstance(text, str) else ("", "", "")
    if slash and kind in types():
        node["reference"] = f"{types()[kind]}/{rest}"
    if node.get("type") == kind:
        node.pop("type")
    return node


def _address(node: Node, work: Work, path: str) -> Node:
    for row in rows_of(node, ADDRESS_TYPE):
        codes = [str(one.get("code")) for one in codings(extension_value(row))]
        use = next((ADDRESSES[code][0] for code in codes if code in ADDRESSES), None)
        # An organisation has no home, in STU3 neither.
        if use and "use" not in node and (use != "home" or work.kind != "Organization"):
            node["use"] = use
    return node


def _contact(node: Node, work: Work, path: str) -> Node:
    beside = node.pop("_system", None)
    if not isinstance(beside, dict):
        return node
    beside = dict(beside)
    for row in take_extensions(beside, CODE_SPECIFICATION):
        node["extension"] = [*listed(node.get("extension")), {**row, "url": TELECOM_TYPE}]
        if "use" not in node and any(one.get("code") == "MC" for one in codings(extension_value(row))):
            node["use"] = "mobile"
    if beside:
        node["_system"] = beside
    return node


def _dosage(node: Node, work: Work, path: str) -> Node:
    rows = listed(node.pop("doseAndRate", None))
    if len(rows) > 1:
        work.lose("partial", "LB-02", f"{path}.doseAndRate", rows[1:])
    for key, value in rows[0].items() if rows else ():
        if key.lstrip("_").startswith(("dose", "rate")):
            node[key] = value
        else:
            work.lose("lost", "LB-01", f"{path}.doseAndRate.{key}", value)
    return node


Change = Callable[[Node, Work, str], Node]
CHANGES: Final[Mapping[str, Change]] = {
    "Coding": _coding,
    "Identifier": _identifier,
    "Extension": _extension,
    "Reference": _reference,
    "HumanName": _name,
    "Address": _address,
    "ContactPoint": _contact,
    "Dosage": _dosage,
}
