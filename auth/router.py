"""Builds the authorization server from its settings and ports: Starlette routes, and what the resource server uses."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import anyio
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from auth.bearer import Bearer, Fetch
from auth.crypto import KeyRing, Pseudonyms
from auth.events import EventType
from auth.flows.endpoint import BackChannel
from auth.flows.visit import Visits
from auth.login.leaving import LOGGED_OUT, LOGOUT, LOGOUT_BACK, SingleLogout
from auth.login.port import Login
from auth.pages.catalogue import TEXT_VERSION
from auth.pages.exit import Exit
from auth.pages.manage import ManageConsents
from auth.pages.own import OwnRecordDoor
from auth.pages.presenter import Presenter
from auth.pages.routes import FrontChannel
from auth.pages.static import MEDIA_TYPES, static_file
from auth.parts import Parts
from auth.ports import Host, Journal, Lists, PeerOf, Providers, Reads
from auth.settings import AuthSettings
from auth.store.rows import milliseconds, utc_now
from auth.store.store import Store

log = logging.getLogger(__name__)

_THREADS, _PATIENT_THREADS = 16, 32


@dataclass(frozen=True, slots=True)
class AuthApp:
    """The wired authorization server."""

    front_routes: list[BaseRoute]
    """Pages and the authorization endpoint: no client certificate (TLS-07)."""
    back_routes: list[BaseRoute]
    """Token and revocation endpoint: mutual TLS."""
    parts: Parts
    bearer: Bearer
    own_record: OwnRecordDoor
    """The login in front of the host's page "Mijn gegevens"; no route leads to it unless the host makes one."""
    missing: Callable[[Request, int, Mapping[str, str]], Response]
    """The page for a browser that asked for what there is not: request, status and further headers."""
    busy: Callable[[Request], Response]
    """The page for a browser while too much is asked of us."""

    @property
    def routes(self) -> list[BaseRoute]:
        """All routes, for a deployment on one host name."""
        return [*self.front_routes, *self.back_routes]

    def reseal(self) -> int:
        """Seal every living family again under the current key; returns how many. Run it after adding a key, before
        taking the old one off the ring."""
        parts, purposes, count = self.parts, {"sealed_birth_date": "birth-date"}, 0
        for row in parts.store.sealed_families():
            values = {
                name: parts.ring.seal(
                    purposes.get(name, "bsn"), parts.ring.open(purposes.get(name, "bsn"), bytes(value))
                )
                for name, value in row.items()
                if name != "id" and value is not None and parts.ring.key_of(bytes(value)) != parts.ring.current
            }
            if values:
                parts.store.reseal_family(row["id"], values)
                count += 1
        return count

    def purge(self) -> dict[str, int]:
        """End idle consents, delete what is past its retention; returns counts. For a daily job."""
        parts, now = self.parts, self.parts.clock()
        idle = parts.store.end_idle(milliseconds(now), milliseconds(now - timedelta(days=parts.settings.idle_days)))
        for family in idle:
            parts.note(
                EventType.CONSENT_EXPIRED,
                trace_id=None,
                session_id=None,
                client_id=family.client,
                provider_id=family.provider,
                consent_id=family.consent_id,
            )
        deleted = parts.store.purge(now, timedelta(days=parts.settings.retention_days))
        return {"expired consents": len(idle), **deleted}

    def due(self) -> dict[str, int]:
        """What a purge would do now; counts as `purge` gives them. Nothing is changed."""
        parts, now = self.parts, self.parts.clock()
        idle = milliseconds(now - timedelta(days=parts.settings.idle_days))
        return parts.store.due(now, timedelta(days=parts.settings.retention_days), idle)

    async def housekeeping(
        self,
        every: timedelta = timedelta(hours=1),
        after: Callable[[Mapping[str, int]], Awaitable[None]] | None = None,
    ) -> None:
        """Purge at once and then every so often, until cancelled; a failing round is logged and tried again.

        For a task of the application's lifespan. Several workers may do it side by side. ``after`` is what the host
        does in the same round; it gets the counts.
        """
        while True:
            try:
                counts = await self.parts.run(self.purge, patient=True)
                if after is not None:
                    await after(counts)
            except Exception:
                log.exception("housekeeping failed")
            await anyio.sleep(every.total_seconds())


def build(
    settings: AuthSettings,
    *,
    engine: Engine,
    lists: Lists,
    providers: Providers,
    host: Host,
    login: Login,
    logout: SingleLogout | None = None,
    peer_of: PeerOf,
    fetch: Fetch | None = None,
    clock: Callable[[], datetime] = utc_now,
    journal: Journal | None = None,
    reads: Reads | None = None,
) -> AuthApp:
    """Wire the authorization server.

    `engine` comes from `auth.store.engine_for(url)` (or any engine on which `prepare_sqlite` was used);
    the tables are `auth.store.metadata`. `login` is normally `OidcLogin(settings.login)`;
    `logout` is what `auth.login.open.logout_of` gives for it: without one a logout stays here;
    for tests and the demo the workbench has an identity provider with invented persons.
    `journal` counts steps inside the transactions that end them; without one nothing is counted.
    `fetch` replaces the bearer look-up (`auth.store.GRANT_SELECT`, answered as `GrantRow`), `reads` runs other selects.

    A demo over plain HTTP needs `secure_cookies=False`, `client_authentication="asserted"` and its own callback in
    `local_redirects`; production settings refuse all three.
    """
    current, keys = settings.seal_ring()
    parts = Parts(
        settings=settings,
        store=Store(engine, journal),
        lists=lists,
        providers=providers,
        host=host,
        login=login,
        logout=logout,
        peer_of=peer_of,
        ring=KeyRing(current, keys),
        pseudonyms=Pseudonyms(settings.pseudonym_bytes()),
        clock=clock,
        threads=ThreadPoolExecutor(_THREADS, thread_name_prefix="auth"),
        patient_threads=anyio.CapacityLimiter(_PATIENT_THREADS),
        text_version=TEXT_VERSION,
        reads=reads,
    )
    visits, presenter = Visits(parts), Presenter(parts)
    leaving = Exit(parts, visits, presenter)
    manage = ManageConsents(parts, visits, presenter, leaving)
    front, back = FrontChannel(parts, visits, presenter, manage), BackChannel(parts)
    routes = _front_routes(settings, front, manage, leaving)
    return AuthApp(
        routes,
        _back_routes(back),
        parts,
        Bearer(parts, fetch),
        OwnRecordDoor(parts, visits, presenter, leaving),
        front.missing,
        front.busy,
    )


def _front_routes(
    settings: AuthSettings, front: FrontChannel, manage: ManageConsents, leaving: Exit
) -> list[BaseRoute]:
    every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    routes: list[BaseRoute] = [
        Route("/oauth/authorize", front.authorize, methods=every),
        Route("/oauth/static/{name}", _static),
        Route("/oauth/visit/{visit}", front.screen),
        Route("/oauth/visit/{visit}/continue", front.proceed, methods=["POST"]),
        Route("/oauth/visit/{visit}/cancel", front.cancel, methods=["POST"]),
        Route("/oauth/visit/{visit}/stop", front.stop, methods=["POST"]),
        Route("/oauth/visit/{visit}/decide", front.decide, methods=["POST"]),
        Route("/oauth/visit/{visit}/leave", front.leave),
        Route("/oauth/visit/{visit}/end", manage.end, methods=["POST"]),
        Route("/oauth/visit/{visit}/logout", manage.logout, methods=["POST"]),
        Route("/login/callback", front.callback, methods=["GET", "POST"]),
        Route(LOGOUT, leaving.told, methods=["GET", "POST"]),
        Route(LOGOUT_BACK, leaving.told_by_server, methods=["POST"]),
        Route(LOGGED_OUT, leaving.back_again),
        Route("/consents", manage.open),
    ]
    if settings.legacy_dialect:
        routes.append(Route("/oauth/{provider}/authorize", front.authorize, methods=every))
    return routes


def _back_routes(back: BackChannel) -> list[BaseRoute]:
    every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return [
        Route("/oauth/token", back.token, methods=every),
        Route("/oauth/revoke", back.revoke, methods=every),
    ]


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in MEDIA_TYPES:
        return Response(status_code=404)
    headers = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(static_file(name), media_type=MEDIA_TYPES[name], headers=headers)
