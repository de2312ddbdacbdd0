"""What became of an import: counts, and a line for each resource that was not taken."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.documents.findings import RULES
from gateway.intake.answers import Result
from gateway.intake.receipts import Taken
from gateway.intake.refusal import Refusal
from profiles.validation.run.findings import Finding

Tell = Callable[[str, str], None]
"""Told a place and a text, for each resource that was not taken."""
SHOWN = 5
"""Errors that are named in one line."""


@dataclass(slots=True)
class ImportOutcome:
    """Counts of an import, by what became of the resources. ``tell`` is called while it runs."""

    tell: Tell = lambda _origin, _text: None
    warn: Callable[[str, Finding], None] = lambda _origin, _finding: None
    """Told what is wrong with a document that was stored nevertheless."""
    stored: int = 0
    unchanged: int = 0
    again: int = 0
    """Said before in the same import, with the same content."""
    refused: int = 0
    blocked: int = 0
    """What a policy held back: it could have been stored, but is not valid."""
    held: list[int] = field(default_factory=list)
    """Their numbers in the quarantine."""
    repairs: Counter[str] = field(default_factory=Counter)
    documents: Counter[str] = field(default_factory=Counter)
    """Findings about documents, by severity."""
    verdicts: Counter[str] = field(default_factory=Counter)
    untold: int = 0
    """Resources of which nothing tells the FHIR release."""
    _refused: set[str] = field(default_factory=set)
    """Places of what was refused in one release and may come again in the other."""

    @property
    def whole(self) -> bool:
        """Whether everything was taken."""
        return not self.refused and not self.blocked

    def refuse(self, origin: str, text: str) -> None:
        """Count something that was not taken."""
        self.refused += 1
        self.tell(origin, text)

    def note(self, taken: Taken, expected: int) -> None:
        """Count what became of a push with this many tasks."""
        if not taken.results and expected:
            issue = taken.answer.resource["issue"][0]["details"]["text"]
            self.refused += expected
            self.tell(f"{expected} resources", issue)
        for result in taken.results:
            self._one(result)

    def _one(self, result: Result) -> None:
        task, change = result.task, result.change
        if task.refused is not None:
            self._not_taken(result, task.refused)
        elif task.second:
            return
        elif change is None:
            self.again += 1
        else:
            self.stored += bool(result.deed)
            self.unchanged += not result.deed
            if result.deed:
                self.repairs.update(repair.rule for repair in change.repairs)
            for finding in change.findings:
                if finding.rule in RULES:
                    self.documents[finding.severity] += 1
                    if finding.severity != "information":
                        self.warn(task.origin, finding)
        if change is not None and change.report is not None:
            self.verdicts[change.report.verdict] += 1

    def _not_taken(self, result: Result, fault: Refusal) -> None:
        task = result.task
        key = f"{task.type}/{task.id}" if task.id else task.type
        if task.second and task.origin in self._refused:
            return
        self._refused.add(task.origin)
        if not fault.held:
            self.refuse(task.origin, f"{key}: {fault.issues[0].text}")
            return
        self.blocked += 1
        self.held += fault.held
        self.verdicts["wrong"] += 1
        wrong = [
            f"{(issue.diagnostics or '').removeprefix('rule ').partition(';')[0]} {issue.expression or ''}".strip()
            for issue in fault.issues
            if issue.diagnostics and issue.severity == "error"
        ]
        number = ", ".join(map(str, fault.held))
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        text = f"held back, it is not valid: {'; '.join(wrong[:SHOWN])}{more} (quarantine {number})"
        self.tell(task.origin, f"{key}: {text}")


def numbers(held: Sequence[int]) -> str:
    """Quarantine numbers, for people: ``12-40, 57``."""
    spans: list[list[int]] = []
    for number in sorted(set(held)):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in spans)
