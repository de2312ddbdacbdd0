"""Figures of requests stay few: templates for addresses, names for known clients, and a bound on all of them."""

import asyncio
import logging
from collections.abc import Callable

import httpx
import pytest
from live_house import listening
from servers import free_port
from sqlalchemy import create_engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from gateway import measured, tracing
from gateway.current import CURRENT
from gateway.logs import JsonLines
from gateway.measured import Measured, outcome
from gateway.metrics import METRICS, Metrics, Sample, exposition
from gateway.queues import StoredQueues


async def endpoint(request: Request) -> Response:
    current = CURRENT.get()
    assert current is not None
    current.client = request.path_params["client"]
    if request.path_params["client"] == "broken":
        raise ZeroDivisionError
    return PlainTextResponse("ok", int(request.query_params.get("status", "200")))


def asked(app: Callable[[Scope, Receive, Send], object], *paths: str) -> None:
    async def ask() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            for path in paths:
                await client.get(path)

    asyncio.run(ask())


def counted(route: str) -> dict[tuple[str, str], float]:
    """Requests of a route by client and outcome."""
    found = {}
    for family in METRICS.registry.collect():
        for sample in family.samples:
            if sample.name == "gateway_request_seconds_count" and sample.labels["route"] == route:
                found[sample.labels["client"], sample.labels["outcome"]] = sample.value
    return found


def test_clients_that_are_not_known_are_one_figure() -> None:
    inner = Starlette(routes=[Route("/unknown/{client}", endpoint)])
    app = Measured(inner, lambda name: name == "pgo.example", inner.routes)
    asked(app, *(f"/unknown/{number}.example" for number in range(50)), "/unknown/pgo.example")
    assert counted("/unknown/{client}") == {("other", "ok"): 50, ("pgo.example", "ok"): 1}


def test_outcomes_are_words_and_a_fault_is_counted() -> None:
    inner = Starlette(routes=[Mount("/below", routes=[Route("/outcomes/{client}", endpoint)])])
    app = Measured(inner, lambda _: True, inner.routes)
    asked(app, "/below/outcomes/a?status=404", "/below/outcomes/a?status=503", "/below/outcomes/broken", "/elsewhere")
    found = counted("/below/outcomes/{client}")
    assert found == {("a", "refused"): 1, ("a", "failed"): 1, ("broken", "failed"): 1}
    assert [outcome(status) for status in (0, 200, 302, 401, 500)] == ["unanswered", "ok", "ok", "refused", "failed"]


def test_the_number_of_figures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the lists hold, and however many addresses there are."""
    monkeypatch.setattr(measured, "MOST", len(measured._children) + 5)

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        current = CURRENT.get()
        assert current is not None
        current.route, current.client = "/bounded", scope["path"]
        await PlainTextResponse("ok")(scope, receive, send)

    app = Measured(named, lambda _: True)
    asked(app, *(f"/{number}" for number in range(30)))
    found = counted("/bounded")
    assert found["other", "ok"] >= 24
    assert len(found) <= 6


def test_a_part_that_fails_costs_its_own_figures_only() -> None:
    """As when the store is gone: what is known without it is shown, and that it is gone."""
    metrics = Metrics()
    metrics.register("broken", {}, lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    metrics.register("store", {}, StoredQueues(create_engine("sqlite:////nowhere/at/all.db")).samples)
    metrics.register("one", {}, lambda: [Sample("gateway_x", 1, {"part": "public"})])
    metrics.register("two", {}, lambda: [Sample("gateway_x", 2, {"part": "intake"})])
    lines = metrics.text().splitlines()
    assert "gateway_store_up 0.0" in lines
    assert lines.count("# TYPE gateway_x gauge") == 1
    assert {'gateway_x{part="public"} 1.0', 'gateway_x{part="intake"} 2.0'} <= set(lines)


def test_figures_are_shown_wherever_they_are_mounted() -> None:
    """Also by a process that takes no pushed data."""

    async def ask() -> httpx.Response:
        app = Starlette(routes=[Route("/metrics", exposition)])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
            return await client.get("/metrics")

    answer = asyncio.run(ask())
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'gateway_norm_seconds{norm="token"} 10.0' in answer.text


def test_ids_that_are_no_ids_stay_out_of_the_log() -> None:
    """HDR-04: what a client sends as an id is an id or nothing."""
    written: list[str] = []

    async def logging_(scope: Scope, receive: Receive, send: Send) -> None:
        line = logging.LogRecord("gateway", logging.INFO, "", 0, "something", None, None)
        written.append(JsonLines().format(line))
        await PlainTextResponse("ok")(scope, receive, send)

    async def ask() -> None:
        app = Measured(logging_, lambda _: True)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            wrong = {"medmij-request-id": "Jan Jansen", "x-correlation-id": "999999990"}
            await client.get("/", headers=wrong)
            await client.get("/", headers={**wrong, "X-Correlation-ID": "7f0f1a52-0b3c-4a55-9d1e-1a2b3c4d5e6f"})

    asyncio.run(ask())
    assert "Jansen" not in "".join(written)
    assert "correlation_id" not in written[0]
    assert '"correlation_id": "7f0f1a52-0b3c-4a55-9d1e-1a2b3c4d5e6f"' in written[1]


def test_spans_reach_a_collector() -> None:
    """With the extra and an address, as `gateway serve` starts it."""
    received: list[bytes] = []

    async def collect(request: Request) -> Response:
        received.append(await request.body())
        return Response(status_code=200)

    port = free_port()
    with listening(Starlette(routes=[Route("/v1/traces", collect, methods=["POST"])]), port):
        provider = tracing.start(f"http://127.0.0.1:{port}/v1/traces", 1.0, "1.2.3")
        try:
            with tracing.span("request", source="epd"):
                pass
            provider.shutdown()
        finally:
            tracing.use(None)
    sent = b"".join(received)
    assert b"medmij-gateway" in sent
    assert b"request" in sent


def test_without_tracing_a_span_is_nothing() -> None:
    with tracing.span("request", source="epd") as traced:
        assert traced is None
