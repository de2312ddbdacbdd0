"""The report of a month for MedMij: versions that are never changed, released by a person, delivered with proof.

What the agreement calls the Beheerrapportage (RP-10 to RP-22). A correction is a new version with what differs.
"""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from auth.ages import ZONE
from gateway.calendar import utc
from gateway.store.counts import usage_report
from gateway.usage.figures import UseFigures, count, month

KIND = "medmij"
KINDS = {"collect": "collected", "share": "shared", "subscribe": "subscribed"}
OWN = "own form, not in MedMij form"


class ReportState(Exception):
    """The report cannot do that now: not made, not over, released already, or not released yet."""


@dataclass(frozen=True, slots=True)
class MonthReport:
    """One version of the report of a month."""

    provider: str
    month: str
    version: int
    made: datetime
    figures: dict[str, Any]
    checked: datetime | None
    checked_by: str
    released: datetime | None
    released_by: str
    delivered: datetime | None
    proof: str

    def as_data(self) -> dict[str, Any]:
        """As the own form has it: JSON."""
        return {"form": OWN, "version": self.version, "made": _local(self.made), **self.figures}

    @property
    def hash(self) -> str:
        """SHA-256 of the figures: what the access trail keeps of a version."""
        return hashlib.sha256(msgspec.json.encode(self.figures, order="sorted")).hexdigest()


def figures_of(counted: UseFigures, participant: str, text: str, services: Sequence[str]) -> dict[str, Any]:
    """The figures of a month: every service that is offered has its line, also when nobody used it (RP-12)."""
    window = month(text)
    lines: dict[str, dict[str, int]] = {}
    for service in services:
        lines[service] = {}
    for (use, service, _, good), number in sorted(counted.uses.items()):
        name = KINDS.get(use, "other") + ("" if good else "_failed")
        line = lines.setdefault(service, {})
        line[name] = line.get(name, 0) + number
    every = ("collected", "collected_failed", "shared", "shared_failed")
    return {
        "participant": participant,
        "from": _local(window.start),
        "until": _local(window.end),
        "persons": counted.persons,
        "completed": counted.completed,
        "not_completed": counted.visits - counted.completed,
        "services": [
            {"service": service, **dict.fromkeys(every, 0), **line} for service, line in sorted(lines.items())
        ],
    }


def make(
    connection: Connection, provider: str, participant: str, text: str, services: Sequence[str], now: datetime
) -> MonthReport:
    """Count a month and keep it as a version; the last one again when nothing differs. Raises ReportState, ValueError.

    The connection's transaction is the caller's. The month must be over, and an hour with it: what is open may end.
    """
    window = month(text)
    if now < window.end:
        raise ReportState(f"{text} is not over")
    figures = figures_of(count(connection, window, now, provider).real, participant, text, services)
    kept = versions(connection, provider, text)
    if kept:
        before = {name: value for name, value in kept[-1].figures.items() if name != "changed"}
        if before == figures:
            return kept[-1]
        figures = {**figures, "changed": changes(before, figures)}
    row = {
        "kind": KIND,
        "provider": provider,
        "month": text,
        "version": len(kept) + 1,
        "made": now,
        "figures": msgspec.json.encode(figures),
        "checked_by": "",
        "released_by": "",
        "proof": "",
    }
    connection.execute(insert(usage_report), row)
    return versions(connection, provider, text)[-1]


def versions(connection: Connection, provider: str, text: str) -> list[MonthReport]:
    """All versions of a month, first to last."""
    which = (usage_report.c.kind == KIND) & (usage_report.c.provider == provider) & (usage_report.c.month == text)
    rows = connection.execute(select(usage_report).where(which).order_by(usage_report.c.version))
    return [
        MonthReport(
            row.provider,
            row.month,
            row.version,
            utc(row.made),
            msgspec.json.decode(bytes(row.figures)),
            row.checked and utc(row.checked),
            row.checked_by,
            row.released and utc(row.released),
            row.released_by,
            row.delivered and utc(row.delivered),
            row.proof,
        )
        for row in rows
    ]


def months(connection: Connection, provider: str) -> list[str]:
    """The months that have a report, the newest first."""
    which = (usage_report.c.kind == KIND) & (usage_report.c.provider == provider)
    rows = connection.execute(select(usage_report.c.month).where(which).distinct())
    return sorted((str(one) for one in rows.scalars()), reverse=True)


def check(connection: Connection, report: MonthReport, who: str, now: datetime) -> None:
    """A person looked at a version: somebody else may release it. Raises ReportState when somebody did before."""
    _once(connection, report, {"checked": now, "checked_by": who}, usage_report.c.checked.is_(None), "was looked at")


def looked(report: MonthReport, who: str) -> None:
    """Raises ReportState unless somebody other than ``who`` looked at the version."""
    if report.checked is None:
        raise ReportState("nobody looked at it yet")
    if report.checked_by == who:
        raise ReportState("somebody else has to release what you looked at")


def release(connection: Connection, report: MonthReport, who: str, now: datetime, *, second_look: bool = False) -> None:
    """A person says that a version may leave. Raises ReportState when somebody did before.

    With ``second_look`` also when nobody else looked at it first.
    """
    if second_look:
        looked(report, who)
    _once(connection, report, {"released": now, "released_by": who}, usage_report.c.released.is_(None), "was released")


def deliver(connection: Connection, report: MonthReport, where: str, content: bytes, now: datetime) -> str:
    """Keep the proof that a released version went: where, and the SHA-256 of what went. Raises ReportState."""
    if report.released is None:
        raise ReportState("nobody released it yet")
    proof = f"{where} sha256:{hashlib.sha256(content).hexdigest()}"
    free = usage_report.c.delivered.is_(None)
    _once(connection, report, {"delivered": now, "proof": proof}, free, "was delivered")
    return proof


def _once(connection: Connection, report: MonthReport, values: Mapping[str, object], free: Any, done: str) -> None:
    which = (
        (usage_report.c.kind == KIND)
        & (usage_report.c.provider == report.provider)
        & (usage_report.c.month == report.month)
        & (usage_report.c.version == report.version)
    )
    if connection.execute(update(usage_report).where(which, free).values(**values)).rowcount != 1:
        raise ReportState(f"version {report.version} of {report.month} {done} already")


def overdue(connection: Connection, provider: str, now: datetime, deadline: int) -> str | None:
    """The month before this one, when it has no released version three days before the deadline, or later (RP-C30)."""
    here = now.astimezone(ZONE)
    last = (here.replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    if here.day < deadline - 3 or any(one.released for one in versions(connection, provider, last)):
        return None
    return last


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What differs: each figure by its place, as it was and as it is."""
    old, new = dict(_flat(before)), dict(_flat(after))
    return [
        {"figure": name, "was": old.get(name, 0), "is": new.get(name, 0)}
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _flat(figures: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if name == "services":
            for line in value:
                yield from ((f"{line['service']}.{key}", number) for key, number in line.items() if key != "service")
        else:
            yield name, value


def as_csv(report: MonthReport) -> str:
    """The own form as CSV: a line per figure."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    writer.writerow(["form", OWN])
    writer.writerow(["version", report.version])
    writer.writerows((name, value) for name, value in _flat(report.figures) if name != "changed")
    return out.getvalue()


def _local(at: datetime) -> str:
    return at.astimezone(ZONE).isoformat(timespec="seconds")
