"""The report of visits: from the front door to having seen it, with the reasons why not (RP-05 to RP-08)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from gateway.report.document import Cell, Column, Plot, ReportDocument, ReportSection, Share
from gateway.report.usage import service_name
from gateway.report.words import words
from gateway.usage.events import STEPS
from gateway.usage.figures import UseFigures, UsePeriod, Window, count
from profiles.standards.load import Catalogue


@dataclass(frozen=True)
class VisitsReport:
    """Makes the report of a window for a provider (None: all). ``days`` is the window in words."""

    catalogue: Catalogue
    made: str
    window: Window
    days: str
    now: datetime
    language: str = "nl"
    provider: str | None = None
    guarded: bool = False
    """For who is outside the institution: numbers under five are not told."""

    def document(self, connection: Connection) -> ReportDocument:
        """The report."""
        text = words(self.language, "visits")
        period = count(connection, self.window, self.now, self.provider)
        choice = text["choice"].format(provider=self.provider or words(self.language, "words")["all"], period=self.days)
        any_ = period.real.visits or period.test.visits or sum(period.real.requests.values())
        notes = [choice, text["about"] if any_ else text["empty"]]
        sections = self._sections(period) if any_ else []
        common = words(self.language, "words")
        return ReportDocument("visits", text["title"], self.made, self.language, notes, sections, common)

    def _section(
        self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], plot: Plot | None = None
    ) -> ReportSection:
        text, labels = words(self.language, "visits"), words(self.language, "figure")
        population = text["requests_population" if key == "errors" else "population"]
        heads = [Column(name, labels[name]) for name in columns]
        if self.guarded:
            rows = [[_guarded(cell) for cell in row] for row in rows]
        return ReportSection(key, text[key], heads, rows, text[f"{key}_defined"], population, self.days, plot=plot)

    def _sections(self, period: UsePeriod) -> list[ReportSection]:
        text, real = words(self.language, "visits"), period.real
        asked = sum(real.requests.values())
        summary: list[list[Cell]] = [
            [text["visits"], real.visits],
            [text["completed"], Share(real.completed, real.visits)],
            [text["lasting"], Share(real.lasting, real.visits)],
            [text["persons"], real.persons],
            [text["served"], Share(real.served, real.persons)],
            [text["requests"], asked],
            [text["requests_ok"], Share(real.requests["ok"], asked)],
            [text["in_time"], Share(real.in_time, asked)],
            [text["test"], period.test.visits],
        ]
        funnel: list[list[Cell]] = [[text[step], Share(real.reached[step], real.visits)] for step in STEPS]
        ends: list[list[Cell]] = [
            [text[step], outcome, reason or "-", number] for (step, outcome, reason), number in _ordered(real)
        ]
        errors: list[list[Cell]] = [[kind, reason, number] for (kind, reason), number in real.errors.most_common(10)]
        plot = Plot("bars", "step", "passed", text["funnel"])
        return [
            self._section("summary", ("figure", "count"), summary),
            self._section("funnel", ("step", "passed"), funnel, plot),
            self._section("ends", ("step", "kind", "reason", "visits"), ends),
            self._section("uses", ("use", "service", "client", "completed_uses"), self._uses(real)),
            self._section("who", ("kind", "of", "count"), self._who(real)),
            self._section("errors", ("kind", "reason", "times"), errors),
        ]

    def _uses(self, real: UseFigures) -> list[list[Cell]]:
        keys = sorted({key[:3] for key in real.uses})
        rows: list[list[Cell]] = []
        for use, service, client in keys:
            good, bad = real.uses[use, service, client, True], real.uses[use, service, client, False]
            name = service_name(self.catalogue, service, self.language)
            rows.append([use, name, client, Share(good, good + bad)])
        return rows

    def _who(self, real: UseFigures) -> list[list[Cell]]:
        text = words(self.language, "visits")
        rows: list[list[Cell]] = [
            [text["age"], group or text["unknown"], number] for group, number in sorted(real.ages.items())
        ]
        rows += [[text["acting"], text[name or "self"], number] for name, number in sorted(real.acting.items())]
        return rows + [[text["times"], name, number] for name, number in real.buckets().items()]


def _guarded(cell: Cell) -> Cell:
    """A number of people so small that it may point at one of them is not told (RP-C26)."""
    small = cell.part if isinstance(cell, Share) else cell
    return "<5" if isinstance(small, int) and 0 < small < 5 else cell


def _ordered(real: UseFigures) -> list[tuple[tuple[str, str, str], int]]:
    return sorted(real.ends.items(), key=lambda end: (STEPS.index(end[0][0]), -end[1], end[0]))
