"""From an admitted request to a record: what is in the store, and what live sources answer to this question."""

import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from adapters.port import WHO_IT_IS, Adapter, AdapterMisconfigured, AdapterQuery, Batch, Bsn, Gap, LocalId, PatientKey
from adapters.registry import build
from auth.crypto import KeyRing
from auth.grants import Grant
from gateway.collect.fanout import FanOut, GuardedSource
from gateway.collect.judged import PullGate
from gateway.collect.live import held_of, servable
from gateway.collect.record import Record, RecordOwner, Rekey
from gateway.release.shield import Hidden, ReleasePolicy
from gateway.sections import ProviderSettings
from gateway.store.reader import Reader
from profiles.conversion import Loss
from profiles.fhir.interactions import FhirRequest
from profiles.record.expect import Expectations
from profiles.record.leaving import Leaving
from profiles.record.repair import Repair
from profiles.standards.admit import PERSON, Admitted
from profiles.standards.model import Standard

log = logging.getLogger("gateway.collect")

STORE = "store"
"""The ``type`` of the source that is the gateway's own store: what was pushed or imported."""


Around = Callable[[Adapter], Adapter]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where one provider's data come from."""

    store: bool
    live: FanOut


def sources_of(settings: ProviderSettings, keep: float, around: Around = lambda adapter: adapter) -> Sources:
    """The sources of a provider's settings; without any, the store. Raises AdapterMisconfigured.

    ``around`` is put around each adapter (the demo's fault switches).
    """
    if not settings.sources:
        return Sources(True, FanOut(()))
    live = [GuardedSource(around(build(raw))) for raw in settings.sources if raw.get("type") != STORE]
    names = [source.adapter.name for source in live]
    if len(set(names)) != len(names):
        raise AdapterMisconfigured("two sources of a provider have the same name")
    store = any(raw.get("type") == STORE for raw in settings.sources)
    # Ids get the name of their source when there is more than one place that they can come from.
    return Sources(store, FanOut(live, keep, prefixed=len(live) + store > 1))


@dataclass(frozen=True, slots=True)
class Collected:
    """A record to search, and what is missing from it."""

    record: Record
    gaps: Sequence[Gap] = ()
    nothing: bool = False
    incidents: Sequence[str] = ()
    changes: Sequence[tuple[str, str, str]] = ()
    """What was changed in what live sources said: source, rule and place."""
    hidden: Sequence[Hidden] = ()
    """What a converted record would have had, and may not be shown; those that may be told of are gaps too."""
    losses: Sequence[Loss] = ()
    """What was lost where the record is a converted one."""
    known: bool = False
    """Whether a live source that was asked knows the person, whatever it has of them."""
    answered: Mapping[str, bool] = field(default_factory=dict)
    """The live sources that answered, and whether nothing was missing from what each gave."""


@dataclass(frozen=True, slots=True)
class Collector:
    """Makes the record for each request.

    ``deadline`` is the time for live sources, in seconds; ``quality`` judges what they deliver; ``rekey`` keeps search
    keys that had to be made while reading.
    """

    reader: Reader
    ring: KeyRing
    providers: Mapping[str, Sources]
    expected: Expectations
    deadline: float
    quality: PullGate | None = None
    rekey: Rekey | None = None
    leaving: Leaving = field(default_factory=Leaving)
    """What is done to a resource last."""
    release: ReleasePolicy = field(default_factory=ReleasePolicy)
    """What may be shown, and from when."""

    async def collect(
        self,
        whose: RecordOwner,
        grant: Grant,
        standard: Standard | None,
        request: FhirRequest,
        admitted: Admitted,
        ids: tuple[str, str],
    ) -> Collected:
        """The record for a search or a read; ``ids`` are the request and correlation id. Raises StoreUnavailable.

        No standard: it is only asked who the person is, whatever a source serves its Patient for.
        """
        sources = self.providers.get(whose.provider) or Sources(True, FanOut(()))
        shield = await self.release.shield(self.reader, whose.provider, whose.version, whose.person, whose.patient_id)
        record = Record(self.reader if sources.store else None, whose, request.format, self.rekey, shield)
        if not sources.live.sources:
            return Collected(record)
        query = self._query(whose, grant, standard, request, admitted, ids)
        gathered = await sources.live.gather(query, grant.digest)
        gaps, changes, answered = list(gathered.gaps), [], {}
        for batch in gathered.batches:
            known = [query.patient.bsn.reveal()] if query.patient.bsn else []
            held, made = held_of(batch, whose.version, self.expected, prefixed=sources.live.prefixed, known=known)
            notes = list(made)
            held, unwritable = servable(held)
            answered[batch.source] = not batch.gaps and not unwritable
            gaps += unwritable
            if self.quality is not None:
                held, blocked = await self.quality.check(whose.provider, whose.version, batch, held)
                gaps += blocked
                answered[batch.source] &= not blocked
            # After the verdict: a source answers for the profiles that it and the row mean.
            notes += [("", repair) for one in held for repair in one.change(self.leaving)]
            record.add(held)
            made_here = [repair for _, repair in notes]
            changes += [(batch.source, one.rule, one.expression) for one in batch.trace]
            changes += [(batch.source, one.rule, one.expression) for one in made_here]
            _note(sources.live, batch, made_here)
        nothing = gathered.nothing and not sources.store and bool(gaps)
        someone = any(batch.patients for batch in gathered.batches)
        return Collected(record, gaps, nothing, gathered.incidents, changes, known=someone, answered=answered)

    def _query(
        self,
        whose: RecordOwner,
        grant: Grant,
        standard: Standard | None,
        request: FhirRequest,
        admitted: Admitted,
        ids: tuple[str, str],
    ) -> AdapterQuery:
        rule = admitted.rule
        asked = (standard.id, rule.id) if standard else WHO_IT_IS
        profiles = {rule.type: rule.profiles, **rule.included_profiles} if rule.type else dict(rule.included_profiles)
        return AdapterQuery(
            provider=whose.provider,
            patient=patient_key(grant, self.ring),
            standard=asked[0],
            rule=asked[1],
            interaction=request.interaction,
            type=request.type or "",
            version=whose.version,
            deadline=time.monotonic() + self.deadline,
            search=tuple(pair for pair in admitted.query if not names_person(pair[0])),
            id=request.id,
            profiles=profiles,
            request=ids[0],
            correlation=ids[1],
        )


def names_person(parameter: str) -> bool:
    """Whether a search parameter points at the person, also through a modifier or a chain: the key does that."""
    return re.split(r"[:.]", parameter, maxsplit=1)[0] in PERSON


def _note(live: FanOut, batch: Batch, repairs: Sequence[Repair]) -> None:
    """Count what was changed in a live answer, and say it in one line: rules and numbers, never a value."""
    rules = Counter([note.rule for note in batch.trace] + [repair.rule for repair in repairs])
    if rules:
        next(one for one in live.sources if one.adapter.name == batch.source).counted.repairs += rules
        shown = ", ".join(f"{rule} {count}" for rule, count in sorted(rules.items()))
        log.info("source %s: repairs: %s", batch.source, shown)


def patient_key(grant: Grant, ring: KeyRing) -> PatientKey:
    """Who a source is asked about: the BSN that the grant seals, and for test tokens the patient id."""
    bsn = Bsn(ring.open("bsn", grant.sealed_bsn).decode()) if grant.sealed_bsn else None
    local = (LocalId(None, grant.patient),) if grant.patient else ()
    return PatientKey(bsn=bsn, local_ids=local)
