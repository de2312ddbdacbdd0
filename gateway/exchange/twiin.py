"""Trust as Twiin has it: mutual TLS, a signed client assertion of the system, and a signed grant for the organisation.

The client is the system; ``sub`` of the authorization assertion is the URA of the organisation for which it asks. That
URA must be the one of the certificate, where it has one, and a row of the partner table in any case.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx

from gateway.exchange.assertions import (
    AUTHORIZATION_SECONDS,
    CLIENT_SECONDS,
    AssertionSigner,
    PartnerKeys,
    in_force,
    peek,
)
from gateway.exchange.partners import PartnerAnswer, asked
from gateway.exchange.settings import ExchangeSettings, PartnerSettings
from gateway.exchange.trust import NOBODY, Connected, PartnerFault, TokenAsked, TokenDenied, User

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LATER = frozenset({429, 500, 502, 503, 504})


class TwiinTrust:
    """Variant T. ``client`` shows our certificate to partners; without keys of ours we can only be asked."""

    def __init__(
        self,
        settings: ExchangeSettings,
        signer: AssertionSigner,
        client: Callable[[], httpx.AsyncClient],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._signer = signer
        self._client = client
        self._clock = clock
        self._keys = {name: PartnerKeys(one.keys, clock) for name, one in settings.partners.items() if one.keys}

    def token_url(self, provider: str) -> str:
        """The token endpoint of one organisation of ours (TK-10)."""
        return f"{self._settings.base_url}/{provider}/token"

    def belongs(self, partner: str, connection: Connected) -> bool:
        """See InstitutionTrust."""
        known = self._settings.partners.get(partner)
        if known is None or (connection.ura and connection.ura != known.ura):
            return False
        if connection.hosts is None:
            # Nobody ends TLS: production refuses to start so.
            return self._settings.tls.peer == "none"
        return bool(set(connection.hosts) & {host.lower() for host in known.hosts})

    def asked(self, provider: str, form: Mapping[str, str], connection: Connected) -> TokenAsked:
        """See InstitutionTrust. Which of several wrongs it is stays untold where that would tell something."""
        if form.get("grant_type") != GRANT_TYPE:
            raise TokenDenied("unsupported_grant_type", f"the grant type is {GRANT_TYPE}")
        if form.get("client_assertion_type") != CLIENT_TYPE:
            raise TokenDenied("invalid_client", "a client assertion (JWT) is needed")
        audience, now = (self.token_url(provider), self._settings.base_url), self._clock()
        system, shown = form.get("client_assertion", ""), form.get("assertion", "")
        _, granted = peek(shown)
        name, partner = self._partner(peek(system)[1], granted)
        claims = self._claims(name, system)
        if claims.get("iss") != partner.client_id or claims.get("sub") != partner.client_id:
            raise TokenDenied("invalid_client", "the client assertion is not accepted")
        marks = [in_force(claims, audience, CLIENT_SECONDS, now)]
        granted = self._claims(name, shown)
        marks.append(in_force(granted, audience, AUTHORIZATION_SECONDS, now))
        if not self.belongs(name, connection):
            raise TokenDenied("unauthorized_client", "the connection does not belong to this client and organisation")
        if partner.paused:
            raise TokenDenied("unauthorized_client", "nothing is exchanged with this organisation at the moment")
        scope = form.get("scope", "")
        if scope not in partner.scopes:
            raise TokenDenied("invalid_scope", "this scope is not offered to this organisation")
        user = User(_text(granted, "user_id", 120), _text(granted, "user_role", 60))
        base = _text(granted, "authorization_base", 200)
        return TokenAsked(name, partner.ura, scope, base, user, tuple(marks))

    def _partner(self, system: Mapping[str, Any], granted: Mapping[str, Any]) -> tuple[str, PartnerSettings]:
        for name, partner in self._settings.partners.items():
            if partner.client_id and (partner.client_id, partner.ura) == (system.get("iss"), granted.get("sub")):
                return name, partner
        raise TokenDenied("invalid_client", "the client assertion is not accepted")

    def _claims(self, name: str, assertion: str) -> Mapping[str, Any]:
        keys = self._keys.get(name)
        claims = keys.verified(assertion, peek(assertion)[0].get("kid")) if keys else None
        if claims is None:
            raise TokenDenied("invalid_client", "the signature of an assertion is not accepted")
        return claims

    async def token(self, provider: str, partner: str, scope: str, base: str = "", user: User = NOBODY) -> str:
        """See InstitutionTrust."""
        known, party = self._settings.partners.get(partner), self._settings.parties.get(provider)
        if known is None or party is None or not known.token_url or not self._signer.keys:
            raise PartnerFault("this institution cannot be asked: it is not set up for that", later=False)
        ours, now = self._settings.issuer, self._clock()
        more = {"authorization_base": base, "user_id": user.id, "user_role": user.role}
        granted = {"iss": ours, "sub": party.ura, "aud": known.token_url} | {k: v for k, v in more.items() if v}
        form = {
            "grant_type": GRANT_TYPE,
            "client_assertion_type": CLIENT_TYPE,
            "client_assertion": self._signer.sign(
                {"iss": ours, "sub": ours, "aud": known.token_url}, CLIENT_SECONDS, now
            ),
            "assertion": self._signer.sign(granted, 300, now),
            "scope": scope,
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        try:
            async with self._client() as client:
                answer = await asked(client, "POST", known.token_url, headers, urlencode(form).encode())
        except PartnerFault as fault:
            raise PartnerFault(f"its token endpoint: {fault.text}", later=fault.later) from fault
        return _token_of(answer)


def _token_of(answer: PartnerAnswer) -> str:
    try:
        said = json.loads(answer.body)
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    if answer.status in LATER:
        raise PartnerFault(f"its token endpoint answers {answer.status}", later=True, status=answer.status)
    token = said.get("access_token")
    if answer.status != 200 or not isinstance(token, str) or not token:
        error = said.get("error")
        shown = error if isinstance(error, str) and error.isascii() and len(error) < 40 else ""
        text = f"its token endpoint refuses: {answer.status} {shown}".rstrip()
        raise PartnerFault(text, later=False, status=answer.status)
    return token


def _text(claims: Mapping[str, Any], name: str, longest: int) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str) or len(value) > longest:
        raise TokenDenied("invalid_grant", f"{name} is not a text of at most {longest} characters")
    return value
