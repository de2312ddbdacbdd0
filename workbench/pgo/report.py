"""A visit on paper: what was granted, what every search gave, and what a PGO would stumble over."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from profiles.receivers.judge import Outcome
from workbench.pgo.answers import SearchAnswer
from workbench.pgo.judge import of_search
from workbench.pgo.oauth import TokenAnswer
from workbench.pgo.receiving import Received, counted

SECRET = ("access_token", "refresh_token", "id_token")


@dataclass(slots=True)
class KitReport:
    """Everything that one command found. ``stopped`` says why there are no searches; ``notes`` are no faults."""

    provider: str
    token: dict[str, Any] = field(default_factory=dict)
    token_problems: list[str] = field(default_factory=list)
    answers: Sequence[SearchAnswer] = ()
    notes: list[str] = field(default_factory=list)
    stopped: str = ""
    receiver: str = ""
    """The app as which the visit was made; empty: none."""
    received: Sequence[Received] = ()
    """What it would show of the answers."""

    @property
    def clean(self) -> bool:
        """Whether nothing was found that is wrong; what an app does not show is told, and is no fault."""
        return not self.stopped and not self.token_problems and not any(map(of_search, self.answers))

    def granted(self, answer: TokenAnswer) -> None:
        """Take over the fields of a token answer; a token is told by its length only."""
        self.token = {name: _shown(name, value) for name, value in answer.body.items()}

    def as_data(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "provider": self.provider,
            "clean": self.clean,
            "stopped": self.stopped or None,
            "token": self.token,
            "tokenProblems": self.token_problems,
            "notes": self.notes,
            "searches": [_row(answer) for answer in self.answers],
        } | ({"receiver": self.receiver, "received": fates_of(self.received)} if self.receiver else {})


def fates_of(received: Sequence[Received]) -> list[dict[str, Any]]:
    """What becomes of each resource, for programs."""
    return [
        {
            "search": one.answer.id,
            "resource": f"{one.resource.get('resourceType')}/{one.resource.get('id', '')}",
            "outcome": str(one.fate.outcome),
            "why": one.fate.why,
        }
        for one in received
    ]


def _shown(name: str, value: Any) -> Any:
    return f"(hidden, {len(str(value))} characters)" if name in SECRET else value


def _row(answer: SearchAnswer) -> dict[str, Any]:
    return {
        "service": answer.search.service.id,
        "search": answer.search.rule.id,
        "name": answer.search.rule.name_en,
        "url": answer.search.url,
        "status": answer.status,
        "matches": len(answer.matches),
        "included": len(answer.included),
        "milliseconds": answer.milliseconds,
        "problems": of_search(answer),
    }


def show(report: KitReport, console: Console) -> None:
    """Print the report for people."""
    for name, value in report.token.items():
        console.print(f"  {escape(str(name))}: {escape(str(value))}", highlight=False)
    for problem in report.token_problems:
        console.print(f"  [red]token endpoint: {escape(problem)}[/]", highlight=False)
    for note in report.notes:
        console.print(f"  [yellow]{escape(note)}[/]", highlight=False)
    if report.answers:
        console.print(_table(report.answers))
    if report.stopped:
        console.print(f"[bold red]The visit stopped:[/] {escape(report.stopped)}", highlight=False)
    if report.received:
        console.print(_received(report))
    wrong = sum(bool(of_search(answer)) for answer in report.answers)
    if report.answers:
        console.print(f"{len(report.answers)} searches, {wrong} with a problem.", highlight=False)


def _table(answers: Sequence[SearchAnswer]) -> Table:
    table = Table(header_style="bold")
    for column in ("Service", "Search"):
        table.add_column(column)
    for column in ("Status", "Found", "ms"):
        table.add_column(column, justify="right")
    table.add_column("First problem", overflow="fold")
    for answer in answers:
        problems = of_search(answer)
        found = str(len(answer.matches)) + (f" +{len(answer.included)}" if answer.included else "")
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        first = f"[red]{escape(problems[0])}{more}[/]" if problems else ""
        name = escape(answer.search.rule.name_en)
        status, spent = str(answer.status or "-"), str(answer.milliseconds)
        table.add_row(answer.search.service.id, name, status, found, spent, first)
    return table


def _received(report: KitReport) -> Table:
    """How many resources of each profile would be shown by the receiver; two columns, so that 80 characters do."""
    table = Table(title=report.receiver, header_style="bold")
    table.add_column("Profile", overflow="fold")
    table.add_column("What becomes of them", overflow="fold")
    for name, counts in counted(report.received).items():
        told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
        table.add_row(escape(name), told)
    return table


def save(folder: Path, report: KitReport) -> None:
    """Every answer as it came, and the report beside them. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for answer in report.answers:
        name = re.sub(r"[^A-Za-z0-9_-]", "_", answer.id)
        for number, page in enumerate((answer.raw, *answer.more), 1):
            (folder / (f"{name}-{number}.json" if number > 1 else f"{name}.json")).write_bytes(page)
    (folder / "report.json").write_text(json.dumps(report.as_data(), indent=2, ensure_ascii=False), "utf-8")
