"""Whether what came in follows the profiles that it claims: the PGO's own check, on its own side of the line."""

from functools import lru_cache

from gateway.demo.pgo.tables import Verdict
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.validation import Validator, validator

UNCHECKED = Verdict(None)


@lru_cache(maxsize=len(FhirVersion))
def _validator(version: FhirVersion) -> Validator:
    return validator(version)


def check(version: FhirVersion, resource: Resource) -> Verdict:
    """The verdict on one resource, with the definition packages of this machine; findings in Dutch.

    A resource in which nothing wrong was found but not everything could be checked counts as unchecked.
    """
    report = _validator(version).validate(resource)
    if report.verdict == "unchecked":
        return UNCHECKED
    errors = [finding for finding in report.findings if finding.severity in ("error", "fatal")]
    return Verdict(tuple(f"{finding.expression}: {finding.text_nl}" for finding in errors))
