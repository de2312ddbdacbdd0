"""What the authorization server says of itself at the well-known address (RFC 8414), and what SMART clients look for.

Nothing here is about persons or clients. What is said follows from the settings alone, so that it never differs from
what the endpoints do.
"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from auth.settings import AuthSettings

WELL_KNOWN = "/.well-known/oauth-authorization-server"
SMART = ".well-known/smart-configuration"
"""Below a FHIR base (SMART App Launch 2, section 4)."""

_SMART = (
    "authorization_endpoint",
    "token_endpoint",
    "revocation_endpoint",
    "response_types_supported",
    "grant_types_supported",
    "token_endpoint_auth_methods_supported",
    "code_challenge_methods_supported",
)
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=300"}


def metadata(settings: AuthSettings, back: str) -> Mapping[str, Any]:
    """The metadata document; ``back`` is the base URL of the back channel, which may be another host.

    `issuer` is the front channel: it is what `iss` in an answer says. Mutual TLS means RFC 8705 with a certificate on
    the national whitelist, and a token that only its own client may use.
    """
    mutual = settings.client_authentication == "mtls"
    method = "tls_client_auth" if mutual else "none"
    document: dict[str, Any] = {
        "issuer": settings.base_url,
        "authorization_endpoint": f"{settings.base_url}/oauth/authorize",
        "token_endpoint": f"{back}/oauth/token",
        "revocation_endpoint": f"{back}/oauth/revoke",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": [method],
        "revocation_endpoint_auth_methods_supported": [method],
        "ui_locales_supported": ["nl", "en"],
        "authorization_response_iss_parameter_supported": settings.issuer_parameter,
    }
    if settings.pkce == "honour":
        document["code_challenge_methods_supported"] = ["S256"]
    return document


def smart_configuration(settings: AuthSettings, back: str) -> Mapping[str, Any]:
    """The SMART configuration of a FHIR base: where to authorise.

    Scopes are those of MedMij and the person comes from the token, so that no SMART capability is claimed.
    """
    said = metadata(settings, back)
    own = {name: said[name] for name in _SMART if name in said}
    return {"code_challenge_methods_supported": [], **own, "capabilities": []}


def routes(settings: AuthSettings, back: str) -> list[Route]:
    """The well-known address. Public: whoever wants to know where to begin has no certificate yet."""
    document = metadata(settings, back)

    async def answer(_request: Request) -> Response:
        return JSONResponse(document, headers=_HEADERS)

    return [Route(WELL_KNOWN, answer)]
