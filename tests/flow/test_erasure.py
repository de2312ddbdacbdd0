"""What is held of one person: shown, exported, held, and erased by two people, with nothing left of them anywhere."""

import base64
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from databases import KINDS
from sqlalchemy import LargeBinary, String, Text, insert, select
from world.intake_house import BSN, OTHER_BSN, PROVIDER, condition
from world.release_house import ReleaseHouse, lab, letter, release_house

from auth.store.store import metadata as auth_metadata
from gateway.cli import person as person_command
from gateway.privacy.holdings import CASES, HOLDINGS, NOBODYS, SEALED, STAYS
from gateway.store.exchanged import referral, referral_event
from gateway.store.schema import audit_record, metadata, quarantine
from gateway.store.shared import submission, subscription
from gateway.wiring import keys_of
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import unpack

OLD, SECRET = "2026-01-05T10:00:00+01:00", "een brief over Tessa"


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReleaseHouse]:
    with release_house(request.param, tmp_path_factory.mktemp("erasure")) as made:
        made.push(condition("c1"), condition("c1", note=[{"text": "later"}]), lab("old", OLD))
        made.push_together(*letter("b1", base64.b64encode(SECRET.encode()).decode()))
        more(made)
        yield made


def more(house: ReleaseHouse) -> None:
    """What did not come from the EHR: sent, subscribed, referred, in quarantine, consented."""
    pseudonyms, ring = keys_of(house.settings)
    who, now, id_ = pseudonyms.of(BSN), datetime.now(UTC), str(uuid.uuid4())
    sealed = ring.seal("bsn", BSN.encode())
    rows: dict[Any, dict[str, Any]] = {
        submission: {"person": who, "patient_id": "p1", "sealed_bsn": sealed},
        subscription: {"person": who, "end_date": now.date(), "high_water": now},
        referral: {"id": id_, "person": who, "patient_id": "p1", "sealed_bsn": sealed},
        referral_event: {"referral_id": id_},
        quarantine: {"sealed": ring.seal("quarantine", jsonio.dump({"subject": {"reference": "Patient/p1"}}))},
    }
    with house.engine.begin() as connection:
        for table, values in rows.items():
            connection.execute(insert(table), _filled(table, values, now))
    house.decide("withhold", "Condition/c1")


def _filled(table: Any, values: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Values for the columns that must have one."""
    made = dict(values)
    for column in table.columns:
        if column.name in made or column.nullable or (column.primary_key and column.autoincrement is True):
            continue
        kind = column.type
        text = PROVIDER if column.name == "provider" else uuid.uuid4().hex[: getattr(kind, "length", None) or 8]
        made[column.name] = (
            text if isinstance(kind, String | Text) else b"{}" if isinstance(kind, LargeBinary)
            else now if "DATETIME" in str(kind).upper() else now.date() if "DATE" in str(kind).upper() else 0
        )  # fmt: skip
    return made


def ask(house: ReleaseHouse, kind: str, basis: str, bsn: str = BSN, code: int = 0) -> int:
    done = house.run(
        "person", kind, "--provider", PROVIDER, "--basis", basis, "--reason", "brief 7", "--json", typed=bsn
    )
    assert done.exit_code == code, done.output
    return int(json.loads(done.stdout)["number"]) if not code else 0


def decide(house: ReleaseHouse, what: str, number: int, *more_: str) -> Any:
    return house.run("person", what, str(number), "--provider", PROVIDER, *more_)


def test_show_and_export(house: ReleaseHouse) -> None:
    """Article 15: everything that is held, documents whole, what was sent, and who looked; each look recorded."""
    shown = json.loads(house.run("person", "show", "--provider", PROVIDER, "--json", typed=BSN).stdout)
    assert shown["held"]["resource"] == 5
    assert {"original", "submission", "subscription", "referral", "quarantine", "release_flag"} <= shown["held"].keys()
    assert "audit_record" in shown["stays"]
    out = house.config.parent / "mine.json"
    done = house.run("person", "export", "--provider", PROVIDER, "--output", str(out), typed=BSN)
    assert done.exit_code == 0, done.output
    told = json.loads(out.read_bytes())
    kept = {f"{one['resourceType']}/{one['id']}": one for one in told["record"]["stu3"]}
    # What is withheld is not in it, and counted.
    assert set(kept) == {"Patient/p1", "Observation/old", "DocumentReference/b1", "Binary/b1-pdf"}
    assert told["not_shown"] == {"withheld": 1}
    assert base64.b64decode(kept["Binary/b1-pdf"]["content"]).decode() == SECRET
    assert BSN not in out.read_text()
    assert any(one["what"] == "operator:person:export" for one in told["accesses"])
    # That something was decided about an item may be what the person may not know.
    assert not any("release" in one["what"] for one in told["accesses"])
    number = house.decide("withhold", "DocumentReference/b1")
    house.run("person", "export", "--provider", PROVIDER, "--output", str(out), typed=BSN)
    kinds = {one["resourceType"] for one in json.loads(out.read_bytes())["record"]["stu3"]}
    assert not {"DocumentReference", "Binary"} & kinds
    house.decide("end", str(number))


def test_refused_and_unknown(house: ReleaseHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal leaves everything; a person of whom nothing is held is asked for like anybody."""
    number = ask(house, "erase", "request-gdpr")
    monkeypatch.setattr(person_command, "operator", lambda: "second")
    assert decide(house, "refuse", number).exit_code == 0
    assert "Condition" in str(house.run("release", "list", "--provider", PROVIDER).output)
    assert json.loads(house.run("person", "show", "--provider", PROVIDER, "--json", typed=BSN).stdout)["held"]
    nobody = json.loads(house.run("person", "show", "--provider", PROVIDER, "--json", typed="999990032").stdout)
    assert nobody["held"] == {}
    assert house.run("person", "show", "--provider", PROVIDER, typed="123456789").exit_code == 2


def test_two_people_erase(house: ReleaseHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked never decides; a hold stands against it; then nothing of the person is in any table but what stays."""
    number = ask(house, "erase", "request-wgbo")
    ask(house, "erase", "request-wgbo", code=2)
    assert "somebody else" in decide(house, "approve", number, "--yes").output
    hold = ask(house, "hold", "claim")
    monkeypatch.setattr(person_command, "operator", lambda: "second")
    assert "held against: claim" in decide(house, "approve", number, "--yes").output
    assert decide(house, "release", hold).exit_code == 0
    assert decide(house, "approve", number).exit_code == 2
    before = left_of(house)
    assert {"resource", "original", "patient", "submission", "quarantine", "referral", "document_content"} <= before
    done = decide(house, "approve", number, "--yes", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["erased"]["resource"] == 5
    assert left_of(house) <= set(STAYS)
    # The other person is as before, and the proof stands: who asked, who decided, how many rows.
    assert house.keys("Condition", bsn=OTHER_BSN) == {"Condition/c2"}
    assert house.run("audit", "verify").exit_code == 0
    cases = json.loads(house.run("person", "cases", "--provider", PROVIDER, "--all", "--json").stdout)
    erased = next(one for one in cases if one["number"] == number)
    assert (erased["state"], erased["decided_by"], erased["reason"]) == ("done", "second", "")
    assert erased["asked_by"] != "second"
    with house.engine.connect() as connection:
        told = [json.loads(bytes(one)) for one in connection.execute(select(audit_record.c.record)).scalars()]
    actions = [one["action"] for one in told]
    assert [one for one in actions if "erase" in one][-4:] == [
        "operator:person:erase-ask", "operator:person:erase-ask", "operator:person:erase-approve",
        "operator:person:erased",
    ]  # fmt: skip
    assert ["resource", 5] in told[actions.index("operator:person:erased")]["resources"]
    # It is over: nobody decides twice.
    assert decide(house, "approve", number, "--yes").exit_code == 2


def test_every_table_is_thought_of() -> None:
    """A new table is erased, stays for a reason, or holds nothing of anybody: it cannot be forgotten."""
    every = set(metadata.tables) | set(auth_metadata.tables)
    erased = {str(table.name) for table in (*HOLDINGS, *SEALED, CASES)}
    assert erased | STAYS.keys() | NOBODYS == every
    assert len(erased) + len(STAYS) + len(NOBODYS) == len(every)


def left_of(house: ReleaseHouse) -> set[str]:
    """The tables in which anything of the person is found: number, pseudonym, patient id or content, opened or not."""
    pseudonyms, ring = keys_of(house.settings)
    marks = [one.encode() for one in (BSN, pseudonyms.of(BSN), "Patient/p1", SECRET, '"p1"', "Condition/c1")]
    left = set()
    with house.engine.connect() as connection:
        for table in (*metadata.tables.values(), *auth_metadata.tables.values()):
            for row in connection.execute(select(table)).mappings():
                for value in row.values():
                    seen = value.encode() if isinstance(value, str) else bytes(value or b"") if _bytes(value) else b""
                    texts = [seen, *_opened(ring, seen)]
                    exact = isinstance(value, str) and value == "p1"
                    if exact or any(mark in text for mark in marks for text in texts):
                        left.add(str(table.name))
    return left


def _bytes(value: Any) -> bool:
    return isinstance(value, bytes | memoryview)


def _opened(ring: Any, seen: bytes) -> Iterator[bytes]:
    for purpose in ("", "bsn", "original", "quarantine", "receipt", "shared", "exchange"):
        try:
            yield unpack(ring.open(purpose, seen) if purpose else seen)
        except Exception:
            continue
