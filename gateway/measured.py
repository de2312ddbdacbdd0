"""Every request measured once: how long it took, by route, data service, client and outcome; and a span around it.

The norms of the agreement stand beside the durations, so that a dashboard can hold one to the other.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import Histogram
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.current import CURRENT, Current
from gateway.metrics import METRICS, Sample
from gateway.tracing import Span, span

SECONDS = Histogram(
    "gateway_request_seconds",
    "time until an answer had left, by template of the address, data service, client and outcome",
    ["route", "service", "client", "outcome"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=METRICS.registry,
)
MOST = 2_000
"""Most combinations of labels; beyond them a client is ``other``, then everything is."""
OTHER = "other"


class DurationNorm(NamedTuple):
    """What an answer is held to: within so many seconds, for this share of the time."""

    name: str
    seconds: float
    share: float
    source: str


NORMS = (DurationNorm("token", 10, 0.995, "TOKEN-14, SLA-01"), DurationNorm("resource", 60, 0.985, "RES-02"))
TEXTS: Mapping[str, str] = {
    "gateway_norm_seconds": "time within which the agreement wants an answer",
    "gateway_norm_share": "share of the time for which it wants that",
}


def norms() -> Iterator[Sample]:
    """The norms as figures."""
    for norm in NORMS:
        yield Sample("gateway_norm_seconds", norm.seconds, {"norm": norm.name})
        yield Sample("gateway_norm_share", norm.share, {"norm": norm.name})


METRICS.register("norms", TEXTS, norms)


class Measured:
    """Pure ASGI, around everything else of a listener.

    ``known`` tells which clients have a figure of their own; ``routes`` are those that the scope does not name itself.
    """

    def __init__(self, app: ASGIApp, known: Callable[[str], bool], routes: Iterable[BaseRoute] = ()) -> None:
        self._app = app
        self._known = known
        self._templates: dict[tuple[object, frozenset[str]], str] = {
            (route.endpoint, frozenset(route.param_convertors)): route.path
            for route in reversed([*routes])
            if isinstance(route, Route)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one connection event, and measure it when it is a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        current = Current(scope["headers"])
        before = CURRENT.set(current)
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        try:
            with span("request") as traced:
                try:
                    await self._app(scope, receive, sending)
                finally:
                    current.route = current.route or self._template(scope)
                    if traced is not None:
                        _describe(traced, current, scope["method"], status)
        finally:
            self._count(current, status, time.perf_counter() - started)
            CURRENT.reset(before)

    def _template(self, scope: Scope) -> str:
        """The template of the route that was taken, when the endpoint did not say."""
        found = getattr(scope.get("route"), "path", None)
        if not isinstance(found, str):
            found = self._templates.get((scope.get("endpoint"), frozenset(scope.get("path_params", ()))))
        return OTHER if found is None else f"{scope.get('root_path', '')}{found}"

    def _count(self, current: Current, status: int, seconds: float) -> None:
        labels = (current.route, current.service, current.client, outcome(status))
        child = _children.get(labels)
        if child is None:
            child = self._child(*labels)
        child.observe(seconds)

    def _child(self, route: str, service: str, client: str, ended: str) -> Histogram:
        shown = client if not client or self._known(client) else OTHER
        if len(_children) >= MOST:
            shown = OTHER
        labels = (route, service, shown, ended)
        if labels not in _children and len(_children) >= 2 * MOST:
            labels = (OTHER, "", OTHER, ended)
        child: Histogram = SECONDS.labels(*labels)
        _children[labels] = child
        return child


_children: dict[tuple[str, str, str, str], Histogram] = {}


def outcome(status: int) -> str:
    """What became of a request, in one word; 0 is one that was never answered."""
    if status == 0:
        return "unanswered"
    return "ok" if status < 400 else "refused" if status < 500 else "failed"


def _describe(traced: Span, current: Current, method: str, status: int) -> None:
    traced.update_name(f"{method} {current.route}")
    attributes = {
        "http.request.method": method,
        "http.route": current.route,
        "http.response.status_code": status,
        "medmij.provider": current.provider,
        "medmij.service": current.service,
        "medmij.client": current.client,
        **{f"medmij.{name}": value for name, value in current.ids().items()},
    }
    traced.set_attributes({name: value for name, value in attributes.items() if value})
