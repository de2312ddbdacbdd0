"""Two persons in one store who point at each other in every element that can: no word of one reaches the other.

Anna's resources point at Bram's, and Bram's at hers, in every element that can hold a reference, in STU3 and R4,
through every door. What Anna's own source wrote stays (a reference, its display); what the gateway adds comes from her
own resources and from shared ones only (RES-04, IDN-06, docs/adr/0012-whose-record.md).
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from databases import KINDS, database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_house import listening
from security.pointing import Pointer, marked, ownable, owned, pointers, types
from servers import Running, free_port, serving
from sqlalchemy import select
from world.intake_house import BSN_SYSTEM, House, bundle, pushing, source

from adapters.testing.fake_ehr import FakeEhr
from gateway.cli.main import cli
from gateway.sections import ProviderSettings
from gateway.store.engine import open_engine
from gateway.store.schema import resource as table
from profiles.fhir.codec.packing import unpack
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.whose import OWNERS
from profiles.standards.load import catalogue
from profiles.standards.model import RequestRule
from workbench.statictokens import StaticToken, issue

PROVIDER = "ziekenhuiszandoord"
ANNA, BRAM = "999990019", "999990020"
MINE, THEIRS = "Lindegaarde", "Polsbreukhuizen"
"""Words that stand in every resource of Anna, and in every resource of Bram."""

LETTER = base64.b64encode(f"%PDF-1.7 letter about {THEIRS}".encode()).decode()
CONTENT = {FhirVersion.STU3: "content", FhirVersion.R4: "data"}
SERVICES = sorted({one.id for standard in catalogue().standards.values() for one in standard.services})
RULES = [
    (service.id, standard.fhir, rule)
    for standard in catalogue().standards.values()
    for service in standard.services
    for rule in standard.rules_of(service)
    if rule.method == "GET" and any(pointer.type == rule.type for pointer in pointers(standard.fhir))
]
MANY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def patient(id_: str, bsn: str, mark: str) -> Resource:
    """A person whose name is their word."""
    identifier = [{"system": BSN_SYSTEM, "value": bsn}]
    return {"resourceType": "Patient", "id": id_, "identifier": identifier, "name": [{"family": mark}]}


def id_of(type_: str, who: str) -> str:
    """The id of somebody's resource of a type; of a Patient it is the person."""
    return who if type_ == "Patient" else f"{who}-{type_.lower()}"[:60]


def record(version: FhirVersion, who: str, bsn: str, mark: str) -> list[Resource]:
    """A person with one resource of every type that can be theirs, all full of their word."""
    own = [
        marked(version, type_, id_of(type_, who), who, mark)
        for type_ in types(version)
        if type_ != "Patient" and ownable(version, type_)
    ]
    letter = {"resourceType": "Binary", "id": f"{who}-letter", "contentType": "application/pdf"}
    letter[CONTENT[version]] = base64.b64encode(f"%PDF-1.7 letter about {mark}".encode()).decode()
    paper = owned(version, "DocumentReference", f"{who}-paper", who, content=[attachment(f"Binary/{who}-letter")])
    return [patient(who, bsn, mark), *own, letter, paper]


def attachment(url: str) -> dict[str, Any]:
    """A part of a DocumentReference."""
    return {"attachment": {"contentType": "application/pdf", "url": url}}


def aims(pointer: Pointer, held: set[str]) -> list[str]:
    """The types of a person's resources that an element may point at: a Patient first, then one other."""
    allowed = [type_ for type_ in pointer.targets or sorted(held) if type_ in held and type_ != "Binary"]
    return sorted(allowed, key=lambda type_: (type_ != "Patient", type_ != "Condition"))[:2]


def crossing(version: FhirVersion, whose: str, to: str, mark: str) -> Iterator[Resource]:
    """Resources of one person, one per element that can point, that point at the other's."""
    held = {one["resourceType"] for one in record(version, to, BRAM, "")}
    for number, pointer in enumerate(pointers(version)):
        if pointer.type == "Patient":
            continue
        # What cannot say whose it is, is of whom it points at: it has no word of anybody.
        word = mark if ownable(version, pointer.type) else "Neutraal"
        for kind, type_ in enumerate(aims(pointer, held)):
            full = marked(version, pointer.type, f"{whose}-{number}-{kind}", whose, word)
            yield full | merged(full, pointer.filled({"reference": f"{type_}/{id_of(type_, to)}"}))


def merged(full: Resource, elements: dict[str, Any]) -> dict[str, Any]:
    """The elements, beside what the resource has under the same name (``Appointment.participant``)."""
    return {
        name: [*full[name], *value] if isinstance(full.get(name), list) and isinstance(value, list) else value
        for name, value in elements.items()
    }


@dataclass
class TwoPersons:
    """A store with both records, the listener that takes more, and the gateway that serves it."""

    server: Running
    intake: House
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))

    def push(self, version: FhirVersion, resources: list[Resource], at: str = "epd") -> list[str]:
        """Push a batch; the status of each entry."""
        entries = [("PUT", f"{one['resourceType']}/{one['id']}", one) for one in resources]
        headers = {"content-type": f"application/fhir+json; fhirVersion={version.number[:3]}"}
        answer = self.intake.send("POST", f"/intake/{at}", bundle("batch", *entries), headers=headers)
        assert answer.status_code == 200, answer.text[:500]
        return [entry["response"]["status"][:3] for entry in answer.json()["entry"]]

    def get(self, path: str, who: str = "anna") -> httpx.Response:
        """A request of Anna, or of Bram."""
        headers = {"authorization": f"Bearer token-of-{who}-00000000", "accept": "application/fhir+json"}
        return httpx.get(f"{self.server.base}{path}", headers=headers, timeout=60, trust_env=False)

    def rows(self, version: FhirVersion) -> list[tuple[str, Resource]]:
        """Everything that is served: whose it is (empty: everybody's), and what it says."""
        chosen = select(table.c.patient_id, table.c.json).where(table.c.deleted.is_(False))
        with self.intake.engine.connect() as connection:
            found = connection.execute(chosen.where(table.c.fhir == version.value))
            return [(row.patient_id, json.loads(unpack(row.json))) for row in found]


def tokens(server: Running) -> None:
    """Anna and Bram may read everything that is theirs."""
    engine = open_engine(server.settings.database_url)
    given = [
        StaticToken(token=f"token-of-{who}-00000000", provider=PROVIDER, services=SERVICES, bsn=bsn)
        for who, bsn in (("anna", ANNA), ("bram", BRAM))
    ]
    issue(engine, server.settings, given)
    engine.dispose()


@contextmanager
def two_persons(kind: str, folder: Path) -> Iterator[TwoPersons]:
    """Both records in one store."""
    sources = {"epd": source(), "lab": source(), "pacs": source(patients_of=["epd"])}
    with database(kind, folder) as url, serving(url, world=False) as server, pushing(url, **sources) as intake:
        tokens(server)
        house = TwoPersons(server, intake)
        for version in FhirVersion:
            for who, bsn, mark in (("anna", ANNA, MINE), ("bram", BRAM, THEIRS)):
                house.push(version, record(version, who, bsn, mark))
        yield house


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoPersons]:
    with two_persons(request.param, tmp_path_factory.mktemp("two")) as found:
        found.kind = request.param  # type: ignore[attr-defined]
        yield found


def told(rows: list[tuple[str, Resource]], mine: str, word: str) -> list[str]:
    """The resources of a person, and the shared ones, that hold a word of the other."""
    read = [one for owner, one in rows if owner in (mine, "")]
    return [f"{one['resourceType']}/{one['id']}" for one in read if word in json.dumps(one)]


@pytest.mark.parametrize("version", FhirVersion)
def test_no_element_takes_a_word_of_another_person(house: TwoPersons, version: FhirVersion) -> None:
    """Every element of every type that can hold a reference, in both directions; one in ten on PostgreSQL."""
    step = 1 if house.kind == "sqlite" else 10  # type: ignore[attr-defined]
    hers = list(islice(crossing(version, "anna", "bram", MINE), 0, None, step))
    his = list(islice(crossing(version, "bram", "anna", THEIRS), 0, None, 10 * step))
    statuses = []
    for start in range(0, len(hers + his), 500):
        statuses += house.push(version, (hers + his)[start : start + 500])
    rows = house.rows(version)
    assert told(rows, "anna", THEIRS) == []
    assert told(rows, "bram", MINE) == []
    # What names no patient of its own is refused, or is the patient's that it names; all else is stored.
    assert statuses.count("201") > 0.7 * len(statuses), {one: statuses.count(one) for one in set(statuses)}
    assert not [one for owner, one in rows if owner == "" and not OWNERS.may_be_shared(one["resourceType"])]


def test_a_name_of_her_own_is_filled_in(house: TwoPersons) -> None:
    """The rule does something: the same elements get the name of what is Anna's own, and of a shared doctor."""
    doctor = {"resourceType": "Practitioner", "id": "dr", "name": [{"text": "Dr. Aalders"}]}
    problem = owned(
        FhirVersion.STU3, "Condition", "own", "anna", asserter={"reference": "RelatedPerson/anna-relatedperson"},
        evidence=[{"detail": [{"reference": "Procedure/anna-procedure"}, {"reference": "Practitioner/dr"}]}],
    )  # fmt: skip
    house.push(FhirVersion.STU3, [doctor, problem])
    stored = house.intake.stored()["Condition/own"]
    assert stored["subject"]["display"] == stored["asserter"]["display"] == MINE
    assert [one["display"] for one in stored["evidence"][0]["detail"]] == [MINE, "Dr. Aalders"]


def test_the_faults_that_were_reported(house: TwoPersons) -> None:
    """Asserter and evidence of another person: from the same source, another, and one that may use its ids."""
    crossed = {
        "asserter": {"reference": "Patient/bram"},
        "evidence": [{"detail": [{"reference": "Condition/bram-condition"}]}],
    }
    house.push(FhirVersion.STU3, [owned(FhirVersion.STU3, "Condition", "crossed", "anna", **crossed)])
    lab = patient("anna-lab", ANNA, MINE)
    house.push(FhirVersion.STU3, [lab, owned(FhirVersion.STU3, "Condition", "l", "anna-lab", **crossed)], "lab")
    house.push(FhirVersion.STU3, [owned(FhirVersion.STU3, "Condition", "p", "anna", **crossed)], "pacs")
    answer = house.get(f"/{PROVIDER}/48/fhir/Condition")
    ids = {entry["resource"]["id"] for entry in answer.json()["entry"]}
    assert {"crossed", "l", "p"} <= ids
    assert THEIRS not in answer.text
    for found in ("crossed", "l", "p"):
        stored = house.intake.stored()[f"Condition/{found}"]
        assert stored["asserter"] == {"reference": "Patient/bram"}
        assert stored["evidence"] == crossed["evidence"]


def test_a_name_that_the_source_gave_itself_stays(house: TwoPersons) -> None:
    partner = {"reference": "Patient/bram", "display": "Bram, haar partner"}
    house.push(FhirVersion.STU3, [owned(FhirVersion.STU3, "Condition", "said", "anna", asserter=partner)])
    assert house.intake.stored()["Condition/said"]["asserter"] == partner


def test_a_shared_resource_is_told_of_nobody(house: TwoPersons) -> None:
    """What everybody reads gets no name out of anybody's record; one that names a patient is not shared at all."""
    for extension, whose in (("RelatedPerson/bram-relatedperson", ""), ("Patient/bram", "bram")):
        pointing = [{"url": "https://example.org/x", "valueReference": {"reference": extension}}]
        clinic = {"resourceType": "Organization", "id": f"clinic-{whose}", "name": "Praktijk", "extension": pointing}
        house.push(FhirVersion.STU3, [clinic])
        (found,) = [one for one in house.rows(FhirVersion.STU3) if one[1]["id"] == clinic["id"]]
        assert found[0] == whose
        assert whose or "display" not in found[1]["extension"][0]["valueReference"]


def test_a_letter_of_another_is_not_read_and_not_told_of(house: TwoPersons) -> None:
    """Her DocumentReference names his Binary, by id and by address: no bytes, no size, no hash."""
    stolen = owned(
        FhirVersion.STU3, "DocumentReference", "stolen", "anna", status="current",
        content=[attachment("Binary/bram-letter"), attachment("https://epd.example/fhir/Binary/bram-letter")],
    )  # fmt: skip
    house.push(FhirVersion.STU3, [stolen])
    for service in ("48", "51"):
        answer = house.get(f"/{PROVIDER}/{service}/fhir/Binary/bram-letter")
        assert answer.status_code in (403, 404)
        assert THEIRS not in answer.text
        assert LETTER not in answer.text
    own = house.get(f"/{PROVIDER}/51/fhir/Binary/anna-letter")
    assert own.status_code == 200
    assert base64.b64decode(own.json()["content"]).decode().endswith(MINE)


@settings(max_examples=30, deadline=None, suppress_health_check=MANY)
@given(data=st.data())
def test_no_answer_holds_a_word_of_another(house: TwoPersons, data: st.DataObject) -> None:
    """Searches, ``$lastn``, includes, revincludes and reads over what points crosswise."""
    service, version, rule = data.draw(st.sampled_from(RULES), label="row")
    held = [pointer for pointer in pointers(version) if pointer.type == rule.type]
    pointer = data.draw(st.sampled_from(held), label="element")
    kinds = aims(pointer, {one["resourceType"] for one in record(version, "bram", BRAM, "")})
    reference = f"{kinds[0]}/{id_of(kinds[0], 'bram')}" if kinds else "Patient/bram"
    id_ = f"drawn-{next(house.numbers)}"
    full = marked(version, pointer.type, id_, "anna", MINE)
    if pointer.type != "Patient":
        house.push(version, [full | merged(full, pointer.filled({"reference": reference}))])
    for path in asked(data, rule, id_):
        answer = house.get(f"/{PROVIDER}/{service}/fhir/{path}")
        assert THEIRS not in answer.text
        assert LETTER not in answer.text


def asked(data: st.DataObject, rule: RequestRule, id_: str) -> list[str]:
    """A search of a row, with and without more than it offers, and reads of what is hers and of what is his."""
    fixed = "&".join(f"{one.name}={one.value}" for one in rule.required if not one.is_open)
    more = ["", "&_revinclude=Condition:asserter", "&_include=Condition:asserter", "&_include=*", "&_include:recurse=*"]
    strange = data.draw(st.sampled_from(more), label="more")
    path = rule.path.lstrip("/").replace("{id}", id_)
    theirs = id_of(rule.type or "", "bram")
    return [f"{path}?{fixed}", f"{path}?{fixed}{strange}", f"{rule.type}/{id_}", f"{rule.type}/{theirs}"]


@pytest.mark.parametrize("version", FhirVersion)
def test_an_import_takes_no_word_of_another_person(version: FhirVersion, tmp_path: Path) -> None:
    """The same elements through ``gateway import``: everything in one file."""
    hers = list(islice(crossing(version, "anna", "bram", MINE), 0, None, 3))
    every = [
        *record(version, "anna", ANNA, MINE),
        *record(version, "bram", BRAM, THEIRS),
        *hers,
        *islice(crossing(version, "bram", "anna", THEIRS), 0, None, 9),
    ]
    (tmp_path / "all.ndjson").write_text("\n".join(map(json.dumps, every)))
    with database("sqlite", tmp_path) as url:
        environment = {"GATEWAY_DATABASE_URL": url, "GATEWAY_MODE": "test"}
        assert CliRunner().invoke(cli, ["db", "upgrade"], env=environment).exit_code == 0
        arguments = ["import", str(tmp_path / "all.ndjson"), "--provider", PROVIDER, "--fhir", version.value]
        done = CliRunner().invoke(cli, arguments, env=environment)
        assert done.exit_code in (0, 1), done.output[-500:]
        engine = open_engine(url)
        with engine.connect() as connection:
            rows = [(row.patient_id, json.loads(unpack(row.json))) for row in connection.execute(select(table))]
        engine.dispose()
    assert len(rows) > 0.7 * len(every)
    assert told(rows, "anna", THEIRS) == []
    assert told(rows, "bram", MINE) == []


@pytest.mark.parametrize("turned", [False, True])
def test_an_import_does_not_give_his_data_to_whose_episode_they_name(
    turned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip in the EHR: what was measured at Bram stands in Anna's episode. Whoever comes first in the file, and when
    they are not seen together: the batches of a large import are of three resources here."""
    monkeypatch.setattr("gateway.intake.bulk.BATCH", 3)
    version = FhirVersion.STU3
    weight = owned(version, "Observation", "w", "bram", context={"reference": "EpisodeOfCare/e"})
    every = [
        patient("anna", ANNA, MINE), owned(version, "EpisodeOfCare", "e", "anna"), weight, patient("bram", BRAM, THEIRS)
    ]  # fmt: skip
    (tmp_path / "all.ndjson").write_text("\n".join(map(json.dumps, reversed(every) if turned else every)))
    with database("sqlite", tmp_path) as url:
        environment = {"GATEWAY_DATABASE_URL": url, "GATEWAY_MODE": "test"}
        assert CliRunner().invoke(cli, ["db", "upgrade"], env=environment).exit_code == 0
        arguments = ["import", str(tmp_path / "all.ndjson"), "--provider", PROVIDER, "--fhir", "stu3"]
        assert CliRunner().invoke(cli, arguments, env=environment).exit_code == 0
        engine = open_engine(url)
        with engine.connect() as connection:
            owners = {row.id: row.patient_id for row in connection.execute(select(table.c.id, table.c.patient_id))}
        engine.dispose()
    assert owners == {"anna": "anna", "e": "anna", "w": "bram", "bram": "bram"}


@dataclass
class Live:
    """A gateway that asks an EHR with both records in it."""

    server: Running
    ehrs: dict[FhirVersion, FakeEhr]

    get = TwoPersons.get


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    ehrs = {version: FakeEhr([], version=version) for version in FhirVersion}
    ports = {version: free_port() for version in FhirVersion}
    sources = tuple(
        {"type": "fhir", "name": version.value, "url": f"http://127.0.0.1:{port}/fhir", "version": version.value,
         "login": {"kind": "none"}, "statement": "ignored", "repairs": ["codes", "displays", "profiles"],
         "patient_seconds": 0}
        for version, port in ports.items()
    )  # fmt: skip
    provider = ProviderSettings(display_name="Zandoord", services=tuple(SERVICES), sources=sources)
    folder = tmp_path_factory.mktemp("live")
    with (
        database("sqlite", folder) as url,
        listening(ehrs[FhirVersion.STU3], ports[FhirVersion.STU3]),
        listening(ehrs[FhirVersion.R4], ports[FhirVersion.R4]),
        serving(url, world=False, providers={PROVIDER: provider}, limits={"snapshot_seconds": 0}) as server,
    ):
        tokens(server)
        yield Live(server, ehrs)


@settings(max_examples=25, deadline=None, suppress_health_check=MANY)
@given(data=st.data())
def test_a_live_answer_holds_no_word_of_another(live: Live, data: st.DataObject) -> None:
    service, version, rule = data.draw(st.sampled_from(RULES), label="row")
    held = [pointer for pointer in pointers(version) if pointer.type == rule.type]
    pointer = data.draw(st.sampled_from(held), label="element")
    his = record(version, "bram", BRAM, THEIRS)
    full = marked(version, pointer.type, "drawn", "anna", MINE)
    aim = (aims(pointer, {one["resourceType"] for one in his}) or ["Patient"])[0]
    drawn = full | merged(full, pointer.filled({"reference": f"{aim}/{id_of(aim, 'bram')}"}))
    live.ehrs[version].resources = [*record(version, "anna", ANNA, MINE), *his, drawn]
    for path in asked(data, rule, f"{version.value}-drawn"):
        answer = live.get(f"/{PROVIDER}/{service}/fhir/{path}")
        assert THEIRS not in answer.text
        assert LETTER not in answer.text


def test_a_live_source_still_answers_for_her(live: Live) -> None:
    """The world of the test above is one in which answers come: her problems, with the names of what is hers."""
    version = FhirVersion.STU3
    problem = owned(
        version, "Condition", "own", "anna", asserter={"reference": "Patient/anna"},
        evidence=[{"detail": [{"reference": "Condition/bram-condition"}]}],
    )  # fmt: skip
    people = [patient("anna", ANNA, MINE), patient("bram", BRAM, THEIRS)]
    live.ehrs[version].resources = [*people, problem, marked(version, "Condition", "bram-condition", "bram", THEIRS)]
    answer = live.get(f"/{PROVIDER}/48/fhir/Condition")
    assert answer.status_code == 200
    assert "stu3-own" in answer.text
    assert THEIRS not in answer.text


def test_the_table_of_elements_is_not_empty() -> None:
    """The base facts give what a person who reads the specification would name first."""
    names = {str(pointer) for pointer in pointers(FhirVersion.STU3)} | {str(one) for one in pointers(FhirVersion.R4)}
    assert {"Condition.asserter", "Condition.evidence.detail", "Composition.section.entry", "List.entry.item"} <= names
    assert {"Observation.note.authorReference", "Condition.extension.valueReference", "Patient.link.other"} <= names
    assert "Condition.subject" not in names
    assert len(names) > 2_000


@pytest.mark.parametrize("turned", [False, True])
def test_who_is_kept_out_of_an_import_takes_along_what_is_theirs(turned: bool, tmp_path: Path) -> None:
    """Bram is there twice, differently, so nobody knows who he is: what names him goes to nobody's episode."""
    version = FhirVersion.STU3
    weight = owned(version, "Observation", "w", "bram", context={"reference": "EpisodeOfCare/e"})
    other = {**patient("bram", BRAM, THEIRS), "gender": "other"}
    every = [
        patient("anna", ANNA, MINE), owned(version, "EpisodeOfCare", "e", "anna"), weight,
        patient("bram", BRAM, THEIRS), other,
    ]  # fmt: skip
    (tmp_path / "all.ndjson").write_text("\n".join(map(json.dumps, reversed(every) if turned else every)))
    with database("sqlite", tmp_path) as url:
        environment = {"GATEWAY_DATABASE_URL": url, "GATEWAY_MODE": "test"}
        assert CliRunner().invoke(cli, ["db", "upgrade"], env=environment).exit_code == 0
        arguments = ["import", str(tmp_path / "all.ndjson"), "--provider", PROVIDER, "--fhir", version.value]
        done = CliRunner().invoke(cli, arguments, env=environment)
        assert done.exit_code == 1
        assert "refers to Patient/bram" in done.output
        engine = open_engine(url)
        with engine.connect() as connection:
            owners = {row.id: row.patient_id for row in connection.execute(select(table.c.id, table.c.patient_id))}
        engine.dispose()
    assert owners == {"anna": "anna", "e": "anna"}
