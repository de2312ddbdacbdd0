"""The subscription interface: ``/{provider}/{service}/abonneren/Subscription``, JSON both ways.

POST makes one, PUT changes or ends it, GET reads it. The form of framework 1.1, POST with an id, is understood too.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from auth.bearer import Bearer, PeerRefused
from auth.errors import BearerError
from auth.grants import Grant
from auth.ports import PeerOf
from gateway.audit.record import AuditRecord
from gateway.audit.trail import AuditUnavailable, Trail
from gateway.calendar import Today
from gateway.http.exchange import Exchange
from gateway.sections import ProviderSettings
from gateway.subscriptions.register import Register, Subscription, SubscriptionRefused
from gateway.subscriptions.settings import SubscriptionSettings
from gateway.subscriptions.wire import LARGEST, Malformed, Wish, answer, read
from profiles.standards.load import Catalogue

PATH = "/{provider}/{service}/abonneren/Subscription"
MEDIA = "application/json"


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """Answers requests about subscriptions."""

    engine: Engine
    settings: SubscriptionSettings
    providers: Mapping[str, ProviderSettings]
    catalogue: Catalogue
    bearer: Bearer
    peer_of: PeerOf
    trail: Trail
    today: Today

    @property
    def routes(self) -> list[Route]:
        """The routes of the interface."""
        return [
            Route(PATH, self.answer, methods=["POST"]),
            Route(f"{PATH}/{{id}}", self.answer, methods=["GET", "PUT"]),
        ]

    async def answer(self, request: Request) -> Response:
        """One request. Every fault is JSON without a word about anybody."""
        exchange = Exchange.of(request.scope)
        headers = {"cache-control": "no-store", "medmij-request-id": exchange.request_id,
                   "x-correlation-id": exchange.correlation_id}  # fmt: skip
        grant: Grant | None = None
        try:
            days = self._offered(request)
            authorization = exchange.header(b"authorization")
            grant = await self.bearer.check(authorization, self.peer_of(request.scope))
            provider, service = request.path_params["provider"], request.path_params["service"]
            if not grant.covers(provider, service, subscribe=True):
                raise SubscriptionRefused(
                    403, "insufficient_scope", "the token is not for subscriptions to this data service"
                )
            wish = await self._wish(request)
            found, status = await asyncio.to_thread(self._carried_out, request, exchange, grant, wish, days)
            await self.trail.write(_record(exchange, request, grant, status))
            shown = answer(found.id, found.end, self.settings.form, active=found.active)
            return JSONResponse(shown, status, headers)
        except (
            SubscriptionRefused,
            BearerError,
            PeerRefused,
            AuditUnavailable,
            SQLAlchemyError,
            ClientDisconnect,
        ) as fault:
            status, error, text, more = _told(fault)
            try:
                await self.trail.write(_record(exchange, request, grant, status, error))
            except AuditUnavailable:
                status, error, text = 503, "temporarily_unavailable", "try again later"
            return JSONResponse({"error": error, "error_description": text}, status, headers | more)

    def _offered(self, request: Request) -> int | None:
        """The most days that the institution grants; None when the service has none. Raises SubscriptionRefused."""
        provider = self.providers.get(request.path_params["provider"])
        service = request.path_params["service"]
        if provider is None or service not in self.catalogue.services:
            raise SubscriptionRefused(404, "not_found", "there is no such subscription interface")
        days = provider.subscriptions.get(service)
        if days is None and request.method == "POST":
            raise SubscriptionRefused(404, "not_found", "there is no such subscription interface")
        return days

    async def _wish(self, request: Request) -> Wish:
        if request.method == "GET":
            return Wish()
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                raise SubscriptionRefused(400, "invalid_request", "the body is too large")
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and media != MEDIA:
            raise SubscriptionRefused(415, "invalid_request", "the body is JSON")
        try:
            return read(body, self.settings.form)
        except Malformed as fault:
            raise SubscriptionRefused(400, "invalid_request", str(fault)) from fault

    def _carried_out(
        self, request: Request, exchange: Exchange, grant: Grant, wish: Wish, offered: int | None
    ) -> tuple[Subscription, int]:
        service, today = request.path_params["service"], self.today()
        days = min(grant.days or 0, offered or 0)
        id_ = request.path_params.get("id") or wish.id
        for _ in range(2):
            try:
                with self.engine.begin() as connection:
                    register = Register(connection, datetime.now(UTC), today)
                    if request.method == "GET":
                        return register.read(grant, service, id_), 200
                    if not id_:
                        if wish.off:
                            raise SubscriptionRefused(400, "invalid_request", "which subscription ends is not said")
                        fhir = self.catalogue.service(service, today)[0].fhir.value
                        made = register.create(
                            grant, service, fhir, days, wish.end, exchange.request_id, self.settings.per_key
                        )
                        return made, 201 if self.settings.form == "2.x" else 200
                    if wish.off or (wish.end is not None and wish.end <= today):
                        again = self.settings.again == "ok"
                        return register.end(grant, service, id_, again=again), 200
                    return register.change(grant, service, id_, days, wish.end), 200
            except IntegrityError:
                # The same request came twice at the same moment: the other one made it.
                continue
        raise SubscriptionRefused(409, "invalid_request", "this request id was used for another request")


def _told(fault: Exception) -> tuple[int, str, str, dict[str, str]]:
    match fault:
        case SubscriptionRefused():
            return fault.status, fault.error, fault.text, {}
        case BearerError():
            return 401, "invalid_token", "a token for subscriptions is needed", {"www-authenticate": fault.challenge}
        case PeerRefused():
            return 401, "invalid_client", "the client certificate is missing or not accepted", {}
        case _:
            return 503, "temporarily_unavailable", "try again later", {"retry-after": "10"}


def _record(exchange: Exchange, request: Request, grant: Grant | None, status: int, reason: str = "") -> AuditRecord:
    known: dict[str, Any] = {}
    if grant is not None:
        known = {
            "client": grant.client,
            "person": grant.subject,
            "basis": grant.consent_id or "",
            "provider": grant.provider,
            "service": request.path_params["service"],
        }
    deed = {"POST": "create", "PUT": "change", "GET": "read"}[request.method if request.method != "HEAD" else "GET"]
    return AuditRecord(
        f"pgo:subscription:{deed}", exchange.started, status, interaction=deed, request_id=exchange.request_id,
        correlation_id=exchange.correlation_id, reason=reason, **known,
    )  # fmt: skip
