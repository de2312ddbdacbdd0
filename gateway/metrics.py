"""Figures for monitoring, in the text format of Prometheus. Few and plain, so they need no library.

A part that counts registers a function that gives its samples; the internal listener shows them all at ``/metrics``.
Labels are names from the configuration and fixed words: never anything about a person.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


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

    def register(self, part: str, texts: Mapping[str, str], samples: Samples) -> None:
        """Show the samples of a part; ``texts`` explains each metric by name. A part that comes again is replaced."""
        self._parts[part] = (texts, samples)

    def text(self, labels: Mapping[str, str] | None = None) -> str:
        """Everything, as Prometheus reads it; with these labels on each sample."""
        return "".join(
            f"{line}\n" for texts, samples in self._parts.values() for line in _lines(texts, samples(), labels or {})
        )


METRICS = Metrics()
"""The process's own."""


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


def _lines(texts: Mapping[str, str], samples: Iterable[Sample], more: Mapping[str, str]) -> Iterator[str]:
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    for name, group in by_name.items():
        yield f"# HELP {name} {texts.get(name, name)}"
        yield f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}"
        for sample in group:
            labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in {**sample.labels, **more}.items())
            yield f"{name}{{{labels}}} {sample.value:g}" if labels else f"{name} {sample.value:g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
