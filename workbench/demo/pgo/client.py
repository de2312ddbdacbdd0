"""A PGO's side of the OAuth conversation: the authorization request, and the code against a token."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol
from urllib.parse import urlencode
from uuid import uuid4

import httpx

REQUEST_ID, CORRELATION_ID, BIRTH_DATE = "MedMij-Request-ID", "X-Correlation-ID", "MedMij_geboortedatum"


class PgoError(Exception):
    """A conversation that did not lead to data. ``code`` is the OAuth error; the text is for people, in Dutch."""

    def __init__(self, text: str, code: str = "") -> None:
        self.code = code
        super().__init__(text)


class Dva(Protocol):
    """Who the PGO is, and where the DVA's endpoints are."""

    @property
    def client_id(self) -> str:
        """Host name of the PGO on the OAuth client list."""

    @property
    def redirect_uri(self) -> str:
        """Where the DVA sends the browser back."""

    @property
    def authorize_url(self) -> str:
        """The authorization endpoint, for the browser."""

    @property
    def token_url(self) -> str:
        """The token endpoint, for this process."""

    def resource(self, provider: str, service: str) -> str:
        """The FHIR base URL of a data service, without a slash at the end."""


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

    @property
    def authorize_url(self) -> str:
        """The authorization endpoint of the gateway."""
        return f"{self.front}/oauth/authorize"

    @property
    def token_url(self) -> str:
        """The token endpoint of the gateway."""
        return f"{self.base_url}/oauth/token"

    def resource(self, provider: str, service: str) -> str:
        """The FHIR base URL of a data service at the gateway."""
        return f"{self.base_url}/{provider}/{service}/fhir"


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


def ask(settings: Dva, provider: str, scope: str = "", born: date | None = None) -> Ask:
    """A fresh authorization request (AUTH-08, AUTH-10); without a scope for all that the provider can deliver.

    ``born`` is the birth date of the person for whom somebody acts; the scope then says on which ground (REP-01).
    """
    state, correlation = secrets.token_urlsafe(32), str(uuid4())
    query = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": settings.redirect_uri,
        "scope": scope or provider,
        "state": state,
        REQUEST_ID: str(uuid4()),
        CORRELATION_ID: correlation,
    }
    if born is not None:
        query[BIRTH_DATE] = born.strftime("%Y%m%d")
    joint = "&" if "?" in settings.authorize_url else "?"
    return Ask(provider, f"{settings.authorize_url}{joint}{urlencode(query)}", state, correlation)


def code_of(asked: Ask, answer: Mapping[str, str]) -> str:
    """The code in the redirect that came back. Raises PgoError: cancelled, refused, or not an answer to our request."""
    if not secrets.compare_digest(answer.get("state", "").encode(), asked.state.encode()):
        raise PgoError("Dit antwoord hoort niet bij uw bezoek.", "state")
    if "error" in answer:
        raise PgoError(_REFUSALS.get(answer["error"], _OTHER), answer["error"])
    if not answer.get("code"):
        raise PgoError(_OTHER, "invalid_response")
    return answer["code"]


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What a token endpoint answered, before anybody judges it. ``body`` is empty when it was no JSON object."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any] = field(repr=False)
    correlation: str

    @property
    def given(self) -> bool:
        """Whether there is an access token."""
        return self.status == 200 and bool(self.body.get("access_token"))

    def tokens(self, provider: str) -> Tokens:
        """The tokens, and the data services that the scope grants."""
        granted = [part.partition("~")[2] for part in str(self.body.get("scope", "")).split()]
        lifetime = self.body.get("expires_in", 0)
        return Tokens(
            provider=provider,
            services=tuple(dict.fromkeys(service for service in granted if service)),
            access_token=str(self.body["access_token"]),
            expires_in=lifetime if isinstance(lifetime, int) else 0,
            refresh_token=str(self.body.get("refresh_token") or ""),
            correlation=self.correlation,
        )


async def post(http: httpx.AsyncClient, url: str, form: Mapping[str, str], correlation: str) -> TokenAnswer:
    """One call of the back channel with its two ids (HDR-01). Raises httpx.HTTPError."""
    headers = {REQUEST_ID: str(uuid4()), CORRELATION_ID: correlation, "Accept": "application/json"}
    response = await http.post(url, data=dict(form), headers=headers)
    try:
        body = response.json()
    except ValueError:
        body = {}
    return TokenAnswer(response.status_code, response.headers, body if isinstance(body, dict) else {}, correlation)


async def exchange(http: httpx.AsyncClient, settings: Dva, asked: Ask, code: str) -> TokenAnswer:
    """Offer the code over the back channel (TOKEN-01, TOKEN-02, TOKEN-03). Raises httpx.HTTPError."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": settings.client_id,
        "redirect_uri": settings.redirect_uri,
    }
    return await post(http, settings.token_url, form, asked.correlation)


async def redeem(http: httpx.AsyncClient, settings: Dva, asked: Ask, code: str) -> Tokens:
    """Exchange the code against tokens. Raises PgoError."""
    try:
        answer = await exchange(http, settings, asked, code)
    except httpx.HTTPError as error:
        raise PgoError("De zorgaanbieder gaf geen leesbaar antwoord.", "unreachable") from error
    if not answer.given:
        raise PgoError("Het ophalen is niet gelukt: de toegang werd geweigerd.", str(answer.body.get("error", "")))
    return answer.tokens(asked.provider)


_OTHER = "De zorgaanbieder kan uw gegevens nu niet delen."
_REFUSALS = {
    "access_denied": "U of uw zorgaanbieder heeft het ophalen gestopt. Er zijn geen gegevens gedeeld.",
    "temporarily_unavailable": "De zorgaanbieder is nu niet bereikbaar. Probeer het later opnieuw.",
    "server_error": "Er ging iets mis bij de zorgaanbieder. Probeer het later opnieuw.",
}
