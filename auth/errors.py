"""Where each refusal goes: section 14 of the agreement as a table, and the exceptions that name its rows.

Descriptions are fixed English ASCII texts: nothing that was received is ever repeated (ERR-90).
"""

from dataclasses import dataclass
from enum import StrEnum

from authlib.oauth2 import OAuth2Error


class Channel(StrEnum):
    """How a refusal reaches the other side."""

    PAGE = "P"
    REDIRECT = "R"
    PAGE_THEN_REDIRECT = "P then R"
    JSON = "J"
    FHIR = "F"


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """One row: a situation, its channel, HTTP status, OAuth code and description."""

    id: str
    channel: Channel
    status: int
    code: str | None
    description: str | None = None


_P, _R, _PR, _J, _F = Channel.PAGE, Channel.REDIRECT, Channel.PAGE_THEN_REDIRECT, Channel.JSON, Channel.FHIR
_DENIED = "The authorization was not given."

REFUSALS: dict[str, RefusalRow] = {
    row.id: row
    for row in (
        RefusalRow("ERR-01", _P, 400, None, "client_id is missing, repeated or unknown"),
        RefusalRow("ERR-02", _P, 400, None, "redirect_uri is missing, repeated or not allowed"),
        RefusalRow("ERR-03", _P, 405, None, "method not allowed"),
        RefusalRow("ERR-04", _R, 302, "invalid_request", "response_type is missing"),
        RefusalRow("ERR-05", _R, 302, "unsupported_response_type", "response_type must be code"),
        RefusalRow("ERR-06", _R, 302, "invalid_request", "state is missing or not well-formed"),
        RefusalRow("ERR-07", _R, 302, "invalid_request", "MedMij-Request-ID and X-Correlation-ID must be UUIDs"),
        RefusalRow("ERR-08", _R, 302, "invalid_request", "a parameter is repeated"),
        RefusalRow("ERR-09", _R, 302, "invalid_scope", "the scope is not well-formed or not on offer"),
        RefusalRow("ERR-10", _R, 302, "invalid_scope", "the scope is not on offer to this client"),
        # ERR-11 to ERR-16 are one answer on purpose: nothing about the person may leak (ERR-92).
        RefusalRow("ERR-11", _R, 302, "access_denied", _DENIED),
        RefusalRow("ERR-12", _PR, 302, "access_denied", _DENIED),
        RefusalRow("ERR-13", _PR, 302, "access_denied", _DENIED),
        RefusalRow("ERR-14", _PR, 302, "access_denied", _DENIED),
        RefusalRow("ERR-15", _R, 302, "access_denied", _DENIED),
        RefusalRow("ERR-16", _PR, 200, "access_denied", _DENIED),
        RefusalRow("ERR-17", _P, 500, "server_error", "an internal error occurred"),
        RefusalRow("ERR-18", _P, 503, "temporarily_unavailable", "the service is temporarily unavailable"),
        RefusalRow("ERR-19", _P, 400, "access_denied", _DENIED),
        RefusalRow("ERR-20", _J, 403, "invalid_client"),
        RefusalRow("ERR-21", _J, 401, "invalid_client", "the certificate does not belong to this client"),
        RefusalRow("ERR-22", _J, 400, "invalid_request", "grant_type is missing"),
        RefusalRow(
            "ERR-23", _J, 400, "unsupported_grant_type", "grant_type must be authorization_code or refresh_token"
        ),
        RefusalRow("ERR-24", _J, 400, "invalid_request", "a parameter is missing, repeated or in the wrong place"),
        RefusalRow("ERR-25", _J, 400, "invalid_grant", "the code is not valid"),
        RefusalRow("ERR-26", _J, 400, "invalid_grant", "redirect_uri differs from the authorization request"),
        RefusalRow("ERR-27", _J, 400, "invalid_grant", "the refresh token is not valid"),
        RefusalRow("ERR-28", _J, 400, "invalid_scope", "no service is left for this client"),
        RefusalRow("ERR-29", _J, 400, "invalid_scope", "the scope is larger than what was granted"),
        RefusalRow("ERR-30", _J, 405, "invalid_request", "only POST is allowed"),
        RefusalRow("ERR-31a", _J, 500, "server_error", "an internal error occurred"),
        RefusalRow("ERR-31b", _J, 503, "temporarily_unavailable", "the service is temporarily unavailable"),
        RefusalRow("TOKEN-02", _J, 400, "invalid_request", "X-Correlation-ID differs from the authorization request"),
        RefusalRow("PKCE", _J, 400, "invalid_grant", "the code verifier does not fit"),
        RefusalRow("ERR-40", _F, 401, None, "an access token is required"),
        RefusalRow(
            "ERR-41", _F, 400, "invalid_request", "the access token must come as Bearer in the Authorization header"
        ),
        RefusalRow("ERR-42", _F, 401, "invalid_token", "the access token is not valid"),
        RefusalRow("ERR-43", _F, 403, "insufficient_scope", "the access token is not for this service"),
    )
}


NUMBERS = {
    "invalid_request": "400",
    "unsupported_response_type": "400",
    "invalid_scope": "400",
    "access_denied": "403",
    "server_error": "500",
    "temporarily_unavailable": "503",
}
"""The codes of a redirect as numbers, for a client that cannot read words (quirk `numeric_error`)."""


def told_as(code: str, *, numeric: bool) -> str:
    """An error code of a redirect as a client reads it."""
    return NUMBERS.get(code, "500") if numeric else code


class AuthorizationError(Exception):
    """An authorization request that does not lead to a landing page."""

    def __init__(self, row: str) -> None:
        self.refusal = REFUSALS[row]
        super().__init__(f"{row}: {self.refusal.description}")


class TokenError(OAuth2Error):  # type: ignore[misc]
    """A token or revocation request that gets a JSON error; authlib carries it to the answer."""

    def __init__(self, row: str) -> None:
        refusal = REFUSALS[row]
        self.row = row
        super().__init__(description=refusal.description, status_code=refusal.status, error=refusal.code)


class BearerError(Exception):
    """A resource request without a usable token: status, and what WWW-Authenticate says."""

    def __init__(self, row: str) -> None:
        refusal = REFUSALS[row]
        self.row = row
        self.status = refusal.status
        self.error = refusal.code
        self.description = refusal.description or ""
        super().__init__(f"{row}: {self.description}")

    @property
    def challenge(self) -> str:
        """Value of the WWW-Authenticate header (RFC 6750 section 3)."""
        if self.error is None:
            return "Bearer"
        return f'Bearer error="{self.error}", error_description="{self.description}"'
