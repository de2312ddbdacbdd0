"""What a source gets back: an OperationOutcome, or a Bundle with one per entry."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.intake.change import Change
from gateway.intake.refusal import Refusal
from gateway.intake.tasks import Push, Task
from profiles.fhir.outcome import Issue, operation_outcome
from profiles.fhir.tree import Resource
from profiles.record.repair import Repair
from profiles.record.stamp import moment
from profiles.validation import Finding

STATUS = {200: "200 OK", 201: "201 Created", 400: "400 Bad Request", 404: "404 Not Found",
          405: "405 Method Not Allowed", 409: "409 Conflict", 412: "412 Precondition Failed",
          413: "413 Content Too Large", 422: "422 Unprocessable Content"}  # fmt: skip


DEEDS = {"create": "stored", "update": "stored", "delete": "deleted", "": "nothing changed"}
"""What is said of what was done."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one task. ``deed``: create, update, delete, or empty when nothing had to be done; ``text`` says
    more than the deed does. ``change`` is what the task came to, when it came to something."""

    task: Task
    status: int
    version: int = 0
    updated: datetime | None = None
    deed: str = ""
    text: str = ""
    change: Change | None = None

    @property
    def issues(self) -> Sequence[Issue]:
        """What is told about it."""
        if self.task.refused is not None:
            return self.task.refused.issues
        findings = self.change.findings if self.change else ()
        repairs = self.change.repairs if self.change and self.deed else ()
        return done(self.text or DEEDS[self.deed], findings, repairs, self.task.place)


@dataclass(frozen=True, slots=True)
class IntakeAnswer:
    """A whole answer, before it is written in a format."""

    status: int
    resource: Resource
    headers: dict[str, str] = field(default_factory=dict)


def answer(push: Push, results: Sequence[Result], base: str) -> IntakeAnswer:
    """The answer to a push that was carried out; ``base`` is the FHIR base of the source."""
    if not push.bundle:
        only = results[0]
        return IntakeAnswer(only.status, operation_outcome(only.issues), _headers(only, base))
    entries = [{"response": _response(result, base)} for result in results]
    kind = f"{push.bundle}-response"
    return IntakeAnswer(200, {"resourceType": "Bundle", "type": kind, **({"entry": entries} if entries else {})})


def refused(fault: Refusal) -> IntakeAnswer:
    """The answer to a push that was not."""
    return IntakeAnswer(fault.status, operation_outcome(fault.issues), dict(fault.headers))


def _headers(result: Result, base: str) -> dict[str, str]:
    if not result.version or result.updated is None:
        return {}
    task = result.task
    return {
        "etag": f'W/"{result.version}"',
        "last-modified": result.updated.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "location": f"{base}/{task.type}/{task.id}/_history/{result.version}",
    }


def _response(result: Result, base: str) -> dict[str, Any]:
    task = result.task
    response: dict[str, Any] = {"status": STATUS.get(result.status, str(result.status))}
    if result.version and result.updated is not None:
        response["location"] = f"{base}/{task.type}/{task.id}/_history/{result.version}"
        response["etag"] = f'W/"{result.version}"'
        response["lastModified"] = moment(result.updated)
    response["outcome"] = operation_outcome(result.issues)
    return response


def done(text: str, findings: Iterable[Finding] = (), repairs: Iterable[Repair] = (), place: str = "") -> list[Issue]:
    """The issues of something that was carried out: what was done, what was repaired, what validation found."""
    counted = Counter(repair.rule for repair in repairs)
    told = ", ".join(f"{rule} {count}" for rule, count in sorted(counted.items()))
    issues = [Issue("information", "informational", f"{text}; repaired: {told}" if told else text)]
    return issues + issues_of(findings, place, lower=True)


def issues_of(findings: Iterable[Finding], place: str, *, lower: bool = False) -> list[Issue]:
    """Findings as issues. ``lower``: what was stored in spite of errors is told as warnings."""
    return [
        Issue(
            "warning" if lower and finding.severity == "error" else finding.severity,
            finding.code,
            finding.text("en"),
            diagnostics=f"rule {finding.rule}" + (f"; zib {finding.zib}" if finding.zib else ""),
            expression=f"{place}.resource: {finding.expression}" if place else finding.expression or None,
        )
        for finding in findings
    ]
