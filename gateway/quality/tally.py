"""Counting verdicts: what a steward wants to know, and nothing that was in the dossier.

A tally holds numbers by day, provider, source, profile, department and element, and a line per defect with the source's
own reference. No value of a resource gets in: rules, places and what is allowed come from the definitions.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from gateway.quality.departments import department_of
from gateway.quality.elements import CountPlan, CountPlans, Seen, place_of
from profiles.fhir.tree import Resource, claimed_profiles
from profiles.record.bsn import starred
from profiles.validation import Finding, Report

MUST = "must:"
"""Before the name of an element that must be there whenever the source has it: counted apart from those of the zib."""
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

    def times(self, often: int) -> "Numbers":
        """The sum of as many as that."""
        return self if often == 1 else Numbers(*(number * often for number in self))


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


class Sight(NamedTuple):
    """What one look at a resource gave. Many resources give the same: those are counted as one sight, so many times."""

    filled: Seen
    wrong: frozenset[str]
    """The keys of the elements with an error."""
    unchecked: bool


@dataclass
class Tally:
    """Numbers and defect lines that wait to be written."""

    rules: Counter[tuple[Scope, str, str, str]] = field(default_factory=Counter)
    """Findings by scope, element, rule and severity."""
    names: dict[tuple[str, str], tuple[str, str, str]] = field(default_factory=dict)
    """Concept, Dutch and English name by profile and element; the element is empty for the profile itself."""
    subjects: dict[Subject, Assessed] = field(default_factory=dict)
    bases: Counter[tuple[date, str, str, str, str]] = field(default_factory=Counter)
    """Verdicts by day, provider, source, release and the definitions that they rest on."""
    _numbers: dict[tuple[Scope, str], Numbers] = field(default_factory=dict)
    _seen: dict[Scope, tuple[CountPlan, Counter[Sight]]] = field(default_factory=dict)
    """What is not in the numbers yet."""

    def add(
        self, day: date, subject: Subject, resource: Resource, report: Report, plans: CountPlans, basis: str = ""
    ) -> None:
        """Count one verdict; ``basis`` names the definitions that it rests on, with their versions."""
        if basis:
            self.bases[day, subject.provider, subject.source, subject.fhir, basis] += 1
        plan = plans.of(claimed_profiles(resource), subject.type)
        department = department_of(resource)
        scope = Scope(day, subject.provider, subject.source, subject.fhir, plan.profile, department)
        errors = [finding for finding in report.findings if finding.severity in ("error", "fatal")]
        wrong = frozenset(plan.element_of(finding) for finding in errors)
        sight = Sight(plan.look(resource, plans.context(resource)), wrong, report.verdict == "unchecked")
        self._sights(scope, plan)[sight] += 1
        for profile, name, filled in plans.musts(claimed_profiles(resource), resource):
            self._count(scope._replace(profile=profile), MUST + name, Numbers(1, int(filled)))
        for finding in report.findings:
            self.rules[scope, plan.element_of(finding), rule_of(finding), finding.severity] += 1
        for key in wrong - plan.keys:
            self.names[plan.profile, key] = ("", key, key)
        self.subjects[subject] = Assessed(day, plan.profile, department, defects_of(errors, plan))

    def same(self, day: date, subject: Subject, resource: Resource, rule: str, plans: CountPlans) -> None:
        """Count a fact that another source told before, by the rule that says so."""
        plan = plans.of(claimed_profiles(resource), subject.type)
        scope = Scope(day, subject.provider, subject.source, subject.fhir, plan.profile, department_of(resource))
        self.rules[scope, "", f"{SAME}-{rule}", SAME] += 1
        self.names[plan.profile, ""] = ("", plan.zib_nl, plan.zib_en)

    def __bool__(self) -> bool:
        """Whether anything was counted."""
        return bool(self._seen or self._numbers or self.rules)

    @property
    def numbers(self) -> Mapping[tuple[Scope, str], Numbers]:
        """How often, by scope and element; the element is empty for the resource as a whole."""
        for scope, (plan, sights) in self._seen.items():
            for key, numbers in _summed(plan, sights):
                self._count(scope, key, numbers)
        self._seen.clear()
        return self._numbers

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
        known = self._numbers.get(key)
        self._numbers[key] = numbers if known is None else known.plus(numbers)

    def _sights(self, scope: Scope, plan: CountPlan) -> Counter[Sight]:
        """What was seen in a scope so far."""
        known = self._seen.get(scope)
        if known is None:
            known = self._seen[scope] = (plan, Counter())
            self.names[plan.profile, ""] = ("", plan.zib_nl, plan.zib_en)
            for element in plan.elements:
                names = (element.concept, element.name_nl, element.name_en)
                self.names.setdefault((plan.profile, element.key), names)
        return known[1]


def _summed(plan: CountPlan, sights: Mapping[Sight, int]) -> Iterator[tuple[str, Numbers]]:
    """The numbers of a plan's elements, and of the resource as a whole."""
    seen = sum(sights.values())
    filled, coded, wrong = Counter[int](), Counter[int](), Counter[str]()
    for sight, times in sights.items():
        for number, code in sight.filled:
            filled[number] += times
            coded[number] += times if code else 0
        for key in sight.wrong:
            wrong[key] += times
    valid = sum(times for sight, times in sights.items() if not sight.wrong)
    yield "", Numbers(seen, valid=valid, unchecked=sum(times for sight, times in sights.items() if sight.unchecked))
    for number, element in enumerate(plan.elements):
        there = filled[number]
        codable = there if element.codable else 0
        yield element.key, Numbers(seen, there, codable, coded[number], seen - wrong[element.key])


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
