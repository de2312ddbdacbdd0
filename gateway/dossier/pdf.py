"""A dossier on paper."""

from datetime import datetime
from pathlib import Path

from gateway.dossier.paper import Paper
from gateway.dossier.record import Dossier, DossierPart, Shown
from gateway.dossier.tables import ShownRow, Table


def pdf_of(dossier: Dossier, provider: str, moment: str, made: datetime, font: Path) -> bytes:
    """The whole dossier on paper; ``moment`` says in words when it was collected. Raises OSError without the font."""
    name = dossier.person or "Uw dossier"
    with Paper(font, f"{name} bij {provider}", provider, made, f"{name}, {provider}, {moment}") as paper:
        paper.say(name, 20, bold=True)
        paper.say(f"Gegevens bij {provider}, opgehaald op {moment}.")
        _summary(paper, dossier)
        for part in dossier.parts:
            _part(paper, part)
        return bytes(paper.output())


def _summary(paper: Paper, dossier: Dossier) -> None:
    summary = dossier.summary
    if summary.contradictions:
        paper.head("Let op: uw gegevens spreken elkaar tegen", 0)
        for one in summary.contradictions:
            paper.say(f"\u2022 {one}", bold=True)
    if dossier.missing:
        paper.head("Dit overzicht is niet compleet", 0)
        for reason in dossier.missing:
            paper.say(f"{reason.problem} Daarom ontbreekt, of is niet volledig: {', '.join(reason.names)}.")
    paper.head("Samenvatting", 0)
    if summary.appointment:
        said = summary.appointment
        paper.say(f"Uw volgende afspraak: {said.moment}. {said.what}{', bij ' + said.whom if said.whom else ''}")
    for line in summary.lines:
        paper.head(line.title, 1)
        for item in line.items:
            paper.say(f"\u2022 {item.title}{': ' + item.details if item.details else ''}")
        if line.missing:
            paper.say("Niet alles is opgehaald. Hier kan iets ontbreken.", bold=True)
        elif not line.items:
            paper.say("Niets dat nu nog geldt." if line.past else line.none)


def _part(paper: Paper, part: DossierPart) -> None:
    paper.add_page()
    paper.head(part.name, 0)
    for shown in part.full:
        _section(paper, shown)
    if part.empty:
        paper.head("Niets vastgelegd", 1)
        paper.say(", ".join(answer.name for answer in part.empty))


def _section(paper: Paper, shown: Shown) -> None:
    paper.head(shown.answer.name, 1)
    for group in shown.groups:
        if group.name:
            paper.say(group.name, bold=True)
        for table in group.tables:
            for row in table.rows:
                _row(paper, table, row)


def _row(paper: Paper, table: Table, row: ShownRow) -> None:
    paper.say(f"{table.shape.title_label}: {row.title}", bold=True)
    told = [f"{label}: {', '.join(lines)}" for label, lines in zip(table.columns, row.cells, strict=True) if lines]
    if row.origins:
        told.append(f"Staat in {len(row.origins)} systemen: {', '.join(row.origins)}")
    if told:
        paper.say("; ".join(told))
    paper.ln(1.5)
