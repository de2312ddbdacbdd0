"""A patient summary on paper: the titles and the words of its sections, nothing that is not in the document."""

from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

from gateway.dossier.paper import Paper
from profiles.fhir.codec.xhtml import XHTML
from profiles.fhir.tree import Resource
from profiles.record.label import label

WORDS = {
    "nl": ("Geboren", "gemaakt door", "op"),
    "en": ("Born", "made by", "on"),
}


def paper_of(document: Resource, provider: str, font: Path) -> bytes:
    """A document Bundle as PDF/A. ``provider``: the name of the institution. Raises OSError without the font."""
    composition, patient = document["entry"][0]["resource"], document["entry"][1]["resource"]
    made = datetime.fromisoformat(str(document["timestamp"]))
    born, by, on = WORDS["en" if composition["language"] == "en" else "nl"]
    name, title = label(patient) or "", str(composition["title"])
    with Paper(font, f"{title}: {name}", provider, made, f"{title}, {name}, {made:%d-%m-%Y}") as paper:
        paper.set_lang(str(composition["language"]))
        paper.say(title, 20, bold=True)
        paper.say(f"{name}. {born}: {patient.get('birthDate', '?')}.")
        paper.say(f"{title} {by} {provider}, {on} {made:%d-%m-%Y %H:%M} UTC.")
        for section in composition["section"]:
            paper.head(str(section["title"]), 0)
            for line in lines(str(section["text"]["div"])):
                paper.say(line)
        return bytes(paper.output())


def lines(div: str) -> list[str]:
    """The paragraphs and items of a narrative of ours, as plain text."""
    tree = ElementTree.fromstring(div)  # noqa: S314 - made by us a moment ago, escaped
    items = {f"{{{XHTML}}}li": "\u2022 ", f"{{{XHTML}}}p": ""}
    return [items[one.tag] + "".join(one.itertext()) for one in tree.iter() if one.tag in items]
