"""A report before it has a form: sections of figures, each with definition, population and period (R8)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole. It is never shown without the whole, and a part of nothing is not a percentage."""

    part: int
    whole: int

    @property
    def percent(self) -> float | None:
        """The percentage, rounded to one decimal; None of nothing."""
        return round(100 * self.part / self.whole, 1) if self.whole else None

    def text(self, language: str) -> str:
        """For people: ``95% (19 van 20)``. Never rounded up to all, or down to none, when it is not."""
        if not self.whole:
            return "-"
        exact = 100 * self.part / self.whole
        shown = f"{min(99, max(1, round(exact)))}%" if 0 < self.part < self.whole else f"{round(exact)}%"
        return f"{shown} ({self.part} {'van' if language == 'nl' else 'of'} {self.whole})"


Cell = str | int | Share


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name in JSON and its heading for people."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of a column of shares in the table: bars by the column that names them, or a line over time."""

    kind: Literal["bars", "line"]
    label: str
    value: str
    title: str


@dataclass(frozen=True, slots=True)
class ReportSection:
    """Figures that belong together."""

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    definition: str = ""
    population: str = ""
    period: str = ""
    norm: str = ""
    plot: Plot | None = None
    fold: str = ""
    """The column whose value opens a group that may be folded; empty: one table."""
    brief: int = 0
    """How many rows the terminal shows; 0 is all."""
    short: Sequence[Sequence[Cell]] | None = None
    """What the terminal shows instead of all rows."""
    empty: str = ""

    def index(self, key: str) -> int:
        """The place of a column."""
        return [column.key for column in self.columns].index(key)


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """A whole report. ``notes`` are the lines under the title; ``words`` the fixed words of its language."""

    kind: str
    title: str
    made: str
    language: str
    notes: Sequence[str]
    sections: Sequence[ReportSection]
    words: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The report as data."""
        return {
            "report": self.kind,
            "title": self.title,
            "made": self.made,
            "language": self.language,
            "notes": list(self.notes),
            "sections": [_section(one) for one in self.sections],
        }


def _section(section: ReportSection) -> dict[str, Any]:
    about = {name: getattr(section, name) for name in ("definition", "population", "period", "norm")}
    keys = [column.key for column in section.columns]
    return {
        "key": section.key,
        "title": section.title,
        **{name: text for name, text in about.items() if text},
        "rows": [dict(zip(keys, map(_cell, row), strict=True)) for row in section.rows],
    }


def _cell(cell: Cell) -> Any:
    return {"part": cell.part, "whole": cell.whole, "percent": cell.percent} if isinstance(cell, Share) else cell
