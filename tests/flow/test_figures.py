"""Figures, spans and log lines of whole visits: what they say, and what they never say."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from live_house import live_demo, pgo, seeded
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families
from servers import Running

from gateway import tracing
from gateway.logs import JsonLines
from gateway.version import SOFTWARE
from workbench.demo.world import load
from workbench.pgo.client import PgoClient, connect
from workbench.pgo.walk import admitted

ROOT = Path(__file__).parents[2]
PERSON = "Joke van Veldhuizen"
REQUEST, CORRELATION = "6f0f1a52-0b3c-4a55-9d1e-1a2b3c4d5e6f", "7f0f1a52-0b3c-4a55-9d1e-1a2b3c4d5e6f"


@dataclass(frozen=True)
class Visited:
    """What visits left behind."""

    server: Running
    logged: str
    spans: tuple[Any, ...]
    secrets: tuple[str, ...]
    figures: str
    ready: dict[str, Any]


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visited]:
    folder = tmp_path_factory.mktemp("figures")
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    written, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(written), root.level
    handler.setFormatter(JsonLines())
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        with live_demo(seeded(folder), folder) as server:
            secrets = asyncio.run(visit(server))
            figures = httpx.get(f"{server.base}/demo-ehr/metrics", trust_env=False).text
            ready = httpx.get(f"{server.base}/health/ready", trust_env=False).json()
        yield Visited(server, written.getvalue(), exporter.get_finished_spans(), secrets, figures, ready)
    finally:
        tracing.use(None)
        root.removeHandler(handler)
        root.setLevel(level)
        provider.shutdown()


async def visit(server: Running) -> tuple[str, ...]:
    """A whole visit with live sources, one of which fails halfway; wrong requests beside it. What must stay unsaid."""
    ids = {"MedMij-Request-ID": REQUEST, "X-Correlation-ID": CORRELATION}
    async with connect() as http:
        client = PgoClient(http, pgo(server))
        tokens = await admitted(http, pgo(server), "ziekenhuiszandoord", PERSON)
        await client.collect(tokens)
        again = await admitted(http, pgo(server), "ziekenhuiszandoord", PERSON)
        assert (await http.post(f"{server.base}/demo-ehr/epd/switch/down")).status_code == 303
        await client.collect(again)
        base = f"{server.base}/ziekenhuiszandoord/48/fhir"
        bearer = {"Authorization": f"Bearer {tokens.access_token}"}
        assert (await http.get(f"{base}/Nonsense?name={PERSON}", headers={**bearer, **ids})).status_code >= 400
        assert (await http.get(f"{base}/Condition", headers={"Authorization": "Bearer wrong-token"})).status_code == 401
        form = {"grant_type": "authorization_code", "code": "c0de-of-nobody", "client_id": "made-up.example"}
        assert (await http.post(f"{server.base}/oauth/token", data=form, headers=ids)).status_code >= 400
        assert (await http.get(f"{server.base}/nowhere/{PERSON}")).status_code == 404
        assert (await http.get(f"{server.base}/version")).json()["software"] == SOFTWARE
    given = (tokens.access_token, tokens.refresh_token, again.access_token, again.refresh_token)
    return (*filter(None, given), "wrong-token", "c0de-of-nobody")


Families = dict[str, list[tuple[dict[str, str], float]]]


def families(text: str) -> Families:
    """Every sample by its name, as Prometheus reads it: labels and value."""
    found: Families = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_every_request_is_in_a_histogram_by_route_service_client_and_outcome(visited: Visited) -> None:
    counts = families(visited.figures)["gateway_request_seconds_count"]
    seen = {tuple(labels[one] for one in ("route", "service", "client", "outcome")): value for labels, value in counts}
    search = "/{provider}/{service}/fhir/{type}"
    assert seen[search, "48", "pgo.demo.example", "ok"] >= 28
    assert seen["/oauth/token", "", "", "ok"] >= 2
    assert seen["/oauth/token", "", "", "refused"] >= 1
    assert seen["/oauth/visit/{visit}/decide", "", "pgo.demo.example", "ok"] >= 1
    assert ("other", "", "", "refused") in seen
    assert seen["/version", "", "", "ok"] >= 1


def test_the_norm_stands_beside_what_is_held_to_it(visited: Visited) -> None:
    """TOKEN-14, SLA-01: ten seconds are a bound of a bucket, so the share within them is exact. RES-02 the same."""
    found = families(visited.figures)
    norms = {labels["norm"]: value for labels, value in found["gateway_norm_seconds"]}
    shares = {labels["norm"]: value for labels, value in found["gateway_norm_share"]}
    assert (norms, shares) == ({"token": 10, "resource": 60}, {"token": 0.995, "resource": 0.985})
    token = [
        (labels, value)
        for labels, value in found["gateway_request_seconds_bucket"]
        if labels["route"] == "/oauth/token"
    ]
    assert {float(labels["le"]) for labels, _ in token} >= {10.0, 60.0}
    assert sum(value for labels, value in token if labels["le"] == "10.0") >= 1


def test_what_waits_is_a_figure(visited: Visited) -> None:
    found = families(visited.figures)
    assert {labels["queue"] for labels, _ in found["gateway_queue_length"]} == {
        "outbox",
        "quarantine",
        "held_messages",
        "waiting_messages",
        "chain_events",
        "filing",
        "filing_given_up",
        "notifications",
        "exchange_notifications",
        "exchange_given_up",
    }
    assert found["gateway_store_up"] == [({}, 1.0)]
    for name in (
        "gateway_audit_lag_seconds",
        "gateway_audit_waiting",
        "gateway_pool_connections",
        "gateway_source_open",
    ):
        assert name in found
    assert len(found["gateway_source_calls_total"]) >= 1


def test_no_figure_has_a_person_in_it(visited: Visited) -> None:
    hidden(visited, visited.figures)


def test_a_log_line_has_the_ids_of_its_request_and_nothing_of_a_person(visited: Visited) -> None:
    """IDN-07, LOG-06: whole visits, with failing sources and wrong requests, and not one name, number or token."""
    lines = [json.loads(line) for line in visited.logged.splitlines()]
    assert len(lines) > 50
    mine = [one for one in lines if one.get("request_id") == REQUEST]
    assert mine
    assert all(one.get("correlation_id") == CORRELATION for one in mine)
    assert any("session_id" in one for one in lines)
    hidden(visited, visited.logged)


def test_spans_of_request_source_and_store(visited: Visited) -> None:
    """One within the other; the ids of MedMij lead from a span to the log, and nothing leads to a person."""
    names = {one.name for one in visited.spans}
    assert {"source", "store", "GET /{provider}/{service}/fhir/{type}", "POST /oauth/token"} <= names
    by_id = {one.context.span_id: one for one in visited.spans}
    inner = [one for one in visited.spans if one.name in ("source", "store") and one.parent is not None]
    assert {by_id[one.parent.span_id].name for one in inner} & {"GET /{provider}/{service}/fhir/{type}"}
    requests = [one for one in visited.spans if one.attributes.get("medmij.request_id") == REQUEST]
    assert {one.attributes["http.response.status_code"] for one in requests} >= {400}
    failed = [one for one in visited.spans if one.name == "source" and not one.status.is_ok]
    assert {one.attributes["error.type"] for one in failed} == {"AdapterDown"}
    assert not [one for one in visited.spans if one.events]
    hidden(visited, "\n".join(one.to_json() for one in visited.spans))


def hidden(visited: Visited, text: str) -> None:
    """Nothing of the persons of the demo world, and no token or code, stands in a text."""
    world = load(datetime.now(UTC).date())
    assert len(world.persons) > 5
    for person in world.persons:
        for part in (person.bsn, person.name, person.name.split()[-1], person.born.isoformat()):
            assert part not in text, part
    for secret in visited.secrets:
        assert secret not in text


def test_ready_tells_of_every_data_service(visited: Visited) -> None:
    """A service whose source is down is told, and makes the gateway no less ready for the others."""
    assert visited.ready["status"] == "ready"
    services = {(one["provider"], one["service"]): one for one in visited.ready["services"]}
    assert services["ziekenhuiszandoord", "48"]["sources"]["epd"] == "down"
    assert services["ziekenhuiszandoord", "48"]["status"] in ("partly", "down")
    assert {one["status"] for one in services.values()} >= {"ready"}


METRIC = re.compile(r"\b(gateway_\w+)(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
BY = re.compile(r"\bby\s*\(([^)]*)\)")


def asked_of(expression: str) -> tuple[set[str], set[str]]:
    """The metrics and the labels that a query of Prometheus names."""
    metrics, labels = set(), set()
    for name, selector in METRIC.findall(expression):
        metrics.add(name)
        labels |= set(LABEL.findall(selector or ""))
    for group in BY.findall(expression):
        labels |= {one.strip() for one in group.split(",")}
    return metrics, labels - {""}


def queries() -> Iterator[tuple[str, str]]:
    board = json.loads((ROOT / "deploy/grafana/medmij-gateway.json").read_text("utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    for number, line in enumerate(page.splitlines(), 1):
        if line.strip().startswith("expr: "):
            yield f"operations.md, line {number}", line.strip().removeprefix("expr: ")


# What shows only once it happened, or with a setting: heads that are signed, a pool of PostgreSQL, repairs, looks.
ELSEWHERE = {
    "gateway_live_news_late_seconds",
    "gateway_audit_unsigned_seconds",
    "gateway_audit_heads_failed_total",
    "gateway_pool_waiting",
    "gateway_pool_waits_total",
    "gateway_pool_wait_milliseconds_total",
    "gateway_pool_errors_total",
}


def test_dashboard_and_alerts_ask_for_what_is_exported(visited: Visited) -> None:
    found = families(visited.figures)
    exported = {name: set().union(*(labels for labels, _ in samples)) for name, samples in found.items()}
    every = [*queries()]
    assert len(every) >= 20
    for title, expression in every:
        metrics, labels = asked_of(expression)
        assert metrics, title
        assert metrics <= set(exported) | ELSEWHERE, title
        known = set().union(*(exported.get(name, {"part", "pool"}) for name in metrics)) | {"instance", "job", "le"}
        assert labels <= known, title
