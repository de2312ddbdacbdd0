"""Asking several sources at once: what is slow, down or wrong costs its own part and nothing else (SC-H4, SC-P5)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from timing import LONG

from adapters.port import (
    AdapterDown,
    AdapterQuery,
    Availability,
    AvailabilityQuery,
    Batch,
    Capabilities,
    Content,
    Coverage,
    CoverageLevel,
    LocalId,
    PatientKey,
    Reason,
    WrongPatient,
)
from gateway.collect.breaker import Breaker
from gateway.collect.fanout import FanOut, GuardedSource
from gateway.collect.ids import own_query, served_id
from gateway.collect.live import held_of, servable
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.expect import Expectations
from profiles.standards.load import catalogue

Answer = Callable[[], Awaitable[list[Resource]]]
TOKEN = b"digest of the token"


def condition(id_: str, patient: str = "p") -> Resource:
    return {"resourceType": "Condition", "id": id_, "subject": {"reference": f"Patient/{patient}", "display": "P."}}


class Plain:
    """An adapter that answers what a function gives, and counts how often it was asked."""

    def __init__(self, name: str, answer: Answer, level: CoverageLevel = CoverageLevel.DELIVERABLE) -> None:
        self.name = name
        self.capabilities = Capabilities(otherwise=Coverage(level))
        self.answer = answer
        self.asked = 0

    async def find(self, query: AdapterQuery) -> Batch:
        self.asked += 1
        return Batch(self.name, await self.answer(), datetime.now(UTC), frozenset({"p"}))

    async def available(self, query: AvailabilityQuery) -> Availability:
        return Availability(True)

    async def read(self, query: AdapterQuery) -> Batch | Content:
        return await self.find(query)


async def good() -> list[Resource]:
    return [condition("c1"), condition("c2")]


async def hangs() -> list[Resource]:
    await asyncio.sleep(600)
    return []


async def down() -> list[Resource]:
    raise AdapterDown("het lab antwoordt niet")


async def broken() -> list[Resource]:
    raise KeyError("a mistake in an adapter")


async def mixed() -> list[Resource]:
    return [condition("c1"), condition("c9", patient="somebody-else")]


def query(seconds: float = 0.3) -> AdapterQuery:
    return AdapterQuery(
        provider="z", patient=PatientKey(local_ids=(LocalId(None, "p"),)), standard="bgz-3", rule="problem",
        interaction="search-type", type="Condition", version=FhirVersion.STU3, deadline=time.monotonic() + seconds,
    )  # fmt: skip


def fan(*adapters: Plain, keep: float = 0.0) -> FanOut:
    return FanOut([GuardedSource(adapter) for adapter in adapters], keep)


@pytest.mark.parametrize("fault", [hangs, down, broken])
def test_one_source_that_fails_costs_its_own_part(fault: Answer) -> None:
    started = time.monotonic()
    gathered = asyncio.run(fan(Plain("epd", good), Plain("lab", fault)).gather(query(), TOKEN))
    assert time.monotonic() - started < LONG
    assert [one["id"] for batch in gathered.batches for one in batch.resources] == ["c1", "c2"]
    assert [gap.reason for gap in gathered.gaps] == [Reason.SOURCE_DOWN]
    assert not gathered.nothing


def test_all_sources_down_is_not_an_empty_answer() -> None:
    gathered = asyncio.run(fan(Plain("epd", down), Plain("lab", hangs)).gather(query(), TOKEN))
    assert gathered.nothing
    assert len(gathered.gaps) == 2


def test_a_foreign_resource_is_an_incident_and_nothing_of_that_answer_leaves() -> None:
    gathered = asyncio.run(fan(Plain("epd", mixed), Plain("lab", good)).gather(query(), TOKEN))
    assert gathered.incidents == ["epd"]
    assert [batch.source for batch in gathered.batches] == ["lab"]


def test_an_incident_that_the_adapter_itself_finds_counts_too() -> None:
    async def refused() -> list[Resource]:
        raise WrongPatient("another patient")

    assert asyncio.run(fan(Plain("epd", refused)).gather(query(), TOKEN)).incidents == ["epd"]


def test_a_retry_joins_the_call_that_is_running() -> None:
    """SC-P5: the client gives up after 5 seconds and asks again; the EHR is asked once."""
    under_way, ready = asyncio.Event(), asyncio.Event()

    async def slow() -> list[Resource]:
        under_way.set()
        await ready.wait()
        return await good()

    async def visit(adapter: Plain) -> int:
        out = fan(adapter)
        first = asyncio.create_task(out.gather(query(LONG), TOKEN))
        await under_way.wait()
        first.cancel()
        again = [asyncio.create_task(out.gather(query(LONG), TOKEN)) for _ in range(2)]
        await asyncio.sleep(0)
        ready.set()
        answers = await asyncio.gather(*again)
        return sum(len(answer.batches[0].resources) for answer in answers)

    adapter = Plain("epd", slow)
    assert asyncio.run(visit(adapter)) == 4
    assert adapter.asked == 1


def test_what_one_visit_asks_twice_costs_the_ehr_once_but_other_visits_are_apart() -> None:
    async def visits(adapter: Plain) -> None:
        out = fan(adapter, keep=60)
        for token in (TOKEN, TOKEN, b"another"):
            await out.gather(query(), token)

    adapter = Plain("epd", good)
    asyncio.run(visits(adapter))
    assert adapter.asked == 2


def test_a_source_that_cannot_deliver_the_row_is_not_asked() -> None:
    never = Plain("archief", good, CoverageLevel.NO)
    gathered = asyncio.run(fan(never, Plain("epd", good)).gather(query(), TOKEN))
    assert never.asked == 0
    assert len(gathered.batches) == 1


def test_the_breaker_opens_after_failures_and_one_trial_closes_it() -> None:
    now = [0.0]
    breaker = Breaker(failures=2, pause=10, clock=lambda: now[0])
    breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    assert breaker.retry_after == 10
    now[0] = 10
    assert breaker.allows()
    assert not breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    now[0] = 20
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.allows()


def test_a_trial_that_was_cancelled_may_be_made_again() -> None:
    now = [0.0]
    breaker = Breaker(failures=1, pause=1, clock=lambda: now[0])
    breaker.failed()
    now[0] = 1
    assert breaker.allows()
    breaker.given_up()
    assert breaker.allows()


def test_a_source_that_is_down_is_spared() -> None:
    async def visits(adapter: Plain) -> None:
        out = fan(adapter)
        for _ in range(10):
            await out.gather(query(), TOKEN)

    adapter = Plain("epd", down)
    asyncio.run(visits(adapter))
    assert adapter.asked == 3


def test_ids_of_two_sources_do_not_clash_and_references_follow() -> None:
    resources = [condition("c1"), {"resourceType": "Flag", "id": "f", "subject": {"reference": "Patient/p"},
                                   "detail": {"reference": "https://epd.example/fhir/Condition/c1"}}]  # fmt: skip
    batch = Batch("epd", resources, datetime.now(UTC), frozenset({"p"}))
    held, notes = held_of(batch, FhirVersion.STU3, Expectations(catalogue()), prefixed=True)
    assert [one.id for one in held] == ["epd-c1", "epd-f"]
    assert held[1].data["detail"]["reference"] == "Condition/epd-c1"
    assert held[0].whole["meta"]["profile"] == ["http://nictiz.nl/fhir/StructureDefinition/zib-Problem"]
    assert resources[0] == condition("c1")
    assert {repair.rule for _, repair in notes} == {"profile-claimed"}
    assert len(served_id("epd", "x" * 64)) <= 64


def test_what_a_source_points_at_in_another_answer_has_its_name_before_it_too() -> None:
    """RES-14: the patient and the document of a letter are in other answers; an address elsewhere is left alone."""
    letter = {"resourceType": "DocumentReference", "id": "d", "subject": {"reference": "Patient/p"},
              "author": [{"reference": "#a"}, {"reference": "https://other.example/fhir/Practitioner/1"}],
              "extension": [{"url": "https://epd.example/Binary/x"}],
              "content": [{"attachment": {"url": "Binary/b"}},
                          {"attachment": {"url": "https://x.test/Binary/c"}}]}  # fmt: skip
    batch = Batch("epd", [letter], datetime.now(UTC), frozenset({"p"}))
    (held,), _ = held_of(batch, FhirVersion.STU3, Expectations(catalogue()), prefixed=True)
    assert held.data["subject"] == {"reference": "Patient/epd-p"}
    assert held.data["author"] == letter["author"]
    assert held.data["extension"] == letter["extension"]
    assert [one["attachment"]["url"] for one in held.data["content"]] == ["Binary/epd-b", "https://x.test/Binary/c"]
    (held,), _ = held_of(batch, FhirVersion.STU3, Expectations(catalogue()), prefixed=False)
    assert held.data["content"] == letter["content"]


def test_a_source_is_asked_with_its_own_ids() -> None:
    """RES-14: ids of several sources in one question; codes that look like one are left alone."""
    asked = own_query(
        replace(
            query(),
            type="Observation",
            search=(
                ("context", "EpisodeOfCare/epd-e1,EpisodeOfCare/lab-e2"),
                ("context:Encounter.episodeofcare", "epd-e1"),
                ("code", "epd-1"),
                ("_include", "Observation:subject"),
            ),
        ),
        "epd",
    )
    assert asked is not None
    assert asked.search == (
        ("context", "EpisodeOfCare/e1,EpisodeOfCare/lab-e2"),
        ("context:Encounter.episodeofcare", "e1"),
        ("code", "epd-1"),
        ("_include", "Observation:subject"),
    )
    assert own_query(replace(query(), id="lab-c1"), "epd") is None


def test_a_resource_that_cannot_be_written_costs_itself_and_not_the_answer() -> None:
    batch = Batch("epd", [condition("c1"), condition("c2") | {"noSuchElement": 1}], datetime.now(UTC), frozenset({"p"}))
    held, _ = held_of(batch, FhirVersion.STU3, Expectations(catalogue()), prefixed=False)
    kept, gaps = servable(held)
    assert [one.id for one in kept] == ["c1"]
    assert [gap.reason for gap in gaps] == [Reason.INVALID_BLOCKED]
