"""The gate: every resource that comes in or is fetched gets its verdict, is counted, and the policy is applied.

What is in the store passed the gate on its way in; nothing of this runs when it is read.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Protocol

from gateway.quality.elements import CountPlans
from gateway.quality.serving import Serving
from gateway.quality.settings import STRICTNESS, Policy, QualitySettings
from gateway.quality.tally import Subject, Tally, reference_of
from gateway.quality.verdicts import Verdicts
from profiles.fhir.codec import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.repair import Repair
from profiles.record.rules import Asked, Repairs, load_repairs
from profiles.standards.load import Catalogue
from profiles.standards.must import Needed
from profiles.validation import Finding, Report

REMEMBERED = 100_000
"""Contents remembered as counted today; the oldest is forgotten first."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate says of a resource: deliver or hold back, the report, and what was mended in it."""

    blocked: bool = False
    report: Report | None = None
    repairs: Sequence[Repair] = ()

    @property
    def reason(self) -> str:
        """Why a resource is held back: the errors, by rule and place."""
        errors = [one for one in self.report.findings if one.severity == "error"] if self.report else []
        return "held back, it is not valid: " + "; ".join(f"{one.rule} {one.expression}" for one in errors[:5])


class Judge(Protocol):
    """Gives the verdict on one resource of a source, with what others found in it."""

    def __call__(self, version: FhirVersion, resource: Resource, more: Sequence[Finding] = ...) -> Decision:
        """The decision."""
        ...


@dataclass
class Counting:
    """Verdicts counted so far, until somebody takes them to write them down. Safe to use from several threads."""

    verdicts: Verdicts
    named: Container[str] = ()
    """Profiles that the standards use."""
    needed: Needed = field(default_factory=dict)
    """What must be there whenever a source has it, by profile."""
    today: Callable[[], date] = lambda: datetime.now(UTC).date()
    _tally: Tally = field(default_factory=Tally)
    _plans: dict[FhirVersion, CountPlans] = field(default_factory=dict)
    _counted: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(
        self, provider: str, source: str, version: FhirVersion, resource: Resource, report: Report, content: bytes
    ) -> None:
        """Count a verdict. The same ``content`` of a source counts once a day (and process), however often it is asked.

        It is the resource as JSON.
        """
        day, subject = self.today(), _subject(provider, source, version, resource)
        with self._lock:
            if self._first(day, "", subject, content):
                label = self.verdicts.validator(version).label
                self._tally.add(day, subject, resource, report, self._planned(version), label)

    def note_same(self, provider: str, source: str, version: FhirVersion, resource: Resource, rule: str) -> None:
        """Count a fact that another source tells too, once a day as well."""
        day, subject = self.today(), _subject(provider, source, version, resource)
        with self._lock:
            if self._first(day, rule, subject, jsonio.dump(resource)):
                self._tally.same(day, subject, resource, rule, self._planned(version))

    def _first(self, day: date, rule: str, subject: Subject, content: bytes) -> bool:
        """Whether this was not counted yet today."""
        parts = (day.isoformat(), rule, *subject)
        key = hashlib.sha256(b"\0".join([*map(str.encode, parts), content])).digest()
        if key in self._counted:
            return False
        self._counted[key] = None
        if len(self._counted) > REMEMBERED:
            self._counted.popitem(last=False)
        return True

    def _planned(self, version: FhirVersion) -> CountPlans:
        if version not in self._plans:
            self._plans[version] = CountPlans(self.verdicts.validator(version), self.named, self.needed)
        return self._plans[version]

    def waiting(self) -> bool:
        """Whether anything was counted that nobody took."""
        return bool(self._tally)

    def take(self) -> Tally:
        """What was counted since the last time."""
        with self._lock:
            taken, self._tally = self._tally, Tally()
        return taken


def _subject(provider: str, source: str, version: FhirVersion, resource: Resource) -> Subject:
    type_ = str(resource.get("resourceType", ""))
    type_ = type_[:64] if type_.isascii() and type_.isalpha() else "unknown"
    return Subject(provider, source, version.value, type_, reference_of(resource))


class Gate:
    """Applies the policies to the resources of providers and their sources."""

    def __init__(self, settings: QualitySettings, catalogue: Catalogue, counting: Counting) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._serving = Serving(catalogue)
        self._policies: dict[tuple[str, str], Policy] = {}
        self.counting = counting

    def policy(self, provider: str, version: FhirVersion, resource: Resource) -> Policy:
        """The policy for a resource: the strictest of the standards that use what it claims to be."""
        named = [self._policy_of(provider, standard) for standard in self._serving.of(version, resource) or ("",)]
        return named[0] if len(named) == 1 else max(named, key=STRICTNESS.index)

    def _policy_of(self, provider: str, standard: str) -> Policy:
        key = (provider, standard)
        known = self._policies.get(key)
        if known is None:
            known = self._policies[key] = self._settings.of(provider, [standard])
        return known

    def judge(
        self, provider: str, source: str, version: FhirVersion, resource: Resource, more: Sequence[Finding] = ()
    ) -> Decision:
        """Give a verdict, count it, and decide; under ``repair`` the resource is mended in place.

        ``more`` are findings that others made: on the content of a document, on a number that is masked by now.
        """
        policy = self.policy(provider, version, resource)
        if policy is Policy.OFF or resource.get("resourceType") == "Binary":
            return Decision()
        content = jsonio.dump(resource)
        report = with_findings(self.counting.verdicts.report(version, resource, content), more)
        self.counting.note(provider, source, version, resource, report, content)
        if policy is Policy.REPAIR and report.findings and (repairs := mend(resource)):
            mended = self.counting.verdicts.report(version, resource, jsonio.dump(resource))
            return Decision(False, with_findings(mended, more), repairs)
        return Decision(policy is Policy.BLOCK and not report.valid, report)

    def judge_of(self, provider: str, source: str) -> Judge:
        """``judge`` for one source of a provider."""
        return lambda version, resource, more=(): self.judge(provider, source, version, resource, more)

    def observes(self, provider: str) -> bool:
        """Whether no policy of a provider changes or holds back anything, so that verdicts may come afterwards."""
        chosen = {self._settings.of(provider, [standard]) for standard in (*self._catalogue.standards, "")}
        return chosen <= {Policy.OFF, Policy.OBSERVE}


def with_findings(report: Report, more: Sequence[Finding]) -> Report:
    """A report with what others found."""
    if not more:
        return report
    wrong = report.verdict == "wrong" or any(one.severity == "error" for one in more)
    return replace(report, verdict="wrong" if wrong else report.verdict, findings=(*report.findings, *more))


@cache
def _repairs() -> Repairs:
    return Repairs(tuple(rule for rule in load_repairs(("codes",)).rules if not rule.claim))


def mend(resource: Resource) -> list[Repair]:
    """Repair a resource in place: names of code systems, never a clinical value."""
    notes = _repairs().apply([resource], Asked())
    return [Repair(note.rule, note.expression) for note in notes]
