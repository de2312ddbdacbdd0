"""The evidence report (SC-A1, SC-A2): figures with their norm, a sample that can be drawn again, and the proof."""

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from gateway.audit.findings import ChainBreak
from gateway.audit.heads import Head
from gateway.audit.verify import verify
from gateway.calendar import utc
from gateway.report.document import Cell, Column, ReportDocument, ReportSection, Share
from gateway.report.trail import Period, Use, decoded, records, uses
from gateway.report.usage import UsageReport
from gateway.report.words import words
from gateway.store.schema import audit_record
from profiles.rows import Row, read


@dataclass(frozen=True)
class Evidence:
    """Makes the report. ``quality`` are sections of the quality report of the same period, ``heads`` what was signed
    of the trail outside the database."""

    usage: UsageReport
    key: bytes
    today: date
    size: int = 20
    seed: int = 1
    quality: Sequence[ReportSection] = ()
    heads: Sequence[Head] = ()

    def document(self, connection: Connection) -> tuple[ReportDocument, list[ChainBreak]]:
        """The report, and what is wrong with the trail."""
        text, common = words(self.usage.language, "evidence"), words(self.usage.language, "words")
        faults = list(verify(connection, self.key, self.heads))
        use = uses(connection, self.usage.period, self.usage.provider)
        chains = self._chains(connection)
        choice = text["choice"].format(
            provider=self.usage.provider or common["all"],
            period=self.usage.days(use),
            day=self.usage.period.last or self.today,
        )
        sections = [
            self._figures(use),
            *self.quality,
            self._norms(),
            self._verified(faults, chains),
            chains,
            self._sample(connection, use),
        ]
        notes = [choice, text["about"]]
        return ReportDocument(
            "evidence", text["title"], self.usage.made, self.usage.language, notes, sections, common
        ), faults

    def _section(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], **about: Any) -> ReportSection:
        text, labels = words(self.usage.language, "evidence"), words(self.usage.language, "figure")
        made = ReportSection(
            key, text[key], [Column(name, labels[name]) for name in columns], rows, text[f"{key}_defined"]
        )
        return replace(made, **about)

    def _figures(self, use: Use) -> ReportSection:
        text = words(self.usage.language, "evidence")
        rows: list[list[Cell]] = [
            [
                self.usage.name(name),
                len(uses.persons),
                uses.requests,
                Share(uses.requests - uses.failed, uses.requests),
                Share(uses.empty, uses.searches),
                uses.documents,
            ]
            for name, uses in sorted(use.services.items())
        ]
        columns = ("service", "persons", "requests", "succeeded", "empty", "documents")
        norm = "; ".join(f"{uses.name} {uses.version}" for uses in norms() if uses.figure == "succeeded")
        about = {"population": text["figures_population"], "period": self.usage.days(use), "norm": norm}
        return self._section("figures", columns, rows, **about)

    def _norms(self) -> ReportSection:
        rows: list[list[Cell]] = [[one.name, one.version, getattr(one, self.usage.language)] for one in norms()]
        return self._section("norms", ("norm", "version", "about"), rows)

    def _verified(self, faults: Sequence[ChainBreak], chains: ReportSection) -> ReportSection:
        text = words(self.usage.language, "evidence")
        count = sum(int(row[1]) for row in chains.rows if isinstance(row[1], int))
        told = {"count": count, "chains": len(chains.rows), "faults": len(faults)}
        rows: list[list[Cell]] = [[text["broken" if faults else "sound"].format(**told)]]
        rows += [[f"{one.chain}, {one.sequence}: {one.text}"] for one in faults[:100]]
        return self._section("verified", ("result",), rows, population=text["chains_population"])

    def _chains(self, connection: Connection) -> ReportSection:
        chain, number, at = audit_record.c.chain, audit_record.c.sequence, audit_record.c.at
        last = (
            select(chain, func.count().label("count"), func.max(number).label("last"), func.min(at), func.max(at))
            .group_by(chain)
            .subquery()
        )
        heads = connection.execute(
            select(*last.c, audit_record.c.mac)
            .join(audit_record, (chain == last.c.chain) & (number == last.c.last))
            .order_by(*list(last.c)[3:4], last.c.chain)
        ).all()
        rows: list[list[Cell]] = [
            [str(row[0]), int(row[1]), str(row[3])[:19], str(row[4])[:19], int(row[2]), row[5].hex()] for row in heads
        ]
        text = words(self.usage.language, "evidence")
        columns = ("chain", "records", "first", "last", "number", "mac")
        return self._section("chains", columns, rows, population=text["chains_population"])

    def _sample(self, connection: Connection, use: Use) -> ReportSection:
        text = words(self.usage.language, "evidence")
        rows: list[list[Cell]] = []
        for row in draw(connection, self.usage.period, self.usage.provider, self.seed, self.size):
            record = decoded(row.record)
            at = utc(row.at)
            action, status = str(record.get("action", "")), int(record.get("outcome", 0))
            rows.append([row.chain, row.sequence, at.isoformat(" ", "seconds")[:19], action, status])
        defined = text["sample_defined"].format(size=len(rows), seed=self.seed)
        about = {"definition": defined, "population": text["sample_population"].format(count=use.all.came)}
        columns = ("chain", "number", "at", "action", "outcome")
        return self._section("sample", columns, rows, **about, period=self.usage.days(use))


class Norm(Row, frozen=True):
    """``[[norm]]`` of norms.toml: a document and its version, the figure that it asks, and what it says of that."""

    name: str
    version: str
    figure: str
    nl: str
    en: str


class Norms(Row, frozen=True):
    """norms.toml."""

    norm: tuple[Norm, ...]


def draw(connection: Connection, period: Period, provider: str, seed: int, size: int) -> list[Any]:
    """A sample of the trail: the records whose hash with the seed is lowest. Whoever has the seed draws the same."""

    def rank(row: Any) -> bytes:
        return hashlib.sha256(f"{seed}|{row.chain}|{row.sequence}".encode()).digest()

    return heapq.nsmallest(size, records(connection, period, provider), key=rank)


def norms() -> Sequence[Norm]:
    """The norms that figures are held to."""
    return read(Path(__file__).with_name("norms.toml"), Norms).norm
