"""A structured CDA document on paper, for who reads it: the header, then the text of every section."""

from datetime import datetime
from pathlib import Path

from gateway.dossier.paper import Paper
from gateway.intake.cda.body import PaperLine
from gateway.intake.cda.header import CdaHeader, wrong


def paper_of(header: CdaHeader, lines: list[PaperLine], made: datetime, font: Path) -> bytes:
    """The document as PDF/A. Raises Refusal for a character that the font
    does not have: it would be an empty box."""
    title = header.title or "Document"
    name = "".join(str(one["text"]) for one in header.target.patient.get("name", ())[:1])
    told = [
        (label, value)
        for label, value in (
            ("Van", name),
            ("Gemaakt op", _day(header.made)),
            ("Door", "; ".join(header.authors)),
            ("Bewaard door", header.custodian),
        )
        if value
    ]
    foot = ", ".join(filter(None, (name, title)))
    with Paper(font, title, "; ".join(header.authors), made, foot) as paper:
        absent = paper.missing("".join([title, *(value for _, value in told), *(line.text for line in lines)]))
        if absent:
            codes = ", ".join(f"U+{ord(char):04X}" for char in sorted(absent)[:5])
            raise wrong(f"the font of this source cannot show {codes}; set cda.font to one that can", "component")
        paper.begin(title)
        for label, value in told:
            paper.say(f"{label}: {value}")
        highest = 0
        for line in lines:
            if line.level is not None:
                highest = min(line.level, highest + 1)
                paper.head(line.text, highest)
            else:
                paper.say(line.text, bold=line.bold, indent=5 * line.indent)
        return paper.written()


def _day(made: str) -> str:
    """A FHIR dateTime as it is written here: day first."""
    day, _, clock = made.partition("T")
    return "-".join(reversed(day.split("-"))) + (f" {clock[:5]}" if clock else "")
