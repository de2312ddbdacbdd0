"""What a citizen sent, to read: questions with their answers, a measurement, a request; also as PDF/A.

For the dossier of an EHR that takes documents only, and for staff. Texts are Dutch: people read them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.dossier.paper import Paper
from gateway.dossier.words import moment
from profiles.fhir.tree import Resource
from profiles.record.label import concept_text

YES_NO = {True: "Ja", False: "Nee"}
DEEPEST = 8
"""Levels of questions within questions that are still set further in."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a heading when it has no answers. ``depth`` counts from 0."""

    text: str
    answers: tuple[str, ...] = ()
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Readable:
    """What was sent, in words."""

    title: str
    lines: tuple[Line, ...]


def readable(resource: Resource, questionnaire: Resource | None = None) -> Readable:
    """An item in words; with its ``questionnaire`` the questions stand as they were put."""
    match resource.get("resourceType"):
        case "QuestionnaireResponse":
            asked = {str(item.get("linkId")): str(item.get("text", "")) for item in _every(questionnaire or {})}
            shown = resource.get("questionnaire")
            named = shown.get("display", "") if isinstance(shown, dict) else ""
            title = str((questionnaire or {}).get("title") or named or "Vragenlijst")
            return Readable(title, tuple(_answers(resource, asked, 0)))
        case "Observation":
            return Readable(concept_text(resource.get("code")) or "Meting", tuple(_measured(resource)))
        case "Communication":
            payloads = [one.get("contentString") for one in resource.get("payload", ()) if isinstance(one, dict)]
            lines = tuple(Line("Verzoek", (str(text),)) for text in payloads if text)
            return Readable("Verzoek om het dossier te verbeteren", lines)
        case other:
            description = resource.get("description") or concept_text(resource.get("type")) or str(other)
            return Readable(str(description), ())


def pdf_of(shown: Readable, provider: str, sent: datetime, font: Path) -> bytes:
    """PDF/A-2u of what was sent. Raises OSError without the font."""
    foot = f"Door de patiënt zelf gestuurd, ontvangen door {provider}"
    with Paper(font, shown.title, provider, sent, foot) as paper:
        paper.say(shown.title, 18, bold=True)
        paper.say(f"Door de patiënt zelf gestuurd op {sent:%d-%m-%Y om %H:%M} (UTC), ontvangen door {provider}.", 9)
        for line in shown.lines:
            indent = 4 * min(line.depth, DEEPEST)
            paper.say(line.text, 11, bold=True, indent=indent)
            for answer in line.answers:
                paper.say(answer, 11, indent=indent + 4)
        return bytes(paper.output())


def _answers(element: Resource, asked: dict[str, str], depth: int) -> Iterator[Line]:
    for item in element.get("item", ()):
        if not isinstance(item, dict):
            continue
        link = str(item.get("linkId", ""))
        given = [one for one in item.get("answer", ()) if isinstance(one, dict)]
        values = tuple(_said(name, value) for one in given for name, value in one.items() if name.startswith("value"))
        yield Line(str(item.get("text") or asked.get(link) or link), values, depth)
        yield from _answers(item, asked, depth + 1)
        for one in given:
            yield from _answers(one, asked, depth + 1)


def _measured(resource: Resource) -> Iterator[Line]:
    at = resource.get("effectiveDateTime")
    if isinstance(at, str):
        yield Line("Gemeten op", (moment(at) or at,))
    for part in (resource, *(one for one in resource.get("component", ()) if isinstance(one, dict))):
        value = next(((name, part[name]) for name in part if name.startswith("value")), None)
        if value is not None:
            yield Line(concept_text(part.get("code")) or "Waarde", (_said(*value),))


def _said(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return YES_NO[value]
    if not isinstance(value, dict):
        return str(value)
    if name == "valueQuantity":
        return f"{value.get('value', '')} {value.get('unit') or value.get('code') or ''}".strip()
    if name == "valueCodeableConcept":
        return concept_text(value) or ""
    return str(value.get("display") or value.get("title") or value.get("code") or value.get("reference") or "")


def _every(element: Resource) -> Iterator[Resource]:
    stack = [element]
    while stack:
        found = stack.pop().get("item", ())
        for item in found if isinstance(found, list) else ():
            if isinstance(item, dict):
                yield item
                stack.append(item)
