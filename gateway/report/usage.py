"""The usage report (R2): requests, persons, empty answers, documents opened, success by step; from the access trail."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from gateway.report.document import Cell, Column, Plot, ReportDocument, ReportSection, Share
from gateway.report.trail import Period, Use, Uses, uses
from gateway.report.words import words
from profiles.standards.load import Catalogue, UnknownService


@dataclass(frozen=True)
class UsageReport:
    """Makes the report for a provider (empty: all) and a period."""

    catalogue: Catalogue
    made: str
    language: str = "nl"
    provider: str = ""
    period: Period = field(default_factory=Period)

    def document(self, connection: Connection) -> ReportDocument:
        """The report."""
        text = words(self.language, "usage")
        use = uses(connection, self.period, self.provider)
        choice = text["choice"].format(provider=self.provider or text["all_services"], period=self.days(use))
        notes = [choice, text["about"] if use.all.came else text["empty"]]
        sections = self._sections(use) if use.all.came else []
        common = words(self.language, "words")
        return ReportDocument("usage", text["title"], self.made, self.language, notes, sections, common)

    def days(self, use: Use) -> str:
        """The period in words: what was asked, else what there is."""
        first = self.period.first or (use.first.date() if use.first else "...")
        last = self.period.last or (use.last.date() if use.last else "...")
        return words(self.language, "quality")["period"].format(first=first, last=last)

    def name(self, service: str) -> str:
        """A service by number and name."""
        return service_name(self.catalogue, service, self.language)

    def _section(
        self, key: str, use: Use, columns: Iterable[str], rows: Sequence[Sequence[Cell]], plot: Plot | None = None
    ) -> ReportSection:
        text, labels = words(self.language, "usage"), words(self.language, "figure")
        return ReportSection(
            key,
            text[key],
            [Column(name, labels[name]) for name in columns],
            rows,
            definition=text[f"{key}_defined"],
            population=text.get(f"{key}_population", text["requests_population"]),
            period=self.days(use),
            plot=plot,
        )

    def _sections(self, use: Use) -> list[ReportSection]:
        text = words(self.language, "usage")
        each = [(self.name(name), uses) for name, uses in sorted(use.services.items())]
        if len(each) > 1:
            each.append((text["all_services"], use.all))
        steps = Plot("bars", "step", "passed", text["steps"])
        return [
            self._section("requests", use, ("service", "requests", "answered", "refused", "failed", "gaps"), [
                [name, uses.requests, Share(uses.answered, uses.requests), Share(uses.refused, uses.came),
                 Share(uses.failed, uses.requests), Share(uses.gaps, uses.answered)]
                for name, uses in each
            ]),
            self._section("steps", use, ("step", "passed"), _steps(use.all, text), steps),
            self._section("content", use, ("service", "searches", "empty", "resources", "documents"), [
                [name, uses.searches, Share(uses.empty, uses.searches), uses.resources, uses.documents]
                for name, uses in each
            ]),
            self._section("persons", use, ("service", "persons", "received", "opened"), [
                [name, len(uses.persons), Share(len(uses.received), len(uses.persons)),
                 Share(len(uses.opened), len(uses.persons))]
                for name, uses in each
            ]),
            self._section("reasons", use, ("kind", "reason", "times"), _reasons(use, text)),
        ]  # fmt: skip


def service_name(catalogue: Catalogue, service: str, language: str) -> str:
    """A service by number and name, for people."""
    try:
        _, known = catalogue.service(service)
    except UnknownService:
        return service or words(language, "words")["unknown"]
    return f"{service} {known.name_en if language == 'en' else known.name}"


def _steps(uses: Uses, text: dict[str, str]) -> list[list[Cell]]:
    admitted = uses.came - uses.not_admitted
    understood = uses.requests
    return [
        [text["accepted"], Share(admitted, uses.came)],
        [text["understood"], Share(understood, admitted)],
        [text["answered"], Share(uses.answered, understood)],
        [text["filled"], Share(uses.filled, uses.answered)],
        [text["complete"], Share(uses.complete, uses.filled)],
    ]


def _reasons(use: Use, text: dict[str, str]) -> list[list[Cell]]:
    rows: list[list[Cell]] = [[text["refusal"], reason or "-", count] for reason, count in use.refusals.most_common()]
    rows += [[text["gap"], reason, count] for reason, count in use.gaps.most_common()]
    return rows + ([[text["incident"], "-", use.incidents]] if use.incidents else [])
