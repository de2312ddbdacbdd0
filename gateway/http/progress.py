"""How far a FHIR request came. The audit record and the chain log are made from it, whatever becomes of the request."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from auth.events import EventType
from auth.grants import Grant
from gateway.audit.record import AuditRecord
from gateway.audit.trail import UseOf
from gateway.current import Current
from gateway.http.address import Address
from gateway.http.asked import Question
from gateway.http.exchange import Exchange
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.interactions import Route

_BASE = "/{provider}/{service}/fhir"
TEMPLATES = {
    "capabilities": f"{_BASE}/metadata",
    "search-type": f"{_BASE}/{{type}}",
    "read": f"{_BASE}/{{type}}/{{id}}",
    "operation": f"{_BASE}/{{type}}/${{operation}}",
}
"""Addresses in the figures, by interaction."""

Note = Callable[..., None]
"""Takes events of the chain log (`auth.parts.Parts.note`)."""


@dataclass(slots=True)
class Progress:
    """Filled by the steps of one request, each with what it found; the one value here that changes."""

    exchange: Exchange
    address: Address
    format: Format = Format.JSON
    route: Route | None = None
    question: Question | None = None
    """What the request means, when that was found out before."""
    grant: Grant | None = None
    rule: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    gaps: tuple[str, ...] = ()
    incidents: tuple[str, ...] = ()
    hidden: tuple[tuple[str, int], ...] = ()
    """What is not shown, by type, reason and rule."""
    reason: str = ""
    """What the trail says more of an answer that was given."""

    @property
    def provider(self) -> str:
        """The provider as it may be recorded: empty when it is none of ours."""
        return self.address.provider if self.address.listed else ""

    @property
    def service(self) -> str:
        """The data service as it may be recorded."""
        return self.address.service_id if self.address.service else ""


def show(progress: Progress, current: Current) -> None:
    """What figures, spans and log lines may know of a request."""
    interaction = progress.route.interaction if progress.route else ""
    current.route = TEMPLATES.get(interaction, f"{_BASE}/other")
    current.provider, current.service = progress.provider, progress.service
    current.client = progress.grant.client if progress.grant else ""


def audit_record(progress: Progress, status: int, reason: str) -> AuditRecord:
    """The audit record of a request that is answered with ``status`` (LOG-09)."""
    grant, exchange = progress.grant, progress.exchange
    interaction = progress.route.interaction if progress.route else ""
    known: dict[str, Any] = {}
    if grant is not None:
        known = {
            "client": grant.client,
            "person": grant.subject,
            "actor": grant.actor or "",
            "basis": grant.consent_id or "",
        }
    return AuditRecord(
        action=f"pgo:resource:{interaction or 'unknown'}",
        at=exchange.started,
        outcome=status,
        provider=progress.provider,
        service=progress.service,
        interaction=interaction,
        rule=_row(progress),
        resources=progress.counts if status in (200, 201, 206) else (),
        request_id=exchange.request_id,
        correlation_id=exchange.correlation_id,
        reason=reason or progress.reason,
        gaps=progress.gaps,
        incidents=progress.incidents,
        hidden=progress.hidden,
        **known,
    )


def _row(progress: Progress) -> str:
    """The row that allowed a request, with the version of the service where there are more than one."""
    service = progress.address.service
    return f"{progress.rule}.{service.version}" if progress.rule and service and service.version else progress.rule


def use_of(progress: Progress) -> UseOf:
    """Under what the request is counted: its token's label. Nothing without one, and for what is about nobody."""
    grant, route = progress.grant, progress.route
    if grant is None or route is None or route.interaction == "capabilities":
        return UseOf("")
    took = datetime.now(UTC) - progress.exchange.started
    return UseOf(grant.label, max(0, int(took.total_seconds() * 1000)))


def tell(note: Note, progress: Progress, method: str, status: int) -> None:
    """The two resource events of the chain log (LOG-03). Nothing for capabilities: they are about nobody."""
    if progress.route is None or progress.route.interaction == "capabilities":
        return
    exchange, grant = progress.exchange, progress.grant
    common = {
        "trace_id": exchange.correlation_id,
        "session_id": None,
        "request_id": exchange.request_id,
        "client_id": grant.client if grant else None,
        "provider_id": progress.provider or None,
        "service_id": progress.service or None,
    }
    note(EventType.RECEIVE_RESOURCE_REQUEST, method=method, **common)
    error = {} if status < 400 else {"error_code": "other"}
    note(EventType.SEND_RESOURCE_RESPONSE, status=status, **error, **common)
