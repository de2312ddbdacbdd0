"""A store of the release before: it upgrades whole, and what has no search keys yet is found and gets them."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from databases import KINDS, database
from sqlalchemy import Engine, text

from gateway.cli.db import SCRIPTS, upgrade
from gateway.collect.answer import Answer, search
from gateway.collect.record import Record, RecordOwner
from gateway.store.engine import open_engine
from gateway.store.reader import open_reader
from gateway.store.rekey import Rekeying
from gateway.store.schema import key_of
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.search.keys import FINGERPRINT
from profiles.fhir.search.search import compile_search
from profiles.fhir.version import FhirVersion

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WHO = {"provider": "z", "fhir": "stu3", "source": "epd"}


def before(engine: Engine, revision: str = "0004") -> None:
    """A store at the revision of the release before, with two persons and a doctor."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["engine"] = engine
    command.upgrade(config, revision)
    resources = [
        (1, "a", "Observation", "o1", {"code": {"coding": [{"code": "718-7"}]}}),
        (2, "a", "Observation", "o2", {"code": {"coding": [{"code": "other"}]}}),
        (3, "b", "Observation", "o3", {"code": {"coding": [{"code": "718-7"}]}}),
        (4, "", "Practitioner", "dr", {"name": [{"text": "Dr. Ä"}]}),
    ]
    with engine.begin() as connection:
        for patient_id in ("a", "b"):
            connection.execute(
                text(
                    "INSERT INTO patient (provider, fhir, patient_id, source, person)"
                    " VALUES (:provider, :fhir, :p, :source, :w)"
                ),
                {**WHO, "p": patient_id, "w": f"person-{patient_id}"},
            )
        for pk, patient_id, type_, id_, more in resources:
            body = jsonio.dump({"resourceType": type_, "id": id_, **more})
            connection.execute(
                text(
                    "INSERT INTO resource (pk, provider, fhir, patient_id, type, id, source, version, digest, json,"
                    " xml, updated, deleted)"
                    " VALUES (:pk, :provider, :fhir, :p, :t, :i, :source, 1, :d, :j, :x, :at, :gone)"
                ),
                {**WHO, "pk": pk, "p": patient_id, "t": type_, "i": id_, "d": bytes([pk]), "j": body, "x": b"<x/>",
                 "at": NOW if engine.dialect.name != "sqlite" else NOW.isoformat(" "), "gone": False},
            )  # fmt: skip
        connection.execute(text("INSERT INTO link VALUES (1, 'Practitioner', 'dr')"))


async def asked(engine: Engine, url: str) -> tuple[Answer, Rekeying]:
    """The answer to a search by code on the first person's record, with the writer of keys."""
    reader, rekeying = open_reader(url), Rekeying(engine)
    record = Record(reader, RecordOwner("z", FhirVersion.STU3, "person-a"), "json", rekeying)
    found = await search(record, compile_search(FhirVersion.STU3, "Observation", [("code", "718-7")]))
    await rekeying.close()
    await reader.close()
    return found, rekeying


@pytest.mark.parametrize("kind", KINDS)
def test_an_older_store_keeps_everything_and_gets_keys_when_it_is_read(kind: str, tmp_path: Path) -> None:
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        before(engine)
        upgrade(engine)
        with engine.begin() as connection:
            rows = connection.execute(text("SELECT pk, key, type, id, search FROM resource ORDER BY pk")).all()
            assert [row.pk for row in rows] == [1, 2, 3, 4]
            assert all(bytes(row.key) == key_of("z", "stu3", row.type, row.id) for row in rows)
            assert [row.search for row in rows] == [None] * 4
            # What hangs on a resource is still there, and still goes with it.
            assert connection.execute(text("SELECT count(*) FROM link")).scalar_one() == 1

        found, _ = asyncio.run(asked(engine, url))
        assert [held.id for held in found.matches] == ["o1"]
        assert b"718-7" in found.matches[0].body(Format.JSON)
        with engine.begin() as connection:
            kept = dict(connection.execute(text("SELECT id, search FROM resource")).all())
            assert {id_ for id_, keys in kept.items() if keys} == {"o1", "o2"}  # nobody read the other person's
            assert bytes(kept["o1"]).startswith(FINGERPRINT)
        again, rekeying = asyncio.run(asked(engine, url))
        assert [held.id for held in again.matches] == ["o1"]
        assert rekeying._task is None  # there was nothing left to make

        with engine.begin() as connection:
            connection.execute(text("DELETE FROM resource WHERE pk = 1"))
            assert connection.execute(text("SELECT count(*) FROM link")).scalar_one() == 0
        engine.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_earlier_tables_are_made_anew(kind: str, tmp_path: Path) -> None:
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        before(engine)
        upgrade(engine)
        with engine.begin() as connection:
            old = {"old": b"0000" + jsonio.dump({"resourceType": "Observation", "id": "o2"})}
            # Marks of other tables say nothing, also when none of what is asked is among them.
            connection.execute(text("UPDATE resource SET search = :old, marks = 0"), old)
        found, _ = asyncio.run(asked(engine, url))
        assert [held.id for held in found.matches] == ["o1"]
        with engine.begin() as connection:
            kept = dict(connection.execute(text("SELECT id, search FROM resource WHERE patient_id = 'a'")).all())
            assert all(bytes(keys).startswith(FINGERPRINT) for keys in kept.values())
        engine.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_that_changes_while_it_is_read_is_matched_anew(kind: str, tmp_path: Path) -> None:
    """Keys and bytes come in two selects when there are many: an answer never mixes two versions."""
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        before(engine)
        upgrade(engine)
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM resource"))
            for number in range(30):
                body = jsonio.dump(
                    {"resourceType": "Observation", "id": f"m{number}", "code": {"coding": [{"code": "m"}]}}
                )
                connection.execute(
                    text(
                        "INSERT INTO resource (pk, key, provider, fhir, patient_id, type, id, source, version, digest,"
                        " json, xml, updated, deleted, search) VALUES (:pk, :key, :provider, :fhir, 'a',"
                        " 'Observation', :i, :source, 1, :d, :j, :x, '2026-01-01', :gone, :keys)"
                    ),
                    {**WHO, "pk": 100 + number, "key": bytes([number]), "i": f"m{number}", "d": bytes([number]),
                     "j": body, "x": b"<x/>", "gone": False, "keys": FINGERPRINT + body},
                )  # fmt: skip

        class Racing:
            """A reader between whose first and second select somebody pushes."""

            def __init__(self) -> None:
                self.inner, self.calls = open_reader(url), 0

            async def fetch(self, statement: object, parameters: object) -> object:
                self.calls += 1
                if self.calls == 2:
                    gone = jsonio.dump({"resourceType": "Observation", "id": "m0", "code": {"coding": [{"code": "n"}]}})
                    with engine.begin() as connection:
                        connection.execute(
                            text("UPDATE resource SET json = :j, search = :k, digest = :d WHERE pk = 100"),
                            {"j": gone, "k": FINGERPRINT + gone, "d": b"new"},
                        )
                return await self.inner.fetch(statement, parameters)  # type: ignore[arg-type]

            async def close(self) -> None:
                await self.inner.close()

        async def raced() -> tuple[Answer, int]:
            reader = Racing()
            record = Record(reader, RecordOwner("z", FhirVersion.STU3, "person-a"), "json")  # type: ignore[arg-type]
            # By no code that a mark could tell: all of the type have to be looked at.
            found = await search(record, compile_search(FhirVersion.STU3, "Observation", [("code:not", "n")]))
            await reader.close()
            return found, reader.calls

        found, calls = asyncio.run(raced())
        assert calls == 4  # keys, bytes of one that was gone, and both again
        assert {held.id for held in found.matches} == {f"m{number}" for number in range(1, 30)}
        engine.dispose()
