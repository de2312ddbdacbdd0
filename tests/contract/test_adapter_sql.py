"""The sample hospital EHR, in SQLite and in PostgreSQL, behind the same mapping."""

import asyncio
import contextlib
import sqlite3
import time
import traceback
import uuid
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from databases import POSTGRES
from timing import LONG, until

from adapters.port import (
    WHO_IT_IS,
    AdapterDown,
    AdapterError,
    AdapterGarbage,
    AdapterMisconfigured,
    AdapterQuery,
    Availability,
    AvailabilityQuery,
    Batch,
    Bsn,
    CoverageLevel,
    PatientKey,
    Reason,
    ServiceKey,
    WrongPatient,
)
from adapters.registry import build
from adapters.sql.adapter import SqlAdapter
from adapters.sql.sample import DATA, MAPPING, SCHEMA, fill_sqlite
from adapters.testing.contract import AdapterContract, ContractRow
from profiles.fhir.version import FhirVersion

JOKE, BRAM, NOOR, NOBODY = (PatientKey(Bsn(n)) for n in ("999951750", "999970239", "999956838", "999990019"))

BGZ = {
    "patient": "Patient",
    "payer": "Coverage",
    "treatmentDirective": "Consent",
    "advanceDirective": "Consent",
    "functionalOrMentalStatus": "Observation",
    "problem": "Condition",
    "livingSituation": "Observation",
    "drugUse": "Observation",
    "alcoholUse": "Observation",
    "tobaccoUse": "Observation",
    "nutritionAdvice": "NutritionOrder",
    "alert": "Flag",
    "allergyIntolerance": "AllergyIntolerance",
    "medicationUse": "MedicationStatement",
    "medicationAgreement": "MedicationRequest",
    "administrationAgreement": "MedicationDispense",
    "medicalDevice": "DeviceUseStatement",
    "vaccination": "Immunization",
    "bloodPressure": "Observation",
    "bodyWeight": "Observation",
    "bodyHeight": "Observation",
    "laboratoryTestResult": "Observation",
    "procedure": "Procedure",
    "encounter": "Encounter",
    "plannedProcedure": "ProcedureRequest",
    "plannedImmunization": "ImmunizationRecommendation",
    "plannedMedicalDevice": "DeviceRequest",
    "plannedAppointment": "Appointment",
}
"""The 28 rows of the BgZ and their types."""

DOCUMENTS = ContractRow("pdfa-3", "documentReference", "DocumentReference")
ROWS = (ContractRow("bgz-3", "problem", "Condition"), *(ContractRow("bgz-3", *one) for one in BGZ.items()), DOCUMENTS)


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> str:
    return fill_sqlite(tmp_path_factory.mktemp("ehr") / "ehr.db")


@pytest.fixture(scope="module")
def post() -> Iterator[str]:
    name = f"sample_ehr_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(f"{POSTGRES}/postgres", autocommit=True) as admin:
        admin.execute(f"create database {name}")
    try:
        with psycopg.connect(f"{POSTGRES}/{name}") as connection:
            connection.execute(SCHEMA.read_text("utf-8"))
            connection.execute(DATA.read_text("utf-8"))
        yield f"{POSTGRES}/{name}"
    finally:
        with psycopg.connect(f"{POSTGRES}/postgres", autocommit=True) as admin:
            admin.execute(f"drop database {name} with (force)")


def connect(url: str, mapping: Path = MAPPING, **settings: Any) -> SqlAdapter:
    adapter = build({"type": "sql", "name": "epd", "url": url, "mapping": str(mapping), **settings})
    assert isinstance(adapter, SqlAdapter)
    return adapter


def ask(adapter: SqlAdapter, row: ContractRow, patient: PatientKey = JOKE, seconds: float = 5) -> Batch:
    query = AdapterQuery(
        "p",
        patient,
        row.standard,
        row.rule,
        row.interaction,
        row.type,
        FhirVersion.STU3,
        time.monotonic() + seconds,
        row.search,
    )

    async def whole() -> Batch:
        try:
            return await adapter.find(query)
        finally:
            await adapter.aclose()

    return asyncio.run(whole())


class _Hospital(AdapterContract):
    known, other, unknown, rows = JOKE, BRAM, NOBODY, ROWS
    url = ""

    def make(self) -> SqlAdapter:
        return connect(self.url)


class TestOnSqlite(_Hospital):
    @pytest.fixture(autouse=True)
    def _database(self, lite: str) -> None:
        self.url = lite


@pytest.mark.postgres
class TestOnPostgres(_Hospital):
    @pytest.fixture(autouse=True)
    def _database(self, post: str) -> None:
        self.url = post


@pytest.mark.postgres
def test_both_databases_give_the_same_resources(lite: str, post: str) -> None:
    for row in ROWS[1::3]:
        assert list(ask(connect(lite), row).resources) == list(ask(connect(post), row).resources), row


def test_every_row_of_the_bgz_is_deliverable(lite: str) -> None:
    adapter = connect(lite)
    levels = {adapter.capabilities.of("bgz-3", rule, FhirVersion.STU3, kind).level for rule, kind in BGZ.items()}
    asyncio.run(adapter.aclose())
    assert levels == {CoverageLevel.DELIVERABLE}


@pytest.mark.postgres
def test_a_probe_asks_every_query_for_its_columns(lite: str, post: str) -> None:
    async def probe(url: str) -> int:
        adapter = connect(url)
        try:
            return len((await adapter.probe(time.monotonic() + LONG)).rows)
        finally:
            await adapter.aclose()

    assert asyncio.run(probe(lite)) == asyncio.run(probe(post)) > 28


def test_a_value_keeps_its_digits(lite: str) -> None:
    lab = ask(connect(lite), ContractRow("bgz-3", "laboratoryTestResult", "Observation")).resources
    potassium = next(one for one in lab if one["id"] == "lab-kalium")
    assert str(potassium["valueQuantity"]["value"]) == "4.10"
    assert potassium["referenceRange"][0]["low"]["value"] == Decimal("3.5")
    assert "interpretation" not in potassium


def test_a_moment_gets_the_offset_of_its_day(lite: str) -> None:
    weights = ask(connect(lite), ContractRow("bgz-3", "bodyWeight", "Observation")).resources
    assert {one["effectiveDateTime"] for one in weights} == {"2026-02-22T09:35:00+01:00", "2026-11-10T09:35:00+01:00"}
    stay = ask(connect(lite), ContractRow("bgz-3", "encounter", "Encounter")).resources[0]
    assert stay["period"]["start"].endswith("+02:00")


def test_child_rows_become_repetitions(lite: str) -> None:
    found = ask(connect(lite), ContractRow("bgz-3", "allergyIntolerance", "AllergyIntolerance")).resources
    reactions = {one["id"]: len(one.get("reaction", ())) for one in found}
    assert reactions == {"allergy-penicilline": 2, "allergy-noten": 0}


def test_what_is_included_comes_along_and_nothing_else(lite: str) -> None:
    search = (("_include", "MedicationRequest:medication"),)
    batch = ask(connect(lite), ContractRow("bgz-3", "medicationAgreement", "MedicationRequest", search))
    kinds = [one["resourceType"] for one in batch.resources]
    assert kinds.count("Medication") == 2
    staff = {one["id"] for one in batch.resources if one["resourceType"] == "Practitioner"}
    assert staff == {"internist", "longarts"}


def test_who_a_person_is_is_told_to_a_service_that_reads_nothing(lite: str) -> None:
    """DL-C11: the mapping gives its Patient to rows of standards that read; who sends is asked for without one."""
    asked = ContractRow(*WHO_IT_IS, "Patient")
    assert connect(lite).capabilities.of(*WHO_IT_IS, FhirVersion.STU3, "Patient").level is CoverageLevel.DELIVERABLE
    batch = ask(connect(lite), asked)
    assert [one["resourceType"] for one in batch.resources] == ["Patient"]
    assert [gap.reason for gap in ask(connect(lite), asked, NOBODY).gaps] == [Reason.NO_RELATION]


def test_someone_without_data_has_an_empty_record_without_gaps(lite: str) -> None:
    batch = ask(connect(lite), ContractRow("bgz-3", "problem", "Condition"), NOOR)
    assert (list(batch.resources), list(batch.gaps), batch.patients) == ([], [], frozenset({"1003"}))


def test_coverage_per_zib_element_says_mapped_missing_and_filled(lite: str) -> None:
    async def whole(rule: str) -> list[Any]:
        adapter = connect(lite)
        deadline = time.monotonic() + LONG
        query = AdapterQuery("p", JOKE, "bgz-3", rule, "search-type", BGZ[rule], FhirVersion.STU3, deadline)
        try:
            return [*await adapter.coverage(query)]
        finally:
            await adapter.aclose()

    found = {
        one.element: (one.mapped, one.filled, one.records)
        for rule in ("problem", "alert")
        for one in asyncio.run(whole(rule))
    }
    assert found["ProbleemNaam"] == (True, 5, 5)
    assert found["ProbleemEindDatum"] == (True, 1, 5)
    assert found["ProbleemLateraliteit"] == (True, 0, 5)
    assert found["AlertType"] == (False, None, None)


# -- what can be wrong with a mapping or a database --------------------------------------------------------------------

MINIMAL = """
mapping: tiny
version: stu3
terms:
  state: {map: {A: active}}
patient: {query: select patient_id from patient where bsn = :bsn}
sections:
  problem:
    type: Condition
    query: QUERY
    resource:
      id: =id(problem_id)
      subject: {reference: "=link('Patient', patient_id)"}
      clinicalStatus: =code(state, 'state')
"""
PROBLEM = ContractRow("bgz-3", "problem", "Condition")


def tiny(tmp_path: Path, query: str, more: str = "") -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(MINIMAL.replace("QUERY", query) + more, "utf-8")
    return path


def failing(adapter: SqlAdapter, seconds: float = 5) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        ask(adapter, PROBLEM, seconds=seconds)
    return caught.value


def test_a_query_that_forgets_the_patient_lets_nothing_out(lite: str, tmp_path: Path) -> None:
    path = tiny(tmp_path, "select * from problem where :patient is not null")
    error = failing(connect(lite, path))
    assert isinstance(error, WrongPatient)


@pytest.mark.parametrize(
    "query",
    [
        "select * from problem",
        "select * from problem where patient_id = :patient and problem_id = :id",
        "delete from problem where patient_id = :patient",
        "select 1; delete from problem where patient_id = :patient",
        "select * from problem where patient_id = ':patient'",
    ],
)
def test_a_query_has_the_patient_as_its_one_parameter_and_only_reads(tmp_path: Path, query: str) -> None:
    with pytest.raises(AdapterMisconfigured) as caught:
        connect("sqlite:///nowhere.db", tiny(tmp_path, f'"{query}"'))
    assert "sections.problem.query" in caught.value.text


@pytest.mark.postgres
def test_the_connection_itself_cannot_write(lite: str, post: str, tmp_path: Path) -> None:
    """Also when a function or a common table expression would."""
    writing = "with gone as (delete from problem returning *) select * from gone where patient_id = :patient"
    assert isinstance(failing(connect(post, tiny(tmp_path, writing))), AdapterGarbage | AdapterDown)
    with psycopg.connect(post) as connection:
        row = connection.execute("select count(*) from problem").fetchone()
    assert row == (7,)
    assert isinstance(failing(connect(lite, tiny(tmp_path, writing))), AdapterGarbage | AdapterDown)


def test_records_that_cannot_be_mapped_are_counted_and_nothing_of_them_is_shown(lite: str, tmp_path: Path) -> None:
    batch = ask(connect(lite, tiny(tmp_path, "select * from problem where patient_id = :patient")), PROBLEM)
    assert len(batch.resources) == 4
    gap = batch.gaps[0]
    assert gap.reason is Reason.INVALID_BLOCKED
    assert gap.text == (
        "1 Condition could not be delivered (Condition.clinicalStatus: a value that is not in the terminology map)"
    )


def test_a_query_that_takes_too_long_is_stopped_in_time(lite: str, tmp_path: Path) -> None:
    """SC-H4, on SQLite: the running statement is interrupted."""
    endless = (
        "with recursive n(i) as (select 1 union all select i + 1 from n) "
        "select i as problem_id, '1001' as patient_id, 'A' as state from n where i < 0 and :patient is not null"
    )
    started = time.monotonic()
    error = failing(connect(lite, tiny(tmp_path, f'"{endless}"')), seconds=0.6)
    assert isinstance(error, AdapterDown)
    assert time.monotonic() - started < LONG, "it has no end of its own"


@pytest.mark.postgres
def test_a_query_that_takes_too_long_is_stopped_in_time_on_postgres(post: str, tmp_path: Path) -> None:
    slow = "select problem_id, patient_id, state from problem, pg_sleep(120) where patient_id = :patient"
    started = time.monotonic()
    error = failing(connect(post, tiny(tmp_path, slow)), seconds=0.6)
    assert isinstance(error, AdapterDown)
    assert time.monotonic() - started < LONG
    running = "select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep(120)%'"
    with psycopg.connect(post, autocommit=True) as connection:
        count = f"{running} and pid <> pg_backend_pid()"
        assert until(lambda: connection.execute(count).fetchone() == (0,)), "the statement itself was stopped too"


def test_too_many_rows_are_cut_off(lite: str, tmp_path: Path) -> None:
    many = (
        "with recursive n(i) as (select 1 union all select i + 1 from n) "
        "select i as problem_id, :patient as patient_id, 'A' as state from n"
    )
    error = failing(connect(lite, tiny(tmp_path, f'"{many}"'), limits={"resources": 100}))
    assert isinstance(error, AdapterGarbage)
    assert "limit" in error.text


@pytest.mark.parametrize("stored", ["JVBERi0xL", "JVBE*Ri0x", "geen document!"])
def test_a_document_that_is_not_base64_is_refused_and_not_made_to_fit(tmp_path: Path, stored: str) -> None:
    """Leaving out what is no base64 would deliver other bytes than the source holds."""
    url = fill_sqlite(tmp_path / "ehr.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "ehr.db")) as own, own:
        (document,) = own.execute(
            "select d.document_id from document d join patient p using (patient_id) where p.bsn = ?", ("999951750",)
        ).fetchone()
        own.execute("update document set content_base64 = ? where document_id = ?", (stored, document))
    query = AdapterQuery(
        "p", JOKE, "pdfa-3", "binary", "read", "Binary", FhirVersion.STU3, time.monotonic() + LONG, id=document
    )

    async def read() -> None:
        adapter = connect(url)
        try:
            await adapter.read(query)
        finally:
            await adapter.aclose()

    with pytest.raises(AdapterGarbage, match="cannot be decoded"):
        asyncio.run(read())


def test_a_database_that_is_not_there_is_down(tmp_path: Path) -> None:
    path = tiny(tmp_path, "select * from problem where patient_id = :patient")
    assert isinstance(failing(connect(f"sqlite:///{tmp_path}/none.db", path)), AdapterDown)
    assert isinstance(failing(connect("postgresql://127.0.0.1:9/none", path)), AdapterDown)


def test_a_table_that_is_not_there_is_not_as_the_mapping_expects(lite: str, tmp_path: Path) -> None:
    error = failing(connect(lite, tiny(tmp_path, "select * from gone where patient_id = :patient")))
    assert isinstance(error, AdapterGarbage)
    assert "tables" in error.text


def test_an_error_of_the_database_shows_no_one(lite: str, tmp_path: Path) -> None:
    """Not in its text, nor anywhere in the chain of errors that a log would print."""
    path = tiny(tmp_path, "select * from gone where patient_id = :patient")
    path.write_text(path.read_text().replace("from patient where", "from nowhere where"))
    error = failing(connect(lite, path))
    printed = "".join(traceback.format_exception(error)) + repr(error.cause)
    assert "999951750" not in printed


def test_a_probe_names_the_column_that_is_missing(lite: str, tmp_path: Path) -> None:
    async def whole() -> None:
        query = "select problem_id, patient_id from problem where patient_id = :patient"
        adapter = connect(lite, tiny(tmp_path, query))
        try:
            await adapter.probe(time.monotonic() + LONG)
        finally:
            await adapter.aclose()

    with pytest.raises(AdapterMisconfigured, match="problem: the query gives no state"):
        asyncio.run(whole())


def test_a_database_that_is_locked_is_down_in_time(tmp_path: Path) -> None:
    url = fill_sqlite(tmp_path / "ehr.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "ehr.db", isolation_level=None)) as writer:
        writer.execute("begin exclusive")
        adapter = connect(url)
        started = time.monotonic()
        assert isinstance(failing(adapter, seconds=0.5), AdapterDown)
        assert time.monotonic() - started < LONG, "the lock would never go"
    assert ask(connect(url), PROBLEM).resources


def available(url: str, patient: PatientKey) -> Availability:
    async def whole() -> Availability:
        adapter = connect(url)
        services = tuple(ServiceKey(*one) for one in (("48", "bgz-3"), ("51", "pdfa-3"), ("63", "immunization-2")))
        try:
            return await adapter.available(AvailabilityQuery("p", patient, services, time.monotonic() + LONG))
        finally:
            await adapter.aclose()

    return asyncio.run(whole())


def test_a_service_without_a_row_in_the_mapping_is_not_offered(lite: str) -> None:
    answer = available(lite, JOKE)
    assert (answer.services, answer.reasons) == ({"48", "51"}, {"63": Reason.NOT_OFFERED})
    assert answer.birth_date == date(1968, 8, 22)


@pytest.mark.parametrize("database", ["lite", pytest.param("post", marks=pytest.mark.postgres)])
def test_a_service_without_a_record_is_empty(request: pytest.FixtureRequest, database: str) -> None:
    """AVL-01, AVL-05: Bram has problems and no letters."""
    bram = available(request.getfixturevalue(database), BRAM)
    assert (bram.relation, bram.services, bram.reasons["51"]) == (True, {"48"}, Reason.EMPTY)
