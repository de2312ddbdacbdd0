"""OperationOutcome as plain data (RES-11)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from profiles.fhir.tree import Resource


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue. ``code`` is an IssueType code; ``text`` is for people, ``diagnostics`` for technicians."""

    severity: str
    code: str
    text: str
    diagnostics: str | None = None
    expression: str | None = None


def operation_outcome(issues: Iterable[Issue]) -> Resource:
    """The OperationOutcome of one or more issues; the same for STU3 and R4."""
    shown = [_issue(issue) for issue in issues]
    if not shown:
        raise ValueError("an OperationOutcome has at least one issue")
    return {"resourceType": "OperationOutcome", "issue": shown}


def _issue(issue: Issue) -> dict[str, Any]:
    shown: dict[str, Any] = {"severity": issue.severity, "code": issue.code, "details": {"text": issue.text}}
    if issue.diagnostics is not None:
        shown["diagnostics"] = issue.diagnostics
    if issue.expression is not None:
        shown["expression"] = [issue.expression]
    return shown
