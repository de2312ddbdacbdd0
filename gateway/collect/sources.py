"""The life of the sources in a process: asked at start what they can do, counted while they work, closed at the end."""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence

from adapters.port import AdapterError, Closes, Probes
from gateway.collect.fanout import GuardedSource
from gateway.collect.pipeline import Sources
from gateway.metrics import Sample

log = logging.getLogger("gateway.collect")

PATIENCE = 10.0
"""Seconds that one probe may take."""
PAUSES = (0.0, 2.0, 10.0, 60.0)
"""Seconds before each attempt to probe a source: one that is down at start is asked again."""

TEXTS: Mapping[str, str] = {
    "gateway_source_calls_total": "questions that were put to a source",
    "gateway_source_failures_total": "questions that a source did not answer",
    "gateway_source_incidents_total": "answers of a source with another patient's data",
    "gateway_source_milliseconds_total": "time that a source took for its answers",
    "gateway_source_repairs_total": "changes made to what a source said, by rule",
    "gateway_source_open": "1 while a source is not asked because it failed",
}


async def probe(providers: Mapping[str, Sources], pauses: Sequence[float] = PAUSES) -> None:
    """Ask every source that can say so what it can deliver; keeps trying for a while. Never raises AdapterError."""
    await asyncio.gather(*(_probe(provider, source, pauses) for provider, source in _each(providers)))


async def _probe(provider: str, source: GuardedSource, pauses: Sequence[float]) -> None:
    adapter = source.adapter
    if not isinstance(adapter, Probes):
        return
    for attempt, pause in enumerate(pauses, start=1):
        await asyncio.sleep(pause)
        try:
            async with asyncio.timeout(PATIENCE):
                await adapter.probe(time.monotonic() + PATIENCE)
        except (AdapterError, TimeoutError) as fault:
            # The public text only: a cause may hold an address or a value.
            text = fault.text if isinstance(fault, AdapterError) else "no answer in time"
            level = logging.WARNING if attempt == len(pauses) else logging.INFO
            log.log(level, "source %s of %s cannot be probed: %s", adapter.name, provider, text)
        except Exception:
            log.exception("source %s of %s failed in an unforeseen way", adapter.name, provider)
            return
        else:
            return


async def close(providers: Mapping[str, Sources]) -> None:
    """Give back the connections of every source. A source that cannot be closed keeps no other from it."""
    closing = [source.adapter.aclose() for _, source in _each(providers) if isinstance(source.adapter, Closes)]
    for outcome in await asyncio.gather(*closing, return_exceptions=True):
        if isinstance(outcome, Exception):
            log.warning("a source could not be closed: %s", type(outcome).__name__)


def samples(providers: Mapping[str, Sources]) -> Iterator[Sample]:
    """The figures of every source (`TEXTS` says what they are)."""
    for provider, source in _each(providers):
        labels = {"provider": provider, "source": source.adapter.name}
        counted = source.counted
        yield Sample("gateway_source_calls_total", counted.calls, labels)
        yield Sample("gateway_source_failures_total", counted.failures, labels)
        yield Sample("gateway_source_incidents_total", counted.incidents, labels)
        yield Sample("gateway_source_milliseconds_total", round(counted.seconds * 1000), labels)
        yield Sample("gateway_source_open", 0 if source.breaker.closed else 1, labels)
        for rule, count in sorted(counted.repairs.items()):
            yield Sample("gateway_source_repairs_total", count, {**labels, "rule": rule})


def _each(providers: Mapping[str, Sources]) -> Sequence[tuple[str, GuardedSource]]:
    return [(name, source) for name, sources in providers.items() for source in sources.live.sources]
