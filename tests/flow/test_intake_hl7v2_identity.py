"""Who is who: merges, links and their end, with what belongs to both sides; on both databases, over MLLP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS
from flow.hl7_sender import Sender, adt, codes, listening, mdm, msh, oru, segment
from sqlalchemy import text
from world.intake_house import BSN, OTHER_BSN, condition, source

from gateway.store.history import versions
from profiles.fhir.version import FhirVersion


@pytest.fixture(params=KINDS)
def sender(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sender]:
    yield from listening(request.param, tmp_path, source)


def pid(number: str, bsn: str | None = None, rest: str = "||Berg^T||19700131|F") -> str:
    return f"PID|1||{number}^^^ZKH^PI" + (f"~{bsn}^^^NLMINBIZA^NNNLD" if bsn else "") + rest


def merge(number: str, survivor: str, old: str, event: str = "A40") -> str:
    return "\r".join([msh(f"ADT^{event}", number), "EVN||20260201", survivor, f"MRG|{old}^^^ZKH^PI"]) + "\r"


def pair(number: str, event: str, first: str, second: str) -> str:
    return "\r".join([msh(f"ADT^{event}", number), "EVN||20260201", first, second]) + "\r"


def patients(sender: Sender) -> dict[str, tuple[str, bool]]:
    """Per patient number the person, and whether a BSN is known."""
    with sender.hospital.engine.connect() as connection:
        rows = connection.execute(text("select patient_id, person, sealed_bsn from patient"))
        return {row.patient_id: (row.person, row.sealed_bsn is not None) for row in rows}


def whose(sender: Sender) -> dict[str, str]:
    with sender.hospital.engine.connect() as connection:
        rows = connection.execute(text("select type, id, patient_id from resource where not deleted"))
        return {f"{row.type}/{row.id}": row.patient_id for row in rows}


def test_a_merge_moves_everything_and_keeps_the_history(sender: Sender) -> None:
    loose, known = pid("100"), pid("200", BSN)
    assert codes(sender.send(adt("1", "A28", loose), adt("2", "A28", known))) == ["AA", "AA"]
    letter = mdm("4").replace("4711^^^ZKH^PI", "100^^^ZKH^PI").replace(f"~{BSN}^^^NLMINBIZA^NNNLD", "")
    assert codes(sender.send(oru("3", pid=loose), letter)) == ["AA", "AA"]
    before = patients(sender)
    (answer,) = sender.send(merge("5", known, "100"))
    assert (answer["MSA"][1], answer["ERR"]) == ("AA", [])
    stored = sender.hospital.stored()
    assert "Patient/100" not in stored
    assert set(whose(sender).values()) == {"200"}
    assert len(whose(sender)) == 5
    for key, body in stored.items():
        assert "Patient/100" not in json.dumps(body), key
    result = ("Observation", "lab-L-2026-1-2823-3-1")
    with sender.hospital.engine.connect() as connection:
        kept = versions(connection, "ziekenhuiszandoord", FhirVersion.STU3, result)
        gone = versions(connection, "ziekenhuiszandoord", FhirVersion.STU3, ("Patient", "100"))
    assert [one.number for one in kept] == [1, 2]
    assert gone[-1].deleted
    assert set(patients(sender)) == {"200"}
    records = [one for one in sender.hospital.audit() if one["action"] == "ehr:patient:merge"]
    assert {one["person"] for one in records} == {before["100"][0], before["200"][0]}


def test_a_push_under_the_old_number_is_told_which_one_it_is_now(sender: Sender) -> None:
    """FHIR says which record it means: nothing is moved in silence, and who sends learns the number to use."""
    sender.send(adt("1", "A28", pid("100")), adt("2", "A28", pid("200", BSN)), merge("3", pid("200", BSN), "100"))
    name = next(iter(sender.hospital.parts.settings.sources))
    problem = condition("c1", "100")
    answer = sender.hospital.send("PUT", f"/intake/{name}/Condition/c1", problem)
    assert answer.status_code == 422
    assert "Patient/100 was merged into Patient/200" in answer.text
    assert sender.hospital.send("PUT", f"/intake/{name}/Condition/c1", condition("c1", "200")).status_code == 201
    unknown = sender.hospital.send("PUT", f"/intake/{name}/Condition/c2", condition("c2", "999"))
    assert (unknown.status_code, "merged" in unknown.text) == (422, False)


def test_what_comes_for_the_old_number_goes_to_the_survivor(sender: Sender) -> None:
    sender.send(adt("1", "A28", pid("100")), adt("2", "A28", pid("200", BSN)), adt("3", "A28", pid("300", BSN)))
    assert codes(sender.send(merge("4", pid("200", BSN), "100"), merge("5", pid("300", BSN), "200"))) == ["AA", "AA"]
    assert codes(sender.send(oru("6", pid=pid("100")))) == ["AA"]
    assert sender.hospital.stored()["Observation/lab-L-2026-1-2823-3-1"]["subject"]["reference"] == "Patient/300"
    assert set(whose(sender).values()) == {"300"}


def test_a_number_that_is_given_out_anew_does_not_lead_to_the_survivor(sender: Sender) -> None:
    """After a merge the register gives number 100 to somebody else: what comes for it is theirs."""
    sender.send(adt("1", "A28", pid("100")), adt("2", "A28", pid("200", BSN)))
    assert codes(sender.send(merge("3", pid("200", BSN), "100"))) == ["AA"]
    system = "http://fhir.nl/fhir/NamingSystem/bsn"
    other = {"resourceType": "Patient", "id": "100", "identifier": [{"system": system, "value": OTHER_BSN}]}
    assert sender.hospital.send("PUT", "/intake/lab/Patient/100", other).status_code == 201
    assert codes(sender.send(oru("4", pid=pid("100")))) == ["AA"]
    assert whose(sender)["Observation/lab-L-2026-1-2823-3-1"] == "100"


def test_a_merge_twice_and_one_that_is_turned_round(sender: Sender) -> None:
    sender.send(adt("1", "A28", pid("100", BSN)), adt("2", "A28", pid("200", BSN)))
    assert codes(sender.send(merge("3", pid("200", BSN), "100"), merge("4", pid("200", BSN), "100"))) == ["AA", "AA"]
    assert codes(sender.send(merge("5", pid("100", BSN), "200"))) == ["AA"]
    assert set(whose(sender)) == {"Patient/100"}
    assert codes(sender.send(oru("6", pid=pid("200", BSN)))) == ["AA"]
    assert set(whose(sender).values()) == {"100"}


def test_the_bsn_of_the_number_that_ends_is_kept(sender: Sender) -> None:
    sender.send(adt("1", "A28", pid("100", BSN)), adt("2", "A28", pid("200")))
    person = patients(sender)["100"]
    assert codes(sender.send(merge("3", pid("200"), "100"))) == ["AA"]
    assert patients(sender) == {"200": person}


DIFFERENT = {
    "both known": (pid("200", OTHER_BSN), "100"),
    "the message says another": (pid("100", OTHER_BSN), "200"),
}


@pytest.mark.parametrize(("survivor", "old"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_two_bsns_are_never_merged_people_decide(sender: Sender, survivor: str, old: str) -> None:
    sender.send(adt("1", "A28", pid("100", BSN)), adt("2", "A28", pid("200", OTHER_BSN)), oru("3", pid=pid("100", BSN)))
    before: tuple[Any, ...] = (patients(sender), whose(sender), sender.hospital.stored())
    (answer,) = sender.send(merge("4", survivor, old))
    assert answer["MSA"][1] == "AE"
    assert "quarantine" in answer["ERR"][0]
    assert (patients(sender), whose(sender), sender.hospital.stored()) == before
    assert sender.hospital.count("quarantine") == 1
    assert BSN not in str(answer)


def test_a_new_number_for_a_patient(sender: Sender) -> None:
    """A47: the old number ends, the new one was never here before."""
    sender.send(adt("1", "A28", pid("100", BSN)), oru("2", pid=pid("100", BSN)))
    assert codes(sender.send(merge("3", pid("900", BSN), "100", "A47"))) == ["AA"]
    assert set(whose(sender).values()) == {"900"}
    assert set(patients(sender)) == {"900"}


def test_a_link_shows_both_to_the_person_and_its_end_parts_them(sender: Sender) -> None:
    sender.send(adt("1", "A28", pid("100")), adt("2", "A28", pid("200", BSN)))
    apart = patients(sender)
    assert apart["100"][0] != apart["200"][0]
    assert codes(sender.send(pair("3", "A24", pid("100"), pid("200", BSN)))) == ["AA"]
    assert {person for person, _ in patients(sender).values()} == {apart["200"][0]}
    assert codes(sender.send(adt("4", "A08", pid("100")))) == ["AA"]
    assert patients(sender)["100"][0] == apart["200"][0], "an update does not part them"
    assert codes(sender.send(pair("5", "A37", pid("100"), pid("200", BSN)))) == ["AA"]
    assert patients(sender) == apart


REFUSED = {
    "a merge without MRG": "\r".join([msh("ADT^A40", "9"), pid("100")]) + "\r",
    "a number into itself": merge("9", pid("100"), "100"),
    "a link of one": "\r".join([msh("ADT^A24", "9"), pid("100")]) + "\r",
    "a link of two BSNs": pair("9", "A24", pid("100", BSN), pid("200", OTHER_BSN)),
    "the end of a link of one BSN": pair("9", "A37", pid("300", BSN), pid("400", BSN)),
    "MRG with a BSN alone": merge("9", pid("100"), "").replace("MRG|^^^ZKH^PI", f"MRG|{BSN}^^^NLMINBIZA^NNNLD"),
}


@pytest.mark.parametrize("message", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_is_refused_and_changes_nothing(tmp_path: Path, message: str) -> None:
    for one in listening("sqlite", tmp_path, source):
        one.send(adt("1", "A28", pid("300", BSN)), adt("2", "A28", pid("400", BSN)))
        before = (patients(one), one.hospital.stored())
        assert codes(one.send(message)) == ["AE"]
        assert (patients(one), one.hospital.stored()) == before


def test_a_visit_from_admission_to_discharge_and_back(sender: Sender) -> None:
    """A01, A02, A03, then A13 and A11: one Encounter whose state and period follow; nothing sent is nothing changed."""
    place = "A1^12^3^ZKH"

    def event(number: str, name: str, *, at: str = place, start: str = "", end: str = "") -> str:
        visit = segment("PV1", f1="1", f2="I", f3=at, f19="V-1", f44=start, f45=end)
        return "\r".join([msh(f"ADT^{name}", number), "EVN||20260201", pid("100", BSN), visit]) + "\r"

    def now() -> tuple[str, dict[str, str], str]:
        found = sender.hospital.stored()["Encounter/visit-V-1"]
        return found["status"], found["period"], found["location"][0]["location"]["display"]

    assert codes(sender.send(event("1", "A01", start="202602010900"))) == ["AA"]
    began = {"start": "2026-02-01T09:00:00+01:00"}
    assert now() == ("in-progress", began, "A1 12 3")
    assert codes(sender.send(event("2", "A02", at="B2^1^1"))) == ["AA"]
    assert now() == ("in-progress", began, "B2 1 1")
    assert codes(sender.send(event("3", "A03", at="", end="202602031200"))) == ["AA"]
    assert now() == ("finished", began | {"end": "2026-02-03T12:00:00+01:00"}, "B2 1 1")
    assert codes(sender.send(event("4", "A08", at=""))) == ["AA"]
    assert now()[0] == "finished"
    assert codes(sender.send(event("5", "A13", at=""))) == ["AA"]
    assert now() == ("in-progress", began, "B2 1 1")
    assert codes(sender.send(event("6", "A11", at=""))) == ["AA"]
    assert now()[0] == "cancelled"
