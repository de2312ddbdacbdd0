"""The public application: routes, life and order of what `gateway.wiring` made."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from auth.metadata import routes as well_known
from auth.peer.certificates import PeerCheck
from auth.peer.tls import TlsSettings, crl_puller, peer_check
from auth.peer.transport import PeerGate, finder, peer_of
from gateway.calendar import today_here
from gateway.collect.pipeline import Collector
from gateway.collect.ready import ServiceReadiness, readiness
from gateway.collect.sources import TEXTS, probe, samples
from gateway.health import store_probe
from gateway.http import docs, missing
from gateway.http.address import Address, Addresses
from gateway.http.api import typed_routes
from gateway.http.dispatch import Dispatch
from gateway.http.lanes import TEXTS as LANE_TEXTS
from gateway.http.lanes import ClientAllowance, Lanes, lanes
from gateway.http.subscribing import Subscriptions
from gateway.measured import Measured
from gateway.metrics import METRICS
from gateway.ownrecord.collecting import OwnRecords
from gateway.ownrecord.pages import OwnRecordPages
from gateway.pulse import Pulse
from gateway.quality.verdicts import keep_definitions, shared_validator
from gateway.rates import Rate
from gateway.settings import Settings, SettingsError, authorization
from gateway.share.keep import Keys
from gateway.share.retention import housekeeping
from gateway.staff.rooms import StaffHouse, staff_routes
from gateway.subscriptions.live import TEXTS as LIVE_TEXTS
from gateway.testmode import NO_PROVIDERS, Stage, Workbench, completed
from gateway.typed import refused_input
from gateway.watch import watching
from gateway.wiring import Wiring, display_names, keys_of, offered, wire
from gateway.wiring.endpoint import collector_of, endpoint_of
from gateway.wiring.news import open_live_news, open_notifier
from gateway.wiring.sharing import open_outbox, targets
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue
from profiles.validation import Validator

log = logging.getLogger("gateway")


def create_app(settings: Settings, *, workbench: Workbench | None = None, demo: bool = False) -> ASGIApp:
    """The whole service as one ASGI application.

    ``workbench`` is what test mode may take from one; with ``demo`` also the pages of its world.
    Raises SettingsError when there is no provider to serve, or production is given a workbench.
    """
    settings = completed(settings, workbench, everything=not demo)
    if not settings.providers:
        raise SettingsError(NO_PROVIDERS)
    stage = workbench.stage(settings, demo=demo) if workbench else Stage()
    wiring = wire(settings, around=stage.around)
    pulse, ways = Pulse(), lanes(wiring.auth.busy)
    collector = collector_of(wiring)
    endpoint = endpoint_of(wiring, collector)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await wiring.puller.refresh()
        pulse.start()
        with suppress(SQLAlchemyError):  # a store that is silent at start is asked again soon
            await asyncio.to_thread(wiring.clock.ask)
        tasks = [
            asyncio.create_task(wiring.clock.run(), name="clock"),
            asyncio.create_task(wiring.puller.run(), name="lists"),
            asyncio.create_task(probe(wiring.sources), name="probe sources"),
            asyncio.create_task(wiring.auth.housekeeping(after=wiring.tidy), name="housekeeping"),
        ]
        places = _offered(wiring, endpoint.addresses)
        tasks.append(asyncio.create_task(asyncio.to_thread(endpoint.statements.prepare, places), name="statements"))
        outbox = open_outbox(wiring.engine, settings)
        if outbox.targets:
            tasks.append(asyncio.create_task(outbox.run(settings.share.filing_seconds), name="filing"))
        tidying = housekeeping(wiring.engine, settings.share, outbox.keys, tuple(settings.providers))
        tasks.append(asyncio.create_task(tidying, name="share housekeeping"))
        tasks += _telling(wiring)
        METRICS.register("sources", TEXTS, lambda: samples(wiring.sources))
        METRICS.register("lanes", LANE_TEXTS, admitted.samples)
        revocations = crl_puller(settings.tls)
        if revocations is not None:
            tasks.append(asyncio.create_task(revocations.run(), name="revocation lists"))
        try:
            with watching(settings.metrics, store_probe(wiring.engine), lambda: pulse.delay):
                yield
        finally:
            pulse.stop()
            for task in tasks:
                task.cancel()
            for end in (outbox.aclose, endpoint.aclose, wiring.close):
                await end()
            await asyncio.to_thread(keep_definitions)

    # The document also has the FHIR requests, which plain ASGI answers: `docs` serves it.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_exception_handler(HTTPException, missing.handler(wiring.auth.missing))
    app.add_exception_handler(RequestValidationError, refused_input)
    own = own_record_routes(wiring, collector) if settings.own_record.enabled else []
    app.router.routes.extend([*_routes(wiring), *own, *_staff_here(wiring), *stage.routes])
    allowed = Rate(settings.overload.client_per_second, settings.overload.client_burst)
    clients = ClientAllowance(Dispatch(endpoint, app), ways, allowed, peer_of)
    gate = PeerGate(
        clients,
        find=finder(settings.tls),
        check=_check(settings.tls),
        whitelist=lambda: wiring.lists.whitelist,
        back_channel=(lambda path: False) if settings.tls.peer == "none" else is_back_channel,
        refused=wiring.refused,
        header=settings.tls.header,
    )
    admitted = Lanes(gate, ways, settings.overload, lambda: max(pulse.delay, wiring.reader.waited))
    return Measured(admitted, lambda client: wiring.lists.clients.find(client) is not None, app.routes)


def _telling(wiring: Wiring) -> list[asyncio.Task[None]]:
    """What tells others, where the settings ask it: PGOs of news, the central log of events, places of heads."""
    settings, tasks = wiring.settings, []
    if any(given.subscriptions for given in settings.providers.values()):
        notifier = open_notifier(wiring.engine, settings, wiring.lists)
        tasks.append(asyncio.create_task(notifier.run(), name="notifications"))
        live = open_live_news(wiring)
        if live is not None:
            METRICS.register("live news", LIVE_TEXTS, live.samples)
            tasks.append(asyncio.create_task(live.run(), name="news of live sources"))
    if wiring.steps is not None:
        tasks.append(asyncio.create_task(wiring.steps.run(settings.audit.seconds), name="step heads"))
    if wiring.chain.enabled:
        tasks.append(asyncio.create_task(wiring.chain.run(), name="chain log"))
    return tasks


FRONT = re.compile(
    r"/(?:|oauth/(?:[^/]+/)?authorize|oauth/(?:visit|static)/.*|login/(?:callback|logged-out|logout(?:/back)?)|consents"
    r"|health/(?:live|ready)|version"
    r"|\.well-known/oauth-authorization-server|docs(?:/.*)?|openapi\.json|handbook(?:/.*)?|mijn-gegevens(?:/.*)?|static/.*"
    r"|staff(?:/.*)?|staff-idp/.*|demo(?:-pgo|-ehr)?(?:/.*)?|idp/.*)",
    re.DOTALL,
)
"""Paths for people and browsers, and for the login bridge, whose signature says who it is: no client certificate is
asked. Everything else is for servers (TLS-07)."""


def is_back_channel(path: str) -> bool:
    """Whether a path needs a peer on the whitelist; one that is not known to be for people does."""
    return FRONT.fullmatch(path) is None


def _routes(wiring: Wiring) -> list[BaseRoute]:
    settings = wiring.settings

    def validators(version: FhirVersion) -> Validator:
        chosen = settings.validation
        return shared_validator(version, settings.package_cache, chosen.terminology_url, chosen.terminology_store)

    def services() -> Iterable[ServiceReadiness]:
        return readiness(settings.providers, wiring.sources, catalogue(), today_here)

    return [
        *subscriptions_of(wiring).routes,
        *wiring.auth.routes,
        *well_known(authorization(settings), settings.base_url),
        *typed_routes(
            store_probe(wiring.engine),
            lambda: bool(wiring.lists.view()),
            services,
            validators,
            settings.limits.body_bytes,
        ),
        *docs.routes(settings.base_url, wiring.registry),
    ]


def _staff_here(wiring: Wiring) -> list[BaseRoute]:
    """The staff pages on the public address; with a port of their own they are there, and nowhere else."""
    section = wiring.settings.staff
    return staff_pages(wiring) if section.enabled and section.port is None else []


def create_staff_app(settings: Settings) -> ASGIApp:
    """The staff pages as an application of their own, for a port of their own. Raises SettingsError without a provider.

    The browsers of the institution come here; no PGO does, and nothing of the public application is here.
    """
    if not settings.providers:
        raise SettingsError(NO_PROVIDERS)
    wiring = wire(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        probing = asyncio.create_task(probe(wiring.sources), name="probe sources")
        try:
            yield
        finally:
            probing.cancel()
            await wiring.close()

    async def live(_request: Request) -> Response:
        return Response(status_code=200)

    return Starlette(routes=[Route("/health/live", live), *staff_pages(wiring)], lifespan=lifespan)


def staff_pages(wiring: Wiring) -> list[BaseRoute]:
    """The pages of the institution's own people."""
    settings = wiring.settings
    section = settings.staff
    return staff_routes(
        StaffHouse(
            settings=section,
            base=(section.url if section.port is not None and section.url else settings.base_url).rstrip("/"),
            engine=wiring.engine,
            trail=wiring.trail,
            keys=Keys(*keys_of(settings)),
            targets=targets(settings),
            sources=wiring.sources,
            names=display_names(settings),
            offered=offered(settings),
            services={name: given.services for name, given in settings.providers.items()},
            reports=settings.reports,
            consents=wiring.auth.parts.store.consents_of,
            catalogue=catalogue(),
            cache=settings.package_cache,
        )
    )


def own_record_routes(wiring: Wiring, collector: Collector) -> list[BaseRoute]:
    """Mijn gegevens, behind the login of the authorization server."""
    settings = wiring.settings
    _, ring = keys_of(settings)
    records = OwnRecords(collector, ring, wiring.trail, settings.base_url)
    return OwnRecordPages(records, wiring.auth.own_record, Path(settings.own_record.font)).routes


def subscriptions_of(wiring: Wiring) -> Subscriptions:
    """The subscription interface."""
    settings = wiring.settings
    return Subscriptions(
        wiring.engine,
        settings.subscription,
        settings.providers,
        catalogue(),
        wiring.auth.bearer,
        peer_of,
        wiring.trail,
        today_here,
    )


def _offered(wiring: Wiring, addresses: Addresses) -> list[Address]:
    """Where the providers offer their data services today."""
    day, known = today_here(), addresses.catalogue
    pairs = [
        (name, address)
        for name, given in wiring.settings.providers.items()
        for service in given.services
        for address in known.addresses(service, day)
    ]
    return [addresses.of({"provider": name, "service": address}, day) for name, address in pairs]


def _check(tls: TlsSettings) -> PeerCheck | None:
    return None if tls.peer == "none" else peer_check(tls)
