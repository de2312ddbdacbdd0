"""Errors at the edge: every refusal becomes an OperationOutcome in the asked format.

Problem
    what the client is told: status, issue, headers. Raised by handlers, or made here from the floors' typed errors:

    auth.errors.BearerError         401, 400, 403   ERR-40..43
    auth.bearer.PeerRefused         403             ERR-20
    profiles.standards Refused      400, 404, 405   ERR-45, ERR-46
    profiles.fhir SearchError       400             ERR-46
    profiles.fhir NotAcceptable     406             ERR-47
    profiles.fhir FormatError       400             a body that cannot be read
    StoreUnavailable, Audit...      503             ERR-48
    anything else                   500             no text to the client, all of it in the log
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from auth.bearer import PeerRefused
from auth.errors import BearerError
from gateway.audit.trail import AuditUnavailable
from gateway.store.reader import StoreUnavailable
from profiles.fhir.codec.mediatypes import NotAcceptable
from profiles.fhir.errors import FormatError
from profiles.fhir.outcome import Issue
from profiles.fhir.search.search import SearchError
from profiles.standards.admit import Refused

log = logging.getLogger("gateway.http")


@dataclass
class Problem(Exception):
    """A refusal as the client sees it."""

    status: int
    code: str
    text: str
    severity: str = "error"
    expression: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Sequence[Issue] = ()
    """What else is wrong, for who wants to mend it."""

    @property
    def issue(self) -> Issue:
        """The first issue of the OperationOutcome."""
        return Issue(severity=self.severity, code=self.code, text=self.text, expression=self.expression)

    @property
    def issues(self) -> Sequence[Issue]:
        """All issues of the OperationOutcome."""
        return (self.issue, *self.more)


def challenge(error: str | None, description: str | None = None) -> Mapping[str, str]:
    """The WWW-Authenticate header of RFC 6750; without an error when no token was sent (ERR-40)."""
    parts = [f'error="{error}"'] if error else []
    parts += [f'error_description="{description}"'] if error and description else []
    return {"www-authenticate": "Bearer " + ", ".join(parts) if parts else "Bearer"}


def as_it_is(coding: str | None) -> None:
    """Refuse a body in a content coding (RFC 9110, 8.4), where none is taken. Raises Problem 415."""
    if coding and coding.strip().lower() != "identity":
        text = "The body has a content coding; send it as it is."
        raise Problem(415, "not-supported", text, headers={"accept-encoding": "identity"})


def problem_of(fault: Exception) -> Problem:
    """The Problem that stands for a fault; unknown faults are logged here and lose their text."""
    match fault:
        case Problem():
            return fault
        case BearerError():
            text = fault.description or "This request needs an access token."
            return Problem(fault.status, "security", text, headers={"www-authenticate": fault.challenge})
        case PeerRefused():
            return Problem(403, "security", "The client certificate is missing or not accepted.")
        case Refused():
            headers = {"allow": "GET"} if fault.status == 405 else {}
            return Problem(fault.status, fault.issue_code, fault.text, headers=headers)
        case SearchError():
            return Problem(400, fault.issue_code, fault.text)
        case NotAcceptable():
            return Problem(406, "not-supported", fault.text)
        case FormatError():
            return Problem(400, "structure", str(fault), expression=fault.expression)
        case StoreUnavailable() | AuditUnavailable():
            log.error("store or audit unavailable: %s", str(fault) or type(fault.__cause__).__name__)
            text = "The service is temporarily unavailable. Try again later."
            return Problem(503, "transient", text, headers={"retry-after": "10"})
        case _:
            log.exception("unexpected fault", exc_info=fault)
            return Problem(500, "exception", "An internal error occurred. It was logged under the correlation id.")
