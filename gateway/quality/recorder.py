"""Writing counts beside the requests: verdicts of fetched data and numbers of all data, in groups, by one thread."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, SQLAlchemyError

from gateway.quality.gate import Gate
from gateway.quality.settings import QualitySettings
from gateway.quality.store import forget, oldest, save
from gateway.quality.tally import Tally
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.same import Told, facts_of
from profiles.validation import Finding

log = logging.getLogger("gateway.quality")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a source delivered, waiting for its verdicts. The resources are not changed any more."""

    provider: str
    source: str
    version: FhirVersion
    resources: Sequence[Resource]
    more: Mapping[tuple[str, str], Sequence[Finding]] = field(default_factory=dict)
    """What was found before the resources were changed, by type and id."""


@dataclass(frozen=True, slots=True)
class SaidTwice:
    """An answer of several sources, waiting to be looked through for facts that two of them tell."""

    provider: str
    version: FhirVersion
    told: Callable[[], Sequence[Told]]
    """Read beside the request: what was in the store is not parsed for an answer."""


class Recorder:
    """Judges deliveries and writes what was counted. Nothing is lost on an orderly stop; ``close`` waits for it.

    A full queue drops the delivery from the figures (and says so in the log) rather than holding up a patient.
    """

    def __init__(self, engine: Engine, gate: Gate, settings: QualitySettings, every: float = 2.0) -> None:
        self._engine = engine
        self.gate = gate
        self._settings = settings
        self._every = every
        self._waiting: queue.Queue[Delivery | SaidTwice | None] = queue.Queue(settings.queue)
        self._unwritten = Tally()
        self._swept: date | None = None
        self._thread: threading.Thread | None = None
        self.dropped = 0

    @property
    def queued(self) -> int:
        """Deliveries that wait for their verdicts."""
        return self._waiting.qsize()

    def start(self) -> None:
        """Begin to write; harmless when it runs already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="quality", daemon=True)
            self._thread.start()

    def put(self, delivery: Delivery | SaidTwice) -> None:
        """Have a delivery judged, or an answer looked through, and counted, later."""
        self.start()
        try:
            self._waiting.put_nowait(delivery)
        except queue.Full:
            self.dropped += 1
            log.warning("quality: %d deliveries were not counted, the queue is full", self.dropped)

    def close(self) -> None:
        """Judge and write everything that waits, and stop."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None
        if self._due(sweep=False):
            self.write()

    def write(self) -> None:
        """Write what was counted since the last time; what cannot be written is kept for the next time."""
        self._unwritten.merge(self.gate.counting.take())
        today = self.gate.counting.today()
        try:
            with self._engine.begin() as connection:
                if self._unwritten:
                    save(connection, self._unwritten)
                if self._swept != today:
                    forget(connection, oldest(today, self._settings.retention_days))
        except DataError:
            # What the database will never take must not keep all later figures waiting.
            log.error("quality: counts were given up, the database refuses them")
            self._unwritten = Tally()
        except SQLAlchemyError as fault:
            log.error("quality: counts could not be written yet (%s)", type(fault).__name__)
        else:
            self._unwritten = Tally()
        self._swept = today

    def _due(self, *, sweep: bool = True) -> bool:
        """Whether there is something to write, or (once a day) to remove."""
        counted = self.gate.counting.waiting() or bool(self._unwritten)
        return counted or (sweep and self._swept != self.gate.counting.today())

    def _run(self) -> None:
        due = time.monotonic() + self._every
        while True:
            try:
                delivery = self._waiting.get(timeout=max(0.05, due - time.monotonic()))
                if delivery is None:
                    return
                if isinstance(delivery, SaidTwice):
                    self._same(delivery)
                else:
                    self._judge(delivery)
            except queue.Empty:
                pass
            if time.monotonic() >= due:
                if self._due():
                    self.write()
                due = time.monotonic() + self._every

    def _same(self, answer: SaidTwice) -> None:
        try:
            for fact in facts_of(answer.told()):
                for one in fact.tellers[1:]:
                    self.gate.counting.note_same(answer.provider, one.origin, answer.version, one.resource, fact.rule)
        except Exception:
            log.exception("quality: an answer could not be looked through")

    def _judge(self, delivery: Delivery) -> None:
        for resource in delivery.resources:
            more = delivery.more.get((str(resource.get("resourceType")), str(resource.get("id"))), ())
            try:
                self.gate.judge(delivery.provider, delivery.source, delivery.version, resource, more)
            except Exception:
                # One odd resource must not end the counting of all others.
                log.exception("quality: a resource of source %s could not be judged", delivery.source)
