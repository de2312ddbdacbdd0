"""The document: Composition, sections with their entries and words, and all that the entries point at."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final, Literal

from profiles.conversion.losses import Loss
from profiles.conversion.paths import Node
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.xhtml import XHTML
from profiles.fhir.tree import Resource, copied, local_reference
from profiles.fhir.version import FhirVersion
from profiles.record.bsn import bsns
from profiles.record.label import concept_text, label
from profiles.record.repair import mask_bsn
from profiles.record.walk import Key, aim, key_of, references, values
from profiles.record.written import said, write
from profiles.summary.entries import suited, without_bsn
from profiles.summary.selection import Section, moment, sections, taken

DEEPER: Final = (
    "serviceType", "appointmentType", "reasonCode", "recommendation.vaccineCode", "oralDiet.type",
    "codeCodeableConcept", "category",
)  # fmt: skip
"""Where a resource without a name of its own tells what it is."""
PROFILES: Final = {
    "ips": ("http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips",
            "http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips"),
    "eps": ("http://hl7.eu/fhir/eps/StructureDefinition/bundle-eu-eps",
            "http://hl7.eu/fhir/eps/StructureDefinition/composition-eu-eps"),
}  # fmt: skip
"""The profiles of Bundle and Composition, by form."""
PEOPLE: Final = frozenset({"Organization", "Practitioner", "PractitionerRole", "RelatedPerson"})
BESIDE: Final = PEOPLE | {"Device", "Location", "Medication", "Specimen"}
"""Types that come along when an entry points at them; members of a panel do as well."""


class SummaryError(ValueError):
    """No summary can be made: of nobody, or of more than one person."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a summary is made. ``bsn``: the receiver may have it. ``down``: ids of sections whose source failed.

    ``empty``: what an empty section says, never that there is nothing: a search without results does not tell that.
    """

    language: Literal["nl", "en"] = "nl"
    bsn: bool = False
    down: frozenset[str] = frozenset()
    empty: Literal["unavailable", "notasked"] = "unavailable"
    form: Literal["ips", "eps"] = "ips"
    """The international form, or the European one, which is a draft."""


@dataclass(slots=True)
class PatientSummary:
    """The document Bundle, and what is not in it (kinds ``not-selected`` and ``lost``)."""

    bundle: Resource
    losses: list[Loss] = field(default_factory=list)


def summary(
    resources: Iterable[Resource], institution: Resource, at: dt.datetime, wishes: Wishes | None = None
) -> PatientSummary:
    """The summary of one person from R4 resources that may be shown; those given stay as they are.

    ``institution``: the Organization that tells it, with an id. ``at``: the moment of the summary, with a time zone;
    the same resources at the same moment give the same bytes. Raises SummaryError when not exactly one Patient is
    there, or a resource is about somebody else.
    """
    wishes = wishes or Wishes()
    held = {key_of(one): one for one in resources if isinstance(one.get("id"), str)}
    patient = _patient(held)
    strangers = [key for key, one in held.items() if _of_nobody(one)]
    losses = [Loss("not-selected", "", "/".join(key), "subject") for key in strangers]
    held = {key: one for key, one in held.items() if key not in set(strangers)}
    author = copied(institution)
    pointer = {"reference": f"Organization/{author['id']}"}
    selected = {section.id: taken(section, held.values(), at.date()) for section in sections().section}
    entries = _with_others(selected, held)
    told = [key_of(one) for rows in selected.values() for one in rows]
    losses += _left_out(held, [*told, *entries, key_of(patient)])
    own = {key: copied(held[key]) for key in dict.fromkeys([key_of(patient), *entries, *told])}
    for key in entries:
        if not suited(own[key], pointer, wishes.form):
            losses.append(Loss("profile-outside", "", "/".join(key), f"{key[0]}.value"))
    # What stands in a section with words only is spoken of as well, and is no less about a person with a number.
    for resource in [*own.values(), author]:
        _discreet(resource, set(bsns(patient)), wishes)
        _unspoken(resource, held)
    chosen = {name: [own[key_of(one)] for one in rows] for name, rows in selected.items()}
    patient = own[key_of(patient)]
    whole = [patient, author, *(own[key] for key in entries if key not in (key_of(patient), key_of(author)))]
    for resource in whole:
        write(resource, FhirVersion.R4)
    ident = _identifier(whole, wishes)
    composition = _composition(chosen, patient, pointer, at, wishes, ident)
    return PatientSummary(_bundle([composition, *whole], ident, at, losses, wishes.form), losses)


def _discreet(resource: Resource, numbers: set[str], wishes: Wishes) -> None:
    """Take out what the source told in its own way, and the BSN unless the receiver may have it."""
    resource.pop("text", None)
    if not wishes.bsn:
        without_bsn(resource)
        mask_bsn(resource, numbers)


def _unspoken(resource: Resource, held: Container[Key]) -> None:
    """Of what was not given, and may be withheld, a reference says no more than what kind of thing it is."""
    for row in references(resource):
        target = local_reference(row["reference"])
        if target is not None and aim(row["reference"]) not in held and target[0] not in BESIDE | {"Patient"}:
            row["display"] = target[0]


def _patient(held: Mapping[Key, Resource]) -> Resource:
    patients = [one for (kind, _), one in held.items() if kind == "Patient"]
    if len(patients) != 1:
        raise SummaryError(f"a summary is of one patient; {len(patients)} were given")
    for resource in held.values():
        for text in _about(resource):
            target = aim(text)
            if target is not None and target[0] == "Patient" and target != key_of(patients[0]):
                raise SummaryError(f"{'/'.join(key_of(resource))} is about somebody else")
    return patients[0]


def _about(resource: Resource) -> list[str]:
    rows = [resource.get(name) for name in ("subject", "patient", "beneficiary")]
    return [str(one["reference"]) for one in rows if isinstance(one, dict) and "reference" in one]


def _of_nobody(resource: Resource) -> bool:
    """Whether it is about somebody at a whole address: another server gives out the same ids to others."""
    return any("://" in text for text in _about(resource))


def _with_others(chosen: Mapping[str, Sequence[Resource]], held: Mapping[Key, Resource]) -> dict[Key, Resource]:
    """What the sections hold, and what that points at."""
    narrative = {section.id for section in sections().section if section.narrative}
    entries: dict[Key, Resource] = {}
    queue = [one for name, rows in chosen.items() if name not in narrative for one in rows]
    while queue:
        resource = queue.pop(0)
        if key_of(resource) in entries:
            continue
        entries[key_of(resource)] = resource
        members = {str(row.get("reference")) for row in resource.get("hasMember", ()) if isinstance(row, dict)}
        for row in references(resource):
            target = aim(row["reference"])
            if target is None or target not in held:
                continue
            if target[0] in BESIDE or row["reference"] in members:
                queue.append(held[target])
    return entries


def _left_out(held: Iterable[Key], shown: Iterable[Key]) -> list[Loss]:
    known = set(shown)
    return [Loss("not-selected", "", "/".join(key), key[0]) for key in held if key not in known]


def _identifier(whole: Sequence[Resource], wishes: Wishes) -> str:
    state = hashlib.sha256(b"\0".join(jsonio.canonical(one) for one in whole)).hexdigest()
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{state}/{wishes}"))


def _composition(
    chosen: Mapping[str, Sequence[Resource]],
    patient: Resource,
    author: Node,
    at: dt.datetime,
    wishes: Wishes,
    ident: str,
) -> Resource:
    parts = [_section(section, chosen[section.id], wishes) for section in sections().section]
    title = sections().words["title"][wishes.language]
    return {
        "resourceType": "Composition",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{ident}/composition")),
        "meta": {"profile": [PROFILES[wishes.form][1]]},
        "language": {"nl": "nl-NL", "en": "en"}[wishes.language],
        "text": _text(f"<p>{escape(title)}</p>"),
        "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "60591-5"}]},
        "subject": {"reference": f"Patient/{patient['id']}"},
        "date": at.isoformat(timespec="seconds"),
        "author": [author],
        "title": title,
        "confidentiality": "N",
        "section": [part for part in parts if part],
    }


def _section(section: Section, rows: Sequence[Resource], wishes: Wishes) -> Resource:
    rows = () if section.id in wishes.down else rows
    european = wishes.form == "eps"
    required = section.required or (european and section.eps_required)
    if not rows and not required and section.id not in wishes.down:
        return {}
    name = section.en if wishes.language == "en" else section.nl
    loinc = section.eps_loinc if european and section.eps_loinc else section.loinc
    made: Resource = {"title": name, "code": {"coding": [{"system": "http://loinc.org", "code": loinc}]}}
    if rows:
        made["text"] = _text("<ul>" + "".join(f"<li>{escape(_line(one))}</li>" for one in rows) + "</ul>")
    else:
        made["text"] = _text(f"<p>{escape(sections().words['nothing'][wishes.language])}</p>")
    if rows and not section.narrative:
        made["entry"] = [{"reference": "/".join(key_of(one))} for one in rows]
    elif not rows:
        reason = "unavailable" if section.id in wishes.down else wishes.empty
        system = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
        made["emptyReason"] = {"coding": [{"system": system, "code": reason}]}
    return made


def _line(resource: Resource) -> str:
    """An entry in one line: what, how much, when."""
    medication: Any = resource.get("medicationReference") or resource.get("device") or {}
    provision = resource.get("provision") or {}
    subject = {**resource, "code": (provision.get("code") or [None])[0]} if provision else resource
    deeper = next((text for path in DEEPER for row in values(resource, path) if (text := concept_text(row))), None)
    what = label(subject) or medication.get("display") or deeper or str(resource["resourceType"])
    parts = [_value(resource), *(_value(row, named=True) for row in resource.get("component", ()))]
    return ", ".join(one for one in (what, *parts, moment(resource)[:10]) if one)


def _value(node: Node, *, named: bool = False) -> str:
    """A value in words; of a component with what it is a value of."""
    told = said(node.get("valueQuantity")) or concept_text(node.get("valueCodeableConcept"))
    told = told or str(node.get("valueString") or "")
    name = concept_text(node.get("code")) if named else None
    return f"{name}: {told}" if name and told else told


def _text(inner: str) -> Node:
    return {"status": "generated", "div": f'<div xmlns="{XHTML}">{inner}</div>'}


def _bundle(whole: Sequence[Resource], ident: str, at: dt.datetime, losses: list[Loss], form: str) -> Resource:
    """The Bundle: every reference points at an entry of it; one that cannot keeps only its words, and is told."""
    urls = {key_of(one): f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, ident + '/'.join(key_of(one)))}" for one in whole}
    for resource in whole:
        for row in references(resource):
            target = aim(row["reference"])
            if row["reference"].startswith("#"):
                continue
            if target in urls:
                row["reference"] = urls[target]
                continue
            losses.append(Loss("not-selected", "", "/".join(key_of(resource)), row["reference"]))
            row.setdefault("display", target[0] if target else "-")
            del row["reference"]
    return {
        "resourceType": "Bundle",
        "id": ident,
        "meta": {"profile": [PROFILES[form][0]]},
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{ident}"},
        "type": "document",
        "timestamp": at.isoformat(timespec="seconds"),
        "entry": [{"fullUrl": urls[key_of(one)], "resource": one} for one in whole],
    }
