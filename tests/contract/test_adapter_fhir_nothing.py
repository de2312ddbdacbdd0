"""A source that answers 200 and tells nothing: that is never "nothing known", over a real connection (issue 11)."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from contract.adapter_world import ANNA, ANNA_KEY, serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from timing import LONG

from adapters.fhir_http.adapter import FhirAdapter
from adapters.fhir_http.settings import FhirSettings
from adapters.port import AdapterDown, AdapterError, AdapterGarbage, AdapterQuery, Batch
from gateway.collect.breaker import Breaker
from profiles.fhir.version import FhirVersion

PERSON = {
    "resourceType": "Patient",
    "id": "anna",
    "identifier": [{"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": ANNA}],
}
FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "transient"}]}


def bundle(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", **members}


class Emptied:
    """An EHR that knows one person, and answers what a test gives it."""

    def __init__(self) -> None:
        self.people: dict[str, Any] = {}
        self.matches: dict[str, Any] = {}
        self.app = Starlette(
            routes=[
                Route("/fhir/metadata", self._statement),
                Route("/fhir/Patient", self._people),
                Route("/fhir/Patient/_search", self._people, methods=["POST"]),
                Route("/fhir/Condition", self._matches),
            ]
        )

    async def _statement(self, _request: Request) -> JSONResponse:
        types = [{"type": one, "searchParam": [{"name": "patient"}]} for one in ("Patient", "Condition")]
        rest = [{"mode": "server", "resource": types}]
        return JSONResponse({"resourceType": "CapabilityStatement", "fhirVersion": "3.0.2", "rest": rest})

    async def _people(self, _request: Request) -> JSONResponse:
        return JSONResponse(self.people)

    async def _matches(self, _request: Request) -> JSONResponse:
        return JSONResponse(self.matches)


@pytest.fixture(scope="module")
def source() -> Iterator[tuple[Emptied, str]]:
    ehr = Emptied()
    with serving(ehr.app) as address:
        yield ehr, f"{address}/fhir"


def ask(source: tuple[Emptied, str], matches: dict[str, Any], people: dict[str, Any] | None = None) -> Any:
    ehr, url = source
    ehr.matches, ehr.people = matches, people or bundle(entry=[{"resource": PERSON}])

    async def whole() -> Batch | AdapterError:
        adapter = FhirAdapter(FhirSettings(name="ehr", url=url, version=FhirVersion.STU3))
        end = time.monotonic() + LONG
        query = AdapterQuery("p", ANNA_KEY, "bgz-3", "problem", "search-type", "Condition", FhirVersion.STU3, end)
        try:
            return await adapter.find(query)
        except AdapterError as error:
            return error
        finally:
            await adapter.aclose()

    return asyncio.run(whole())


@pytest.mark.parametrize("entry", [None, {"resource": None}, {}, {"resource": []}, 1, "x"], ids=repr)
def test_an_entry_without_a_resource_is_a_gap(source: tuple[Emptied, str], entry: Any) -> None:
    found = ask(source, bundle(entry=[entry], total=1))
    assert isinstance(found, Batch)
    assert [gap.text for gap in found.gaps] == ["1 entries of the source could not be read"]


@pytest.mark.parametrize("members", [{"entry": None}, {"entry": {}}, {"total": 3}, {"entry": [], "total": 3}], ids=repr)
def test_a_bundle_that_shows_nothing_of_what_it_has_is_a_fault(
    source: tuple[Emptied, str], members: dict[str, Any]
) -> None:
    assert isinstance(ask(source, bundle(**members)), AdapterGarbage)


@pytest.mark.parametrize("members", [{}, {"entry": []}, {"total": 0}], ids=repr)
def test_a_bundle_that_is_empty_says_that_nothing_is_known(
    source: tuple[Emptied, str], members: dict[str, Any]
) -> None:
    found = ask(source, bundle(**members))
    assert isinstance(found, Batch)
    assert (list(found.resources), list(found.gaps)) == ([], [])


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"entry": [None]}, AdapterGarbage),
        ({"entry": [{"resource": None}, {}]}, AdapterGarbage),
        ({"entry": None}, AdapterGarbage),
        ({"total": 1}, AdapterGarbage),
        ({"entry": [{"resource": FAILED}]}, AdapterDown),
    ],
    ids=repr,
)
def test_a_person_of_whom_nothing_is_told_is_not_unknown(
    source: tuple[Emptied, str], members: dict[str, Any], fault: type[AdapterError]
) -> None:
    assert isinstance(ask(source, bundle(), bundle(**members)), fault)


def test_a_source_that_failed_is_tried_again_within_ten_seconds() -> None:
    now = [0.0]
    breaker = Breaker(clock=lambda: now[0])
    for _ in range(breaker.failures):
        breaker.failed()
    assert not breaker.allows()
    now[0] = 9.9
    assert breaker.allows()
