"""A dossier as PDF/A-2u: text that can be searched and copied, with the fonts inside (ISO 19005-2)."""

from datetime import datetime
from pathlib import Path

from fpdf import FPDF

from gateway.dossier.record import Dossier, DossierPart, Shown
from gateway.dossier.tables import ShownRow, Table

_FAMILY = "dossier"


class _Paper(FPDF):
    """A4 with a foot on every page."""

    foot = ""

    def footer(self) -> None:
        """Whose it is, of when, and which page."""
        self.set_y(-15)
        self.set_font(_FAMILY, size=8)
        self.cell(0, 8, f"{self.foot}    Bladzijde {self.page_no()}")


def pdf_of(dossier: Dossier, provider: str, moment: str, made: datetime, font: Path) -> bytes:
    """The whole dossier on paper; ``moment`` says in words when it was collected. Raises OSError without the font."""
    paper = _Paper(enforce_compliance="PDF/A-2U")
    bold = font.with_name(f"{font.stem}-Bold{font.suffix}")
    paper.add_font(_FAMILY, fname=str(font))
    paper.add_font(_FAMILY, style="B", fname=str(bold if bold.is_file() else font))
    paper.set_auto_page_break(True, margin=20)
    name = dossier.person or "Uw dossier"
    paper.set_title(f"{name} bij {provider}")
    paper.set_author(provider)
    paper.set_lang("nl-NL")
    paper.set_creation_date(made)
    paper.foot = f"{name}, {provider}, {moment}"
    paper.add_page()
    _say(paper, name, 20, bold=True)
    _say(paper, f"Gegevens bij {provider}, opgehaald op {moment}.")
    _summary(paper, dossier)
    for part in dossier.parts:
        _part(paper, part)
    return bytes(paper.output())


def _summary(paper: FPDF, dossier: Dossier) -> None:
    summary = dossier.summary
    if summary.contradictions:
        _head(paper, "Let op: uw gegevens spreken elkaar tegen", 0)
        for one in summary.contradictions:
            _say(paper, f"\u2022 {one}", bold=True)
    if dossier.missing:
        _head(paper, "Dit overzicht is niet compleet", 0)
        for reason in dossier.missing:
            _say(paper, f"{reason.problem} Daarom ontbreekt, of is niet volledig: {', '.join(reason.names)}.")
    _head(paper, "Samenvatting", 0)
    if summary.appointment:
        said = summary.appointment
        _say(paper, f"Uw volgende afspraak: {said.moment}. {said.what}{', bij ' + said.whom if said.whom else ''}")
    for line in summary.lines:
        _head(paper, line.title, 1)
        for item in line.items:
            _say(paper, f"\u2022 {item.title}{': ' + item.details if item.details else ''}")
        if line.missing:
            _say(paper, "Niet alles is opgehaald. Hier kan iets ontbreken.", bold=True)
        elif not line.items:
            _say(paper, "Niets dat nu nog geldt." if line.past else line.none)


def _part(paper: FPDF, part: DossierPart) -> None:
    paper.add_page()
    _head(paper, part.name, 0)
    for shown in part.full:
        _section(paper, shown)
    if part.empty:
        _head(paper, "Niets vastgelegd", 1)
        _say(paper, ", ".join(answer.name for answer in part.empty))


def _section(paper: FPDF, shown: Shown) -> None:
    _head(paper, shown.answer.name, 1)
    for group in shown.groups:
        if group.name:
            _say(paper, group.name, bold=True)
        for table in group.tables:
            for row in table.rows:
                _row(paper, table, row)


def _row(paper: FPDF, table: Table, row: ShownRow) -> None:
    _say(paper, f"{table.shape.title_label}: {row.title}", bold=True)
    told = [f"{label}: {', '.join(lines)}" for label, lines in zip(table.columns, row.cells, strict=True) if lines]
    if told:
        _say(paper, "; ".join(told))
    paper.ln(1.5)


def _head(paper: FPDF, text: str, level: int) -> None:
    paper.ln(3)
    if paper.get_y() > paper.h - 40:
        paper.add_page()
    paper.start_section(text, level=level)
    _say(paper, text, 14 if level == 0 else 11.5, bold=True)


def _say(paper: FPDF, text: str, size: float = 9.5, *, bold: bool = False) -> None:
    paper.set_font(_FAMILY, "B" if bold else "", size)
    paper.multi_cell(0, size * 0.52, text, align="L", new_x="LMARGIN", new_y="NEXT")
