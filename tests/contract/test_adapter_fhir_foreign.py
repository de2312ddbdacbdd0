"""Against FHIR servers that are not ours.

fhirsnake has no statement and no POST search, and ignores every parameter. node-fhir-server-core has a statement, POST
search and its own ideas of formats and headers; it keeps the whole contract.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from contract.adapter_world import ANNA_KEY, BRAM_KEY, NOBODY_KEY, record
from contract.foreign import node, snake
from timing import LONG

from adapters.fhir_http.adapter import FhirAdapter
from adapters.fhir_http.settings import FhirSettings
from adapters.guard import Guard, Whose
from adapters.port import AdapterGarbage, AdapterQuery, AvailabilityQuery, Batch, Content, PatientKey, WrongPatient
from adapters.testing.contract import AdapterContract, ContractRow
from profiles.fhir.version import FhirVersion


@pytest.fixture(scope="module")
def one_person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    anna = Guard(frozenset({"anna"}))
    mine = [one for one in record() if anna.whose(one) is not Whose.FOREIGN and one["id"] != "b2"]
    with snake(mine, tmp_path_factory.mktemp("anna")) as url:
        yield url


@pytest.fixture(scope="module")
def two_people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with snake(record(), tmp_path_factory.mktemp("both")) as url:
        yield url


@pytest.fixture(scope="module")
def node_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with node(record(), tmp_path_factory.mktemp("node")) as url:
        yield url


def connect(url: str, **changes: Any) -> FhirAdapter:
    settings = {"name": "snake", "url": url, "version": "stu3", "patient_lookup": "get", "statement": "optional"}
    return FhirAdapter(FhirSettings(**(settings | changes)))


def query(kind: str, patient: PatientKey = ANNA_KEY, **changes: Any) -> AdapterQuery:
    fields = {"interaction": "search-type", "search": (), "id": None} | changes
    return AdapterQuery(
        "p",
        patient,
        "bgz-3",
        "row",
        fields["interaction"],
        kind,
        FhirVersion.STU3,
        time.monotonic() + LONG,
        fields["search"],
        fields["id"],
    )


def run(url: str, *asked: AdapterQuery, **changes: Any) -> list[Any]:
    async def whole() -> list[Any]:
        adapter = connect(url, **changes)
        ask = [adapter.read(one) if one.id else adapter.find(one) for one in asked]
        try:
            return await asyncio.gather(*ask, return_exceptions=True)
        finally:
            await adapter.aclose()

    return asyncio.run(whole())


def test_searches_includes_and_repairs(one_person: str) -> None:
    include = (("_include", "Patient:general-practitioner"),)
    problems, person = run(one_person, query("Condition"), query("Patient", search=include))
    assert isinstance(problems, Batch)
    assert {one["id"] for one in problems.resources} == {"c1", "c2"}
    assert problems.resources[0]["code"]["coding"][0]["system"] == "http://snomed.info/sct"
    assert {note.text for note in problems.trace} == {"code system URL corrected"}
    assert [one["resourceType"] for one in person.resources] == ["Patient", "Practitioner"]
    assert person.resources[0]["generalPractitioner"][0]["display"] == "Jo Huisman"


def test_reads_and_documents(one_person: str) -> None:
    read, gone, binary, unknown = run(
        one_person,
        query("Condition", id="c1", interaction="read"),
        query("Condition", id="c99", interaction="read"),
        query("Binary", id="b1", interaction="read"),
        query("Binary", id="b99", interaction="read"),
    )
    assert [one["id"] for one in read.resources] == ["c1"]
    assert list(gone.resources) == list(unknown.resources) == []
    assert isinstance(binary, Content)


def test_28_searches_at_once(one_person: str) -> None:
    outcomes = run(one_person, *[query("Condition") for _ in range(28)])
    assert {len(one.resources) for one in outcomes} == {2}


def test_a_server_that_ignores_who_is_asked_for_gives_nothing_of_anyone(two_people: str) -> None:
    """It answers every search with everybody's data: not a single resource gets through, for no one."""
    for person in (ANNA_KEY, BRAM_KEY):
        outcomes = run(two_people, query("Condition", person), query("Patient", person))
        assert {type(one) for one in outcomes} == {WrongPatient}


def test_a_statement_that_is_required_is_missed(one_person: str) -> None:
    [outcome] = run(one_person, query("Condition"), statement="required")
    assert isinstance(outcome, AdapterGarbage)
    assert "does not say what it can do" in outcome.text


def test_availability(one_person: str) -> None:
    async def whole() -> bool:
        adapter = connect(one_person)
        try:
            return (await adapter.available(AvailabilityQuery("p", ANNA_KEY, (), time.monotonic() + LONG))).relation
        finally:
            await adapter.aclose()

    assert asyncio.run(whole())


class TestNodeServer(AdapterContract):
    known, other, unknown = ANNA_KEY, BRAM_KEY, NOBODY_KEY
    rows = (
        ContractRow("bgz-3", "problem", "Condition"),
        ContractRow("bgz-3", "bodyWeight", "Observation", (("code", "http://loinc.org|29463-7"),), "operation"),
        ContractRow("bgz-3", "patient", "Patient", (("_include", "Patient:general-practitioner"),)),
        ContractRow("pdfa-3", "documentReference", "DocumentReference", (("status", "current"),)),
    )

    @pytest.fixture(autouse=True)
    def _url(self, node_server: str) -> None:
        self.url = node_server

    def make(self) -> FhirAdapter:
        return FhirAdapter(FhirSettings(name="node", url=self.url, version=FhirVersion.STU3))
