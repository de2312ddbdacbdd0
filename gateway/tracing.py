"""Spans for OpenTelemetry, where the extra ``otel`` is installed and an address is set; else they cost nothing.

A span has names of the configuration, templates, statuses and the MedMij ids in its attributes; of a fault it has the
type only, since its text may hold a value.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

Span = Any
"""A span of OpenTelemetry, or None when nothing is traced."""

_OFF: AbstractContextManager[Span] = nullcontext()
_tracer: Any = None


class TracingUnavailable(Exception):
    """The extra is not installed."""


def start(endpoint: str, ratio: float, version: str) -> Any:
    """Send spans to an OTLP collector (HTTP), in batches; the provider, which sends the rest when the process ends.

    Raises TracingUnavailable.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
    except ImportError as fault:
        raise TracingUnavailable("needs the extra: pip install 'medmij-gateway[otel]'") from fault
    about = Resource({"service.name": "medmij-gateway", "service.version": version})
    provider = TracerProvider(sampler=ParentBasedTraceIdRatio(ratio), resource=about)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    use(provider)
    return provider


def use(provider: Any) -> None:
    """Take tracers from this provider; None: stop tracing."""
    global _tracer  # noqa: PLW0603 - one per process, as the registry of figures
    _tracer = None if provider is None else provider.get_tracer("medmij-gateway")


def span(name: str, **attributes: str | int) -> AbstractContextManager[Span]:
    """A span around a block, within the one that is open in this context; its value takes more attributes."""
    return _OFF if _tracer is None else _spanned(_tracer, name, attributes)


@contextmanager
def _spanned(tracer: Any, name: str, attributes: dict[str, str | int]) -> Iterator[Span]:
    from opentelemetry.trace import StatusCode

    with tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as made:
        try:
            yield made
        except BaseException as fault:
            made.set_attribute("error.type", type(fault).__name__)
            made.set_status(StatusCode.ERROR)
            raise
