"""When results could be seen (VIPP V1-A2c): within so many working days of authorisation, and what reads did not show.

Of a result in the store it is known when it came, in which version it was final, and what staff decided about it; the
rows say how long its kind waits. What only a live source has is shown as soon as that has it, and is not counted here.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from heapq import nsmallest
from typing import Any

from sqlalchemy import Connection, select

from auth.ages import ZONE
from auth.crypto import KeyRing
from gateway.calendar import utc
from gateway.release.deeds import FlagLine, flags
from gateway.release.rules import ReleaseRules, ResultKind, visible_from
from gateway.release.shield import Flag
from gateway.release.workingdays import between
from gateway.report.document import Cell, Column, ReportDocument, ReportSection, Share
from gateway.report.trail import Period, decoded, records
from gateway.report.words import words
from gateway.store.schema import original, resource
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.packing import unpack
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

Key = tuple[str, str]
IN_TIME, LATE, WAITING, OVERDUE, WITHHELD = "in_time", "late", "waiting", "overdue", "withheld"


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One result: its kind, when it was authorised, since when it can be seen (None: it cannot), and the verdict."""

    kind: str
    type: str
    id: str
    authorised: datetime
    seen: datetime | None
    verdict: str
    days: int


@dataclass
class ResultCounts:
    """Results by kind and verdict; ``undated``: those that do not say when they were authorised."""

    lines: list[ResultLine] = field(default_factory=list)
    undated: Counter[str] = field(default_factory=Counter)

    def of(self, kind: str) -> Counter[str]:
        """The verdicts of a kind."""
        return Counter(line.verdict for line in self.lines if line.kind == kind)

    @property
    def total(self) -> Counter[str]:
        """The verdicts of all kinds."""
        return Counter(line.verdict for line in self.lines)


@dataclass(frozen=True)
class ResultsReport:
    """Makes the report of a provider over days of authorisation (the Netherlands), both included."""

    rules: ReleaseRules
    ring: KeyRing
    provider: str
    first: date
    last: date
    now: datetime
    language: str = "nl"
    sample: tuple[int, int] | None = None
    """Seed and size of a sample of results by id; None: no ids."""

    def counts(self, connection: Connection) -> ResultCounts:
        """Judge every result of the period."""
        decided: dict[Key, list[FlagLine]] = {}
        for line in flags(connection, [self.provider]):
            decided.setdefault((line.type, line.id), []).append(line)
        counts = ResultCounts()
        types = sorted({type_ for kind in self.rules.kind for type_ in kind.types})
        columns = [getattr(resource.c, name) for name in ("pk", "fhir", "type", "id", "version", "updated", "json")]
        mine = (resource.c.provider == self.provider, resource.c.type.in_(types), resource.c.deleted.is_(False))
        wanted = select(*columns).where(*mine)
        for row in connection.execution_options(yield_per=500).execute(wanted.order_by(resource.c.pk)):
            held: Resource = jsonio.load(unpack(bytes(row.json)))
            fitting = self.rules.kind_of(held)
            if fitting is None:
                continue
            kind, authorised = fitting
            if authorised is None:
                counts.undated[kind.id] += self._within(utc(row.updated))
            elif self._within(authorised):
                lines = decided.get((row.type, row.id), ())
                counts.lines.append(self._judged(connection, row, held, kind, authorised, lines))
        return counts

    def _within(self, moment: datetime) -> bool:
        return self.first <= moment.astimezone(ZONE).date() <= self.last

    def _judged(
        self,
        connection: Connection,
        row: Any,
        held: Resource,
        kind: ResultKind,
        authorised: datetime,
        decided: Sequence[FlagLine],
    ) -> ResultLine:
        begin = authorised.astimezone(ZONE).date()
        if any(one.deed is Flag.WITHHELD and one.ended is None for one in decided) or _labelled(self.rules, held):
            return ResultLine(kind.id, row.type, row.id, authorised, None, WITHHELD, 0)
        seen = max(utc(row.updated), self._allowed(kind, authorised, decided))
        if row.version > 1 and between(begin, seen.astimezone(ZONE).date()) > self.rules.limit:
            # A later version of it says nothing of when the person could first see the result.
            came = self._first_final(connection, row, kind, authorised) or utc(row.updated)
            seen = max(came, self._allowed(kind, authorised, decided))
        if seen > self.now:
            days = between(begin, self.now.astimezone(ZONE).date())
            verdict = OVERDUE if days > self.rules.limit else WAITING
            return ResultLine(kind.id, row.type, row.id, authorised, None, verdict, days)
        days = between(begin, seen.astimezone(ZONE).date())
        verdict = IN_TIME if days <= self.rules.limit else LATE
        return ResultLine(kind.id, row.type, row.id, authorised, seen, verdict, days)

    @staticmethod
    def _allowed(kind: ResultKind, authorised: datetime, decided: Sequence[FlagLine]) -> datetime:
        """From when the rows and what staff decided let it be seen."""
        early = [one.at for one in decided if one.deed is Flag.RELEASED and one.ended is None]
        ended = [one.ended for one in decided if one.deed is Flag.WITHHELD and one.ended is not None]
        return max([min([visible_from(kind, authorised), *early]), *ended])

    def _first_final(self, connection: Connection, row: Any, kind: ResultKind, authorised: datetime) -> datetime | None:
        wanted = select(original.c.received, original.c.format, original.c.sealed).where(
            original.c.resource_pk == row.pk, original.c.version < row.version
        )
        for received, form, sealed in connection.execute(wanted.order_by(original.c.version)).all():
            data = _opened(form, unpack(self.ring.open("original", bytes(sealed))), FhirVersion(row.fhir))
            if data is not None and kind.authorised(data) == authorised:
                return utc(received)
        return None

    def document(self, connection: Connection) -> ReportDocument:
        """The report."""
        counts, text = self.counts(connection), words(self.language, "results")
        notes = [
            text["about"].format(provider=self.provider, version=self.rules.version, limit=self.rules.limit),
            text["source"],
        ]
        sections = [self._kinds(counts), self._hidden(connection), self._decided(connection)]
        if self.sample is not None:
            sections.append(self._sample(counts, *self.sample))
        made = f"{self.now:%Y-%m-%d %H:%M} UTC"
        return ReportDocument("results", text["title"], made, self.language, notes, sections,
                              words(self.language, "words"))  # fmt: skip

    def _section(
        self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], norm: str = ""
    ) -> ReportSection:
        text = words(self.language, "results")
        heads = [Column(name, text[f"head_{name}"]) for name in columns]
        period = f"{self.first} - {self.last} (Europe/Amsterdam)"
        return ReportSection(key, text[key], heads, rows, text[f"{key}_defined"].format(limit=self.rules.limit),
                             text[f"{key}_population"], period, norm, empty=text["nothing"])  # fmt: skip

    def _kinds(self, counts: ResultCounts) -> ReportSection:
        text = words(self.language, "results")
        names: Mapping[str, str] = {kind.id: getattr(kind, self.language) for kind in self.rules.kind}
        waits = {kind.id: kind.days for kind in self.rules.kind}
        each = [(names[kind], waits[kind], counts.of(kind), counts.undated[kind]) for kind in names]
        rows: list[list[Cell]] = [
            _row(name, str(days), verdicts, undated) for name, days, verdicts, undated in each if verdicts or undated
        ]
        rows.append(_row(text["all"], "", counts.total, counts.undated.total()))
        norm = text["norm"].format(limit=self.rules.limit, met=text[met(counts.total)])
        columns = ("kind", "delay", "in_time", "late", "overdue", "waiting", "withheld", "undated")
        return self._section("kinds", columns, rows, norm=norm)

    def _hidden(self, connection: Connection) -> ReportSection:
        """From the access trail: how often answers left something out, and by which rule."""
        items, answers = Counter[str](), Counter[str]()
        for row in records(connection, Period(self.first, self.last), self.provider):
            for what, count in decoded(row.record).get("hidden", ()):
                items[str(what)] += int(count)
                answers[str(what)] += 1
        rows: list[list[Cell]] = [[*what.split(":", 2), answers[what], items[what]] for what in sorted(items)]
        return self._section("hidden", ("type", "reason", "rule", "answers", "items"), rows)

    def _decided(self, connection: Connection) -> ReportSection:
        """What staff decided in the period, and what holds at its making."""
        held = Counter((line.deed.value, line.ended is None) for line in self._lines(connection))
        rows: list[list[Cell]] = [
            [words(self.language, "results")[deed.value], held[deed.value, True], held[deed.value, False]]
            for deed in Flag
        ]
        return self._section("decided", ("deed", "holds", "ended"), rows)

    def _lines(self, connection: Connection) -> Iterator[FlagLine]:
        return (line for line in flags(connection, [self.provider]) if self._within(line.at))

    def _sample(self, counts: ResultCounts, seed: int, size: int) -> ReportSection:
        """RP-34: who has the seed draws the same."""
        drawn = nsmallest(size, counts.lines, key=lambda one: sha256(f"{seed}|{one.type}|{one.id}".encode()).digest())
        rows: list[list[Cell]] = [
            [f"{one.type}/{one.id}", one.kind, _local(one.authorised), _local(one.seen), one.days,
             words(self.language, "results")[f"head_{one.verdict}"]]
            for one in drawn
        ]  # fmt: skip
        return self._section("sample", ("item", "kind", "authorised", "seen", "days", "verdict"), rows)


def met(verdicts: Counter[str]) -> str:
    """Whether all were in time: compared as numbers, not as a rounded share (RP-C20). ``none`` of nothing."""
    judged = verdicts[IN_TIME] + verdicts[LATE] + verdicts[OVERDUE]
    if not judged:
        return "none"
    return "met" if Decimal(verdicts[IN_TIME]) == judged else "not_met"


def _row(name: str, delay: str, verdicts: Counter[str], undated: int) -> list[Cell]:
    judged = verdicts[IN_TIME] + verdicts[LATE] + verdicts[OVERDUE]
    return [name, delay, Share(verdicts[IN_TIME], judged), verdicts[LATE], verdicts[OVERDUE], verdicts[WAITING],
            verdicts[WITHHELD], undated]  # fmt: skip


def _labelled(rules: ReleaseRules, held: Resource) -> bool:
    label = rules.label_of(held)
    return label is not None and label.policy == "withhold"


def _opened(form: str, data: bytes, version: FhirVersion) -> Resource | None:
    """What was received as a version; None for the end of a resource, or what cannot be read any more."""
    try:
        found = jsonio.load(data) if form == "json" else xmlio.parse(data, version) if form == "xml" else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _local(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment.astimezone(ZONE):%Y-%m-%d %H:%M}"
