"""An EHR that speaks FHIR keeps the contract, whatever it can and cannot do itself."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from contract.adapter_world import ANNA_KEY, BRAM_KEY, NOBODY_KEY, condition, record
from timing import LONG

from adapters.fhir_http.adapter import FhirAdapter
from adapters.fhir_http.settings import FhirSettings
from adapters.port import AdapterQuery, Batch
from adapters.testing.contract import AdapterContract, ContractRow
from adapters.testing.fake_ehr import FakeEhr
from adapters.testing.faults import Fault
from profiles.fhir.version import FhirVersion

ROWS = (
    ContractRow("bgz-3", "problem", "Condition"),
    ContractRow("bgz-3", "bodyWeight", "Observation", (("code", "http://loinc.org|29463-7"),), "operation"),
    ContractRow("pdfa-3", "documentReference", "DocumentReference", (("status", "current"),)),
    ContractRow("bgz-3", "patient", "Patient", (("_include", "Patient:general-practitioner"),)),
)
PROFILE = "http://nictiz.nl/fhir/StructureDefinition/zib-Problem"


def connect(ehr: FakeEhr, **settings: Any) -> FhirAdapter:
    config = {"name": "ehr", "url": "http://ehr.test/fhir", "version": ehr.version} | settings
    return FhirAdapter(FhirSettings(**config), httpx.ASGITransport(app=ehr))


def ask(ehr: FakeEhr, row: ContractRow, times: int = 1, **settings: Any) -> list[Batch]:
    async def whole() -> list[Batch]:
        adapter = connect(ehr, **settings)
        query = AdapterQuery(
            "test",
            ANNA_KEY,
            row.standard,
            row.rule,
            row.interaction,
            row.type,
            ehr.version,
            time.monotonic() + LONG,
            row.search,
            profiles=row.profiles,
        )
        try:
            return list(await asyncio.gather(*(adapter.find(query) for _ in range(times))))
        finally:
            await adapter.aclose()

    return asyncio.run(whole())


class TestCapableEhr(AdapterContract):
    """It searches, pages and takes POST searches."""

    known, other, unknown, rows = ANNA_KEY, BRAM_KEY, NOBODY_KEY, ROWS

    def make(self) -> FhirAdapter:
        return connect(FakeEhr(record()))


class TestSimpleEhr(AdapterContract):
    """It has no statement, no POST search, and understands nothing but the patient; one resource per page."""

    known, other, unknown, rows = ANNA_KEY, BRAM_KEY, NOBODY_KEY, ROWS

    def make(self) -> FhirAdapter:
        ehr = FakeEhr(record(), understands=frozenset({"patient"}), post_search=False, page_size=1)
        return connect(ehr, patient_lookup="get", statement="ignored")


class TestR4Ehr(AdapterContract):
    """The same in R4, with basic authentication."""

    version = FhirVersion.R4
    known, other, unknown, rows = ANNA_KEY, BRAM_KEY, NOBODY_KEY, ROWS[:2]

    def make(self) -> FhirAdapter:
        ehr = FakeEhr(record(), version=FhirVersion.R4, login="basic", password="correct")
        return connect(ehr, login={"kind": "basic", "username": "gateway", "password": "correct"})


class TestXmlEhr(AdapterContract):
    """The same in XML."""

    known, other, unknown, rows = ANNA_KEY, BRAM_KEY, NOBODY_KEY, ROWS

    def make(self) -> FhirAdapter:
        return connect(FakeEhr(record()), format="xml")


def test_the_ehr_filters_where_it_can_and_the_rest_is_left_to_the_gateway() -> None:
    row = ContractRow("pdfa-3", "documentReference", "DocumentReference", (("status", "superseded"), ("type", "x|y")))
    able = ask(FakeEhr(record()), row)[0]
    unable = ask(FakeEhr(record(), understands=frozenset({"patient"})), row)[0]
    assert [one["id"] for one in able.resources] == []
    assert [one["id"] for one in unable.resources] == ["d1"]


def test_a_search_on_codes_that_are_repaired_here_is_not_left_to_the_ehr() -> None:
    batch = ask(FakeEhr(record()), ROWS[1])[0]
    assert [one["id"] for one in batch.resources] == ["w1"]
    assert batch.resources[0]["code"]["coding"][0]["system"] == "http://loinc.org"


def test_each_repair_leaves_a_note() -> None:
    row = ContractRow("bgz-3", "problem", "Condition", profiles={"Condition": [PROFILE]})
    problem, person = ask(FakeEhr(record()), row)[0], ask(FakeEhr(record()), ROWS[3])[0]
    notes = {(note.resource, note.text, note.expression) for note in (*problem.trace, *person.trace)}
    assert ("Condition/c1", "code system URL corrected", "Condition.code.coding[0].system") in notes
    assert ("Condition/c1", "profile claimed", "Condition.meta.profile") in notes
    place = "Patient.generalPractitioner[0].display"
    assert ("Patient/anna", "display filled from reference target", place) in notes
    assert person.resources[0]["generalPractitioner"][0]["display"] == "Jo Huisman"
    assert problem.resources[0]["meta"]["profile"] == [PROFILE]
    assert "Huisman" not in repr(person.trace)


def test_absolute_references_to_the_ehr_itself_are_made_relative() -> None:
    problem = {**condition("c9", "anna", "1"), "subject": {"reference": "http://ehr.test/fhir/Patient/anna"}}
    batch = ask(FakeEhr([*record(), problem], address="http://ehr.test/fhir"), ROWS[0])[0]
    assert {"reference": "Patient/anna"} in [one["subject"] for one in batch.resources if one["id"] == "c9"]
    assert [note.expression for note in batch.trace if note.rule == "own-address"] == ["Condition.subject.reference"]


def test_a_profile_is_claimed_only_for_what_answers_the_question() -> None:
    lab = "http://nictiz.nl/fhir/StructureDefinition/zib-LaboratoryTestResult-Observation"
    search = (("category", "http://snomed.info/sct|275711006"),)
    batch = ask(FakeEhr(record()), ContractRow("bgz-3", "lab", "Observation", search, profiles={"Observation": [lab]}))[
        0
    ]
    assert [one.get("meta") for one in batch.resources] == [None]


def test_a_visit_of_28_searches_looks_the_patient_up_once() -> None:
    ehr = FakeEhr(record())
    ask(ehr, ROWS[0], times=28)
    assert ehr.calls.count("POST Patient/_search") == 1
    assert ehr.calls.count("GET Condition") == 28


def test_the_bsn_is_in_no_url() -> None:
    ehr = FakeEhr(record())
    seen: list[str] = []

    async def spy(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["query_string"].decode() + scope["path"])
        await ehr(scope, receive, send)

    adapter = FhirAdapter(
        FhirSettings(name="ehr", url="http://ehr.test/fhir", version=FhirVersion.STU3), httpx.ASGITransport(app=spy)
    )
    query = AdapterQuery(
        "p", ANNA_KEY, "bgz-3", "problem", "search-type", "Condition", FhirVersion.STU3, time.monotonic() + LONG
    )

    async def whole() -> Batch:
        try:
            return await adapter.find(query)
        finally:
            await adapter.aclose()

    assert asyncio.run(whole()).resources
    assert len(seen) == 3
    assert not [one for one in seen if "999911120" in one]


@pytest.mark.parametrize("understands", [frozenset({"patient"}), frozenset({"patient", "_id"})])
def test_included_resources_are_fetched_when_the_ehr_does_not_include(understands: frozenset[str]) -> None:
    batch = ask(FakeEhr(record(), understands=understands), ROWS[3])[0]
    assert [(one["resourceType"], one["id"]) for one in batch.resources] == [
        ("Patient", "anna"),
        ("Practitioner", "gp"),
    ]


SOURCES = ContractRow("bgz-msz-2", "problem", "Condition", (("_revinclude", "Provenance:target"),))


def provenance(id_: str, target: str) -> dict[str, Any]:
    return {
        "resourceType": "Provenance",
        "id": id_,
        "target": [{"reference": target}],
        "recorded": "2026-01-01T00:00:00Z",
    }


@pytest.mark.parametrize("understands", [True, False])
def test_what_points_at_the_matches_is_asked_for_where_the_ehr_takes_that(understands: bool) -> None:
    """`_revinclude=Provenance:target` of the BgZ in R4: by the ids that were found, so nobody else's."""
    resources = [*record(), provenance("p1", "Condition/c1"), provenance("p3", "Condition/c3")]
    given = {} if understands else {"understands": frozenset({"patient", "_id"})}
    ehr = FakeEhr(resources, version=FhirVersion.R4, **given)
    batch = ask(ehr, SOURCES)[0]
    kinds = [(one["resourceType"], one["id"]) for one in batch.resources]
    assert kinds == [("Condition", "c1"), ("Condition", "c2")] + [("Provenance", "p1")] * understands
    assert batch.gaps == ()


def test_a_visit_of_28_searches_is_as_fast_as_the_ehr() -> None:
    """Issue 6: 28 searches at once at a slow EHR: not one after another, and one lookup more than a visit."""
    ehr = FakeEhr(record(), fault=Fault.SLOW, slow=1.0)
    started = time.monotonic()
    batches = ask(ehr, ROWS[0], times=28, connections=28)
    assert time.monotonic() - started < LONG, "28 after one another would take 28 s"
    assert {len(batch.resources) for batch in batches} == {2}
    assert len(ehr.calls) == 29
