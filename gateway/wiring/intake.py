"""What takes data in, put together: the internal listener, the HL7 v2 listeners, and the intake of a command."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine

from auth.peer.transport import peer_of
from auth.store.rows import utc_now
from gateway import health
from gateway.health import store_probe
from gateway.intake.admin import Desk
from gateway.intake.admin import application as admin
from gateway.intake.hl7v2.server import MllpListener
from gateway.intake.http import Listener, application
from gateway.intake.listener import IntakeParts, guarded
from gateway.intake.login import Logins
from gateway.intake.release import Releases
from gateway.intake.work import Intake
from gateway.intake.worker import Worker
from gateway.measured import Measured
from gateway.metrics import METRICS
from gateway.quality.gate import Gate
from gateway.quality.serving import Serving
from gateway.queues import TEXTS as QUEUE_TEXTS
from gateway.queues import StoredQueues, Waiting
from gateway.rates import Rate
from gateway.settings import Settings
from gateway.store.clock import StoreClock
from gateway.store.engine import open_engine
from gateway.store.patience import impatient
from gateway.wiring import keys_of, leaving_of, open_recorder, open_trail
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue


def open_intake(engine: Engine, settings: Settings, gate: Gate) -> Intake:
    """The intake that a command uses; what ``gate`` counts is for the command to save."""
    leaving = leaving_of(settings)
    return Intake(engine, settings.intake, settings.validation, gate.counting, catalogue(), *keys_of(settings), leaving)


def open_releases(gate: Gate) -> Releases:
    """Who tells FHIR releases, by the profiles of the standards and of the definitions that are installed."""
    serving, verdicts = Serving(catalogue()), gate.counting.verdicts

    def defining(url: str) -> frozenset[FhirVersion]:
        named = frozenset(version for version in FhirVersion if (version, url) in serving.profiles)
        if named:
            return named
        return frozenset(one for one in FhirVersion if verdicts.validator(one).definitions.structure(url) is not None)

    return Releases(defining)


def wire_intake(settings: Settings, *, system: Callable[[], datetime] = utc_now) -> IntakeParts:
    """Make the internal listener and the HL7 v2 listeners.

    ``system`` is the clock of this machine; how long tokens of sources live is for the store's to say. Raises
    LoginFault, AdapterMisconfigured or OSError when the settings cannot be used.
    """
    section = settings.intake
    engine = impatient(open_engine(settings.database_url), settings.limits.database_seconds)
    pseudonyms, ring = keys_of(settings)
    recorder, trail = open_recorder(engine, settings), open_trail(engine, settings)
    counting, leaving = recorder.gate.counting, leaving_of(settings)
    intake = Intake(engine, section, settings.validation, counting, catalogue(), pseudonyms, ring, leaving)
    # SQLite has one writer: a second thread would only wait, and with it the requests behind it.
    worker = Worker(1 if engine.dialect.name == "sqlite" else 4)
    clock = StoreClock(engine, system)
    logins = Logins(engine, section, lambda: clock().timestamp())
    messages = tuple(
        MllpListener(name, one.mllp, intake, trail, worker, production=settings.mode == "production")
        for name, one in section.sources.items()
        if one.mllp is not None
    )
    rate = Rate(settings.overload.source_per_second, settings.overload.source_burst)
    listener = Listener(section, intake, logins, trail, worker, rate)
    desk = Desk(engine, worker, peer_of, frozenset(host.lower() for host in section.operators), settings.mode)
    METRICS.register("store", QUEUE_TEXTS, StoredQueues(engine).samples)
    METRICS.register("intake", QUEUE_TEXTS, Waiting("intake", engine, trail, recorder).samples)
    app = application(listener, health.application(store_probe(engine)), admin(desk))
    measured = Measured(guarded(app, section), lambda name: name in section.sources, app.routes)
    return IntakeParts(
        section, engine, intake, logins, recorder, trail, worker, measured, clock, messages, settings.connections
    )
