"""Counting verdicts: what a steward wants to know, and nothing that was in the dossier.

A tally holds numbers by day, provider, source, profile, department and element, and a line per defect with the source's
own reference. No value of a resource gets in: rules, places and what is allowed come from the definitions.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from gateway.quality.departments import department_of
from gateway.quality.elements import CountPlan, CountPlans, Element, place_of
from profiles.fhir.tree import Resource
from profiles.record.bsn import starred
from profiles.validation import Finding, Report
from profiles.validation.rules.claims import claimed

SAME = "same"
"""In place of a severity: a fact that two sources tell."""
TELLS_ALLOWED = frozenset({"binding", "fixed", "pattern"})
"""Rules whose ``allowed`` comes from the definition alone."""


class Scope(NamedTuple):
    """Where a number belongs."""

    day: date
    provider: str
    source: str
    fhir: str
    profile: str
    department: str


class Numbers(NamedTuple):
    """How often: resources seen, element filled, filled with something that can be coded, coded, without error, and
    (only for the resource as a whole) not fully checkable."""

    seen: int = 0
    filled: int = 0
    codable: int = 0
    coded: int = 0
    valid: int = 0
    unchecked: int = 0

    def plus(self, other: "Numbers") -> "Numbers":
        """The sum."""
        seen, filled, codable, coded, valid, unchecked = self
        return Numbers(
            seen + other[0], filled + other[1], codable + other[2], coded + other[3], valid + other[4],
            unchecked + other[5],
        )  # fmt: skip


class Defect(NamedTuple):
    """One error in one resource, for who can look the resource up at the source."""

    element: str
    rule: str
    expression: str
    allowed: str


class Subject(NamedTuple):
    """The resource that was assessed, by the source's own reference."""

    provider: str
    source: str
    fhir: str
    type: str
    reference: str


class Assessed(NamedTuple):
    """What the last assessment of a resource found; without defects it only clears what stood there."""

    day: date
    profile: str
    department: str
    defects: tuple[Defect, ...]


@dataclass
class Tally:
    """Numbers and defect lines that wait to be written."""

    numbers: dict[tuple[Scope, str], Numbers] = field(default_factory=dict)
    rules: Counter[tuple[Scope, str, str, str]] = field(default_factory=Counter)
    """Findings by scope, element, rule and severity."""
    names: dict[tuple[str, str], tuple[str, str, str]] = field(default_factory=dict)
    """Concept, Dutch and English name by profile and element; the element is empty for the profile itself."""
    subjects: dict[Subject, Assessed] = field(default_factory=dict)
    bases: Counter[tuple[date, str, str, str, str]] = field(default_factory=Counter)
    """Verdicts by day, provider, source, release and the definitions that they rest on."""

    def add(
        self, day: date, subject: Subject, resource: Resource, report: Report, plans: CountPlans, basis: str = ""
    ) -> None:
        """Count one verdict; ``basis`` names the definitions that it rests on, with their versions."""
        if basis:
            self.bases[day, subject.provider, subject.source, subject.fhir, basis] += 1
        plan = plans.of(claimed(resource), subject.type)
        department = department_of(resource)
        scope = Scope(day, subject.provider, subject.source, subject.fhir, plan.profile, department)
        errors = [finding for finding in report.findings if finding.severity in ("error", "fatal")]
        wrong = {plan.element_of(finding) for finding in errors}
        self._count(scope, "", Numbers(1, valid=int(not errors), unchecked=int(report.verdict == "unchecked")))
        self.names[plan.profile, ""] = ("", plan.zib_nl, plan.zib_en)
        context = plans.context(resource)
        for element in plan.elements:
            filled, coded = element.look(resource, context)
            codable = filled and element.codable
            self._count(scope, element.key, Numbers(1, filled, codable, coded, element.key not in wrong))
            self._name(plan, element)
        for finding in report.findings:
            self.rules[scope, plan.element_of(finding), rule_of(finding), finding.severity] += 1
        for key in wrong - {element.key for element in plan.elements}:
            self.names[plan.profile, key] = ("", key, key)
        self.subjects[subject] = Assessed(day, plan.profile, department, defects_of(errors, plan))

    def same(self, day: date, subject: Subject, resource: Resource, rule: str, plans: CountPlans) -> None:
        """Count a fact that another source told before, by the rule that says so."""
        plan = plans.of(claimed(resource), subject.type)
        scope = Scope(day, subject.provider, subject.source, subject.fhir, plan.profile, department_of(resource))
        self.rules[scope, "", f"{SAME}-{rule}", SAME] += 1
        self.names[plan.profile, ""] = ("", plan.zib_nl, plan.zib_en)

    def __bool__(self) -> bool:
        """Whether anything was counted."""
        return bool(self.numbers or self.rules)

    def merge(self, other: "Tally") -> None:
        """Add another tally; where both assessed a resource, the other one was later."""
        for (scope, element), numbers in other.numbers.items():
            self._count(scope, element, numbers)
        self.rules.update(other.rules)
        self.bases.update(other.bases)
        self.names.update(other.names)
        self.subjects.update(other.subjects)

    def _count(self, scope: Scope, element: str, numbers: Numbers) -> None:
        key = (scope, element)
        known = self.numbers.get(key)
        self.numbers[key] = Numbers(*map(int, numbers)) if known is None else known.plus(numbers)

    def _name(self, plan: CountPlan, element: Element) -> None:
        if (plan.profile, element.key) not in self.names:
            self.names[plan.profile, element.key] = (element.concept, element.name_nl, element.name_en)


def rule_of(finding: Finding) -> str:
    """The name under which a rule is counted: with its kind where one rule has two sides (missing, too many)."""
    two_sided = finding.rule in ("cardinality", "slicing")
    return f"{finding.rule}:{finding.code}" if two_sided else finding.rule


def defects_of(errors: Iterable[Finding], plan: CountPlan) -> tuple[Defect, ...]:
    """The errors as lines without values; each rule once per place."""
    return tuple(
        dict.fromkeys(
            Defect(
                plan.element_of(finding),
                rule_of(finding),
                place_of(finding)[:200],
                finding.allowed if finding.rule in TELLS_ALLOWED else "",
            )
            for finding in errors
        )
    )


def reference_of(resource: Resource) -> str:
    """The source's own id of a resource; a citizen service number in it is masked."""
    id_ = str(resource.get("id", "")).replace("\0", "")[:64]
    return starred(id_)
