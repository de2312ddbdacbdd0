"""Figures for monitoring, for Prometheus: one registry per process, shown by one function wherever it is mounted.

A part that counts registers a function that gives its samples; what is measured per request is a histogram of
prometheus-client. Labels are names from the configuration, templates and fixed words: never anything about a person.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client import CollectorRegistry, Metric, generate_latest
from starlette.requests import Request
from starlette.responses import Response

log = logging.getLogger("gateway.metrics")

__all__ = ["CONTENT_TYPE", "METRICS", "Metrics", "Sample", "exposition"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One number. ``name`` is the metric's; counters end in ``_total``."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


Samples = Callable[[], Iterable[Sample]]


class Metrics:
    """What there is to show. One per process."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[Mapping[str, str], Samples]] = {}
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def register(self, part: str, texts: Mapping[str, str], samples: Samples) -> None:
        """Show the samples of a part; ``texts`` explains each metric by name. A part that comes again is replaced."""
        self._parts[part] = (texts, samples)

    def collect(self) -> Iterator[Metric]:
        """Every metric of the parts, as the registry asks for them. A part that fails costs its own figures only."""
        families: dict[str, Metric] = {}
        for part, (texts, samples) in list(self._parts.items()):
            try:
                found = list(samples())
            except Exception:
                log.exception("the figures of %s cannot be told", part)
                continue
            _add(families, texts, found)
        yield from families.values()

    def text(self, labels: Mapping[str, str] | None = None) -> str:
        """Everything, as Prometheus reads it; with these labels on each sample. Asks the database: not for the loop."""
        if not labels:
            return generate_latest(self.registry).decode()
        more = Labelled(self.registry, labels)
        return generate_latest(more).decode()


class Labelled:
    """What a registry has, with labels more on each sample: whose it is, where several processes show theirs."""

    def __init__(self, registry: CollectorRegistry, labels: Mapping[str, str]) -> None:
        self._registry = registry
        self._labels = labels

    def collect(self) -> Iterator[Metric]:
        """Every metric, as the registry gives it."""
        for metric in self._registry.collect():
            metric.samples = [one._replace(labels={**one.labels, **self._labels}) for one in metric.samples]
            yield metric


METRICS = Metrics()
"""The process's own."""


async def exposition(_request: Request) -> Response:
    """The endpoint: mount it where operators can reach it and the world cannot."""
    text = await asyncio.to_thread(METRICS.text)
    return Response(text, headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})


def merged(texts: Iterable[str]) -> str:
    """What several processes show, as one text: the samples of a metric stand together, as the format wants."""
    groups: dict[str, list[str]] = {}
    for text in texts:
        group: list[str] = []
        for line in text.splitlines():
            if line.startswith("# HELP "):
                group = groups.setdefault(line, [])
            elif line not in group:
                group.append(line)
    return "".join(f"{line}\n" for heading, lines in groups.items() for line in (heading, *lines))


def _add(families: dict[str, Metric], texts: Mapping[str, str], samples: Iterable[Sample]) -> None:
    """Several parts may have samples of one metric, with other labels."""
    for sample in samples:
        name = sample.name
        family = families.get(name)
        if family is None:
            kind = "counter" if name.endswith("_total") else "gauge"
            family = families[name] = Metric(name.removesuffix("_total"), texts.get(name, name), kind)
        family.add_sample(name, dict(sample.labels), sample.value)
