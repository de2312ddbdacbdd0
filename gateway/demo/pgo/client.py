"""A PGO's side of the OAuth conversation: the authorization request, and the code against a token."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import uuid4

import httpx

REQUEST_ID, CORRELATION_ID = "MedMij-Request-ID", "X-Correlation-ID"


class PgoError(Exception):
    """A conversation that did not lead to data. ``code`` is the OAuth error; the text is for people, in Dutch."""

    def __init__(self, text: str, code: str = "") -> None:
        self.code = code
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class PgoSettings:
    """Who the PGO is and where the gateway is.

    ``base_url`` is where this process reaches the gateway and ``browser_url`` where the person's browser does; they are
    the same in the demo. ``redirect_uri`` stands in the request; a gateway in test mode may allow a local one.
    """

    base_url: str
    redirect_uri: str
    browser_url: str = ""
    client_id: str = "pgo.demo.example"

    @property
    def front(self) -> str:
        """The base URL for the browser."""
        return self.browser_url or self.base_url


@dataclass(frozen=True, slots=True)
class Ask:
    """An authorization request that is under way."""

    provider: str
    url: str
    state: str
    correlation: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """The token answer. ``services`` are the granted data services of the one provider."""

    provider: str
    services: tuple[str, ...]
    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str = field(repr=False)
    correlation: str


def ask(settings: PgoSettings, provider: str) -> Ask:
    """A fresh authorization request for everything that the provider can deliver (AUTH-08, AUTH-10, SCOPE-01)."""
    state, correlation = secrets.token_urlsafe(32), str(uuid4())
    query = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": settings.redirect_uri,
        "scope": provider,
        "state": state,
        REQUEST_ID: str(uuid4()),
        CORRELATION_ID: correlation,
    }
    return Ask(provider, f"{settings.front}/oauth/authorize?{urlencode(query)}", state, correlation)


def code_of(asked: Ask, answer: Mapping[str, str]) -> str:
    """The code in the redirect that came back. Raises PgoError: cancelled, refused, or not an answer to our request."""
    if not secrets.compare_digest(answer.get("state", "").encode(), asked.state.encode()):
        raise PgoError("Dit antwoord hoort niet bij uw bezoek.", "state")
    if "error" in answer:
        raise PgoError(_REFUSALS.get(answer["error"], _OTHER), answer["error"])
    if not answer.get("code"):
        raise PgoError(_OTHER, "invalid_response")
    return answer["code"]


async def redeem(http: httpx.AsyncClient, settings: PgoSettings, asked: Ask, code: str) -> Tokens:
    """Exchange the code over the back channel (TOKEN-01, TOKEN-02). Raises PgoError."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": settings.client_id,
        "redirect_uri": settings.redirect_uri,
    }
    headers = {REQUEST_ID: str(uuid4()), CORRELATION_ID: asked.correlation, "Accept": "application/json"}
    try:
        response = await http.post(f"{settings.base_url}/oauth/token", data=form, headers=headers)
        body = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise PgoError("De zorgaanbieder gaf geen leesbaar antwoord.", "unreachable") from error
    if response.status_code != 200 or not isinstance(body, dict) or not body.get("access_token"):
        code_text = str(body.get("error", "")) if isinstance(body, dict) else ""
        raise PgoError("Het ophalen is niet gelukt: de toegang werd geweigerd.", code_text)
    granted = [part.partition("~")[2] for part in str(body.get("scope", "")).split()]
    return Tokens(
        provider=asked.provider,
        services=tuple(dict.fromkeys(service for service in granted if service)),
        access_token=str(body["access_token"]),
        expires_in=int(body.get("expires_in", 0)),
        refresh_token=str(body.get("refresh_token", "")),
        correlation=asked.correlation,
    )


_OTHER = "De zorgaanbieder kan uw gegevens nu niet delen."
_REFUSALS = {
    "access_denied": "U of uw zorgaanbieder heeft het ophalen gestopt. Er zijn geen gegevens gedeeld.",
    "temporarily_unavailable": "De zorgaanbieder is nu niet bereikbaar. Probeer het later opnieuw.",
    "server_error": "Er ging iets mis bij de zorgaanbieder. Probeer het later opnieuw.",
}
