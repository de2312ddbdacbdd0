"""The refresh token grant: a lasting consent used without the person (section 13 of the agreement).

Every refresh rotates: the old token dies, and offering a dead one ends the whole family, except for the same request
repeated within the grace time. Six months without use end the consent.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

import anyio.from_thread
from authlib.oauth2.rfc6749 import grants

from auth.errors import TokenError
from auth.events import EventType
from auth.flows.check import ScopeVerdict, SourceDown, deliverable
from auth.flows.code import allowed_services
from auth.parts import Parts
from auth.ports import Representation
from auth.scope import Dialect, granted
from auth.store.rows import Family, Refresh
from auth.tokens import rotate_tokens

_DAY = 86_400_000


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    """Authlib's refresh grant on our store."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["tls_client_auth"]  # noqa: RUF012 - authlib's attribute

    def _validate_request_token(self, client: Any) -> "OfferedRefresh":
        text = self.request.form.get("refresh_token")
        if not text:
            raise TokenError("ERR-24")
        offered = self.authenticate_refresh_token(text)
        if offered.family.client != client.entry.hostname:
            raise TokenError("ERR-27")
        if offered.family.dialect == "C" and not self.request.payload.client_id:
            raise TokenError("ERR-24")
        self._still_alive(offered)
        return offered

    def authenticate_refresh_token(self, refresh_token: str) -> "OfferedRefresh":
        """The refresh token and its family. Raises TokenError when either is unknown or has ended."""
        parts: Parts = self.server.parts
        row = parts.store.find_refresh(self.server.digest(refresh_token))
        family = None if row is None else parts.store.find_family(row.family)
        if row is None or family is None or family.ended is not None:
            raise TokenError("ERR-27")
        return OfferedRefresh(row, family)

    def _still_alive(self, offered: "OfferedRefresh") -> None:
        """Expiry, six months idle (LTC-03), and reuse of a dead token (LTC-04). Only for the token's own client."""
        parts: Parts = self.server.parts
        row, family, now = offered.row, offered.family, parts.now()
        if family.used + parts.settings.idle_days * _DAY < now and family.lasting:
            self._end(family, "expired")
        if row.expires is not None and row.expires <= now:
            raise TokenError("ERR-27")
        if row.spent is not None and not self._is_repeat(row, now):
            self._end(family, "replayed")

    def _is_repeat(self, row: Refresh, now: int) -> bool:
        request_id = self.request.request_id
        in_time = row.spent is not None and now - row.spent <= self.server.parts.settings.retry_seconds * 1000
        return in_time and not row.superseded and request_id is not None and request_id == row.spent_by

    def _end(self, family: Family, why: str) -> None:
        parts: Parts = self.server.parts
        parts.store.end_family(family.id, parts.now(), why, "token-endpoint")
        event = EventType.CONSENT_EXPIRED if why == "expired" else EventType.REFRESH_TOKEN_REPLAYED
        parts.note(
            event,
            trace_id=self.request.correlation_id,
            session_id=None,
            client_id=family.client,
            provider_id=family.provider,
            consent_id=family.consent_id,
        )
        raise TokenError("ERR-27")

    def _validate_token_scope(self, token: "OfferedRefresh") -> None:
        if (scope := self.request.payload.scope) is not None:
            token.services = _narrowed(token.family, token.row.services, scope)

    def create_token_response(self) -> Any:
        """Repeat the tests of the authorization and rotate. Raises TokenError."""
        parts: Parts = self.server.parts
        offered: OfferedRefresh = self.request.refresh_token
        family = self.request.family = offered.family
        services = allowed_services(parts, self.request.client.entry, family, offered.services)
        if not services:
            raise TokenError("ERR-28")
        verdict = self._deliverable(family, services)
        if not verdict.services:
            raise TokenError("ERR-27")
        answer = rotate_tokens(
            parts, family, offered.row, verdict.services, self.request.correlation_id, self.request.request_id
        )
        if answer is None:
            self._end(family, "replayed")
        return 200, answer, []

    def _deliverable(self, family: Family, services: frozenset[str]) -> ScopeVerdict:
        """LTC-06: availability, ages and the provider's offer, without the person."""
        parts: Parts = self.server.parts
        provider = parts.providers.find(family.provider)
        if provider is None or family.sealed_bsn is None:
            raise TokenError("ERR-27")
        person = parts.person(_opened(parts, family.sealed_bsn), birth_date=_birth_date(parts, family))
        actor = parts.person(_opened(parts, family.sealed_actor)) if family.sealed_actor else None
        acting = Representation(family.representation) if family.representation else None
        ask: Callable[..., Any] = deliverable
        try:
            verdict: ScopeVerdict = anyio.from_thread.run(
                ask, parts, provider, person, actor, services, family.function, acting
            )
        except SourceDown as error:
            raise TokenError("ERR-31b") from error
        return verdict


class OfferedRefresh:
    """A refresh token as authlib reads it, and the services that this request asks of it."""

    def __init__(self, row: Refresh, family: Family) -> None:
        self.row = row
        self.family = family
        self.services = row.services


def _narrowed(family: Family, services: frozenset[str], scope: str) -> frozenset[str]:
    """ERR-29: a scope equal to or part of what was granted, in the form of the token response or its request."""
    combos = {
        granted(Dialect(family.dialect), family.provider, (service,), family.days): service for service in services
    }
    if scope == family.provider and family.dialect == "C":
        return services
    asked = scope.split(" ")
    if not set(asked) <= combos.keys() or len(set(asked)) != len(asked):
        raise TokenError("ERR-29")
    return frozenset(combos[service] for service in asked)


def _opened(parts: Parts, sealed: bytes) -> str:
    return parts.ring.open("bsn", bytes(sealed)).decode("ascii")


def _birth_date(parts: Parts, family: Family) -> date | None:
    if family.sealed_birth_date is None:
        return None
    return date.fromisoformat(parts.ring.open("birth-date", bytes(family.sealed_birth_date)).decode("ascii"))
