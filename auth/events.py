"""What the authorization server tells its host that happened: chain log events and nothing personal.

Names and fields follow section 20 of the agreement (LOG-01..LOG-03). An event cannot carry a person, a token, a
code or a state: it has no field for them (LOG-06).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventType(StrEnum):
    """Chain log event types of the DVA side; the last groups are named by analogy (LOG-03)."""

    RECEIVE_AUTHORIZATION_REQUEST = "receive_authorization_request"
    AUTHORIZATION_REQUEST_ERROR = "authorization_request_error"
    SHOW_AUTHORIZATION_REQUEST_ERROR_PAGE = "show_authorization_request_error_page"
    SEND_AUTHORIZATION_REQUEST_ERROR = "send_authorization_request_error"
    SHOW_LANDING_PAGE = "show_landing_page"
    SEND_AUTHORIZATION_CANCELLATION = "send_authorization_cancellation"
    SEND_AUTHENTICATION_REQUEST = "send_authentication_request"
    RECEIVE_AUTHENTICATION_RESPONSE = "receive_authentication_response"
    RECEIVE_AUTHORIZATION_CANCELLATION = "receive_authorization_cancellation"
    RECEIVE_AUTHENTICATION_ERROR = "receive_authentication_error"
    SEND_ARTIFACT_RESOLUTION_REQUEST = "send_artifact_resolution_request"
    SEND_AVAILABILITY_REQUEST = "send_availability_request"
    RECEIVE_AVAILABILITY_RESPONSE = "receive_availability_response"
    SHOW_UNAVAILABLE_PAGE = "show_unavailable_page"
    SHOW_CONSENT_PAGE = "show_consent_page"
    RECEIVE_CONSENT = "receive_consent"
    RECEIVE_CONSENT_REFUSAL = "receive_consent_refusal"
    SEND_AUTHORIZATION_RESPONSE = "send_authorization_response"
    SHOW_ERROR_PAGE = "show_error_page"
    RECEIVE_TOKEN_REQUEST = "receive_token_request"  # noqa: S105
    SEND_TOKEN_RESPONSE = "send_token_response"  # noqa: S105
    SEND_TOKEN_ERROR = "send_token_error"  # noqa: S105
    RECEIVE_REVOCATION_REQUEST = "receive_revocation_request"
    SEND_REVOCATION_RESPONSE = "send_revocation_response"
    RECEIVE_RESOURCE_REQUEST = "receive_resource_request"
    SEND_RESOURCE_RESPONSE = "send_resource_response"
    CODE_REPLAYED = "code_replayed"
    REFRESH_TOKEN_REPLAYED = "refresh_token_replayed"  # noqa: S105
    CORRELATION_DIFFERS = "correlation_differs"
    TLS_PEER_REFUSED = "tls_peer_refused"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    CONSENT_EXPIRED = "consent_expired"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. Fields that do not apply are None."""

    type: EventType
    time: datetime
    """Moment, UTC."""
    trace_id: str | None
    """X-Correlation-ID (LOG-07); None when the request brought none that can be trusted."""
    session_id: str | None
    """The authorization server's own session id (LOG-07)."""
    request_id: str | None = None
    """MedMij-Request-ID."""
    method: str | None = None
    client_id: str | None = None
    server_id: str | None = None
    uri: str | None = None
    """Without query (LOG-02)."""
    grant_type: str | None = None
    initiated_by: str | None = None
    """`person`, or `automatic` for a refresh without the person."""
    provider_id: str | None = None
    service_id: str | None = None
    status: int | None = None
    error_code: str | None = None
    """The OAuth code, else `other` (LOG-02)."""
    error_description: str | None = None
    """One of our fixed texts, never anything received."""
    consent_id: str | None = None
    """For the access record, not for the chain log."""
