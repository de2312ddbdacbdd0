"""What an EHR can do wrong, over a real connection: a typed gap or error, in time, in bounded memory (issue 6)."""

import asyncio
import resource
import time
from collections.abc import Iterator

import pytest
from contract.adapter_world import ANNA_KEY, record, serving
from timing import LONG

from adapters.fhir_http.adapter import FhirAdapter
from adapters.fhir_http.settings import FhirSettings
from adapters.port import (
    AdapterDown,
    AdapterError,
    AdapterGarbage,
    AdapterQuery,
    AdapterRefused,
    Batch,
    Content,
    Reason,
    WrongPatient,
)
from adapters.settings import SourceLimits
from adapters.testing.fake_ehr import FakeEhr
from adapters.testing.faults import Fault
from profiles.fhir.version import FhirVersion

DEADLINE = 1.0
WAITS = {Fault.SLOW, Fault.HANG, Fault.DRIP}
"""Faults that only the deadline ends; the others end by themselves, in the time that the machine needs."""


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[FakeEhr, str]]:
    ehr = FakeEhr(record(), slow=5.0)
    with serving(ehr) as address:
        yield ehr, f"{address}/fhir"


def ask(world: tuple[FakeEhr, str], fault: Fault) -> tuple[Batch | AdapterError, float]:
    ehr, url = world
    ehr.fault = fault

    async def whole() -> Batch | AdapterError:
        adapter = FhirAdapter(FhirSettings(name="ehr", url=url, version=FhirVersion.STU3))
        deadline = time.monotonic() + (DEADLINE if fault in WAITS else LONG)
        query = AdapterQuery("p", ANNA_KEY, "bgz-3", "problem", "search-type", "Condition", FhirVersion.STU3, deadline)
        try:
            return await adapter.find(query)
        except AdapterError as error:
            return error
        finally:
            await adapter.aclose()

    started = time.monotonic()
    outcome = asyncio.run(whole())
    return outcome, time.monotonic() - started


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault.SLOW, AdapterDown, "in time"),
        (Fault.HANG, AdapterDown, "in time"),
        (Fault.DRIP, AdapterDown, "in time"),
        (Fault.RESET, AdapterDown, "broke off"),
        (Fault.DOWN, AdapterDown, "not available"),
        (Fault.BUSY, AdapterDown, "not available"),
        (Fault.REFUSES, AdapterRefused, "does not let"),
        (Fault.GARBAGE, AdapterGarbage, "not FHIR"),
        (Fault.TRUNCATED, AdapterGarbage, "not FHIR"),
        (Fault.HTML, AdapterGarbage, "not FHIR"),
        (Fault.NO_CONTENT, AdapterGarbage, "without content"),
        (Fault.OTHER_VERSION, AdapterGarbage, "another FHIR version"),
        (Fault.REDIRECT, AdapterGarbage, "another address"),
        (Fault.HUGE, AdapterGarbage, "limit"),
        (Fault.DEEP, AdapterGarbage, "not FHIR"),
        (Fault.BAD_UTF8, AdapterGarbage, "not FHIR"),
        (Fault.COMPRESSED, AdapterGarbage, "encoding"),
        (Fault.WRONG_PATIENT, WrongPatient, "another patient"),
    ],
)
def test_a_fault_is_a_typed_error_within_the_deadline(
    world: tuple[FakeEhr, str], fault: Fault, kind: type[AdapterError], words: str
) -> None:
    """SC-H4: the gateway can say which part is missing, and why."""
    outcome, seconds = ask(world, fault)
    assert type(outcome) is kind
    assert words in outcome.text
    assert seconds < LONG
    assert outcome.gap("Condition").reason is Reason.SOURCE_DOWN


def test_the_time_at_which_to_ask_again_is_passed_on(world: tuple[FakeEhr, str]) -> None:
    outcome, _ = ask(world, Fault.DOWN)
    assert isinstance(outcome, AdapterDown)
    assert outcome.retry_after == 30


@pytest.mark.parametrize(
    ("fault", "held", "words"),
    [
        (Fault.HALF, ["c1"], "only the first part was fetched: the source is not available"),
        (Fault.FOREIGN_NEXT, ["c1", "c2"], "the source points to another address"),
        (Fault.CIRCLE, ["c1", "c2"], "round in a circle"),
        (Fault.TORN, [], "two different records under one id"),
    ],
)
def test_half_an_answer_is_the_half_with_a_gap(
    world: tuple[FakeEhr, str], fault: Fault, held: list[str], words: str
) -> None:
    outcome, _ = ask(world, fault)
    assert isinstance(outcome, Batch)
    assert [one["id"] for one in outcome.resources] == held
    assert [gap for gap in outcome.gaps if words in gap.text]


def test_identical_duplicates_are_kept_once_and_noted(world: tuple[FakeEhr, str]) -> None:
    outcome, _ = ask(world, Fault.DUPLICATES)
    assert isinstance(outcome, Batch)
    assert [one["id"] for one in outcome.resources] == ["c1", "c2"]
    assert [note.resource for note in outcome.trace if note.rule == "duplicates"] == ["Condition/c1", "Condition/c2"]


def test_300_megabytes_do_not_stay_in_memory(world: tuple[FakeEhr, str]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ask(world, Fault.HUGE)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 100_000


def test_nobody_is_there() -> None:
    outcome, seconds = ask((FakeEhr(()), "http://127.0.0.1:9/fhir"), Fault.NONE)
    assert isinstance(outcome, AdapterDown)
    assert seconds < LONG


def test_after_the_fault_it_works_again(world: tuple[FakeEhr, str]) -> None:
    ask(world, Fault.RESET)
    outcome, _ = ask(world, Fault.NONE)
    assert isinstance(outcome, Batch)
    assert [one["id"] for one in outcome.resources] == ["c1", "c2"]


def test_a_record_without_an_owner_is_left_out_with_a_gap(world: tuple[FakeEhr, str]) -> None:
    outcome, _ = ask(world, Fault.ORPHAN)
    assert isinstance(outcome, Batch)
    assert [one["id"] for one in outcome.resources] == ["c1", "c2"]
    assert [gap.reason for gap in outcome.gaps] == [Reason.INVALID_BLOCKED]


# -- documents ---------------------------------------------------------------------------------------------------------


def fetch(ehr: FakeEhr, given: str = "b1", **limits: int) -> tuple[bytes | str | AdapterError, float]:
    """The bytes of a document, "none" when there is none, or the error."""

    async def whole(url: str) -> bytes | str | AdapterError:
        settings = FhirSettings(name="ehr", url=url, version=FhirVersion.STU3, limits=SourceLimits(**limits))
        adapter = FhirAdapter(settings)
        deadline = time.monotonic() + (DEADLINE if ehr.fault in WAITS else LONG)
        query = AdapterQuery("p", ANNA_KEY, "pdfa-3", "binary", "read", "Binary", FhirVersion.STU3, deadline, id=given)
        try:
            content = await adapter.read(query)
            return b"".join([piece async for piece in content.chunks]) if isinstance(content, Content) else "none"
        except AdapterError as error:
            return error
        finally:
            await adapter.aclose()

    with serving(ehr) as address:
        started = time.monotonic()
        return asyncio.run(whole(f"{address}/fhir")), time.monotonic() - started


@pytest.mark.parametrize("raw", [False, True])
def test_a_document_comes_as_bytes_whatever_form_the_ehr_gives_it(raw: bool) -> None:
    assert fetch(FakeEhr(record(), raw_binaries=raw))[0] == b"%PDF-1.4\n"


def test_a_document_of_another_is_not_there() -> None:
    assert fetch(FakeEhr(record()), "b2")[0] == "none"
    assert fetch(FakeEhr(record()), "../Patient/bram")[0] == "none"


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.HANG, AdapterDown),
        (Fault.DRIP, AdapterDown),
        (Fault.RESET, AdapterDown),
        (Fault.HUGE, AdapterGarbage),
        (Fault.COMPRESSED, AdapterGarbage),
        (Fault.REDIRECT, AdapterGarbage),
    ],
)
def test_a_fault_half_way_a_document_is_an_error_in_time(fault: Fault, kind: type[AdapterError], raw: bool) -> None:
    long = [{**one, "content": "JVBERi0xLjQK" * 40} if one["resourceType"] == "Binary" else one for one in record()]
    ehr = FakeEhr(long, raw_binaries=raw, fault=fault, fault_on="Binary")
    outcome, seconds = fetch(ehr, content_bytes=2_000_000, answer_bytes=2_000_000)
    assert type(outcome) is kind
    assert seconds < LONG
