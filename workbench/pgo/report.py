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

from workbench.demo.pgo.client import TokenAnswer
from workbench.demo.pgo.collect import Section
from workbench.pgo.judge import of_section

SECRET = ("access_token", "refresh_token", "id_token")


@dataclass(slots=True)
class Report:
    """Everything that one command found. ``stopped`` says why there are no searches; ``notes`` are no faults."""

    provider: str
    token: dict[str, Any] = field(default_factory=dict)
    token_problems: list[str] = field(default_factory=list)
    sections: Sequence[Section] = ()
    notes: list[str] = field(default_factory=list)
    stopped: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing was found that is wrong."""
        return not self.stopped and not self.token_problems and not any(map(of_section, self.sections))

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
            "searches": [_row(section) for section in self.sections],
        }


def _shown(name: str, value: Any) -> Any:
    return f"(hidden, {len(str(value))} characters)" if name in SECRET else value


def _row(section: Section) -> dict[str, Any]:
    return {
        "service": section.ask.service.id,
        "search": section.ask.rule.id,
        "name": section.ask.rule.name_en,
        "url": section.ask.url,
        "status": section.status,
        "matches": len(section.matches),
        "included": len(section.included),
        "milliseconds": section.milliseconds,
        "problems": of_section(section),
    }


def show(report: Report, console: Console) -> None:
    """Print the report for people."""
    for name, value in report.token.items():
        console.print(f"  {escape(str(name))}: {escape(str(value))}", highlight=False)
    for problem in report.token_problems:
        console.print(f"  [red]token endpoint: {escape(problem)}[/]", highlight=False)
    for note in report.notes:
        console.print(f"  [yellow]{escape(note)}[/]", highlight=False)
    if report.sections:
        console.print(_table(report.sections))
    if report.stopped:
        console.print(f"[bold red]The visit stopped:[/] {escape(report.stopped)}", highlight=False)
    wrong = sum(bool(of_section(section)) for section in report.sections)
    if report.sections:
        console.print(f"{len(report.sections)} searches, {wrong} with a problem.", highlight=False)


def _table(sections: Sequence[Section]) -> Table:
    table = Table(header_style="bold")
    for column in ("Service", "Search"):
        table.add_column(column)
    for column in ("Status", "Found", "ms"):
        table.add_column(column, justify="right")
    table.add_column("First problem", overflow="fold")
    for section in sections:
        problems = of_section(section)
        found = str(len(section.matches)) + (f" +{len(section.included)}" if section.included else "")
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        first = f"[red]{escape(problems[0])}{more}[/]" if problems else ""
        name = escape(section.ask.rule.name_en)
        status, spent = str(section.status or "-"), str(section.milliseconds)
        table.add_row(section.ask.service.id, name, status, found, spent, first)
    return table


def save(folder: Path, report: Report) -> None:
    """Every answer as it came, and the report beside them. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for section in report.sections:
        name = re.sub(r"[^A-Za-z0-9_-]", "_", section.id)
        (folder / f"{name}.json").write_bytes(section.raw)
    (folder / "report.json").write_text(json.dumps(report.as_data(), indent=2, ensure_ascii=False), "utf-8")
