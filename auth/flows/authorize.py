"""The authorization request: every check in the order of section 7, before anybody sees a page.

Client or redirect wrong: nobody is redirected. Anything else wrong: back to the client with an error and its state.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from auth import scope as scopes
from auth.errors import AuthorizationError
from auth.flows import redirects
from auth.flows.parameters import Parameters, is_query_safe, is_uuid
from auth.parts import Parts
from auth.ports import Client, Function, Provider, ServiceInfo
from auth.scope import Dialect, ScopeAsk, ScopeKind

_VSCHAR = re.compile(r"[\x20-\x7e]{1,1024}")
_CHALLENGE = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_BIRTH_DATE = re.compile(r"[0-9]{8}")
REQUEST_ID, CORRELATION_ID = "MedMij-Request-ID", "X-Correlation-ID"


@dataclass(frozen=True, slots=True)
class Return:
    """A client and a redirect URI that passed: where refusals may go."""

    client: Client
    redirect_uri: str
    raw_state: str | None


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """An authorization request that passed every check."""

    back: Return
    provider: Provider
    dialect: Dialect
    function: str
    services: tuple[str, ...]
    days: int | None
    representation: str | None
    birth_date: str | None
    request_id: str | None
    correlation_id: str | None
    challenge: str | None


def back_of(parts: Parts, asked: Parameters) -> Return:
    """Checks (1) and (2) of AUTH-05. Raises AuthorizationError with a page row."""
    client_id = asked.value("client_id")
    client = parts.lists.clients.find(client_id) if client_id else None
    if client is None or client_id is None:
        raise AuthorizationError("ERR-01")
    uri = asked.value("redirect_uri")
    local = parts.settings.local_redirects.get(client_id, ()) if parts.settings.mode == "test" else ()
    if uri is None or not redirects.allowed(uri, client_id, local):
        raise AuthorizationError("ERR-02")
    state = asked.find("state")
    return Return(client, uri, state.raw if state is not None and state.raw and is_query_safe(state.raw) else None)


def check(
    parts: Parts, asked: Parameters, headers: Mapping[str, str], back: Return, legacy_provider: str | None
) -> AuthorizationRequest:
    """Everything after client and redirect (AUTH-06 to AUTH-12). Raises AuthorizationError with a redirect row."""
    if asked.repeated:
        raise AuthorizationError("ERR-08")
    if not (response_type := asked.value("response_type")):
        raise AuthorizationError("ERR-04")
    if response_type != "code":
        raise AuthorizationError("ERR-05")
    ask = _scope(asked.value("scope") or "", legacy_provider)
    if ask.representation is not None and not parts.settings.representation:
        raise AuthorizationError("ERR-09")
    provider, function, services, days = _resolve(parts, ask, back.client)
    state = asked.value("state")
    if state is None or _VSCHAR.fullmatch(state) is None or back.raw_state is None:
        raise AuthorizationError("ERR-06")
    request_id, correlation_id = _trace(asked, headers, _needs_trace(ask))
    return AuthorizationRequest(
        back=back,
        provider=provider,
        dialect=ask.dialect,
        function=function,
        services=services,
        days=days,
        representation=ask.representation,
        birth_date=_birth_date(asked) if ask.representation is not None else None,
        request_id=request_id,
        correlation_id=correlation_id,
        challenge=_challenge(asked) if parts.settings.pkce == "honour" else None,
    )


def _scope(text: str, legacy_provider: str | None) -> ScopeAsk:
    try:
        return scopes.parse(text) if legacy_provider is None else scopes.parse_legacy(text, legacy_provider)
    except scopes.ScopeError as error:
        raise AuthorizationError("ERR-09") from error


def _resolve(parts: Parts, ask: ScopeAsk, client: Client) -> tuple[Provider, str, tuple[str, ...], int | None]:
    provider = parts.providers.find(ask.provider)
    if provider is None:
        raise AuthorizationError("ERR-09")
    if ask.representation is not None and ask.representation not in provider.representation:
        raise AuthorizationError("ERR-09")
    if ask.kind is ScopeKind.PROVIDER:
        collectable = [service.id for service in provider.services.values() if service.function is Function.COLLECT]
        if not collectable:
            raise AuthorizationError("ERR-09")
        return provider, "collect", tuple(collectable), None
    found = [_offered(provider, service) for service in ask.services]
    if ask.kind is ScopeKind.SUBSCRIBE:
        _on_client_list(ask, client)
        return provider, "subscribe", ask.services, _days(found[0], ask.days or 0)
    functions = {service.function for service in found}
    if len(functions) != 1 or (functions == {Function.SHARE} and (len(found) != 1 or ask.dialect is Dialect.L)):
        raise AuthorizationError("ERR-09")
    _on_client_list(ask, client)
    return provider, str(functions.pop()), ask.services, None


def _offered(provider: Provider, service_id: str) -> ServiceInfo:
    service = provider.services.get(service_id)
    if service is None:
        raise AuthorizationError("ERR-09")
    return service


def _on_client_list(ask: ScopeAsk, client: Client) -> None:
    """AUTH-12, ERR-10: a named service that the list does not state for the client. Not stated at all: passes."""
    if client.services is not None and not client.services.issuperset(ask.services):
        raise AuthorizationError("ERR-10")


def _days(service: ServiceInfo, asked: int) -> int:
    """SCOPE-04: longer than the maximum is shortened; a service without subscriptions is not on offer."""
    if service.subscribe_max_days is None:
        raise AuthorizationError("ERR-09")
    return min(asked, service.subscribe_max_days)


def _needs_trace(ask: ScopeAsk) -> bool:
    return ask.kind is ScopeKind.PROVIDER


def _trace(asked: Parameters, headers: Mapping[str, str], needed: bool) -> tuple[str | None, str | None]:
    """AUTH-10: trace ids from the query, or from headers as older clients do. Never kept unless they are UUIDs."""
    ids: list[str | None] = []
    for name in (REQUEST_ID, CORRELATION_ID):
        value = asked.value(name)
        if value is None:
            value = headers.get(name.lower())
        if needed and not is_uuid(value):
            raise AuthorizationError("ERR-07")
        ids.append(value if is_uuid(value) else None)
    return ids[0], ids[1]


def _birth_date(asked: Parameters) -> str | None:
    """REP-01: YYYYMMDD of the represented person, as ISO date; None when absent or no date."""
    text = asked.value("MedMij_geboortedatum") or ""
    if _BIRTH_DATE.fullmatch(text) is None:
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat()
    except ValueError:
        return None


def _challenge(asked: Parameters) -> str | None:
    """A well-formed S256 challenge is honoured; anything else is an unknown parameter and ignored (AUTH-11)."""
    challenge, method = asked.value("code_challenge"), asked.value("code_challenge_method")
    return challenge if method == "S256" and challenge and _CHALLENGE.fullmatch(challenge) else None
