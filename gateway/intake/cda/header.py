"""What the header of a CDA document says: which document it is, of whom, by whom, and what it takes the place of.

Source: HL7 Clinical Document Architecture, release 2, 4.2 (header). Every refusal names the element.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

from gateway.intake.hl7v2.times import moment
from gateway.intake.refusal import Refusal, refusal
from profiles.record.bsn import BSN_SYSTEM, valid_bsn
from profiles.rows import read

BSN_ROOT = "2.16.840.1.113883.2.4.6.3"
_SYSTEMS = read(Path(__file__).with_name("systems.toml"), dict[str, dict[str, str]])["systems"]
_SEX = {"M": "male", "F": "female", "UN": "other"}
RELATIONS = {"RPLC": "replaces", "APND": "appends", "XFRM": "transforms"}
"""ActRelationshipType of relatedDocument, as relatesTo calls it."""


@dataclass(frozen=True, slots=True)
class InstanceId:
    """An instance identifier: a root, and what is unique within it."""

    root: str
    extension: str = ""

    @property
    def value(self) -> str:
        """The two as one text, as IHE XDS writes a document's unique id."""
        return f"{self.root}^{self.extension}" if self.extension else self.root


@dataclass(frozen=True, slots=True)
class RecordTarget:
    """Whose document it is."""

    bsn: str = field(repr=False)
    numbers: tuple[InstanceId, ...]
    """Other numbers of this person."""
    patient: dict[str, Any] = field(repr=False)
    """Name, birth date and sex, as elements of a Patient."""


@dataclass(frozen=True, slots=True)
class CdaHeader:
    """The header of a document."""

    number: InstanceId
    set: InstanceId | None
    version: int | None
    title: str
    code: dict[str, Any]
    made: str
    """FHIR dateTime, with the precision that was sent."""
    confidentiality: str
    language: str
    target: RecordTarget
    authors: tuple[str, ...]
    custodian: str
    related: tuple[tuple[str, InstanceId], ...]
    """relatesTo codes, each with the number of the parent document."""


def wrong(text: str, place: str, status: int = 422) -> Refusal:
    """A refusal about an element of the document."""
    return refusal(status, "required" if text.startswith("no ") else "invalid", text, f"ClinicalDocument.{place}")


def header_of(root: Element, zone: str) -> CdaHeader:
    """Read the header; times without a zone are in ``zone``. Raises Refusal."""
    if root.tag != "ClinicalDocument":
        raise refusal(400, "structure", "the root is not ClinicalDocument in urn:hl7-org:v3", "ClinicalDocument")
    number = _number(root.find("id"))
    if number is None:
        raise wrong("no id with a root", "id")
    code = concept(root.find("code"))
    if not code:
        raise wrong("no code: what kind of document it is", "code")
    confidentiality = _value(root.find("confidentialityCode"), "code")
    if not confidentiality:
        raise wrong("no confidentialityCode", "confidentialityCode")
    title = words(root.find("title")) or str(code.get("text") or code.get("coding", [{}])[0].get("display") or "")
    return CdaHeader(
        number=number,
        set=_number(root.find("setId")),
        version=_version(root.find("versionNumber")),
        title=title,
        code=code,
        made=_moment(root.find("effectiveTime"), zone),
        confidentiality=confidentiality,
        language=_value(root.find("languageCode"), "code") or "nl-NL",
        target=_target(root),
        authors=tuple(filter(None, (_author(one) for one in root.findall("author")))),
        custodian=words(root.find("custodian/assignedCustodian/representedCustodianOrganization/name")),
        related=tuple(_related(root)),
    )


def words(element: Element | None) -> str:
    """All text of an element, white space collapsed."""
    return "" if element is None else " ".join("".join(element.itertext()).split())


def concept(element: Element | None) -> dict[str, Any]:
    """A CE or CD as a CodeableConcept; empty when it says nothing."""
    if element is None:
        return {}
    codings = []
    for one in (element, *element.findall("translation")):
        code, oid = _value(one, "code"), _value(one, "codeSystem")
        if code:
            system = _SYSTEMS.get(oid) or (f"urn:oid:{oid}" if oid else None)
            found = {"system": system, "code": code, "display": _value(one, "displayName") or None}
            codings.append({name: value for name, value in found.items() if value})
    text = words(element.find("originalText")) or ("" if codings else _value(element, "displayName"))
    return ({"coding": codings} if codings else {}) | ({"text": text} if text else {})


def _value(element: Element | None, name: str) -> str:
    return (element.get(name) or "").strip() if element is not None else ""


def _number(element: Element | None) -> InstanceId | None:
    root = _value(element, "root")
    return InstanceId(root, _value(element, "extension")) if root else None


def _version(element: Element | None) -> int | None:
    text = _value(element, "value")
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise wrong("a version is a whole number", "versionNumber")
    return int(text)


def _moment(element: Element | None, zone: str) -> str:
    text = _value(element, "value")
    if not text:
        raise wrong("no effectiveTime with a value", "effectiveTime")
    try:
        return moment(text, ZoneInfo(zone))
    except ValueError:
        raise wrong("not a time", "effectiveTime") from None


def _target(root: Element) -> RecordTarget:
    targets = root.findall("recordTarget")
    if len(targets) != 1:
        text = "no recordTarget" if not targets else "a document of more than one patient is not taken"
        raise wrong(text, "recordTarget")
    role = targets[0].find("patientRole")
    numbered = [one for one in (_number(each) for each in role.findall("id")) if one] if role is not None else []
    bsns = {one.extension.replace(" ", "") for one in numbered if one.root == BSN_ROOT}
    place = "recordTarget.patientRole.id"
    if len(bsns) != 1:
        text = f"no BSN (root {BSN_ROOT})" if not bsns else "more than one BSN"
        raise wrong(text, place)
    bsn = bsns.pop()
    if not valid_bsn(bsn):
        raise wrong("a BSN that is none", place)
    person = role.find("patient") if role is not None else None
    numbers = tuple(dict.fromkeys(one for one in numbered if one.root != BSN_ROOT and one.extension))
    return RecordTarget(bsn, numbers, {"identifier": [{"system": BSN_SYSTEM, "value": bsn}], **_person(person)})


def _person(person: Element | None) -> dict[str, Any]:
    if person is None:
        return {}
    made: dict[str, Any] = {}
    if (name := person.find("name")) is not None and (text := _joined(name)):
        parts = [one for one in name if one.tag == "family" or _is_prefix_of_family(one)]
        given = [words(one) for one in name.findall("given") if words(one)]
        family = " ".join(filter(None, map(words, parts)))
        made["name"] = [{"text": text} | ({"family": family} if family else {}) | ({"given": given} if given else {})]
    if sex := _SEX.get(_value(person.find("administrativeGenderCode"), "code")):
        made["gender"] = sex
    born = _value(person.find("birthTime"), "value")[:8]
    try:
        if born:
            made["birthDate"] = moment(born, ZoneInfo("UTC"))
    except ValueError:
        raise wrong("not a date", "recordTarget.patientRole.patient.birthTime") from None
    return made


def _is_prefix_of_family(part: Element) -> bool:
    """A voorvoegsel: van, de, ten."""
    return part.tag == "prefix" and "VV" in _value(part, "qualifier")


def _joined(name: Element) -> str:
    """A name for reading: what stands in it, in its order."""
    texts = [name.text or "", *(part for one in name for part in (words(one), " ", one.tail or ""))]
    return " ".join("".join(texts).split())


def _author(element: Element) -> str:
    assigned = element.find("assignedAuthor")
    if assigned is None:
        return ""
    name = assigned.find("assignedPerson/name")
    person = _joined(name) if name is not None else ""
    device = words(assigned.find("assignedAuthoringDevice/softwareName"))
    return ", ".join(filter(None, (person or device, words(assigned.find("representedOrganization/name")))))


def _related(root: Element) -> list[tuple[str, InstanceId]]:
    parents = []
    for one in root.findall("relatedDocument"):
        kind, parent = RELATIONS.get(_value(one, "typeCode")), _number(one.find("parentDocument/id"))
        if kind is None or parent is None:
            raise wrong("a relatedDocument has typeCode RPLC, APND or XFRM and a parentDocument.id", "relatedDocument")
        parents.append((kind, parent))
    return parents
