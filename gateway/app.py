"""The application: every part is made and connected here, and nowhere else."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from auth.clients.lists import Lists
from auth.clients.notices import Notice
from auth.clients.open import open_lists
from auth.clients.pull import Puller
from auth.events import EventType
from auth.login.oidc import OidcLogin
from auth.peer.certificates import PeerCheck
from auth.peer.tls import TlsSettings, client_context, crl_puller, peer_check
from auth.peer.transport import PeerGate, finder, peer_of
from auth.router import AuthApp, build
from auth.store.store import GRANT_SELECT, GrantRow
from gateway.audit.trail import Trail
from gateway.availability import Availabilities
from gateway.calendar import today_here
from gateway.chainlog import ChainLog
from gateway.collect.pipeline import Around, Collector, Sources, sources_of
from gateway.collect.sources import TEXTS, close, probe, samples
from gateway.host import GatewayHost
from gateway.http import docs, missing
from gateway.http.address import Address, Addresses
from gateway.http.admission import Admissions
from gateway.http.answer import Answers
from gateway.http.api import Api, described, refused_input, typed_routes
from gateway.http.dispatch import Dispatch
from gateway.http.exchange import UUID
from gateway.http.fhir import FhirEndpoint
from gateway.http.health import store_probe
from gateway.http.statements import Statements
from gateway.keys import keys_of
from gateway.metrics import METRICS
from gateway.providers import Registry
from gateway.quality.open import open_recorder
from gateway.quality.pull import PullGate
from gateway.quality.recorder import Recorder
from gateway.quality.verdicts import shared_validator
from gateway.registration import RegistrationWatch
from gateway.settings import Settings, SettingsError, authorization
from gateway.store.engine import open_engine
from gateway.store.reader import Reader, open_reader
from gateway.store.rekey import Rekeying
from gateway.testmode import NO_PROVIDERS, Stage, Workbench, completed
from profiles.fhir.version import FhirVersion
from profiles.record.expect import Expectations
from profiles.standards.capability import OAuthUrls
from profiles.standards.load import catalogue
from profiles.validation import Validator

log = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts of one process that have a life of their own."""

    settings: Settings
    engine: Engine
    reader: Reader
    trail: Trail
    lists: Lists
    puller: Puller
    registry: Registry
    sources: Mapping[str, Sources]
    auth: AuthApp
    quality: Recorder
    chain: ChainLog
    rekeying: Rekeying

    def refused(self, _path: str, reason: str, trace: str | None) -> None:
        """Tell the chain log that a peer was turned away (TLS-13)."""
        # A trace id that is no UUID never goes into a log (HDR-04).
        known = trace if trace and UUID.fullmatch(trace.encode()) else None
        fields = {"error_code": "invalid_client", "error_description": reason}
        self.auth.parts.note(EventType.TLS_PEER_REFUSED, trace_id=known, session_id=None, **fields)

    async def close(self) -> None:
        """Finish what is under way and give back every connection."""
        await close(self.sources)
        await self.trail.close()
        await self.rekeying.close()
        await asyncio.to_thread(self.quality.close)
        await asyncio.to_thread(self.chain.close)
        await self.reader.close()
        self.engine.dispose()


def wire(settings: Settings, *, around: Around = lambda adapter: adapter) -> Wiring:
    """Make the parts. Nothing is opened yet but files; the database is connected on first use.

    ``around`` is put around every source's adapter.
    """
    engine, reader = open_engine(settings.database_url), open_reader(settings.database_url)
    registry = Registry(settings.providers)
    lists, puller = open_lists(
        settings.lists,
        settings.tls,
        notify=_notice,
        after=RegistrationWatch(settings, _notice),
    )
    trail = Trail(engine, settings.audit_key.get_secret_value().encode(), settings.limits.audit_seconds)
    keep = settings.limits.snapshot_seconds
    sources = {name: sources_of(given, keep, around) for name, given in settings.providers.items()}
    section = authorization(settings)

    async def grant(digest: bytes) -> GrantRow | None:
        rows = await reader.fetch(GRANT_SELECT, {"digest": digest})
        return GrantRow(*rows[0]) if rows else None

    chain = ChainLog(engine, settings.chain_log, lambda: _log_client(settings))
    auth = build(
        section,
        engine=engine,
        lists=lists,
        providers=registry,
        host=GatewayHost(engine, Availabilities(reader, sources), chain),
        login=OidcLogin(section.login),
        peer_of=peer_of,
        fetch=grant,
    )
    quality = open_recorder(engine, settings)
    rekeying = Rekeying(engine)
    return Wiring(settings, engine, reader, trail, lists, puller, registry, sources, auth, quality, chain, rekeying)


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
    endpoint = _endpoint(wiring)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await wiring.puller.refresh()
        tasks = [
            asyncio.create_task(wiring.puller.run(), name="lists"),
            asyncio.create_task(probe(wiring.sources), name="probe sources"),
            asyncio.create_task(wiring.auth.housekeeping(), name="housekeeping"),
        ]
        offered = _offered(wiring, endpoint.addresses)
        tasks.append(asyncio.create_task(asyncio.to_thread(endpoint.statements.prepare, offered), name="statements"))
        if wiring.chain.enabled:
            tasks.append(asyncio.create_task(wiring.chain.run(), name="chain log"))
        METRICS.register("sources", TEXTS, lambda: samples(wiring.sources))
        revocations = crl_puller(settings.tls)
        if revocations is not None:
            tasks.append(asyncio.create_task(revocations.run(), name="revocation lists"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await wiring.close()

    app = Api(docs_url=None, redoc_url=None, openapi_url="/openapi.json", lifespan=lifespan)
    app.described = described(catalogue(), wiring.registry.names()[0], settings.base_url)
    app.add_exception_handler(HTTPException, missing.handler(wiring.auth.missing))
    app.add_exception_handler(RequestValidationError, refused_input)
    app.router.routes.extend([*_routes(wiring), *stage.routes])
    return PeerGate(
        Dispatch(endpoint, app),
        find=finder(settings.tls),
        check=_check(settings.tls),
        whitelist=lambda: wiring.lists.whitelist,
        back_channel=(lambda path: False) if settings.tls.peer == "none" else is_back_channel,
        refused=wiring.refused,
        header=settings.tls.header,
    )


FRONT = re.compile(
    r"/(?:|oauth/(?:[^/]+/)?authorize|oauth/(?:visit|static)/.*|login/callback|consents|health/(?:live|ready)"
    r"|docs(?:/.*)?|openapi\.json|handbook(?:/.*)?|static/.*|demo(?:-pgo|-ehr)?(?:/.*)?|idp/.*)",
    re.DOTALL,
)
"""Paths for people and browsers: no client certificate is asked. Everything else is for servers (TLS-07)."""


def is_back_channel(path: str) -> bool:
    """Whether a path needs a peer on the whitelist; one that is not known to be for people does."""
    return FRONT.fullmatch(path) is None


def _routes(wiring: Wiring) -> list[BaseRoute]:
    settings = wiring.settings

    def validators(version: FhirVersion) -> Validator:
        return shared_validator(version, settings.package_cache, settings.validation.terminology_url)

    return [
        *wiring.auth.routes,
        *typed_routes(store_probe(wiring.engine), validators, settings.limits.body_bytes),
        *docs.routes(settings.base_url, (wiring.registry.names()[0],)),
    ]


def _endpoint(wiring: Wiring) -> FhirEndpoint:
    settings, behaviour = wiring.settings, wiring.settings.resource_server
    pseudonyms, ring = keys_of(settings)
    known = catalogue() if behaviour.document_manifest else catalogue().without("DocumentManifest")
    base = settings.base_url
    collector = Collector(
        reader=wiring.reader,
        ring=ring,
        providers=wiring.sources,
        expected=Expectations(catalogue()),
        deadline=settings.limits.deadline_seconds,
        quality=PullGate(wiring.quality),
        rekey=wiring.rekeying,
    )
    strict = behaviour.trace_ids == "strict"
    return FhirEndpoint(
        addresses=Addresses(known, frozenset(wiring.registry.names()), base),
        admissions=Admissions(wiring.auth.bearer, peer_of, strict, settings.limits.query_bytes),
        answers=Answers(collector, pseudonyms, behaviour.source_header),
        statements=Statements(OAuthUrls(f"{base}/oauth/authorize", f"{base}/oauth/token")),
        trail=wiring.trail,
        today=today_here,
        wrong_version_status=behaviour.wrong_version_status,
        note=wiring.auth.parts.note if wiring.chain.enabled else None,
    )


def _offered(wiring: Wiring, addresses: Addresses) -> list[Address]:
    """Where the providers offer their data services today."""
    pairs = [(name, service) for name, given in wiring.settings.providers.items() for service in given.services]
    return [addresses.of({"provider": name, "service": service}, today_here()) for name, service in pairs]


def _log_client(settings: Settings) -> httpx.AsyncClient:
    """A client for the central log component: with our own certificate where there is one."""
    tls = settings.tls
    verify = client_context(tls.back_certificate, tls.back_key, tls.trust) if tls.back_certificate else True
    return httpx.AsyncClient(verify=verify, timeout=settings.chain_log.timeout_seconds, trust_env=False)


def _check(tls: TlsSettings) -> PeerCheck | None:
    return None if tls.peer == "none" else peer_check(tls)


def _notice(notice: Notice) -> None:
    log.log(logging.WARNING if notice.alarm else logging.INFO, "lists: %s: %s", notice.kind.value, notice.text)
