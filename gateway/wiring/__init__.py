"""The composition root: every part of a process is made and connected here, of the public one and of the intake's.

Only this module, `gateway.app`, `gateway.testmode` and the commands see the whole `Settings`; each part is given its
own section or plain values. A contract of import-linter holds that.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import Connection, Engine, Select

from adapters.dicomweb.archive import ImageArchive
from auth.clients.lists import CurrentLists
from auth.clients.notices import Notice
from auth.clients.open import open_lists
from auth.clients.pull import Puller
from auth.clients.selfcheck import Ourselves
from auth.crypto import KeyRing, Pseudonyms
from auth.events import EventType
from auth.login.open import BridgeUnusable, login_of, logout_of
from auth.login.port import Login
from auth.peer.tls import client_context
from auth.peer.transport import peer_of
from auth.ports import StoreSilent
from auth.router import AuthApp, build
from auth.settings import AuthSettings
from auth.store.rows import utc_now
from auth.store.store import GRANT_SELECT, GrantRow
from gateway.audit.signing import open_heads
from gateway.audit.trail import Trail
from gateway.availability import Availabilities
from gateway.chainlog import ChainLog
from gateway.collect.judged import PullGate
from gateway.collect.pipeline import Around, Collector, Sources, sources_of
from gateway.collect.sources import close
from gateway.current import UUID
from gateway.host import GatewayHost
from gateway.metrics import METRICS
from gateway.providers import Registry
from gateway.quality.gate import Counting, Gate
from gateway.quality.recorder import Recorder
from gateway.quality.serving import Serving
from gateway.quality.store import forget, oldest, save
from gateway.quality.verdicts import Verdicts
from gateway.queues import TEXTS as QUEUE_TEXTS
from gateway.queues import StoredQueues, Waiting
from gateway.registration import RegistrationWatch, ourselves
from gateway.release.rules import ReleaseRules, rules
from gateway.release.shield import Audience, ReleasePolicy
from gateway.retention import Keeping, keepings, purge, recorded
from gateway.sections import ProviderSettings
from gateway.settings import Settings, SettingsError, authorization
from gateway.store.clock import StoreClock
from gateway.store.engine import open_engine
from gateway.store.patience import impatient
from gateway.store.reader import Reader, StoreUnavailable, open_reader
from gateway.store.rekey import Rekeying
from gateway.usage.keys import YearKeys
from gateway.usage.ledger import BesideTrail, Ledger
from gateway.usage.signing import StepHeads
from profiles.fhir.version import FhirVersion
from profiles.record.expect import Expectations
from profiles.record.leaving import Leaving
from profiles.rows import RowError
from profiles.standards.load import catalogue
from profiles.standards.must import needed_by

log = logging.getLogger("gateway")


def audit_key_of(settings: Settings) -> bytes:
    """The key of the chains of access records."""
    return settings.audit_key.get_secret_value().encode()


def offered(settings: Settings) -> dict[str, list[str]]:
    """The standards that each provider offers, by its services."""
    known = catalogue()
    return {
        name: list(dict.fromkeys(one.id for service in given.services for one, _ in known.versions[service]))
        for name, given in settings.providers.items()
    }


def keys_of(settings: Settings) -> tuple[Pseudonyms, KeyRing]:
    """The pseudonyms and the key ring that the settings describe; in test mode fixed public keys stand in."""
    section = authorization(settings)
    return Pseudonyms(section.pseudonym_bytes()), KeyRing(*section.seal_ring())


def release_rules(settings: Settings) -> ReleaseRules:
    """What may be shown, and from when. Raises SettingsError for a file that cannot be used."""
    try:
        return rules(settings.release.rules)
    except RowError as fault:
        raise SettingsError(f"release.rules: {fault}") from fault


def kept_since(settings: Settings) -> datetime:
    """Since when events of use are kept, with a day of room: what was signed before may be gone."""
    return datetime.now(UTC) - timedelta(days=settings.usage.retention_days - 1)


def open_trail(engine: Engine, settings: Settings) -> Trail:
    """The audit trail of this process: a chain of its own, of which the heads are signed where the settings say."""
    key = audit_key_of(settings)
    return Trail(engine, key, settings.limits.audit_seconds, open_heads(settings.audit), BesideTrail(key))


@contextmanager
def recording(engine: Engine, settings: Settings) -> Iterator[Trail]:
    """The audit trail of a command: it uses `Trail.write_now`."""
    trail = open_trail(engine, settings)
    try:
        yield trail
    finally:
        trail.stop()


def open_gate(settings: Settings) -> Gate:
    """The gate for what comes in and what is fetched."""
    named = frozenset(url for _, url in Serving(catalogue()).profiles)
    verdicts = Verdicts(
        settings.package_cache, settings.validation.terminology_url, settings.validation.terminology_store
    )
    return Gate(settings.validation, catalogue(), Counting(verdicts, named, needed_by(catalogue().standards.values())))


def open_recorder(engine: Engine, settings: Settings) -> Recorder:
    """The recorder of a running gateway, with its gate."""
    return Recorder(engine, open_gate(settings), settings.validation)


def save_counts(connection: Connection, settings: Settings, gate: Gate) -> None:
    """Write what the gate counted inside the caller's transaction: for commands, which have no recorder."""
    save(connection, gate.counting.take())
    forget(connection, oldest(datetime.now(UTC).date(), settings.validation.retention_days))


def open_collector(
    settings: Settings,
    reader: Reader,
    sources: Mapping[str, Sources],
    *,
    audience: Audience = Audience.PERSON,
    quality: PullGate | None = None,
    rekey: Rekeying | None = None,
) -> Collector:
    """What collects one person's record from the store and these sources, for this audience."""
    return Collector(
        reader=reader,
        ring=keys_of(settings)[1],
        providers=sources,
        expected=Expectations(catalogue()),
        deadline=settings.limits.deadline_seconds,
        quality=quality,
        rekey=rekey,
        leaving=leaving_of(settings),
        release=ReleasePolicy(settings.release.rules, audience),
    )


def display_names(settings: Settings) -> dict[str, str]:
    """What each provider is called, by its MedMij name."""
    return {name: given.display_name for name, given in settings.providers.items()}


def open_ledger(settings: Settings) -> Ledger:
    """What counts the steps of visits: a chain of this process."""
    key = audit_key_of(settings)
    return Ledger(key, YearKeys(keys_of(settings)[1]), settings.usage)


def leaving_of(settings: Settings) -> Leaving:
    """What is done last to each resource, by the settings."""
    return Leaving(settings.resource_server.narrative, settings.resource_server.copied_claims)


def served(provider: ProviderSettings) -> frozenset[FhirVersion]:
    """The releases that the services of a provider use."""
    known = catalogue()
    return frozenset(known.delivering(*one).fhir for id_ in provider.services for one in known.versions[id_])


def kept(settings: Settings) -> Sequence[Keeping]:
    """How long everything is kept that the gateway purges itself."""
    return keepings(
        settings.retention,
        settings.exchange,
        receipt_days=settings.intake.receipt_days,
        count_days=settings.validation.retention_days,
        usage_days=settings.usage.retention_days,
    )


def registered(settings: Settings) -> Ourselves | None:
    """What the national lists should say of us; None while our address is not https (the demo, a test)."""
    if not settings.base_url.startswith("https://"):
        return None
    return ourselves(authorization(settings).base_url, settings.base_url, settings.providers)


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts of one process that have a life of their own."""

    settings: Settings
    engine: Engine
    reader: Reader
    trail: Trail
    lists: CurrentLists
    puller: Puller
    registry: Registry
    sources: Mapping[str, Sources]
    archives: Mapping[str, ImageArchive]
    """The PACS of each provider that has one."""
    auth: AuthApp
    quality: Recorder
    chain: ChainLog
    rekeying: Rekeying
    clock: StoreClock
    steps: StepHeads | None
    """What signs how far the steps of visits are counted; None where no place is configured."""

    def refused(self, _path: str, reason: str, trace: str | None) -> None:
        """Tell the chain log that a peer was turned away (TLS-13)."""
        # A trace id that is no UUID never goes into a log (HDR-04).
        known = trace if trace and UUID.fullmatch(trace.encode()) else None
        fields = {"error_code": "invalid_client", "error_description": reason}
        self.auth.parts.note(EventType.TLS_PEER_REFUSED, trace_id=known, session_id=None, **fields)

    async def tidy(self, counts: Mapping[str, int]) -> None:
        """Purge what the authorization server has not (``counts`` is what it has), and record it all.

        Raises SQLAlchemyError or AuditUnavailable.
        """
        removed = await asyncio.to_thread(purge, self.engine, kept(self.settings), datetime.now(UTC))
        record = recorded({**counts, **removed})
        if record is not None:
            await self.trail.write(record)

    async def close(self) -> None:
        """Finish what is under way and give back every connection."""
        await close(self.sources)
        for archive in self.archives.values():
            await archive.close()
        await self.trail.close()
        if self.steps is not None:
            await asyncio.to_thread(self.steps.state)
        await self.rekeying.close()
        await asyncio.to_thread(self.quality.close)
        await asyncio.to_thread(self.chain.close)
        await self.reader.close()
        self.engine.dispose()


def wire(
    settings: Settings, *, around: Around = lambda adapter: adapter, system: Callable[[], datetime] = utc_now
) -> Wiring:
    """Make the parts. Nothing is opened yet but files; the database is connected on first use.

    ``system`` is the clock of this machine; ``around`` is put around every source's adapter. Raises SettingsError when
    the login bridge's files cannot be used.
    """
    release_rules(settings)
    seconds = settings.limits.database_seconds
    engine, reader = impatient(open_engine(settings.database_url), seconds), open_reader(settings.database_url, seconds)
    registry = Registry(settings.providers)
    lists, puller = open_lists(
        settings.lists,
        settings.tls,
        notify=_notice,
        after=RegistrationWatch(lambda: registered(settings), _notice),
    )
    trail = open_trail(engine, settings)
    keep = settings.limits.snapshot_seconds
    sources = {name: sources_of(given, keep, around) for name, given in settings.providers.items()}
    archives = {name: ImageArchive(given.pacs) for name, given in settings.providers.items() if given.pacs}
    section = authorization(settings)

    async def grant(digest: bytes) -> GrantRow | None:
        rows = await reader.fetch(GRANT_SELECT, {"digest": digest})
        return GrantRow(*rows[0]) if rows else None

    async def reads(statement: Select[Any], parameters: Mapping[str, Any], /) -> Sequence[tuple[Any, ...]]:
        try:
            return await reader.fetch(statement, parameters)
        except StoreUnavailable as fault:
            raise StoreSilent from fault

    login = _login(section)
    clock, ledger = StoreClock(engine, system), open_ledger(settings)
    heads = open_heads(settings.audit)
    chain = ChainLog(engine, settings.chain_log, lambda: outside_client(settings))
    auth = build(
        section,
        engine=engine,
        lists=lists,
        providers=registry,
        host=GatewayHost(engine, Availabilities(reader, sources, ReleasePolicy(settings.release.rules)), chain),
        login=login,
        logout=logout_of(section, login),
        peer_of=peer_of,
        fetch=grant,
        clock=clock,
        journal=ledger,
        reads=reads,
    )
    quality = open_recorder(engine, settings)
    rekeying = Rekeying(engine)
    METRICS.register("store", QUEUE_TEXTS, StoredQueues(engine).samples)
    METRICS.register("public", QUEUE_TEXTS, Waiting("public", engine, trail, quality, chain, reader).samples)
    return Wiring(
        settings,
        engine,
        reader,
        trail,
        lists,
        puller,
        registry,
        sources,
        archives,
        auth,
        quality,
        chain,
        rekeying,
        clock,
        StepHeads(engine, ledger.chain, heads) if heads else None,
    )


def outside_client(settings: Settings) -> httpx.AsyncClient:
    """A client for the central log and for PGOs that are told: with our own certificate where there is one."""
    tls = settings.tls
    verify = client_context(tls.back_certificate, tls.back_key, tls.trust) if tls.back_certificate else True
    return httpx.AsyncClient(verify=verify, timeout=settings.chain_log.timeout_seconds, trust_env=False)


def _notice(notice: Notice) -> None:
    log.log(logging.WARNING if notice.alarm else logging.INFO, "lists: %s: %s", notice.kind.value, notice.text)


def _login(section: AuthSettings) -> Login:
    try:
        return login_of(section)
    except BridgeUnusable as fault:
        raise SettingsError(str(fault)) from fault
