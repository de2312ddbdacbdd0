"""The quality report: how complete, coded and right the data of a provider are, and what to do about it (R1, SC-H2)."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TextIO

from sqlalchemy import Row

from gateway.audit.export import safe_cell
from gateway.quality.serving import Serving
from gateway.quality.tally import SAME
from gateway.quality.verdicts import Basis, basis
from gateway.report.document import Cell, Column, Plot, ReportDocument, ReportSection, Share
from gateway.report.figures import Choice, Figures
from gateway.report.must import must_figures
from gateway.report.perperson import PersonsHaving, persons_having
from gateway.report.words import rule_text, words
from profiles.standards.load import Catalogue
from profiles.standards.model import RequestRule, Standard

TOP = 100
"""Most rows of faults."""


@dataclass(frozen=True)
class Request:
    """What was asked for: filters by name, language, and the moment at which the report is made."""

    made: str
    language: str = "nl"
    standard: str = ""
    choice: Choice = field(default_factory=Choice)
    cache: str = ""


class QualityReport:
    """Makes the report. ``offered`` are the standards that each provider offers."""

    def __init__(
        self, figures: Figures, request: Request, catalogue: Catalogue, offered: Mapping[str, Sequence[str]]
    ) -> None:
        self._request = request
        self._catalogue = catalogue
        self._offered = offered
        self._choice = request.choice
        if request.standard:
            keys = Serving(catalogue).profiles
            urls = frozenset(url for (_, url), ids in keys.items() if request.standard in ids)
            self._choice = replace(request.choice, profiles=urls)
        self._figures = replace(figures, choice=self._choice)

    def document(self) -> ReportDocument:
        """The report."""
        language = self._request.language
        text, all_ = words(language, "quality"), words(language, "words")["all"]
        days = self._figures.days()
        choice = text["choice"].format(
            provider=self._choice.provider or all_,
            source=self._choice.source or all_,
            standard=self._request.standard or all_,
            period=self._period or all_,
        )
        notes = [choice, text["about"]] if days else [choice, text["empty"]]
        sections = self._sections() if days else []
        return ReportDocument(
            "quality", text["title"], self._request.made, language, notes, sections, words(language, "words")
        )

    def defects(self, out: TextIO) -> int:
        """Write the defect list as CSV, by department; the number of lines. Nothing of a dossier is in it."""
        keys = (
            "department", "provider", "source", "zib", "element", "concept", "fault", "advice", "allowed", "rule",
            "place", "type", "reference", "first_seen", "last_seen",
        )  # fmt: skip
        labels = words(self._request.language, "column")
        writer = csv.writer(out, delimiter=";", lineterminator="\n")
        writer.writerow([labels[key] for key in keys])
        count = 0
        for row in self._figures.defects():
            line = self._line(row)
            writer.writerow([safe_cell(line[key]) for key in keys])
            count += 1
        return count

    def _line(self, row: Row[tuple[object, ...]]) -> dict[str, str]:
        given = {name: str(value) for name, value in row._mapping.items()}
        fault, advice = rule_text(given["rule"], self._request.language)
        name, concept = self._name(given["profile"], given["element"])
        unknown = words(self._request.language, "words")["unknown"]
        own = {
            "zib": self._name(given["profile"])[0],
            "element": name,
            "concept": concept,
            "place": given["expression"],
        }
        return {**given, **own, "fault": fault, "advice": advice, "department": given["department"] or unknown}

    def _sections(self) -> list[ReportSection]:
        return [
            self._overview(),
            self._trend(),
            self._filled(),
            self._completeness(),
            self._must(),
            self._top("defects", "error"),
            self._top("hints", "warning"),
            self._top("same", SAME),
            self._zibs(),
            self._departments(),
            self._elements(),
            self._judged_by(),
            self._basis(),
        ]

    def _section(
        self, key: str, columns: Iterable[str], rows: Sequence[Sequence[Cell]], **more: object
    ) -> ReportSection:
        language = self._request.language
        labels = words(language, "column")
        made = ReportSection(
            key,
            words(language, "section")[key],
            [Column(name, labels["right" if key == "elements" and name == "valid" else name]) for name in columns],
            rows,
            definition=words(language, "defined")[key],
            population=words(language, "quality")["population"],
            period=self._period,
        )
        return replace(made, **more)  # type: ignore[arg-type]

    @cached_property
    def _period(self) -> str:
        days = self._figures.days()
        if days is None and not (self._choice.first or self._choice.last):
            return ""
        first, last = days or (self._choice.first or "...", self._choice.last or "...")
        text = words(self._request.language, "quality")["period"]
        return text.format(first=self._choice.first or first, last=self._choice.last or last)

    @cached_property
    def _names(self) -> Mapping[tuple[str, str], tuple[str, str]]:
        return self._figures.names(self._request.language)

    def _name(self, profile: str, element: str = "") -> tuple[str, str]:
        """Name and concept of an element, or of the profile itself."""
        last = profile.rpartition("/")[2]
        found, concept = self._names.get((profile, element), (element or last, ""))
        return (self._titles.get(profile, last) if not element and found == last else found), concept

    @cached_property
    def _titles(self) -> Mapping[str, str]:
        """What the standards call the requests that a profile without zib name has for itself."""
        found: dict[str, str] = {}
        for standard in self._catalogue.standards.values():
            for rule in standard.rules:
                if len(rule.profiles) == 1 and rule.method == "GET":
                    found.setdefault(rule.profiles[0], rule.name_en if self._request.language == "en" else rule.name_nl)
        return found

    @cached_property
    def _zib_names(self) -> Mapping[str, str]:
        """The name of every profile that was seen; with the profile itself where two have the same name."""
        names = {str(profile): self._name(str(profile))[0] for (profile,), _ in self._figures.sums("profile")}
        often = Counter(names.values())
        return {url: name if often[name] == 1 else f"{name} ({url.rpartition('/')[2]})" for url, name in names.items()}

    def _overview(self) -> ReportSection:
        rows: list[list[Cell]] = [
            [provider, source, one.seen, Share(one.valid, one.seen), Share(one.unchecked, one.seen)]
            for (provider, source), one in self._figures.sums("provider", "source")
        ]
        return self._section("overview", ("provider", "source", "seen", "valid", "unchecked"), rows)

    def _trend(self) -> ReportSection:
        rows: list[list[Cell]] = [
            [day.isoformat(), one.seen, Share(one.valid, one.seen)] for (day,), one in self._figures.sums("day")
        ]
        title = words(self._request.language, "section")["trend"]
        return self._section("trend", ("day", "seen", "valid"), rows, plot=Plot("line", "day", "valid", title))

    def _completeness(self) -> ReportSection:
        seen: dict[str, set[str]] = {}
        for (provider, profile), one in self._figures.sums("provider", "profile"):
            if one.seen:
                seen.setdefault(provider, set()).add(profile)
        rows: list[list[Cell]] = []
        for provider, profiles in sorted(seen.items()):
            for standard in self._standards(provider):
                parts = _parts(standard)
                empty = [rule for rule in parts if not profiles & set(rule.profiles)]
                names = [rule.name_en if self._request.language == "en" else rule.name_nl for rule in empty]
                share = Share(len(parts) - len(empty), len(parts))
                none = words(self._request.language, "words")["none"]
                rows.append([provider, standard.id, share, ", ".join(dict.fromkeys(names)) or none])
        return self._section("completeness", ("provider", "standard", "parts", "missing"), rows)

    def _filled(self) -> ReportSection:
        """Completeness by person: of each part of a set, how many persons have anything in it."""
        text, told = words(self._request.language, "quality"), list[str]()
        rows: list[list[Cell]] = []
        held: dict[tuple[str, str], PersonsHaving] = {}
        for provider in sorted({str(key[0]) for key, _ in self._figures.sums("provider")}):
            for standard in self._standards(provider):
                key = (provider, str(standard.fhir))
                having = held[key] = held.get(key) or persons_having(self._figures.connection, *key)
                if not having.drawn:
                    continue
                shares: list[tuple[str, Share]] = []
                for rule in _parts(standard):
                    name = rule.name_en if self._request.language == "en" else rule.name_nl
                    shares.append((name, Share(having.any_of(rule.profiles), having.drawn)))
                half = sum(1 for _, share in shares if share.part * 2 >= share.whole)
                about = {"provider": provider, "standard": standard.id, "drawn": having.drawn}
                told.append(text["filled_of"].format(**about, persons=having.persons))
                told.append(text["filled_half"].format(half=half, parts=len(shares)))
                rows += [[provider, standard.id, name, share] for name, share in dict(shares).items()]
        columns = ("provider", "standard", "part", "persons_filled")
        return self._section("filled", columns, rows, population="; ".join(told), brief=30)

    def _must(self) -> ReportSection:
        """What must be there whenever the source has it: those that are never filled first."""
        language = self._request.language
        text = words(language, "must")
        offered = {str(key[0]): self._standards(str(key[0])) for key, _ in self._figures.sums("provider")}
        figures = must_figures(self._figures, offered, language)
        rows: list[list[Cell]] = [
            [one.provider, one.source, one.standard, one.part, one.element, one.filled, text[one.told]]
            for one in figures
        ]
        never = [row for row, one in zip(rows, figures, strict=True) if one.told == "never"]
        told = text["population"].format(never=len(never), all=len(rows)) if rows else ""
        columns = ("provider", "source", "standard", "part", "element", "filled", "told")
        return self._section(
            "must", columns, rows, population=told, short=never, brief=25, empty=text["empty"] if not rows else ""
        )

    def _standards(self, provider: str) -> list[Standard]:
        wanted = list(self._offered.get(provider, ()))
        if self._request.standard:
            # Who does not offer a set is not incomplete; somebody may ask about one provider all the same.
            wanted = [self._request.standard] if self._request.standard in wanted or self._choice.provider else []
        found = [self._catalogue.standards[name] for name in wanted if name in self._catalogue.standards]
        return [standard for standard in found if _parts(standard)]

    def _top(self, key: str, severity: str) -> ReportSection:
        rows: list[list[Cell]] = []
        for profile, element, rule, found in self._figures.findings(severity)[:TOP]:
            fault, advice = rule_text(rule, self._request.language, severity)
            rows.append([self._name(profile)[0], self._name(profile, element)[0], found, fault, advice])
        return self._section(key, ("zib", "element", "found", "fault", "advice"), rows, brief=10)

    def _zibs(self) -> ReportSection:
        rows: list[list[Cell]] = [
            [self._zib_names[profile], one.seen, Share(one.valid, one.seen), Share(one.unchecked, one.seen)]
            for (profile,), one in self._figures.sums("profile")
        ]
        rows.sort(key=lambda row: str(row[0]))
        rows.sort(key=lambda row: row[2].percent or 0 if isinstance(row[2], Share) else 0)
        title = words(self._request.language, "section")["zibs"]
        columns = ("zib", "seen", "valid", "unchecked")
        return self._section("zibs", columns, rows, plot=Plot("bars", "zib", "valid", title), brief=15)

    def _elements(self) -> ReportSection:
        rows: list[list[Cell]] = []
        for (profile, element), one in self._figures.sums("profile", "element", of="elements"):
            name, concept = self._name(profile, element)
            if concept or one.filled or one.valid < one.seen:
                zib = self._zib_names.get(profile, profile)
                filled, coded = Share(one.filled, one.seen), Share(one.coded, one.codable)
                rows.append([zib, name, concept, filled, coded, Share(one.valid, one.seen)])
        rows.sort(key=lambda row: (str(row[0]), *_order(str(row[2])), str(row[1])))
        short = [row for row in rows if _partial(row[5])]
        short += [row for row in rows if row[2] and row not in short and (_partial(row[3]) or _partial(row[4]))]
        title = words(self._request.language, "column")["filled"]
        columns = ("zib", "element", "concept", "filled", "coded", "valid")
        plot = Plot("bars", "element", "filled", title)
        return self._section("elements", columns, rows, plot=plot, fold="zib", brief=25, short=short)

    def _departments(self) -> ReportSection:
        unknown = words(self._request.language, "words")["unknown"]
        open_: dict[tuple[str, str], int] = {}
        for row in self._figures.defects():
            key = (row.provider, row.department)
            open_[key] = open_.get(key, 0) + 1
        rows: list[list[Cell]] = [
            [provider, name or unknown, one.seen, Share(one.valid, one.seen), open_.get((provider, name), 0)]
            for (provider, name), one in self._figures.sums("provider", "department")
        ]
        return self._section("departments", ("provider", "department", "seen", "valid", "open"), rows)

    def _judged_by(self) -> ReportSection:
        """What the counted verdicts rest on: as it was, whatever is installed now."""
        rows: list[list[Cell]] = [
            [fhir, ", ".join(part for part in label.partition(":")[2].split(",") if part), str(first), str(last), seen]
            for fhir, label, first, last, seen in self._figures.bases()
        ]
        return self._section("judged_by", ("fhir", "definitions", "first", "last", "seen"), rows)

    def _basis(self) -> ReportSection:
        providers = {str(key[0]) for key, _ in self._figures.sums("provider")}
        found = {one.id: one for name in sorted(providers) for one in self._standards(name)}
        text = words(self._request.language, "quality")
        rows: list[list[Cell]] = [[one.id, _basis(basis(one, self._request.cache), text)] for one in found.values()]
        return self._section("basis", ("standard", "basis"), rows, population="")


def _parts(standard: Standard) -> list[RequestRule]:
    """The requests of a set that people count: those that collect something with a known profile."""
    return [rule for rule in standard.rules if rule.method == "GET" and rule.profiles and rule.answer != "refused"]


def _order(concept: str) -> tuple[bool, bool, list[int]]:
    """Elements of the zib itself first, by number; then what every zib has, then what has no concept."""
    return not concept, concept.startswith("0.0."), [int(one) if one.isdigit() else 0 for one in concept.split(".")]


def _partial(cell: Cell) -> bool:
    return isinstance(cell, Share) and cell.part < cell.whole


def _basis(found: Basis, text: Mapping[str, str]) -> str:
    absent = ", ".join(found.absent) or "-"
    shown = text[found.kind].format(packages=", ".join(found.packages), tables=found.tables, absent=absent)
    return shown + (text["also"].format(other=", ".join(found.other_versions)) if found.other_versions else "")
