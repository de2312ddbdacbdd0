"""One walk for all that comes in: the same input has the same outcome, whichever door it takes.

Doors: a batch over HTTP, single requests over HTTP, a folder of files, NDJSON, a Bundle in a file, and items in memory
(a test set, the demo world). For each: what was taken, why the rest was not, and what the store holds afterwards.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from databases import KINDS
from sqlalchemy import select
from world.intake_house import BSN, OTHER_BSN, PROVIDER, House, bundle, condition, house, patient, source, without

from gateway.intake.bulk import Bulk, bring
from gateway.intake.outcome import ImportOutcome
from gateway.intake.read import InputItem
from gateway.intake.sender import Door
from gateway.store.schema import outbox, quarantine, verdict
from gateway.store.schema import patient as patients
from gateway.wiring import open_gate
from gateway.wiring.intake import open_intake, open_releases
from profiles.fhir.version import FhirVersion

Resource = dict[str, Any]
Told = dict[str, str]
"""By Type/id: ``taken``, or why not."""


@dataclass(frozen=True)
class Case:
    """What is there before, what comes, and what is expected of each; ``text`` is part of the reason."""

    name: str
    before: tuple[Resource, ...]
    comes: tuple[Resource, ...]
    expected: dict[str, str]
    source: str = "epd"


def encounter(id_: str, whose: str, **change: Any) -> Resource:
    return {"resourceType": "Encounter", "id": id_, "status": "finished", "class": {"code": "AMB"},
            "subject": {"reference": f"Patient/{whose}", "display": "-"}} | change  # fmt: skip


def observation(id_: str, **change: Any) -> Resource:
    return {"resourceType": "Observation", "id": id_, "status": "final", "code": {"text": "Lengte"}} | change


def to(reference: str) -> dict[str, str]:
    return {"reference": reference}


def letter(id_: str, whose: str, binary: str) -> Resource:
    return {
        "resourceType": "DocumentReference", "id": id_, "status": "current", "type": {"text": "Brief"},
        "indexed": "2026-01-01T10:00:00Z", "subject": {"reference": f"Patient/{whose}", "display": "-"},
        "content": [{"attachment": {"contentType": "application/pdf", "url": f"Binary/{binary}"}}],
    }  # fmt: skip


def binary(id_: str, content: str = "JVBERi0=") -> Resource:
    return {"resourceType": "Binary", "id": id_, "contentType": "application/pdf", "content": content}


TWO = (patient("p1"), patient("p2", OTHER_BSN))
EPISODE = {"resourceType": "EpisodeOfCare", "id": "e", "status": "active", "patient": {"reference": "Patient/p1"}}
VISIT = encounter("v", "p1", episodeOfCare=[{"reference": "EpisodeOfCare/e"}])
TOGETHER = {"a document of two patients", "a document", "an unreadable document", "twice, with other content",
            "an amount with other digits"}  # fmt: skip
"""Cases about what comes in one push: as single requests they are something else."""
BAD = condition("c1", clinicalStatus="present")
CASES = (
    Case("a record", (), (patient(), condition()), {"Patient/p1": "taken", "Condition/c1": "taken"}),
    Case("a patient with another BSN", (patient(), condition()), (patient(bsn=OTHER_BSN),),
         {"Patient/p1": "has another BSN"}),
    Case("another BSN beside new data", (patient(),), (patient(bsn=OTHER_BSN), condition()),
         {"Patient/p1": "has another BSN", "Condition/c1": "taken"}),
    Case("an id of another source", (patient(),), (patient(gender="male"),),
         {"Patient/p1": "belongs to another source"}, source="lab"),
    Case("a patient of another source", (patient(),), (condition(),), {"Condition/c1": "Patient/p1"}, source="lab"),
    Case("an unknown patient", (), (condition(whose="nobody"),), {"Condition/c1": "Patient/nobody"}),
    Case("no patient at all", (), (observation("o1"),), {"Observation/o1": "no patient found"}),
    Case("two patients", TWO,
         (observation("o1", performer=[{"reference": "Patient/p1"}, {"reference": "Patient/p2"}]),),
         {"Observation/o1": "more than one patient"}),
    Case("another patient's encounter", (*TWO, encounter("e1", "p1")), (encounter("e1", "p2"),),
         {"Encounter/e1": "of another patient"}),
    Case("a document of two patients", TWO, (letter("d1", "p1", "b"), letter("d2", "p2", "b"), binary("b")),
         {"DocumentReference/d1": "taken", "DocumentReference/d2": "taken", "Binary/b": "more than one patient"}),
    Case("a document", (patient(),), (letter("d1", "p1", "b"), binary("b")),
         {"DocumentReference/d1": "taken", "Binary/b": "taken"}),
    Case("an unreadable document", (patient(),), (letter("d1", "p1", "b"), binary("b", "%%%")),
         {"DocumentReference/d1": "taken", "Binary/b": "not base64"}),
    Case("blocked by policy", (patient(),), (BAD, condition("c2")),
         {"Condition/c1": "not valid", "Condition/c2": "taken"}, source="strict"),
    Case("the same twice", (patient(),), (condition(), condition()), {"Condition/c1": "taken"}),
    Case("twice, with other content", (patient(),), (condition(), condition(clinicalStatus="inactive")),
         {"Condition/c1": "occurs more than once"}),
    Case("an amount with other digits", (patient(),),
         (observation("o1", subject={"reference": "Patient/p1"}, valueQuantity={"value": 1.5}),
          observation("o1", subject={"reference": "Patient/p1"}, valueQuantity={"value": 1})),
         {"Observation/o1": "occurs more than once"}),
    Case("a wrong shape", (patient(),), (condition(code=["not", "a", "concept"]), condition("c2")),
         {"Condition/c1": "", "Condition/c2": "taken"}),
    Case("an unknown type", (patient(),), ({"resourceType": "Horoscope", "id": "h"}, condition()),
         {"Horoscope/h": "", "Condition/c1": "taken"}),
    Case("an id that is none", (patient(),), (condition("no spaces"), condition("c2")),
         {"Condition/no spaces": "an id has", "Condition/c2": "taken"}),
    Case("a number within", (patient(),),
         (observation("o1", subject={"reference": "#p"}, contained=[patient("p")]),), {"Observation/o1": "taken"}),
    Case("a number within of nobody here", (patient(),),
         (observation("o1", subject={"reference": "#p"}, contained=[patient("p", OTHER_BSN)]),),
         {"Observation/o1": "no patient found"}),
    Case("a newborn in an encounter of before", (patient(), EPISODE, VISIT),
         (patient("child", None), observation("o1", subject={"reference": "Patient/child"}, context=to("Encounter/v"))),
         {"Patient/child": "taken", "Observation/o1": "taken"}),
    Case("nobody in an encounter without episode", (patient(), without(VISIT, "episodeOfCare")),
         (observation("o1", subject={"reference": "Patient/nobody"}, context=to("Encounter/v")),),
         {"Observation/o1": "Patient/nobody"}),
    Case("unchanged", (patient(), condition()), (patient(), condition()),
         {"Patient/p1": "taken", "Condition/c1": "taken"}),
)  # fmt: skip


def told_of(results: Iterable[tuple[str, str]], comes: Iterable[Resource]) -> Told:
    """Refusals by Type/id; what was not refused was taken."""
    found = {f"{one['resourceType']}/{one.get('id', '')}": "taken" for one in comes}
    for key, text in results:
        found[key] = text
    return found


def by_batch(hospital: House, name: str, comes: tuple[Resource, ...], _folder: Path) -> Told:
    """A batch over HTTP."""
    entries = [("PUT", f"{one['resourceType']}/{one['id']}", one) for one in comes]
    answer = hospital.send("POST", f"/intake/{name}", bundle("batch", *entries))
    assert answer.status_code == 200, answer.text
    found = []
    for (_, url, _body), entry in zip(entries, answer.json()["entry"], strict=True):
        if int(entry["response"]["status"][:3]) >= 400:
            found.append((url, _text(entry["response"]["outcome"])))
    return told_of(found, comes)


def by_requests(hospital: House, name: str, comes: tuple[Resource, ...], _folder: Path) -> Told:
    """One request each over HTTP, in the order that an interface keeps: patients first."""
    found = []
    for one in sorted(comes, key=lambda one: one["resourceType"] != "Patient"):
        url = f"{one['resourceType']}/{one['id']}"
        answer = hospital.send("PUT", f"/intake/{name}/{quote(url)}", one)
        if answer.status_code >= 400:
            found.append((url, _text(answer.json())))
    return told_of(found, comes)


def _text(outcome: Resource) -> str:
    """What an OperationOutcome says, in the words of an import where those differ."""
    texts = "; ".join(issue["details"]["text"] for issue in outcome["issue"])
    return texts.replace("it does not meet its profile", "it is not valid")


def by_import(form: str) -> Callable[[House, str, tuple[Resource, ...], Path], Told]:
    """An import of files: one per resource, NDJSON, or a Bundle."""

    def door(hospital: House, name: str, comes: tuple[Resource, ...], folder: Path) -> Told:
        folder = folder / f"{form}-{len(list(folder.iterdir()))}"
        folder.mkdir()
        if form == "files":
            for number, one in enumerate(comes):
                (folder / f"{len(comes) - number:03}.json").write_text(json.dumps(one))
        elif form == "ndjson":
            (folder / "all.ndjson").write_text("\n".join(json.dumps(one) for one in reversed(comes)))
        else:
            whole = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in comes]}
            (folder / "bundle.json").write_text(json.dumps(whole))
        refused = Refused(comes)
        gate = open_gate(hospital.settings)
        intake = open_intake(hospital.engine, hospital.settings, gate)
        sender = intake.importer(PROVIDER, name, Door("operator", "test"))
        with Bulk(intake, sender, open_releases(gate), ImportOutcome(refused)) as bulk:
            bulk.read([folder], FhirVersion.STU3)
            bulk.settle((FhirVersion.STU3,))
            for _records in bulk.store():
                pass
        return told_of(refused.found, comes)

    return door


class Refused:
    """Collects refusals by Type/id."""

    def __init__(self, comes: Iterable[Resource]) -> None:
        self.keys = [f"{one['resourceType']}/{one.get('id', '')}" for one in comes]
        self.found: list[tuple[str, str]] = []

    def __call__(self, _origin: str, text: str) -> None:
        named = [key for key in self.keys if text.startswith(key)]
        # What cannot be read is told without a key: it is the one that no other line is about.
        odd = [key for key in self.keys if key.startswith("Horoscope") or " " in key]
        self.found.append(((named or odd)[0], text))


def by_memory(hospital: House, name: str, comes: tuple[Resource, ...], _folder: Path) -> Told:
    """Items in memory, as a test set is loaded."""
    refused = Refused(comes)
    intake = open_intake(hospital.engine, hospital.settings, open_gate(hospital.settings))
    versions = frozenset({FhirVersion.STU3})
    items = [InputItem("memory", versions, one, json.dumps(one).encode(), "json") for one in comes]
    bring(intake, intake.importer(PROVIDER, name, Door("operator", "test")), items, ImportOutcome(refused))
    return told_of(refused.found, comes)


DOORS = {
    "batch": by_batch,
    "requests": by_requests,
    "files": by_import("files"),
    "ndjson": by_import("ndjson"),
    "bundle": by_import("bundle"),
    "memory": by_memory,
}
SOURCES = {
    "epd": source(),
    "lab": source(),
    "strict": source(policy={"*": "block"}, patients_of=["epd"]),
}


@pytest.fixture(params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with house(request.param, tmp_path, **SOURCES) as found:
        yield found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_door_has_the_same_outcome(case: Case, tmp_path: Path) -> None:
    held: dict[str, Any] = {}
    for name, door in DOORS.items():
        if name == "requests" and case.name in TOGETHER:
            continue
        folder = tmp_path / name
        folder.mkdir()
        with house("sqlite", folder, **SOURCES) as hospital:
            if case.before:
                assert set(by_batch(hospital, "epd", case.before, folder).values()) == {"taken"}
            (folder / "in").mkdir()
            told = door(hospital, case.source, case.comes, folder / "in")
            assert told.keys() == case.expected.keys(), name
            for key, reason in case.expected.items():
                assert (told[key] == "taken") == (reason == "taken"), (name, key, told[key])
                assert reason in told[key], (name, key, told[key])
            held[name] = what_is_held(hospital)
    first, *others = held
    for other in others:
        assert held[other] == held[first], (first, other)


def what_is_held(hospital: House) -> tuple[Any, ...]:
    """All that a push leaves behind, but times: what is served, versions, verdicts, outbox, quarantine, whose."""
    with hospital.engine.connect() as connection:
        rows = connection.execute(select(outbox.c.patient_id, outbox.c.type, outbox.c.id, outbox.c.deed)).all()
        verdicts = connection.execute(select(verdict.c.verdict)).scalars().all()
        kept = connection.execute(select(quarantine.c.what, quarantine.c.state)).all()
        persons = connection.execute(select(patients.c.patient_id, patients.c.person)).all()
    served = hospital.stored()
    for one in served.values():
        del one["meta"]["lastUpdated"]
    return (served, sorted(map(tuple, rows)), sorted(verdicts), sorted(map(tuple, kept)),
            sorted(map(tuple, persons)), hospital.count("original"), hospital.count("repair"))  # fmt: skip


def test_the_record_of_one_never_goes_to_another(hospital: House, tmp_path: Path) -> None:
    """Patient/p1 with one BSN, then with another: the second is refused, and the first stays who they were."""
    folder = tmp_path / "in"
    folder.mkdir()
    door = by_import("ndjson")
    assert set(door(hospital, "epd", (patient(), condition()), folder).values()) == {"taken"}
    before = what_is_held(hospital)
    assert "has another BSN" in door(hospital, "epd", (patient(bsn=OTHER_BSN),), folder)["Patient/p1"]
    assert what_is_held(hospital) == before


def test_a_hint_places_only_what_nothing_else_places(hospital: House) -> None:
    """A test set says with whose token a fixture is put; what the fixture says itself goes before."""
    by_batch(hospital, "epd", TWO, Path())
    refused = Refused(())
    intake = open_intake(hospital.engine, hospital.settings, open_gate(hospital.settings))
    comes = (observation("o1"), encounter("e1", "p1"), encounter("e2", "nobody"))
    refused.keys = [f"{one['resourceType']}/{one['id']}" for one in comes]
    items = [
        InputItem("set", frozenset({FhirVersion.STU3}), one, b"{}", "json", patient="p2") for one in comes
    ]  # fmt: skip
    bring(intake, intake.importer(PROVIDER, "epd", Door()), items, ImportOutcome(refused))
    assert [key for key, _ in refused.found] == ["Encounter/e2"]
    assert "Patient/nobody" in refused.found[0][1]
    with hospital.engine.connect() as connection:
        rows = connection.execute(select(outbox.c.id, outbox.c.patient_id).where(outbox.c.type != "Patient")).all()
    assert sorted(map(tuple, rows)) == [("e1", "p1"), ("o1", "p2")]


def test_a_number_that_comes_beside_the_resource_is_the_patients(hospital: House) -> None:
    """Test sets mask the BSN and bring it in a table; another number for the same patient is refused all the same."""
    intake = open_intake(hospital.engine, hospital.settings, open_gate(hospital.settings))
    sender = intake.importer(PROVIDER, "epd", Door())
    items = [InputItem("set", frozenset({FhirVersion.STU3}), patient(bsn=None), b"{}", "json")]
    bring(intake, sender, items, ImportOutcome(), {"p1": BSN})
    refused = Refused([patient()])
    bring(intake, sender, items, ImportOutcome(refused), {"p1": OTHER_BSN})
    assert "has another BSN" in refused.found[0][1]
    assert by_batch(hospital, "epd", (patient(bsn=BSN),), Path()) == {"Patient/p1": "taken"}


def test_without_an_id_one_is_given_and_given_again(hospital: House, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    by_batch(hospital, "epd", (patient(),), folder)
    new = without(condition(), "id")
    answer = hospital.send("POST", "/intake/epd/Condition", new)
    assert answer.status_code == 201
    before = hospital.stored()
    by_import("ndjson")(hospital, "epd", (new,), folder)
    assert hospital.stored() == before, "an import gives the id that a push gives"
