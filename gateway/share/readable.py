"""What a citizen sent, to read: questions with their answers, a measurement, a request; as HTML and as PDF/A.

For the dossier of an EHR that takes documents only, and for staff. Texts are Dutch: people read them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fpdf import FPDF
from markupsafe import Markup, escape

from gateway.dossier.words import moment
from profiles.fhir.tree import Resource
from profiles.record.label import concept_text

YES_NO = {True: "Ja", False: "Nee"}
_FAMILY = "readable"


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


def html_of(shown: Readable) -> Markup:
    """A fragment of HTML: a heading and a list of terms. Everything that was sent is escaped."""
    rows = []
    for line in shown.lines:
        if line.answers:
            answers = Markup("").join(Markup("<dd>{}</dd>").format(one) for one in line.answers)
            rows.append(Markup("<div><dt>{}</dt>{}</div>").format(line.text, answers))
        else:
            rows.append(Markup("<div><dt><strong>{}</strong></dt></div>").format(line.text))
    return Markup("<h2>{}</h2><dl>{}</dl>").format(shown.title, Markup("").join(rows)) if rows else escape(shown.title)


def pdf_of(shown: Readable, provider: str, sent: datetime, font: Path) -> bytes:
    """PDF/A-2u of what was sent. Raises OSError without the font."""
    paper = FPDF(enforce_compliance="PDF/A-2U")
    bold = font.with_name(f"{font.stem}-Bold{font.suffix}")
    paper.add_font(_FAMILY, fname=str(font))
    paper.add_font(_FAMILY, style="B", fname=str(bold if bold.is_file() else font))
    paper.set_title(shown.title)
    paper.set_author(provider)
    paper.set_lang("nl-NL")
    paper.set_creation_date(sent)
    paper.add_page()
    _say(paper, shown.title, 18, bold=True)
    _say(paper, f"Door de patiënt zelf gestuurd op {sent:%d-%m-%Y om %H:%M} (UTC), ontvangen door {provider}.", 9)
    for line in shown.lines:
        _say(paper, line.text, 11, bold=True, indent=line.depth)
        for answer in line.answers:
            _say(paper, answer, 11, indent=line.depth + 1)
    return bytes(paper.output())


def _say(paper: FPDF, text: str, size: int, *, bold: bool = False, indent: int = 0) -> None:
    paper.set_font(_FAMILY, style="B" if bold else "", size=size)
    paper.set_x(paper.l_margin + 4 * min(indent, 8))
    paper.multi_cell(0, size * 0.55, text, new_x="LMARGIN", new_y="NEXT")


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
