"""Databases as hospitals have them: padded CHAR, NULL, local time, stored procedures.

On PostgreSQL, and on MariaDB where it is installed; Oracle and SQL Server by drivers that find nobody at home.
"""

import asyncio
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from databases import POSTGRES
from sqlalchemy import text
from sqlalchemy.dialects import mssql, mysql, oracle
from timing import LONG, until

from adapters.port import (
    AdapterDown,
    AdapterError,
    AdapterGarbage,
    AdapterMisconfigured,
    AdapterQuery,
    Batch,
    Bsn,
    LocalId,
    PatientKey,
)
from adapters.registry import build
from adapters.sql.adapter import SqlAdapter
from adapters.sql.dialects import DIALECTS, dialect_of
from profiles.fhir.version import FhirVersion

SCHEMA = """
create table patient (patnr char(10) primary key, bsn char(9), birth_date date);
create table problem (nr integer primary key, patnr char(14), state char(4), name varchar(80), noted timestamp null,
                      remark char(20), weight decimal(6,2));
create table site (nr integer primary key, problem char(6), patnr char(10), place varchar(20));
insert into patient values ('1001', '999951750', '1968-08-22');
insert into patient values ('1002', '999970239', '1990-01-01');
insert into problem values (1, '1001', 'A', 'COPD 100%', '2026-07-01 10:00:00', '', 71.50);
insert into problem values (2, '1001', 'A', null, null, null, null);
insert into problem values (3, '1002', 'A', 'Astma', null, null, null);
insert into site values (1, '1', '1001', 'long');
"""

MAPPING = """
mapping: dialects
version: stu3
terms:
  state: {map: {A: active}}
patient: {query: "select patnr as patient_id, birth_date from patient where bsn = :bsn"}
sections:
  problem:
    type: Condition
    rows: [bgz-3/problem]
    query: QUERY
    with:
      sites:
        query: "select problem as key_, patnr as patient_id, place from site where patnr = :patient"
        by: key_
    resource:
      id: =id('p', nr)
      subject: =reference('Patient', patient_id)
      clinicalStatus: =code(state, 'state')
      code: {text: "=default(remark, name, 'onbekend')"}
      assertedDate: =datetime(noted)
      bodySite: [{$each: sites, text: =place}]
      extension: [{url: "urn:w", valueDecimal: =decimal(weight)}]
"""
SELECT = (
    '"select nr, cast(nr as char(6)) as key_, patnr as patient_id, state, name, noted, remark, weight from problem '
    "where patnr = :patient and (name is null or name like '%%')\""
)
JOKE = PatientKey(Bsn("999951750"))


def adapter_of(tmp_path: Path, url: str, query: str = SELECT, **settings: Any) -> SqlAdapter:
    path = tmp_path / "mapping.yaml"
    path.write_text(MAPPING.replace("QUERY", query), "utf-8")
    made = build({"type": "sql", "name": "epd", "url": url, "mapping": str(path), **settings})
    assert isinstance(made, SqlAdapter)
    return made


def ask(adapter: SqlAdapter, patient: PatientKey = JOKE, seconds: float = LONG) -> Batch:
    deadline = time.monotonic() + seconds
    query = AdapterQuery("p", patient, "bgz-3", "problem", "search-type", "Condition", FhirVersion.STU3, deadline)

    async def whole() -> Batch:
        try:
            return await adapter.find(query)
        finally:
            await adapter.aclose()

    return asyncio.run(whole())


def failing(adapter: SqlAdapter, seconds: float = LONG) -> AdapterError:
    with pytest.raises(AdapterError) as caught:
        ask(adapter, seconds=seconds)
    return caught.value


@pytest.fixture(scope="module")
def maria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MariaDB of our own, on a socket and a free port, for as long as these tests take."""
    pytest.importorskip("pymysql", reason="the extra mysql is not installed")
    server, install = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if server is None or install is None:
        pytest.skip("MariaDB is not installed")
    # Its socket's path may have a hundred characters.
    folder = tmp_path_factory.mktemp("m")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = [f"--datadir={folder}/data", "--user=root"]
    plain = ["--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run([install, "--no-defaults", *common, *plain], check=True, capture_output=True)
    listening = ["--bind-address=127.0.0.1", f"--port={port}", f"--socket={folder}/s", f"--pid-file={folder}/pid"]
    small = ["--innodb-buffer-pool-size=8M", "--performance-schema=0", "--skip-log-bin"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([server, "--no-defaults", *common, *listening, *small], stdout=log, stderr=log)
    try:
        assert until(lambda: _answers(port)), (folder / "log").read_text("utf-8", "replace")[-2000:]
        _fill(port)
        yield f"mysql://root@127.0.0.1:{port}/ehr?charset=utf8mb4"
    finally:
        process.terminate()
        process.wait(LONG)


def _answers(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def _fill(port: int) -> None:
    import pymysql

    connection = pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True)
    with connection, connection.cursor() as cursor:
        procedures = (
            "create procedure problems(in who char(14)) "
            "select nr, cast(nr as char(6)) as key_, patnr as patient_id, state, name, noted, remark, weight "
            "from problem where patnr = who",
            "create procedure spoil(in who char(14)) delete from problem",
        )
        for statement in ("create database ehr", "use ehr", *filter(str.strip, SCHEMA.split(";")), *procedures):
            cursor.execute(statement)


@pytest.fixture(scope="module")
def post() -> Iterator[str]:
    name = f"dialects_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(f"{POSTGRES}/postgres", autocommit=True) as admin:
        admin.execute(f"create database {name}")
        try:
            with psycopg.connect(f"{POSTGRES}/{name}", autocommit=True) as own:
                own.execute(SCHEMA)
            yield f"{POSTGRES}/{name}"
        finally:
            admin.execute(f"drop database {name} with (force)")


@pytest.fixture(params=["maria", pytest.param("post", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_padded_char_null_and_local_time_are_read_for_what_they_are(url: str, tmp_path: Path) -> None:
    """The keys of three tables are CHARs of different widths; PostgreSQL gives them with their spaces."""
    batch = ask(adapter_of(tmp_path, url))
    assert [dict(one) for one in batch.resources if one["id"] == "p-2"] == [
        {
            "resourceType": "Condition",
            "id": "p-2",
            "subject": {"reference": "Patient/1001"},
            "clinicalStatus": "active",
            "code": {"text": "onbekend"},
        }
    ]
    first = next(one for one in batch.resources if one["id"] == "p-1")
    assert first["assertedDate"] == "2026-07-01T10:00:00+02:00"
    assert str(first["extension"][0]["valueDecimal"]) == "71.50"
    assert first["bodySite"] == [{"text": "long"}]
    assert first["code"] == {"text": "COPD 100%"}
    assert (len(batch.resources), list(batch.gaps), batch.patients) == (2, [], frozenset({"1001"}))
    known = ask(adapter_of(tmp_path, url), PatientKey(local_ids=(LocalId("epd", "1001"),)))
    assert [one["id"] for one in known.resources] == [one["id"] for one in batch.resources]


def test_a_stored_procedure_is_a_query_and_cannot_write(maria: str, tmp_path: Path) -> None:
    called = ask(adapter_of(tmp_path, maria, '"call problems(:patient)"'))
    assert {one["id"] for one in called.resources} == {"p-1", "p-2"}
    assert isinstance(failing(adapter_of(tmp_path, maria, '"call spoil(:patient)"')), AdapterDown | AdapterGarbage)
    assert len(ask(adapter_of(tmp_path, maria)).resources) == 2


def test_what_takes_too_long_is_ended_by_mariadb_too(maria: str, tmp_path: Path) -> None:
    import pymysql

    slow = SELECT.replace("from problem where", "from problem where sleep(60) = 0 and")
    started = time.monotonic()
    assert isinstance(failing(adapter_of(tmp_path, maria, slow), seconds=1), AdapterDown)
    assert time.monotonic() - started < LONG
    port = int(maria.rpartition(":")[2].partition("/")[0])
    with pymysql.connect(host="127.0.0.1", port=port, user="root") as connection, connection.cursor() as cursor:
        running = "select count(*) from information_schema.processlist where info like '%sleep(60)%' and id <> %s"

        def ended() -> bool:
            cursor.execute(running.replace("%sleep", "%%sleep").replace(")%'", ")%%'"), (connection.thread_id(),))
            return cursor.fetchone() == (0,)

        assert until(ended)


@pytest.mark.parametrize("wrong", ["from gone where", "from problem where colour = 1 and"])
def test_tables_that_are_otherwise_are_told_from_a_database_that_is_down(url: str, tmp_path: Path, wrong: str) -> None:
    error = failing(adapter_of(tmp_path, url, SELECT.replace("from problem where", wrong)))
    assert isinstance(error, AdapterGarbage)
    assert "tables" in error.text


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("oracle://someone:geheim@127.0.0.1:9/?service_name=EPD", "oracledb"),
        ("mssql://someone:geheim@127.0.0.1:9/epd", "pymssql"),
        ("mysql://someone:geheim@127.0.0.1:9/epd", "pymysql"),
    ],
)
def test_a_database_that_does_not_answer_is_down_and_its_password_is_told_nobody(
    url: str, driver: str, tmp_path: Path
) -> None:
    """Without its driver the source cannot be made, and the extra is named that brings it."""
    if find_spec(driver) is None:
        with pytest.raises(AdapterMisconfigured) as caught:
            adapter_of(tmp_path, url)
        assert f"medmij-gateway[{dialect_of(url).extra}]" in caught.value.text
        return
    error = failing(adapter_of(tmp_path, url))
    assert isinstance(error, AdapterDown)
    assert "geheim" not in f"{error} {error.cause}"


@pytest.mark.parametrize("dialect", [oracle.dialect(), mssql.dialect(), mysql.dialect()])
def test_a_query_with_its_patient_is_written_for_every_dialect(dialect: Any) -> None:
    """The parameter is bound by the driver, never written into the query."""
    statement = text("select * from problem where patnr = :patient and name like 'a%'")
    compiled = statement.compile(dialect=dialect)
    assert ":patient" in str(compiled) or "%(patient)s" in str(compiled) or "%s" in str(compiled)
    assert compiled.params == {"patient": None}


@pytest.mark.parametrize("url", ["mongodb://x", "sqlite", "mysql+other://x/y", "postgresql+asyncpg://x/y", ""])
def test_an_address_of_another_database_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="an address of sqlite, postgresql, oracle, mssql, mysql is expected"):
        dialect_of(url)


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_the_example_of_a_dialect_is_an_address_of_it(name: str) -> None:
    assert dialect_of(DIALECTS[name].example) is DIALECTS[name]
