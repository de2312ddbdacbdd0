"""A dossier on paper."""

from datetime import datetime
from pathlib import Path

from gateway.dossier.paper import Paper
from gateway.dossier.record import Dossier, DossierPart, Shown
from gateway.dossier.speech import label, language, said
from gateway.dossier.tables import ShownRow, Table


def pdf_of(dossier: Dossier, provider: str, moment: str, made: datetime, font: Path, whose: str = "") -> bytes:
    """The whole dossier on paper; ``moment`` says in words when it was collected, ``whose`` for whom somebody acted.

    Raises OSError without the font.
    """
    name = dossier.person or said("paper_nobody")
    title = said("paper_title", name=name, provider=provider)
    with Paper(font, title, provider, made, f"{name}, {provider}, {moment}", language()) as paper:
        paper.begin(name)
        if whose:
            paper.say(whose, bold=True)
        paper.say(said("paper_lead", provider=provider, moment=moment))
        _summary(paper, dossier)
        for part in dossier.parts:
            _part(paper, part)
        return paper.written()


def _summary(paper: Paper, dossier: Dossier) -> None:
    summary = dossier.summary
    if summary.contradictions:
        paper.head(said("contradictions"), 0)
        for one in summary.contradictions:
            paper.say(f"\u2022 {one}", bold=True)
    if dossier.missing:
        paper.head(said("incomplete_title"), 0)
        for reason in dossier.missing:
            paper.say(f"{reason.problem} {said('therefore', names=', '.join(reason.names))}")
    paper.head(said("summary"), 0)
    if summary.appointment:
        coming = summary.appointment
        whom = f", {said('with_whom', whom=coming.whom)}" if coming.whom else ""
        paper.say(f"{said('next_appointment')}: {coming.moment}. {coming.what}{whom}")
    for line in summary.lines:
        paper.head(line.title, 1)
        for item in line.items:
            paper.say(f"\u2022 {item.title}{': ' + item.details if item.details else ''}")
        if line.missing:
            paper.say(said("may_miss"), bold=True)
        elif not line.items:
            paper.say(said("past_only") if line.past else line.none)


def _part(paper: Paper, part: DossierPart) -> None:
    paper.add_page()
    paper.head(part.name, 0)
    for shown in part.full:
        _section(paper, shown)
    if part.empty:
        paper.head(said("nothing"), 1)
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
    paper.keep(12)
    paper.say(f"{label(table.shape.title_label)}: {row.title}", bold=True)
    told = [f"{label}: {', '.join(lines)}" for label, lines in zip(table.columns, row.cells, strict=True) if lines]
    if row.origins:
        told.append(said("told_by", count=len(row.origins), names=", ".join(row.origins)))
    if told:
        paper.say("; ".join(told))
    paper.ln(1.5)
