"""What is missing from an answer, as an OperationOutcome inside it: never an empty list that looks complete (SC-P2)."""

from collections.abc import Iterable, Mapping

from adapters.port import Gap, Reason
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.outcome import Issue, operation_outcome
from profiles.fhir.version import FhirVersion

CODES: Mapping[Reason, tuple[str, str]] = {
    Reason.SOURCE_DOWN: ("warning", "transient"),
    Reason.DELAYED: ("information", "informational"),
    Reason.WITHHELD: ("information", "suppressed"),
    Reason.INVALID_BLOCKED: ("warning", "incomplete"),
    Reason.NOT_OFFERED: ("information", "not-supported"),
}
"""Severity and issue type per reason; reasons that are not here are about the person and are not told to a client."""


def told(gaps: Iterable[Gap]) -> list[Gap]:
    """The gaps that a client is told; an unknown person looks like a person without data (ERR-44)."""
    return [gap for gap in gaps if gap.reason in CODES]


def outcome_entry(gaps: Iterable[Gap], format_: Format, version: FhirVersion) -> bytes:
    """The OperationOutcome for an entry with search.mode outcome, ready to splice in."""
    issues = [Issue(*CODES[gap.reason], f"{gap.what}: {gap.text}") for gap in told(gaps)]
    outcome = operation_outcome(issues)
    return jsonio.dump(outcome) if format_ is Format.JSON else xmlio.fragment(outcome, version)
