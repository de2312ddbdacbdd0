"""The sources of a process: probed, counted, guarded by BSN, closed, and named in an answer."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from adapters.port import (
    AdapterDown,
    AdapterQuery,
    Availability,
    AvailabilityQuery,
    Batch,
    Bsn,
    Capabilities,
    Content,
    Coverage,
    CoverageLevel,
    LocalId,
    PatientKey,
    RepairNote,
)
from gateway.collect import sources
from gateway.collect.fanout import FanOut, GuardedSource
from gateway.collect.held import Held
from gateway.collect.pipeline import Sources, names_person
from gateway.http.origin import origin
from gateway.intake.http import Listener, application
from gateway.metrics import METRICS, Metrics, Sample
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

MINE, OTHER = Bsn("999951750"), "999970239"


class Epd:
    """A source that answers what it is given, and notes how it is treated."""

    name = "epd"
    capabilities = Capabilities(otherwise=Coverage(CoverageLevel.PARTLY))

    def __init__(self, resources: list[Resource] | None = None, faults: int = 0) -> None:
        self.resources = resources or []
        self.faults = faults
        self.probed = 0
        self.closed = False

    async def find(self, query: AdapterQuery) -> Batch:
        notes = [RepairNote("Condition/c", "codes", "Condition.code", "corrected", before="griep", after="verkouden")]
        return Batch(self.name, self.resources, datetime.now(UTC), frozenset({"p"}), trace=notes)

    async def available(self, query: AvailabilityQuery) -> Availability:
        return Availability(True)

    async def read(self, query: AdapterQuery) -> Batch | Content:
        return await self.find(query)

    async def probe(self, deadline: float) -> Capabilities:
        self.probed += 1
        if self.probed <= self.faults:
            raise AdapterDown("the source does not answer", cause="http://10.0.0.1/secret")
        return self.capabilities

    async def aclose(self) -> None:
        self.closed = True
        if self.faults:
            raise OSError("already gone")


def providers(*adapters: Epd) -> dict[str, Sources]:
    return {"ziekenhuis": Sources(False, FanOut([GuardedSource(one) for one in adapters]))}


def query(seconds: float = 1.0) -> AdapterQuery:
    key = PatientKey(bsn=MINE, local_ids=(LocalId(None, "p"),))
    deadline = time.monotonic() + seconds
    return AdapterQuery("z", key, "bgz-3", "problem", "search-type", "Condition", FhirVersion.STU3, deadline)


def condition(subject: dict[str, Any]) -> Resource:
    return {"resourceType": "Condition", "id": "c", "subject": subject}


def identified(number: str) -> dict[str, Any]:
    return {"identifier": {"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": number}}


def test_a_resource_that_names_another_bsn_is_an_incident() -> None:
    """A reference by number has no id to compare: the guard needs the BSN for it."""
    wrong = FanOut([GuardedSource(Epd([condition(identified(OTHER))]))])
    assert asyncio.run(wrong.gather(query(), b"token")).incidents == ["epd"]
    right = FanOut([GuardedSource(Epd([condition(identified(MINE.reveal()))]))])
    assert len(asyncio.run(right.gather(query(), b"token")).batches[0].resources) == 1


def test_calls_failures_and_incidents_are_counted_and_shown() -> None:
    held = providers(Epd([condition(identified(OTHER))]))
    fan = held["ziekenhuis"].live
    asyncio.run(fan.gather(query(), b"one"))
    asyncio.run(fan.gather(query(), b"two"))
    metrics = Metrics()
    metrics.register("sources", sources.TEXTS, lambda: sources.samples(held))
    lines = metrics.text().splitlines()
    labels = '{provider="ziekenhuis",source="epd"}'
    assert f"gateway_source_calls_total{labels} 2.0" in lines
    assert f"gateway_source_failures_total{labels} 2.0" in lines
    assert f"gateway_source_incidents_total{labels} 2.0" in lines
    assert f"gateway_source_open{labels} 0.0" in lines
    assert "# TYPE gateway_source_calls_total counter" in lines
    assert all(line.startswith("#") or line.count(" ") == 1 for line in lines)


def test_a_label_cannot_break_the_format() -> None:
    metrics = Metrics()
    metrics.register("x", {}, lambda: [Sample("x", 1, {"name": 'a"b\\c\nd'})])
    assert metrics.text().splitlines()[-1] == 'x{name="a\\"b\\\\c\\nd"} 1.0'


def test_a_source_that_is_down_at_start_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    late, never = Epd(faults=2), Epd(faults=9)
    with caplog.at_level(logging.INFO):
        asyncio.run(sources.probe(providers(late, never), (0.0, 0.0, 0.0, 0.0)))
    assert (late.probed, never.probed) == (3, 4)
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert "10.0.0.1" not in caplog.text


def test_every_source_is_closed_also_when_one_fails() -> None:
    first, second = Epd(faults=1), Epd()
    asyncio.run(sources.close(providers(first, second)))
    assert first.closed
    assert second.closed


@pytest.mark.parametrize("name", ["patient", "subject:Patient", "patient.identifier", "beneficiary", "subject.name"])
def test_a_source_is_not_given_parameters_that_name_the_person(name: str) -> None:
    assert names_person(name)


@pytest.mark.parametrize("name", ["code", "category", "_include", "performer", "patients"])
def test_other_parameters_go_to_the_source(name: str) -> None:
    assert not names_person(name)


def held(source: str, live: bool) -> Held:
    digest = None if live else b"d"
    return Held("Condition", "c", FhirVersion.STU3, source=source, patient_id="p", data={}, digest=digest)


def test_an_answer_names_its_sources() -> None:
    several = [held("epd", True), held("lab", False), held("epd", True), held("epd", False)]
    assert origin(several) == {
        "gateway-source": '"epd";via=live;count=2, "epd";via=store;count=1, "lab";via=store;count=1'
    }
    assert origin([]) == {}


def test_a_source_name_cannot_break_the_header() -> None:
    assert origin([held('e"p\\d\r\né', True)])["gateway-source"] == '"e\\"p\\\\d???";via=live;count=1'


class NoIntake:
    """A listener that is never asked to take anything."""

    async def token(self, _request: Request) -> Response:
        return Response(status_code=500)

    push = document = token


def test_the_internal_listener_shows_the_figures() -> None:
    METRICS.register("sources", sources.TEXTS, lambda: sources.samples(providers(Epd())))
    app = application(cast(Listener, NoIntake()), Starlette(), Starlette())

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://intern") as http:
            return await http.get("/metrics")

    answer = asyncio.run(go())
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'gateway_source_calls_total{provider="ziekenhuis",source="epd"} 0.0' in answer.text.splitlines()
