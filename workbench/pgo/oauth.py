"""What a PGO says and hears in OAuth: the authorization request, the redirect that comes back, the token answer."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from workbench.pgo.endpoints import Dva

REQUEST_ID, CORRELATION_ID, BIRTH_DATE = "MedMij-Request-ID", "X-Correlation-ID", "MedMij_geboortedatum"


class PgoError(Exception):
    """A conversation that did not lead to data. ``code`` is the OAuth error; the text is for people, in Dutch."""

    def __init__(self, text: str, code: str = "") -> None:
        self.code = code
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class PendingAuthorization:
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


def authorization_request(dva: Dva, provider: str, scope: str = "", born: date | None = None) -> PendingAuthorization:
    """A fresh authorization request (AUTH-08, AUTH-10); without a scope for all that the provider can deliver.

    ``born`` is the birth date of the person for whom somebody acts; the scope then says on which ground (REP-01).
    """
    state, correlation = secrets.token_urlsafe(32), str(uuid4())
    query = {
        "response_type": "code",
        "client_id": dva.client_id,
        "redirect_uri": dva.redirect_uri,
        "scope": scope or provider,
        "state": state,
        REQUEST_ID: str(uuid4()),
        CORRELATION_ID: correlation,
    }
    if born is not None:
        query[BIRTH_DATE] = born.strftime("%Y%m%d")
    joint = "&" if "?" in dva.authorize_url else "?"
    return PendingAuthorization(provider, f"{dva.authorize_url}{joint}{urlencode(query)}", state, correlation)


def code_of(asked: PendingAuthorization, answer: Mapping[str, str]) -> str:
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


_OTHER = "De zorgaanbieder kan uw gegevens nu niet delen."
_REFUSALS = {
    "access_denied": "U of uw zorgaanbieder heeft het ophalen gestopt. Er zijn geen gegevens gedeeld.",
    "temporarily_unavailable": "De zorgaanbieder is nu niet bereikbaar. Probeer het later opnieuw.",
    "server_error": "Er ging iets mis bij de zorgaanbieder. Probeer het later opnieuw.",
}
