"""The back channel: authlib's AuthorizationServer with our client authentication, grants and answers.

It runs synchronously in a worker thread; `endpoint.py` in the flows reads the request and writes the answer.
"""

from dataclasses import dataclass
from typing import Any

from authlib.oauth2 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from auth.crypto import digest
from auth.errors import TokenError
from auth.flows.code import CodeGrant, Pkce
from auth.flows.refresh import RefreshGrant
from auth.flows.revoke import Revocation
from auth.parts import Parts
from auth.ports import Client
from auth.store.rows import Code, Family


@dataclass(frozen=True, slots=True)
class EndpointCall:
    """One request at the token or revocation endpoint, read and bounded."""

    form: dict[str, str]
    peers: tuple[str, ...] | None
    """Host names of the peer that are on the whitelist; None when clients are believed (test mode)."""
    offered: Code | None
    request_id: str | None
    correlation_id: str | None


@dataclass(frozen=True, slots=True)
class EndpointAnswer:
    """What goes back: status, JSON members, and what the call turned out to be about."""

    status: int
    body: dict[str, Any]
    family: Family | None = None


class TokenRequest(OAuth2Request):  # type: ignore[misc]
    """A `EndpointCall` as authlib reads it."""

    def __init__(self, call: EndpointCall) -> None:
        super().__init__("POST", "https://back-channel.invalid/")
        self.call = call
        self.payload = BasicOAuth2Payload(call.form)
        self.offered = call.offered
        self.request_id = call.request_id
        self.correlation_id = call.correlation_id
        self.family: Family | None = None

    @property
    def form(self) -> dict[str, str]:
        """The parameters of the request."""
        return self.call.form


class AuthlibClient:
    """An entry of the OAuth client list as authlib reads it."""

    def __init__(self, entry: Client) -> None:
        self.entry = entry

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Clients authenticate by certificate only (TOKEN-06)."""
        return method == "tls_client_auth"

    def check_grant_type(self, grant_type: str) -> bool:
        """Every listed client may use both grants (ROLE-02)."""
        return grant_type in {"authorization_code", "refresh_token"}


class MedMijServer(AuthorizationServer):  # type: ignore[misc]
    """Token and revocation endpoint."""

    digest = staticmethod(digest)

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.parts = parts
        self.register_client_auth_method("tls_client_auth", authenticate_by_certificate)
        self.register_grant(CodeGrant, [Pkce()])
        self.register_grant(RefreshGrant)
        self.register_endpoint(Revocation)

    def token(self, call: EndpointCall) -> EndpointAnswer:
        """Answer a token request."""
        request = TokenRequest(call)
        answer: EndpointAnswer = self.create_token_response(request)
        return EndpointAnswer(answer.status, answer.body, request.family)

    def revoke(self, call: EndpointCall) -> EndpointAnswer:
        """Answer a revocation request."""
        request = TokenRequest(call)
        answer: EndpointAnswer = self.create_endpoint_response("revocation", request)
        return EndpointAnswer(answer.status, answer.body, request.family)

    def query_client(self, client_id: str) -> AuthlibClient | None:
        """The client on the list as it is now."""
        entry = self.parts.lists.clients.find(client_id)
        return None if entry is None else AuthlibClient(entry)

    def create_oauth2_request(self, request: TokenRequest) -> TokenRequest:
        """Our requests are authlib's already."""
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> EndpointAnswer:
        """Headers are the edge's business."""
        return EndpointAnswer(status, dict(body))

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Events go through the ports, not through signals."""


def authenticate_by_certificate(query_client: Any, request: TokenRequest) -> AuthlibClient:
    """RFC 8705 section 2 as MedMij has it: a DNS name of the certificate is the client_id (TOKEN-06).

    An absent or empty client_id is taken from the certificate (dialect M). Raises TokenError ERR-21.
    """
    named, peers = request.payload.client_id or None, request.call.peers
    if named is None and peers is not None:
        listed: list[AuthlibClient] = [found for name in peers if (found := query_client(name)) is not None]
        if len(listed) == 1:
            return listed[0]
    elif named is not None and (peers is None or named in peers):
        client: AuthlibClient | None = query_client(named)
        if client is not None:
            return client
    raise TokenError("ERR-21")
