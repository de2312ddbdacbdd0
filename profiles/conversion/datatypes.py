"""What changes in data types, wherever they stand: systems, extensions, names, addresses, telecom, references, dosage.

The walk knows the type of every element from the base facts of STU3, and makes new objects: the source stays as it is.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from profiles.conversion.paths import (
    Node,
    add_extension,
    beside,
    codings,
    extension_value,
    extensions,
    listed,
    take_extensions,
)
from profiles.conversion.tables import tables
from profiles.conversion.work import NICTIZ, Work
from profiles.fhir.basetypes import facts
from profiles.fhir.version import FhirVersion

CODE_SPECIFICATION: Final = NICTIZ + "ext-CodeSpecification"
ADDRESS_TYPE: Final = NICTIZ + "ext-AddressInformation.AddressType"
TELECOM_TYPE: Final = NICTIZ + "zib-ContactInformation-TelecomType"
ROLE_REFERENCE: Final = NICTIZ + "practitionerrole-reference"
HL7: Final = "http://hl7.org/fhir/StructureDefinition/"
SUFFIX: Final = HL7 + "iso21090-ADXP-buildingNumberSuffix"
QUALIFIER: Final = HL7 + "iso21090-EN-qualifier"
UNQUALIFIED: Final = {
    "url": QUALIFIER,
    "_valueCode": {"extension": [{"url": HL7 + "data-absent-reason", "valueCode": "unknown"}]},
}
ADDRESSES: Final[Mapping[str, tuple[str | None, str | None]]] = {
    "PST": (None, "postal"),
    "HP": ("home", "both"),
    "PHYS": ("home", "physical"),
    "TMP": ("temp", None),
    "WP": ("work", None),
    "HV": ("temp", None),
}
"""Use and type of an address by the code of its zib type."""
TELECOM: Final = {"LL": "phone", "MC": "phone", "FAX": "fax", "PG": "pager"}


def translated(node: Node, kind: str, work: Work, path: str) -> Node:
    """An object of a type of STU3 as one of R4, as far as its data types go; contained resources are left alone."""
    made: Node = {}
    for key, value in node.items():
        made.update(_element(key, value, kind, work, path))
    change = CHANGES.get(kind)
    return change(made, work, path) if change else made


def _element(key: str, value: Any, kind: str, work: Work, path: str) -> Node:
    name = key.removeprefix("_")
    place = f"{path}.{name}"
    if key == "resourceType":
        return {key: value}
    known = facts(FhirVersion.STU3).property(kind, name)
    if known is None:
        work.lose("unmapped", "", place, value)
        return {}
    below = "Element" if key != name else known[1]
    rows = [row for row in listed(value) if _fits(row, below, key != name)]
    if len(rows) < len(listed(value)):
        work.lose("unmapped", "", place, value)
    if below != "Resource":
        rows = [translated(row, below, work, place) if isinstance(row, dict) else row for row in rows]
    if below == "Extension":
        rows = [row for row in rows if row.get("url") not in tables().dropped]
    if below == "HumanName" and known[0].many:
        rows = [one for row in rows for one in names(row)]
    if not known[0].many and len(rows) > 1:
        work.lose("unmapped", "", place, rows[1:])
    return {key: rows if known[0].many else rows[0]} if rows else {}


def _fits(row: Any, kind: str, beside: bool) -> bool:
    """Whether a value has the shape of its type: what has not would be no FHIR in any release."""
    primitive = facts(FhirVersion.STU3).kind(kind) == "primitive"
    if row is None:
        return primitive or beside
    return isinstance(row, (str, bool, int, Decimal)) if primitive and not beside else isinstance(row, dict)


def names(name: Any) -> list[Any]:
    """A name as those of R4: the official one, and one of use ``usual`` that holds only the name one is called by."""
    if not isinstance(name, dict) or name.get("use", "official") not in ("official", "usual"):
        return [name]
    parts = _parts(name)
    called = [part for part in parts if "CL" in _qualifiers(part[1])]
    rest = {key: value for key, value in name.items() if key not in ("given", "_given")}
    others = [part for part in parts if part not in called]
    if name.get("use") == "usual" and not others and len(rest) == 1:
        return [{"use": "usual", "given": [text for text, _ in parts]}]
    made = [{**rest, "use": "official", **_given(others)}] if set(rest) - {"use"} or others else []
    return [*made, *({"use": "usual", "given": [text]} for text, _ in called if text)]


def qualified(name: Node) -> Node:
    """A name of which every given part tells what it is."""
    return {**name, **_given(_parts(name))}


def _parts(name: Node) -> list[tuple[Any, Any]]:
    given, beside = listed(name.get("given")), listed(name.get("_given"))
    return [(text, beside[at] if at < len(beside) else None) for at, text in enumerate(given)]


def _given(parts: list[tuple[Any, Any]]) -> Node:
    if not parts:
        return {}
    return {"given": [text for text, _ in parts], "_given": [_qualified(row) for _, row in parts]}


def _qualified(row: Any) -> Node:
    """R4 wants to know of each part what it is; of one without a qualifier it is unknown."""
    if any(_qualifiers(row)):
        return dict(row)
    return {**(row or {}), "extension": [*listed((row or {}).get("extension")), UNQUALIFIED]}


def _qualifiers(row: Any) -> list[Any]:
    rows = listed(row.get("extension")) if isinstance(row, dict) else []
    return [extension_value(one) for one in rows if isinstance(one, dict) and one.get("url") == QUALIFIER]


def _coding(node: Node, work: Work, path: str) -> Node:
    system = node.get("system")
    return {**node, "system": tables().systems[system]} if system in tables().systems else node


def _identifier(node: Node, work: Work, path: str) -> Node:
    return _coding(node, work, path)


def _extension(node: Node, work: Work, path: str) -> Node:
    url = node.get("url")
    return {**node, "url": tables().extensions[url]} if url in tables().extensions else node


def _reference(node: Node, work: Work, path: str) -> Node:
    node = unwrapped(node, node.get("reference"), node, work, path)
    text = node.get("reference")
    if isinstance(text, str):
        kind, slash, rest = text.partition("/")
        renamed = tables().types.get(kind)
        if renamed and slash:
            node = {**node, "reference": f"{renamed}/{rest}"}
    return node


def unwrapped(holder: Node, named: Any, otherwise: Node, work: Work, path: str) -> Node:
    """The role that an extension of ``holder`` puts in place of a reference (``named``), else ``otherwise``.

    That the role names the same practitioner or organisation is an assumption, unless it is seen.
    """
    rows = take_extensions(holder, ROLE_REFERENCE)
    role = extension_value(rows[0]) if rows else None
    if not isinstance(role, dict):
        return otherwise
    if named is not None and str(named) not in work.beside.roles.get(str(role.get("reference")), ()):
        work.assume(path, " ".join(str(one) for one in (named, otherwise.get("display")) if one))
    return role


def _address(node: Node, work: Work, path: str) -> Node:
    for line in listed(node.get("_line")):
        if isinstance(line, dict):
            _one_suffix(line)
    for row in extensions(node, ADDRESS_TYPE):
        codes = [str(one.get("code")) for one in codings(extension_value(row))]
        use, kind = next((ADDRESSES[code] for code in codes if code in ADDRESSES), (None, None))
        for name, value in (("use", use), ("type", kind)):
            node.pop(name, None)
            if value is not None:
                node[name] = value
    return node


def _one_suffix(line: Node) -> None:
    """Letter and addition of a house number were two extensions; they are one, with a space between."""
    rows = extensions(line, SUFFIX)
    if len(rows) > 1:
        rows[0]["valueString"] = " ".join(str(row.get("valueString", "")) for row in rows)
        line["extension"] = [row for row in line["extension"] if row is rows[0] or row.get("url") != SUFFIX]


def _contact(node: Node, work: Work, path: str) -> Node:
    for row in take_extensions(node, TELECOM_TYPE):
        concept = extension_value(row)
        system = next((TELECOM[c["code"]] for c in codings(concept) if c.get("code") in TELECOM), None)
        if system:
            node["system"] = system
        add_extension(beside(node, "system"), CODE_SPECIFICATION, "CodeableConcept", concept)
    if node.get("use") == "mobile":
        node.pop("use")
        if "_system" not in node:
            work.lose("partial", "LL-20", f"{path}.use", "mobile")
            mobile = {"system": "http://terminology.hl7.org/CodeSystem/v3-AddressUse", "code": "MC"}
            add_extension(beside(node, "system"), CODE_SPECIFICATION, "CodeableConcept", {"coding": [mobile]})
    return node


def _dosage(node: Node, work: Work, path: str) -> Node:
    moved = {key: node.pop(key) for key in list(node) if key.startswith(("dose", "rate"))}
    if moved:
        node["doseAndRate"] = [moved]
    return node


def _repeat(node: Node, work: Work, path: str) -> Node:
    if "frequency" in node and "period" not in node:
        node["count"] = node.pop("frequency")
        if "frequencyMax" in node:
            node["countMax"] = node.pop("frequencyMax")
    return node


Change = Callable[[Node, Work, str], Node]
CHANGES: Final[Mapping[str, Change]] = {
    "Coding": _coding,
    "Identifier": _identifier,
    "Extension": _extension,
    "Reference": _reference,
    "Address": _address,
    "ContactPoint": _contact,
    "Dosage": _dosage,
    "Timing.repeat": _repeat,
}
