"""The one walk of all that comes in: read, look up, settle, write. It is stored whole, or not at all.

A request, a message, a file and a fixture each become a `Push` (:mod:`gateway.intake.tasks`); from there on nothing
asks by which door it came.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from auth.crypto import KeyRing, Pseudonyms
from gateway.intake import receipts
from gateway.intake.answers import refused
from gateway.intake.change import Draft, WritePlan
from gateway.intake.judge import gate_of
from gateway.intake.lookup import Lookup
from gateway.intake.receipts import Taken
from gateway.intake.refusal import Refusal, refusal
from gateway.intake.sender import Door, Sender
from gateway.intake.settings import IntakeSettings
from gateway.intake.settle import Settling
from gateway.intake.tasks import Push
from gateway.intake.write import carry_out, told
from gateway.quality.gate import Counting, Gate
from gateway.quality.settings import QualitySettings
from gateway.store.unit import Stale
from profiles.record.expect import Expectations
from profiles.record.leaving import Leaving
from profiles.standards.load import Catalogue

ATTEMPTS = 6
AGAIN = {"40001", "40P01"}
"""SQL states of PostgreSQL after which the same transaction may be tried again."""


class Intake:
    """Takes in what is sent. Synchronous: call it from worker threads."""

    def __init__(
        self,
        engine: Engine,
        settings: IntakeSettings,
        quality: QualitySettings,
        counting: Counting,
        catalogue: Catalogue,
        pseudonyms: Pseudonyms,
        ring: KeyRing,
        leaving: Leaving | None = None,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.ring = ring
        self._quality = quality
        self._counting = counting
        self._catalogue = catalogue
        self._pseudonyms = pseudonyms
        self._expected = Expectations(catalogue)
        self._leaving = leaving or Leaving()
        self.sender = lru_cache(maxsize=None)(self._sender)

    def _sender(self, name: str) -> Sender:
        source = self.settings.sources[name]
        return Sender(
            source.provider,
            name,
            self._pseudonyms,
            self.ring,
            self.engine,
            frozenset(source.patients_of),
            self._expected,
            gate_of(source, self._quality, self._catalogue, self._counting),
            base=f"{self.settings.url}/intake/{name}",
            leaving=self._leaving,
        )

    def importer(self, provider: str, source: str, door: Door) -> Sender:
        """Who imports files in the name of a source: with its own settings when it is one that pushes as well."""
        given = self.settings.sources.get(source)
        known = given if given is not None and given.provider == provider else None
        return Sender(
            provider,
            source,
            self._pseudonyms,
            self.ring,
            self.engine,
            frozenset(known.patients_of if known else ()),
            self._expected,
            gate_of(known, self._quality, self._catalogue, self._counting)
            if known
            else Gate(self._quality, self._catalogue, self._counting),
            door,
            leaving=self._leaving,
        )

    def take(self, name: str, make: Callable[[], Push], *, released: int | None = None) -> Taken:
        """Carry out a push of a configured source; see `carry`."""
        return self.carry(self.sender(name), make, released=released)

    def carry(self, sender: Sender, make: Callable[[], Push], *, released: int | None = None) -> Taken:
        """Carry out a push.

        ``make`` reads it anew for every attempt: another request may change the store in between. ``released`` is the
        number of the quarantine item that it comes from. Raises SQLAlchemyError when the store does not answer, and
        what ``make`` raises.
        """
        for _ in range(ATTEMPTS):
            push = make()
            if push.request_id and (kept := receipts.answered(self.engine, self.ring, sender.source, push)):
                return kept
            plan = planned(sender, push)
            try:
                return carry_out(sender, plan, released)
            except Refusal as fault:
                return told(sender, plan, fault)
            except (Stale, IntegrityError):
                continue
            except DBAPIError as fault:
                if getattr(fault.orig, "sqlstate", None) not in AGAIN:
                    raise
        busy = refusal(503, "transient", "the same resources are being changed by others; try again")
        busy.headers["retry-after"] = "1"
        return Taken(refused(busy))

    def forget_receipts(self) -> int:
        """Remove answers that are too old to be asked for again; how many."""
        return receipts.forget(self.engine, datetime.now(UTC) - timedelta(days=self.settings.receipt_days))


def planned(sender: Sender, push: Push) -> WritePlan:
    """Settle everything about a push before anything is written. A task that cannot be carried out gets its refusal.

    Raises SQLAlchemyError when the store does not answer.
    """
    draft = Draft(WritePlan(push))
    Lookup(sender, draft).read()
    Settling(sender, draft).settle()
    return draft.plan
