"""Whether what came in follows the profiles that it claims: the reader's own check, on its own side of the line."""

from functools import lru_cache

from gateway.dossier.speech import language
from gateway.dossier.tables import RowVerdict
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.validation import Validator
from profiles.zibs import validator


@lru_cache(maxsize=len(FhirVersion))
def _validator(version: FhirVersion) -> Validator:
    return validator(version)


def check(version: FhirVersion, resource: Resource) -> RowVerdict:
    """The verdict on one resource, with this machine's packages or else our own tables; errors in Dutch."""
    report = _validator(version).validate(resource)
    errors = [finding for finding in report.findings if finding.severity in ("error", "fatal")]
    kind = {"ok": "ok", "wrong": "wrong"}.get(report.verdict, "partly")
    return RowVerdict(kind, tuple(dict.fromkeys(finding.text(language()) for finding in errors)))
