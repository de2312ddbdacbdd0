"""Which policy holds for a resource, and what validation says of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from adapters.fhir_http.repair import Repairs, load_repairs
from adapters.port import AdapterQuery, LocalId, PatientKey
from gateway.collect.content import ELEMENT
from gateway.collect.normalise import Repair
from gateway.intake.settings import STRICTNESS, Policy
from profiles.fhir import jsonio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.standards.load import Catalogue
from profiles.validation import Finding, Report, Validator

Validators = Callable[[FhirVersion], Validator]


class Policies:
    """The policy of a source for each resource: the strictest of the standards that ask for its type and profile."""

    def __init__(self, catalogue: Catalogue, policy: Mapping[str, Policy]) -> None:
        self._catalogue = catalogue
        self._policy = policy
        self._kept: dict[tuple[FhirVersion, str, tuple[str, ...]], Policy] = {}

    def of(self, resource: Resource, version: FhirVersion) -> Policy:
        """The policy for a resource."""
        if set(self._policy) <= {"*"}:
            return self._policy.get("*", "observe")
        kind, profiles = str(resource.get("resourceType")), claimed(resource)
        key = (version, kind, profiles)
        if key not in self._kept:
            if len(self._kept) > 5_000:
                self._kept.clear()
            self._kept[key] = self._find(version, kind, set(profiles))
        return self._kept[key]

    def _find(self, version: FhirVersion, kind: str, profiles: set[str]) -> Policy:
        rest = self._policy.get("*", "observe")
        found: list[Policy] = []
        for standard in self._catalogue.of_version(version):
            for rule in standard.rules:
                if rule.type == kind and (not rule.profiles or not profiles or profiles & set(rule.profiles)):
                    found.append(self._policy.get(standard.id, rest))
                    break
            else:
                if profiles & set(standard.reads.get(kind, ())):
                    found.append(self._policy.get(standard.id, rest))
        return max(found, key=lambda one: STRICTNESS[one], default=rest)


def claimed(resource: Resource) -> tuple[str, ...]:
    """The profiles that a resource claims."""
    meta = resource.get("meta")
    profiles = meta.get("profile") if isinstance(meta, dict) else None
    return tuple(one for one in profiles if isinstance(one, str)) if isinstance(profiles, list) else ()


_QUERY = AdapterQuery(
    "", PatientKey(local_ids=(LocalId(None, "-"),)), "", "", "search-type", "", FhirVersion.STU3, float("inf")
)


class Mender:
    """The mechanical repairs of policy ``repair``: rules as data, never a clinical value."""

    def __init__(self, names: Sequence[str] = ("codes",)) -> None:
        rules = load_repairs(names).rules
        self._repairs = Repairs(tuple(rule for rule in rules if not rule.claim))

    def mend(self, resource: Resource) -> list[Repair]:
        """Repair a resource in place; a line for every change."""
        notes = self._repairs.apply([resource], _QUERY, lambda _resource: False)
        return [Repair(note.rule, note.expression) for note in notes]


def judge(validators: Validators, version: FhirVersion, resource: Resource, content: bytes) -> Report:
    """The verdict on a resource, ``content`` being its JSON. The content of a Binary lies elsewhere by now."""
    if resource.get("resourceType") == "Binary":
        resource = {**resource, ELEMENT[version]: "AAAA"}
        content = jsonio.dump(resource)
    return validators(version).validate_cached(content, resource)


def with_findings(report: Report, more: Sequence[Finding]) -> Report:
    """A report with what else was found."""
    if not more:
        return report
    wrong = report.verdict == "wrong" or any(one.severity == "error" for one in more)
    return replace(report, verdict="wrong" if wrong else report.verdict, findings=(*report.findings, *more))


def recorded(findings: Iterable[Finding]) -> bytes:
    """Findings for the record: where and which rule, nothing of the values. Empty bytes for none."""
    rows = [
        {
            "severity": one.severity,
            "rule": one.rule,
            "expression": one.expression,
            "definition": one.definition,
            "profile": one.profile,
            "zib": one.zib,
        }
        for one in findings
    ]
    return msgspec.json.encode(rows) if rows else b""
