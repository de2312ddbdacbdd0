"""The authorization code grant: the code's first half (issued to a browser) and its second (redeemed by a server).

Authlib carries the order of RFC 6749 section 4.1.3 and PKCE (RFC 7636, RFC 9700); what MedMij adds is here: a code is
spent the moment it is offered, the services are checked against the client list when the token is issued.
"""

from typing import Any

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7636 import CodeChallenge

from auth.errors import TokenError
from auth.events import EventType
from auth.flows.session import Session
from auth.parts import Parts
from auth.ports import Client
from auth.store.rows import Code, Family
from auth.tokens import issue_tokens


def code_of(parts: Parts, content: Session, family: Family) -> Code:
    """The code that answers an authorization request; it is kept with the consent that it rests on (CONS-03)."""
    return Code(
        family=family.id,
        client=content.client,
        redirect_uri=content.redirect_uri,
        correlation_id=content.correlation_id,
        session_id=content.id,
        challenge=content.challenge,
        challenge_method="S256" if content.challenge else None,
        expires=parts.now() + parts.settings.code_seconds * 1000,
    )


def allowed_services(parts: Parts, client: Client, family: Family, services: frozenset[str]) -> frozenset[str]:
    """Those services that the client list states for the client now (TOKEN-12, LIST-17)."""
    if client.services is not None:
        return services & client.services
    if family.dialect != "C" or parts.settings.allows_missing_services:
        return services
    return frozenset()


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """Redeems a code that the endpoint has spent already (`request.offered`)."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["tls_client_auth"]  # noqa: RUF012 - authlib's attribute

    def validate_token_request(self) -> None:
        """ERR-24 before anything about the code is told."""
        form = self.request.form
        if not form.get("code") or not form.get("redirect_uri"):
            raise TokenError("ERR-24")
        super().validate_token_request()

    def query_authorization_code(self, code: str, client: Any) -> "OfferedCode":
        """The spent code, when it was live, unexpired and issued to this client. Raises TokenError."""
        parts: Parts = self.server.parts
        found: Code | None = self.request.offered
        if found is None or found.client != client.entry.hostname or found.expires <= parts.now():
            raise TokenError("ERR-25")
        if self.request.payload.redirect_uri != found.redirect_uri:
            raise TokenError("ERR-26")
        return OfferedCode(found)

    def authenticate_user(self, authorization_code: "OfferedCode") -> Family:
        """The family of the code, unless it ended meanwhile. Raises TokenError."""
        parts: Parts = self.server.parts
        family = parts.store.find_family(authorization_code.row.family)
        if family is None or family.ended is not None:
            raise TokenError("ERR-25")
        if family.dialect == "C" and not self.request.payload.client_id:
            raise TokenError("ERR-24")
        self._compare_correlation(authorization_code.row, family)
        return family

    def create_token_response(self) -> Any:
        """Issue the tokens, with the services that are left for this client."""
        parts: Parts = self.server.parts
        code: OfferedCode = self.request.authorization_code
        family = self.authenticate_user(code)
        self.request.family = family
        services = allowed_services(parts, self.request.client.entry, family, family.services)
        if not services:
            raise TokenError("ERR-28")
        always = parts.settings.quirks_of(family.client).always_refresh_token
        with_refresh = family.lasting or (always and family.function == "collect")
        correlation = self.request.correlation_id or code.row.correlation_id
        return 200, issue_tokens(parts, family, services, correlation, with_refresh), []

    def _compare_correlation(self, code: Code, family: Family) -> None:
        """TOKEN-02: the correlation id of the authorization request must come back (dialect C)."""
        parts: Parts = self.server.parts
        given, expected = self.request.correlation_id, code.correlation_id
        if expected is None or (given or "").lower() == expected.lower():
            return
        if parts.settings.correlation == "strict" and family.dialect == "C":
            raise TokenError("TOKEN-02")
        parts.note(EventType.CORRELATION_DIFFERS, trace_id=given, session_id=code.session_id, client_id=code.client)


class OfferedCode:
    """A code as authlib reads it."""

    def __init__(self, row: Code) -> None:
        self.row = row
        self.code_challenge = row.challenge
        self.code_challenge_method = row.challenge_method

    def get_redirect_uri(self) -> str:
        """The redirect URI of the authorization request."""
        return self.row.redirect_uri


class Pkce(CodeChallenge):  # type: ignore[misc]
    """PKCE when the client used it; the check itself is authlib's (RFC 7636 section 4.6, RFC 9700 section 4.8)."""

    def __init__(self) -> None:
        super().__init__(required=False)
