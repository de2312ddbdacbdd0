"""One request of another institution: what every step needs of it, and the record that the trail gets of it."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.audit.record import AuditRecord
from gateway.exchange.tokens import TokenHeld
from gateway.exchange.trust import Connected
from gateway.http.exchange import Exchange
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.version import FhirVersion

VERSION = FhirVersion.STU3
"""What institutions exchange today; R4 is a draft (spec: Twiin Workflow 0.1.0)."""


NOT_KNOWN = Connected(())
"""Before the certificate was looked at."""


@dataclass(slots=True)
class InstitutionRequest:
    """Filled by the steps of one request, each with what it found; the one value here that changes."""

    exchange: Exchange
    provider: str
    rest: str
    base: str
    """The FHIR base, as links have it."""
    connection: Connected = NOT_KNOWN
    held: TokenHeld | None = None
    format: Format = Format.JSON
    action: str = "unknown"
    rule: str = ""
    person: str = ""
    referral_id: str = ""
    group: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    gaps: tuple[str, ...] = ()
    alarm: str = ""
    """What somebody should look at: it stands in the trail and in the log, without values."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def record(self, status: int, reason: str) -> AuditRecord:
        """For the trail."""
        held = self.held
        return AuditRecord(
            action=f"institution:{self.action}",
            at=self.exchange.started,
            outcome=status,
            provider=self.provider,
            rule=self.rule,
            client=held.partner if held else "",
            person=self.person,
            actor=f"{held.user.id}/{held.user.role}" if held and held.user.known else "",
            basis=self.referral_id,
            resources=self.counts if status in (200, 201, 206) else (),
            gaps=self.gaps,
            incidents=(self.alarm,) if self.alarm else (),
            request_id=self.exchange.request_id,
            correlation_id=self.group or self.exchange.correlation_id,
            reason=reason,
        )


ETAG = re.compile(r'(?:W/)?"(?P<version>[0-9]{1,9})"', re.ASCII)
