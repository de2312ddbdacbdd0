"""What is missing from an answer, as an OperationOutcome inside it: never an empty list that looks complete (SC-P2)."""

from collections import Counter
from collections.abc import Iterable, Mapping

from adapters.port import Gap, Reason
from gateway.release.shield import Hidden
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


def hidden_gaps(hidden: Iterable[Hidden]) -> list[Gap]:
    """What an answer says of what is not shown: each type and reason once; nothing where the person may not know."""
    gaps: dict[tuple[str, Reason], Gap] = {}
    for one in hidden:
        if one.told:
            gaps.setdefault((one.type, one.reason), one.gap())
    return list(gaps.values())


def hidden_counts(hidden: Iterable[Hidden]) -> tuple[tuple[str, int], ...]:
    """How many are not shown, by reason and rule, for the access trail: also those that nobody is told of."""
    return tuple(sorted(Counter(f"{one.type}:{one.reason}:{one.rule}" for one in hidden).items()))


def outcome_entry(gaps: Iterable[Gap], format_: Format, version: FhirVersion) -> bytes:
    """The OperationOutcome for an entry with search.mode outcome, ready to splice in."""
    issues = [Issue(*CODES[gap.reason], f"{gap.what}: {gap.text}") for gap in told(gaps)]
    outcome = operation_outcome(issues)
    return jsonio.dump(outcome) if format_ is Format.JSON else xmlio.fragment(outcome, version)
