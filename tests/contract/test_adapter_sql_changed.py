"""AVL-01: what is available is worked out anew only when the database says that something changed."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from timing import LONG

from adapters.port import AdapterMisconfigured, AvailabilityQuery, Bsn, PatientKey, ServiceKey
from adapters.registry import build
from adapters.sql.adapter import SqlAdapter

SCHEMA = """
create table patient (nr text primary key, bsn text, changed integer);
create table problem (nr integer primary key, patient text, name text);
insert into patient values ('1', '999951750', 7), ('2', '999970239', null);
"""
MAPPING = """
mapping: changing
version: stu3
patient:
  query: select nr as patient_id from patient where bsn = :bsn
  changed: select CHANGED from patient where nr = :patient
sections:
  problem:
    type: Condition
    rows: [bgz-3/problem]
    query: select nr, patient as patient_id, name from problem where patient = :patient
    resource: {id: "=id('p', nr)", subject: "=reference('Patient', patient_id)", code: {text: =name}}
"""


def adapter_of(folder: Path, changed: str = "changed") -> SqlAdapter:
    (folder / "mapping.yaml").write_text(MAPPING.replace("CHANGED", changed), "utf-8")
    url = f"sqlite:///{folder / 'ehr.db'}"
    made = build({"type": "sql", "name": "epd", "url": url, "mapping": str(folder / "mapping.yaml")})
    assert isinstance(made, SqlAdapter)
    return made


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "ehr.db")) as connection:
        connection.executescript(statement)


async def offered(adapter: SqlAdapter, bsn: str) -> bool:
    query = AvailabilityQuery("p", PatientKey(Bsn(bsn)), (ServiceKey("48", "bgz-3"),), time.monotonic() + LONG)
    return "48" in (await adapter.available(query)).services


def test_availability_follows_the_mark_of_the_database(tmp_path: Path) -> None:
    change(tmp_path, SCHEMA)

    async def story() -> list[bool]:
        adapter = adapter_of(tmp_path)
        seen = [await offered(adapter, "999951750")]
        change(tmp_path, "insert into problem values (1, '1', 'COPD')")
        seen.append(await offered(adapter, "999951750"))
        change(tmp_path, "update patient set changed = 8 where nr = '1'")
        seen.append(await offered(adapter, "999951750"))
        change(tmp_path, "delete from problem; update patient set changed = 9 where nr = '1'")
        seen.append(await offered(adapter, "999951750"))
        await adapter.aclose()
        return seen

    assert asyncio.run(story()) == [False, False, True, False], "the second time nothing was said to have changed"


def test_who_has_no_mark_is_looked_at_every_time(tmp_path: Path) -> None:
    change(tmp_path, SCHEMA)

    async def story() -> list[bool]:
        adapter = adapter_of(tmp_path)
        seen = [await offered(adapter, "999970239")]
        change(tmp_path, "insert into problem values (2, '2', 'Astma')")
        seen.append(await offered(adapter, "999970239"))
        await adapter.aclose()
        return seen

    assert asyncio.run(story()) == [False, True]


def test_a_query_without_the_mark_is_found_by_the_probe(tmp_path: Path) -> None:
    change(tmp_path, SCHEMA)

    async def probe() -> None:
        adapter = adapter_of(tmp_path, "nr")
        try:
            await adapter.probe(time.monotonic() + LONG)
        finally:
            await adapter.aclose()

    with pytest.raises(AdapterMisconfigured, match=r"patient\.changed: the query gives no changed"):
        asyncio.run(probe())
