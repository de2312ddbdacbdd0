"""A report in its three forms: text for the terminal, JSON for machines, HTML that stands on its own."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from rich.console import Console
from rich.table import Table

from gateway.report import svg
from gateway.report.document import Cell, ReportDocument, ReportSection, Share

MOST_BARS = 25
"""More bars are no picture any more; the table beside them holds every row."""
ABOUT = ("definition", "population", "period", "norm")


def as_json(document: ReportDocument) -> str:
    """The report as JSON."""
    return msgspec.json.format(msgspec.json.encode(document.as_json()), indent=2).decode() + "\n"


def to_console(document: ReportDocument, console: Console) -> None:
    """Print the report."""
    console.print(f"[bold]{document.title}[/bold]", highlight=False)
    for note in (*document.notes, f"{document.words['made']}: {document.made}"):
        console.print(note, highlight=False, markup=False)
    for section in document.sections:
        console.print(f"\n[bold]{section.title}[/bold]", highlight=False)
        if section.rows:
            console.print(_table(section, document.language))
            rest = len(section.rows) - len(_shown(section))
            if rest:
                console.print(document.words["more"].format(rest=rest), highlight=False, style="dim")
        else:
            console.print(section.empty or document.words["nothing"], highlight=False, markup=False)
        for name in ABOUT:
            if getattr(section, name):
                text = f"{document.words[name]}: {getattr(section, name)}"
                console.print(text, highlight=False, markup=False, style="dim")


def _table(section: ReportSection, language: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, column in enumerate(section.columns):
        number = all(isinstance(row[index], int) for row in section.rows)
        table.add_column(column.label, justify="right" if number else "left", overflow="fold")
    for row in _shown(section):
        table.add_row(*(shown_cell(cell, language).replace("[", r"\[") for cell in row))
    return table


def _shown(section: ReportSection) -> Sequence[Sequence[Cell]]:
    """The rows for the terminal."""
    rows = section.rows if section.short is None else section.short
    return rows[: section.brief or None]


def shown_cell(cell: Cell, language: str) -> str:
    """A cell as people read it."""
    return cell.text(language) if isinstance(cell, Share) else str(cell)


def as_html(document: ReportDocument) -> str:
    """The report as one page without scripts or anything from elsewhere."""
    pages = Environment(
        loader=PackageLoader("gateway.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return pages.get_template("report.html").render(
        document=document,
        about=ABOUT,
        words=document.words,
        groups=lambda section: list(_groups(section)),
        plot=lambda section, rows: section_plot(section, rows, document.language),
        plain=lambda cell: shown_cell(cell, document.language),
        is_number=lambda cell: isinstance(cell, int | Share),
        is_low=_is_low,
        lows=lambda section, rows: sum(_is_low(row[section.index("valid")]) for row in rows),
    )


def _is_low(cell: Cell) -> bool:
    return isinstance(cell, Share) and cell.part < cell.whole


def _groups(section: ReportSection) -> Iterator[tuple[str, list[Sequence[Cell]]]]:
    if not section.fold:
        yield "", list(section.rows)
        return
    place = section.index(section.fold)
    for name, rows in groupby(section.rows, key=lambda row: str(row[place])):
        yield name, list(rows)


def section_plot(section: ReportSection, rows: Sequence[Sequence[Cell]], language: str) -> Markup:
    """The picture of a section as SVG; empty where it has none, or too few points."""
    plot = section.plot
    if plot is None:
        return Markup("")
    label, value = section.index(plot.label), section.index(plot.value)
    points = [
        (str(row[label]), cell.percent, cell.text(language))
        for row in rows
        if isinstance(cell := row[value], Share) and cell.percent is not None
    ]
    if not points or (plot.kind == "line" and len(points) < 2):
        return Markup("")
    # The labels are escaped where they are drawn.
    return Markup(svg.bars(plot.title, points[:MOST_BARS]) if plot.kind == "bars" else svg.line(plot.title, points))  # noqa: S704
