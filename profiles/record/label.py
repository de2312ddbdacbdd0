"""A short name of a resource, for people who read a reference to it."""

from itertools import zip_longest
from typing import Any

from profiles.fhir.tree import Resource
from profiles.record.walk import values


def label(resource: Resource) -> str | None:
    """A short name of a resource for people: of a person, an organisation, a code, a product or a title."""
    kind = resource.get("resourceType")
    if kind in ("Patient", "Practitioner", "RelatedPerson", "Person"):
        names = resource.get("name")
        return human_name(names[0] if isinstance(names, list) and names else names)
    if kind == "PractitionerRole":
        parts = [_display(resource.get(name)) for name in ("practitioner", "organization")]
        return " || ".join(part for part in parts if part) or None
    if kind == "Observation" and JOURNAL in values(resource, "meta.profile"):
        line = resource.get("valueString")
        parts = [concept_text(resource.get("code")), line if isinstance(line, str) else None]
        return ": ".join(part for part in parts if part) or None
    for name in ("name", "title", "description"):
        if isinstance(resource.get(name), str):
            return str(resource[name])
    for name in ("code", "type", "vaccineCode", "medicationCodeableConcept"):
        found = concept_text(resource.get(name))
        if found:
            return found
    return None


JOURNAL = "http://nictiz.nl/fhir/StructureDefinition/gp-JournalEntry"
"""A line of a GP's consult. Receivers read of a consult what its sections call their lines: all of the line, then."""

INITIAL = "IN"
"""The qualifier (iso21090-EN-qualifier) of an initial: Dutch profiles give names and initials side by side."""


def human_name(name: Any) -> str | None:
    """A HumanName as one line: its own text, else the names that are written out, or the initials, and the surname."""
    if not isinstance(name, dict):
        return None
    if isinstance(name.get("text"), str):
        return str(name["text"])
    given, beside = name.get("given"), name.get("_given")
    parts = given if isinstance(given, list) else []
    marks = beside if isinstance(beside, list) else []
    every = [(part, mark) for part, mark in zip_longest(parts, marks) if isinstance(part, str)]
    full = [part for part, mark in every if INITIAL not in values(mark, "extension.valueCode")]
    parts = full or [part for part, _ in every]
    family = name.get("family")
    return " ".join([*parts, *([family] if isinstance(family, str) else [])]) or None


def concept_text(concept: Any) -> str | None:
    """The text of a CodeableConcept (or the first of a list of them): its own, else the first display."""
    if isinstance(concept, list):
        return concept_text(concept[0]) if concept else None
    if not isinstance(concept, dict):
        return None
    if isinstance(concept.get("text"), str):
        return str(concept["text"])
    codings = concept.get("coding")
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, dict) and isinstance(coding.get("display"), str):
            return str(coding["display"])
    return None


def _display(reference: Any) -> str | None:
    found = reference.get("display") if isinstance(reference, dict) else None
    return found if isinstance(found, str) else None
