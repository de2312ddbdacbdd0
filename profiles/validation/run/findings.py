"""Findings and reports: what validation says, ready for people and for machines."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from profiles.fhir.tree import Resource
from profiles.validation.hits import Hit, Segment
from profiles.validation.run.messages import issue_code, render

MAX_FINDINGS = 500
SEVERITIES = ("error", "warning", "information")


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    ``rule`` names the rule (``cardinality``, ``binding``, ``invariant:vs-2`` ...), ``code`` is the FHIR issue type,
    ``expression`` the place as FHIRPath, ``pointer`` the same place as JSON keys and indexes, ``definition`` the
    element id in ``profile``, ``zib`` the zib element ("Probleem, ProbleemStatus, NL-CM 5.1.4").
    """

    severity: str
    code: str
    rule: str
    expression: str
    text_nl: str
    text_en: str
    advice_nl: str = ""
    advice_en: str = ""
    definition: str = ""
    profile: str = ""
    zib: str = ""
    concept: str = ""
    found: str = ""
    allowed: str = ""
    pointer: tuple[str | int, ...] = ()
    line: int | None = None
    column: int | None = None

    def text(self, language: str = "nl") -> str:
        """The message in a language (``nl`` or ``en``)."""
        return self.text_en if language == "en" else self.text_nl

    def advice(self, language: str = "nl") -> str:
        """What to do at the source."""
        return self.advice_en if language == "en" else self.advice_nl


@dataclass(frozen=True)
class Report:
    """The verdict on one resource: ``ok``, ``wrong``, or ``unchecked`` (nothing wrong found, but not all checkable)."""

    verdict: str
    findings: tuple[Finding, ...] = ()
    type: str = ""
    id: str = ""
    profiles: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether no error was found."""
        return self.verdict != "wrong"

    def as_ndjson(self, ident: Any = None, language: str = "nl") -> dict[str, Any]:
        """The answer line of ``gateway validate --ndjson`` for this report, as an object."""
        return {
            "id": ident,
            "valid": self.verdict != "wrong",
            "verdict": self.verdict,
            "issues": [
                {
                    "severity": finding.severity,
                    "code": finding.code,
                    "expression": finding.expression,
                    "rule": finding.rule,
                    "zib": finding.zib,
                    "text": finding.text(language),
                }
                for finding in self.findings
            ],
        }


def expression_of(kind: str, path: Iterable[Segment | int]) -> str:
    """The FHIRPath of a place: steps from the inside out, as hits collect them."""
    parts = [kind or "$this"]
    for one in reversed(list(path)):
        if isinstance(one, int):
            parts[-1] += f"[{one}]"
        else:
            parts.append(one.name)
    return ".".join(parts)


def pointer_of(path: Iterable[Segment | int]) -> tuple[str | int, ...]:
    """The place as JSON keys and list indexes, from the outside in."""
    return tuple(one if isinstance(one, int) else one.key for one in reversed(list(path)))


def _zib_label(hit: Hit, root: str) -> tuple[str, str]:
    """The zib element of a hit, or of the nearest level above it that has one; and its concept id."""
    nodes = [hit.node, *(step.node for step in hit.path if not isinstance(step, int))]
    zib = next((node.zib for node in nodes if node is not None and node.zib is not None), None)
    if zib is None:
        return root, ""
    names = [name for name in (root, zib.name_nl) if name]
    return ", ".join(dict.fromkeys([*names, zib.label])), zib.concept


def finding_of(hit: Hit, kind: str, zib: str) -> Finding:
    """Give a hit its words."""
    words = render(hit)
    rule = hit.key.partition(".")[0]
    if rule == "invariant":
        rule = f"invariant:{hit.params.get('constraint')}"
    label, concept = _zib_label(hit, zib)
    node = hit.node
    return Finding(
        hit.severity,
        issue_code(hit.key),
        rule,
        expression_of(kind, hit.path),
        words.text_nl,
        words.text_en,
        words.advice_nl,
        words.advice_en,
        node.id if node is not None else "",
        node.source if node is not None else "",
        label,
        concept,
        words.found,
        words.allowed,
        pointer_of(hit.path),
    )


def report_of(hits: list[Hit] | None, resource: Any, zib: str, profiles: tuple[str, ...]) -> Report:
    """The report for the hits on a resource: doubles dropped, worst first kept when there are too many."""
    kind = str(resource.get("resourceType", "")) if isinstance(resource, dict) else ""
    ident = str(resource.get("id", "")) if isinstance(resource, dict) else ""
    if not hits:
        return Report("ok", (), kind, ident, profiles)
    wrong = any(hit.severity == "error" for hit in hits)
    unsure = any(hit.severity == "information" for hit in hits)
    worst_first = sorted(hits, key=lambda hit: SEVERITIES.index(hit.severity))[:MAX_FINDINGS]
    found = dict.fromkeys(finding_of(hit, kind, zib) for hit in worst_first)
    return Report("wrong" if wrong else ("unchecked" if unsure else "ok"), tuple(found), kind, ident, profiles)


def as_outcome(report: Report, language: str = "nl") -> Resource:
    """The report as an OperationOutcome; a clean one says so."""
    issues: list[Resource] = []
    for finding in report.findings:
        text = finding.text(language)
        advice = finding.advice(language)
        issue: Resource = {"severity": finding.severity, "code": finding.code, "details": {"text": text}}
        notes = [
            f"rule {finding.rule}",
            *([f"zib {finding.zib}"] if finding.zib else ()),
            *([advice] if advice else ()),
        ]
        if finding.line is not None:
            notes.append(f"line {finding.line}, column {finding.column}")
        issue["diagnostics"] = "; ".join(notes)
        if finding.expression:
            issue["expression"] = [finding.expression]
        issues.append(issue)
    if not issues:
        clean = "Geen fouten gevonden." if language == "nl" else "No faults were found."
        issues.append({"severity": "information", "code": "informational", "details": {"text": clean}})
    return {"resourceType": "OperationOutcome", "issue": issues}


VERDICTS = {
    "ok": {"nl": "goed", "en": "right"},
    "wrong": {"nl": "fout", "en": "wrong"},
    "unchecked": {"nl": "hier niet volledig te controleren", "en": "not fully checkable here"},
}
LEVELS = {
    "error": {"nl": "fout", "en": "error"},
    "warning": {"nl": "let op", "en": "warning"},
    "information": {"nl": "niet te controleren", "en": "not checkable"},
}


def as_text(report: Report, name: str = "", language: str = "nl") -> str:
    """The report as plain text, a few lines per finding."""
    head = name or f"{report.type}/{report.id}"
    lines = [f"{head}: {VERDICTS[report.verdict][language]}"]
    for finding in report.findings:
        place = f" ({finding.line}:{finding.column})" if finding.line is not None else ""
        lines.append(f"  {LEVELS[finding.severity][language]}: {finding.text(language)}")
        where = finding.expression + place
        lines.append(f"      {where}" + (f"  [{finding.zib}]" if finding.zib else "") + f"  {finding.rule}")
        if finding.advice(language):
            lines.append(f"      {'doen' if language == 'nl' else 'do'}: {finding.advice(language)}")
    return "\n".join(lines)
