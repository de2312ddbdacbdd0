"""Asking several sources at once: one deadline, a bulkhead and a breaker per source, and no question asked twice.

A source that is late, down or wrong costs its own part of the answer and nothing else: what is missing becomes a `Gap`.
"""

import asyncio
import base64
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from adapters.guard import Guard
from adapters.port import Adapter, AdapterDown, AdapterError, AdapterQuery, Batch, Gap, Reason, WrongPatient
from gateway.collect.breaker import Breaker
from gateway.collect.content import ELEMENT
from gateway.collect.ids import own_query
from gateway.tracing import span

log = logging.getLogger("gateway.collect")

Question = tuple[object, ...]

MOST_KEPT = 2_000
"""Most answers that are kept per provider; the oldest make room."""


@dataclass(slots=True)
class Counted:
    """What a source did since the start of the process; ``repairs`` by rule."""

    calls: int = 0
    failures: int = 0
    incidents: int = 0
    seconds: float = 0.0
    repairs: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class GuardedSource:
    """One adapter with what protects it: at most ``width`` calls at once, and its breaker."""

    adapter: Adapter
    width: int = 8
    breaker: Breaker = field(default_factory=Breaker)
    counted: Counted = field(default_factory=Counted)
    _room: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._room = asyncio.Semaphore(self.width)

    async def ask(self, query: AdapterQuery) -> Batch:
        """Ask within the query's deadline. Raises AdapterError, also for anything unforeseen in an adapter."""
        if not self.breaker.allows():
            raise AdapterDown("the source does not answer at the moment", retry_after=self.breaker.retry_after)
        try:
            async with asyncio.timeout(query.remaining()), self._room:
                batch = await self._timed(query)
        except asyncio.CancelledError:
            self.breaker.given_up()
            raise
        except AdapterError as fault:
            self.counted.failures += 1
            self.counted.incidents += isinstance(fault, WrongPatient)
            if isinstance(fault, AdapterDown):
                self.breaker.failed()
            else:
                self.breaker.succeeded()
            raise
        except TimeoutError as fault:
            self.counted.failures += 1
            self.breaker.failed()
            raise AdapterDown("the source did not answer in time", cause=fault, retry_after=10) from fault
        except Exception as fault:
            self.counted.failures += 1
            self.breaker.failed()
            log.exception("adapter %s failed in an unforeseen way", self.adapter.name)
            raise AdapterDown("the source cannot be read", cause=fault) from fault
        self.breaker.succeeded()
        return batch

    async def _timed(self, query: AdapterQuery) -> Batch:
        self.counted.calls += 1
        started = time.perf_counter()
        try:
            with span("source", source=self.adapter.name, type=query.type, interaction=query.interaction):
                return await self._answer(query)
        finally:
            self.counted.seconds += time.perf_counter() - started

    async def _answer(self, query: AdapterQuery) -> Batch:
        reply = await (self.adapter.read(query) if query.interaction == "read" else self.adapter.find(query))
        if isinstance(reply, Batch):
            kept, orphans = Guard(reply.patients, query.patient.bsn).check(reply.resources)
            return replace(reply, resources=kept, gaps=(*reply.gaps, *orphans))
        # Bytes name nobody: the adapter found them through a document of the patient, which is its promise.
        data = b"".join([chunk async for chunk in reply.chunks])
        binary = {
            "resourceType": "Binary",
            "id": reply.id,
            "contentType": reply.content_type,
            ELEMENT[query.version]: base64.b64encode(data).decode(),
        }
        return Batch(reply.source, [binary], reply.fetched)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the sources gave. ``incident`` names sources that answered with another patient's data."""

    batches: Sequence[Batch]
    gaps: Sequence[Gap]
    incidents: Sequence[str] = ()

    @property
    def nothing(self) -> bool:
        """Whether not one source could answer."""
        return not self.batches


@dataclass(slots=True)
class FanOut:
    """All sources of one provider. Identical questions that run at the same time share one call (a retry joins).

    Answers are kept for ``keep`` seconds per token, so that what one visit asks twice costs the EHR once; 0 keeps none.
    """

    sources: Sequence[GuardedSource]
    keep: float = 0.0
    prefixed: bool = False
    clock: Callable[[], float] = time.monotonic
    _running: dict[Question, asyncio.Task[Batch]] = field(default_factory=dict, init=False)
    _kept: dict[Question, tuple[float, Batch]] = field(default_factory=dict, init=False)

    async def gather(self, query: AdapterQuery, token: bytes) -> Gathered:
        """Ask every source that can deliver the row, at once."""
        asked = [source for source in self.sources if _can(source, query)]
        queries = [(source, own_query(query, source.adapter.name) if self.prefixed else query) for source in asked]
        asked = [source for source, own in queries if own is not None]
        calls = (self._one(source, own, token) for source, own in queries if own is not None)
        answers = await asyncio.gather(*calls, return_exceptions=True)
        batches: list[Batch] = []
        gaps: list[Gap] = []
        incidents: list[str] = []
        for source, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Batch):
                batches.append(answer)
                gaps += (_of(source, gap) for gap in answer.gaps)
            elif isinstance(answer, WrongPatient):
                incidents.append(source.adapter.name)
                gaps.append(Gap(query.type, Reason.SOURCE_DOWN, "A source gave an answer that cannot be used."))
            elif isinstance(answer, AdapterError):
                gaps.append(_of(source, answer.gap(query.type)))
            elif isinstance(answer, BaseException):
                raise answer
        return Gathered(batches, gaps, incidents)

    async def _one(self, source: GuardedSource, query: AdapterQuery, token: bytes) -> Batch:
        question = (source.adapter.name, token, query.version, query.standard, query.rule, query.search, query.id)
        kept = self._kept.get(question)
        if kept is not None and self.clock() - kept[0] < self.keep:
            return kept[1]
        task = self._running.get(question)
        if task is None:
            task = asyncio.get_running_loop().create_task(source.ask(query))
            self._running[question] = task
            task.add_done_callback(lambda done: self._finished(question, done))
        # Shielded: a client that hangs up does not stop the call that its own retry will join.
        return await asyncio.shield(task)

    def _finished(self, question: Question, task: asyncio.Task[Batch]) -> None:
        self._running.pop(question, None)
        if task.cancelled() or task.exception() is not None or self.keep <= 0:
            return
        now = self.clock()
        for old in [key for key, (since, _) in self._kept.items() if now - since >= self.keep]:
            del self._kept[old]
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[question] = (now, task.result())


def _can(source: GuardedSource, query: AdapterQuery) -> bool:
    """Whether a source can deliver the row. A read by id is for the source that gave the id, whatever its rows."""
    if query.interaction == "read":
        return True
    return source.adapter.capabilities.of(query.standard, query.rule, query.version, query.type).level != "no"


def _of(source: GuardedSource, gap: Gap) -> Gap:
    """The gap with the name of its source, so that one knows which part of an answer is missing."""
    return replace(gap, text=f"{gap.text} (source {source.adapter.name})")
