"""The granular and draft sets on their official test persons: every count, in both formats, and by both databases.

Section 11 of the description of the new sets says how many resources each request finds. Nobody publishes scripts for
them. What leaves is held to the official packages, and a token for one service never opens the search of another.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
import pytest
from conformance.validation_data import EXAMPLES, official
from databases import KINDS, database
from hypothesis import given
from hypothesis import strategies as st
from servers import Running, serving
from shared import shared

from adapters.dicomweb.archive import ImageArchiveSettings
from gateway.intake.bulk import bring
from gateway.intake.outcome import ImportOutcome
from gateway.intake.read import InputItem
from gateway.intake.sender import Door
from gateway.sections import OverloadSettings
from gateway.store.engine import open_engine
from gateway.wiring import open_gate, recording
from gateway.wiring.intake import open_intake
from profiles import zibs
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.interactions import FhirRequest
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.bsn import valid_bsn
from profiles.standards.admit import Refused, admit
from profiles.standards.load import catalogue
from profiles.standards.model import RequestRule, Service, Standard
from workbench.demo.providers import providers
from workbench.statictokens import TOKENS, issue

PROVIDER = "ziekenhuiszandoord"
FORMATS = ("json", "xml")
JANSEN, ORANJE = "DentalCare-Patient-Jansen", "DentalCare-Patient-Van-Oranje"
OLIVANDER = "Pathology-Patient-Olivander"
BLAAK, GRAAFF = "ImageAvailability-Patient-Blaak", "ImageAvailability-Patient-De-Graaff"
AANSLUITTEST = "ImageAvailability-Patient-XXX-Aansluittest-B"
BGLZ = ("Patient-bglz-test-1-1", "Patient-bglz-test-1-2")
COUNTS: Mapping[str, Mapping[str, Mapping[str, int]]] = {
    "medmij-core-r4": {
        "asaScore": {JANSEN: 1, ORANJE: 1},
        "encounter": {JANSEN: 1, ORANJE: 2},
        "patient": {JANSEN: 1, ORANJE: 1},
        "payer": {JANSEN: 2, ORANJE: 2},
        "treatmentObjective": {JANSEN: 2, ORANJE: 2},
    },
    "dental-care-1": {
        row: {JANSEN: 1, ORANJE: 1}
        for row in (
            "cariesRisk",
            "dentalFitness",
            "oralHygiene",
            "parafunctionalActivity",
            "periodicPeriodontalScreeningScore",
            "procedure",
        )
    },
    "pathology-1": {"pathologyReports": {OLIVANDER: 1}},
    "image-availability-1": {"timeline": {BLAAK: 2, GRAAFF: 1, AANSLUITTEST: 19}},
    "medmij-core-stu3": {
        row: dict.fromkeys(BGLZ, 1)
        for row in (
            "alert",
            "bloodPressure",
            "bodyHeight",
            "bodyTemperature",
            "bodyWeight",
            "fluidBalance",
            "livingSituation",
            "nutritionAdvice",
            "payer",
            "pulseRate",
            "respiration",
        )
    },
    "long-term-healthcare-1": {row: dict.fromkeys(BGLZ, 1) for row in ("encounter", "nursingReport")},
}
ROWS = [(standard, row) for standard, rows in COUNTS.items() for row in rows]
SETS = ("dental-care", "pathology", "image-availability", "long-term-healthcare")
PATHOLOGY_INCLUDES = ("based-on", "result", "results-interpreter", "specimen")


@cache
def persons() -> Mapping[str, str]:
    """A BSN for each test person: in the files they are masked."""
    numbers = (str(number) for number in range(999_940_000, 999_999_999))
    valid = (one for one in numbers if valid_bsn(one))
    names = sorted({person for rows in COUNTS.values() for counts in rows.values() for person in counts})
    return dict(zip(names, valid, strict=False))


def items(name: str) -> Iterator[InputItem]:
    """The resources of a set, each patient with a number."""
    version = EXAMPLES[f"new-sets/{name}"][0]
    for path in sorted(shared("examples", "new-sets", name).glob("*.json")):
        resource = jsonio.parse(path.read_bytes())
        if resource["resourceType"] == "Patient":
            bsn = {"system": "http://fhir.nl/fhir/NamingSystem/bsn", "value": persons()[resource["id"]]}
            resource["identifier"] = [bsn]
        key = f"{resource['resourceType']}/{resource['id']}"
        yield InputItem(key, frozenset({version}), resource, jsonio.dump(resource), "json")


@dataclass(frozen=True)
class House:
    """A gateway that holds the official persons."""

    running: Running
    client: httpx.Client

    def ask(self, person: str, service: str, path: str, form: str = "json") -> httpx.Response:
        headers = {"authorization": f"Bearer {token(person, service)}", "accept": f"application/fhir+{form}"}
        return self.client.get(f"{self.running.base}/{PROVIDER}/{service}/fhir/{path}", headers=headers)


def token(person: str, service: str) -> str:
    return f"new-sets-{service}-{person}"


@contextmanager
def housed(url: str, sets: Sequence[str] = SETS, *, pacs: str = "", images: int = 1_000) -> Iterator[House]:
    """A gateway that holds the official persons of these sets.

    ``pacs`` is the address of its image archive, of which a client may fetch so many ``images`` of a person at once.
    """
    given = providers(True)[PROVIDER]
    if pacs:
        given = given.model_copy(update={"pacs": ImageArchiveSettings(url=pacs)})
    calm = OverloadSettings(person_per_second=0, image_per_second=0.01, image_burst=images)
    with (
        serving(url, world=False, providers={PROVIDER: given}, overload=calm) as running,
        httpx.Client(timeout=20) as client,
    ):
        engine = open_engine(url)
        refused: list[str] = []
        intake = open_intake(engine, running.settings, open_gate(running.settings))
        sender = intake.importer(PROVIDER, "epd", Door("operator", "test", "new sets"))
        outcome = ImportOutcome(lambda origin, text: refused.append(f"{origin}: {text}"))
        records = [one for name in sets for one in bring(intake, sender, list(items(name)), outcome)]
        with recording(engine, running.settings) as trail:
            trail.write_now(records)
        assert not refused
        names = (*COUNTS, "provider-tasks-1")
        services = [one.id for name in names for one in catalogue().standards[name].services]
        tokens = [
            {"token": token(person, service), "provider": PROVIDER, "services": [service], "bsn": bsn}
            for person, bsn in persons().items()
            for service in services
        ]
        issue(engine, running.settings, TOKENS.validate_python(tokens))
        engine.dispose()
        yield House(running, client)


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with database(request.param, tmp_path_factory.mktemp("store")) as url, housed(url) as made:
        yield made


def service_of(standard: Standard, rule: RequestRule) -> Service:
    return next(one for one in standard.services if rule in standard.rules_of(one))


def path_of(rule: RequestRule, *more: tuple[str, str]) -> str:
    pairs = [(one.name, one.value) for one in rule.required] + list(more)
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
    return f"{rule.type}?{query}" if query else str(rule.type)


def entries(answer: httpx.Response, form: str, version: FhirVersion) -> list[tuple[str, Resource]]:
    """Mode and resource of each entry."""
    assert answer.status_code == 200, answer.text
    if form == "json":
        bundle = json.loads(answer.content)
    else:
        ElementTree.fromstring(answer.content)
        bundle = xmlio.parse(answer.content, version)
    found = [(one["search"]["mode"], one["resource"]) for one in bundle.get("entry", [])]
    assert int(bundle["total"]) == sum(mode == "match" for mode, _ in found)
    return found


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{name}-{row}" for name, row in ROWS])
def test_a_request_finds_what_the_official_persons_have(house: House, name: str, row: str) -> None:
    """RES-14: as many as section 11 says, with the profile of the row, for nobody else's persons anything."""
    standard = catalogue().standards[name]
    rule = standard.rule(row)
    service = service_of(standard, rule)
    for person in persons():
        wanted = COUNTS[name][row].get(person)
        for form in FORMATS:
            found = entries(house.ask(person, service.id, path_of(rule), form), form, standard.fhir)
            matches = [one for mode, one in found if mode == "match"]
            if wanted is not None:
                assert len(matches) == wanted, person
                assert all(set(one["meta"]["profile"]) & set(rule.profiles) for one in matches)
            else:
                # Another set's person: only what that set shares (a Patient, an Encounter) may be there.
                assert not matches or rule.type in ("Patient", "Encounter"), person


@pytest.mark.parametrize("name", COUNTS, ids=list(COUNTS))
def test_what_leaves_is_right_by_the_official_packages(house: House, name: str) -> None:
    standard = catalogue().standards[name]
    packages = tuple(f"{package}@{version}" for package, version in standard.packages.items())
    validator = official(standard.fhir, packages)
    for rule in standard.rules:
        for person in COUNTS[name][rule.id]:
            for _, resource in entries(
                house.ask(person, service_of(standard, rule).id, path_of(rule)), "json", standard.fhir
            ):
                report = validator.validate(resource)
                assert report.verdict != "wrong", (resource["id"], report.findings)


@pytest.mark.parametrize("name", [*SETS, "provider-tasks-alpha2"])
def test_without_packages_nothing_is_called_wrong(name: str) -> None:
    """What has no table of ours is told as not checkable; dental care and long-term care have tables."""
    version = FhirVersion.STU3 if name == "long-term-healthcare" else FhirVersion.R4
    validator = zibs.validator(version, ())
    resources = [jsonio.parse(path.read_bytes()) for path in shared("examples", "new-sets", name).glob("*.json")]
    verdicts = {validator.validate(one).verdict for one in resources}
    assert verdicts <= {"ok", "unchecked"}
    own = [one for one in resources if any(f"{M}{set_}-" in str(one.get("meta")) for set_ in ("mz", "lz"))]
    assert all(validator.validate(one).verdict == "ok" for one in own)
    assert bool(own) is (name in ("dental-care", "long-term-healthcare"))


def test_a_pathology_report_brings_what_is_asked_along(house: House) -> None:
    standard = catalogue().standards["pathology-1"]
    rule = standard.rule("pathologyReports")
    asked = path_of(rule, *(("_include", f"DiagnosticReport:{one}") for one in PATHOLOGY_INCLUDES))
    for form in FORMATS:
        found = entries(house.ask(OLIVANDER, "9020", asked, form), form, standard.fhir)
        counts: dict[str, int] = {}
        for _, one in found:
            counts[one["resourceType"]] = counts.get(one["resourceType"], 0) + 1
        assert counts == {
            "DiagnosticReport": 1,
            "ServiceRequest": 1,
            "Observation": 8,
            "PractitionerRole": 1,
            "Specimen": 1,
        }
    request = next(one for _, one in found if one["resourceType"] == "ServiceRequest")
    requester = request["requester"]["reference"]
    role = house.ask(OLIVANDER, "9020", requester)
    assert role.status_code == 200, "the requester is not in the answer, and can be read"
    assert house.ask(OLIVANDER, "9020", role.json()["practitioner"]["reference"]).status_code == 200


def test_secondary_resources_are_read_within_what_the_service_opens(house: House) -> None:
    """A contact leads to its practitioners and to nothing of another building block."""
    encounter = house.ask(ORANJE, "900000111", "Encounter").json()["entry"][0]["resource"]
    score = house.ask(ORANJE, "900000107", path_of(catalogue().standards["medmij-core-r4"].rule("asaScore")))
    observation = score.json()["entry"][0]["resource"]
    role = next(one["individual"]["reference"] for one in encounter["participant"])
    for form in FORMATS:
        read = house.ask(ORANJE, "900000111", role, form)
        assert read.status_code == 200, read.text
    practitioner = house.ask(ORANJE, "900000111", role).json()["practitioner"]["reference"]
    assert house.ask(ORANJE, "900000111", practitioner).status_code == 200
    assert house.ask(ORANJE, "900000107", f"Observation/{observation['id']}").status_code == 200
    # An observation of another building block is of the right type and of the right person, and is not told.
    assert house.ask(ORANJE, "900000105", f"Observation/{observation['id']}").status_code == 404
    assert house.ask(ORANJE, "900000111", f"Observation/{observation['id']}").status_code == 404
    # Somebody else's contact is not there, whatever the service.
    assert house.ask(JANSEN, "900000111", f"Encounter/{encounter['id']}").status_code == 404


def test_any_search_parameter_of_fhir_may_be_sent(house: House) -> None:
    """What the gateway knows narrows; what it does not know is left out of the self link; the rest is refused."""
    rule = catalogue().standards["dental-care-1"].rule("cariesRisk")
    for more, left in (
        (("date", "ge1999-01-01"), True),
        (("combo-value-concept", "http://snomed.info/sct|1"), False),
        (("_summary", "true"), False),
        (("_include", "Observation:performer"), False),
        (("_has:Provenance:target:agent", "x"), False),
    ):
        answer = house.ask(JANSEN, "900000105", path_of(rule, more))
        assert answer.status_code == 200, (more, answer.text)
        assert answer.json()["total"] == 1, more
        assert (more[0] in answer.json()["link"][0]["url"]) is left, more
    assert house.ask(JANSEN, "900000105", path_of(rule, ("date", "lt1999-01-01"))).json()["total"] == 0
    assert house.ask(JANSEN, "900000105", path_of(rule, ("colour", "red"))).status_code == 400
    assert house.ask(JANSEN, "900000105", path_of(rule, ("date", "tomorrow"))).status_code == 400
    assert house.ask(JANSEN, "900000105", path_of(rule, ("patient", JANSEN))).status_code == 400, "RES-03"


def granular() -> list[tuple[Standard, Service]]:
    return [
        (standard, service)
        for standard in catalogue().standards.values()
        for service in standard.services
        if service.group
    ]


GRANULAR = granular()


def test_the_service_of_one_building_block_refuses_the_search_of_another() -> None:
    """Over all pairs of a release: at the address of one service nothing asks for what another one opens."""
    tried = 0
    for (standard, service), (other, opened) in permutations(GRANULAR, 2):
        (wanted,), (own,) = other.rules_of(opened), standard.rules_of(service)
        if standard.fhir is not other.fhir:
            continue
        query = tuple((one.name, one.value) for one in wanted.required)
        request = FhirRequest(standard.fhir, "search-type", wanted.type, None, None, query)
        with pytest.raises(Refused):
            admit(standard, request, service)
        assert own != wanted
        tried += 1
    assert tried == 11 * 10 + 13 * 12


@given(st.data())
def test_no_query_makes_a_service_wider(data: st.DataObject) -> None:
    """Whatever is added or mixed, an admitted search still holds the filter of its own row."""
    standard, service = data.draw(st.sampled_from(GRANULAR))
    (own,) = standard.rules_of(service)
    others = [rule for one, two in GRANULAR for rule in one.rules_of(two) if rule.type == own.type]
    pool = [(one.name, one.value) for rule in others for one in rule.required]
    pool += [(f"{name}:{modifier}", value) for name, value in pool for modifier in ("not", "in", "text", "missing")]
    pool += [("_filter", "code ne x"), ("_has:Observation:subject:code", "x"), ("_list", "1"), ("_id", "a,b")]
    query = tuple(data.draw(st.lists(st.sampled_from(pool), max_size=4)))
    try:
        admitted = admit(standard, FhirRequest(standard.fhir, "search-type", own.type, None, None, query), service)
    except Refused:
        return
    assert admitted.rule == own
    assert admitted.search is not None
    for one in own.required:
        assert (one.name, one.value) in admitted.search.pairs


def test_every_token_opens_its_own_service_alone(house: House) -> None:
    """A token for one service at the address of another: 403, over all pairs; which database it is changes nothing."""
    services = [service.id for _, service in GRANULAR]
    whole = house.running.settings.database_url.startswith("sqlite")
    for mine in services:
        for other in services if whole else {mine, services[0], services[-1]}:
            answer = house.client.get(
                f"{house.running.base}/{PROVIDER}/{other}/fhir/Patient",
                headers={"authorization": f"Bearer {token(JANSEN, mine)}", "accept": "application/fhir+json"},
            )
            assert (answer.status_code == 403) is (mine != other)


M = "http://medmij.nl/fhir/StructureDefinition/"
TAG = {"system": "http://medmij.nl/fhir/CodeSystem/DataService", "code": "urn:oid:2.16.528.1.1023.5.7"}
DIGITAL = "http://medmij.nl/fhir/StructureDefinition/ext-"


def tasks() -> list[Resource]:
    """Two tasks of a person, one without the tag of the service, and what they point at."""
    activity = {"url": f"{DIGITAL}Task.DigitalActivity", "valueReference": {"reference": "ActivityDefinition/meting"}}
    task = {
        "resourceType": "Task",
        "identifier": [{"system": "urn:oid:2.16.840.1.113883.2.4.3.11.999.77.1", "value": "taak"}],
        "extension": [activity],
        "basedOn": [{"reference": "ServiceRequest/plan", "display": "Digitale zorg"}],
        "status": "requested",
        "intent": "order",
        "for": {"reference": f"Patient/{JANSEN}", "display": "Anita Jansen"},
        "authoredOn": "2026-01-05T10:00:00+01:00",
    }
    endpoint = {"url": f"{DIGITAL}DigitalActivity.Endpoint", "valueReference": {"reference": "Endpoint/module"}}
    subject = {"reference": f"Patient/{JANSEN}", "display": "Anita Jansen"}
    connection = {"system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "code": "hl7-fhir-rest"}
    return [
        {**task, "id": "taak-1", "meta": {"tag": [TAG]}},
        {**task, "id": "taak-2"},
        {
            "resourceType": "ServiceRequest",
            "id": "plan",
            "status": "active",
            "intent": "plan",
            "code": {"text": "Digitale zorg"},
            "subject": subject,
        },
        {
            "resourceType": "ServiceRequest",
            "id": "elders",
            "status": "active",
            "intent": "plan",
            "code": {"text": "Een andere aanvraag"},
            "subject": subject,
        },
        {
            "resourceType": "ActivityDefinition",
            "id": "meting",
            "extension": [endpoint],
            "url": "https://module.example/meting",
            "title": "Meting",
            "status": "active",
        },
        {
            "resourceType": "Endpoint",
            "id": "module",
            "status": "active",
            "connectionType": connection,
            "payloadType": [{"text": "any"}],
            "address": "https://module.example/start",
        },
    ]


@pytest.fixture(scope="module")
def tasked(house: House) -> House:
    """The house with the tasks of a person."""
    engine = open_engine(house.running.settings.database_url)
    intake = open_intake(engine, house.running.settings, open_gate(house.running.settings))
    sender = intake.importer(PROVIDER, "epd", Door("operator", "test", "tasks"))
    given = [
        InputItem(f"{one['resourceType']}/{one['id']}", frozenset({FhirVersion.R4}), one, jsonio.dump(one), "json")
        for one in tasks()
    ]
    bring(intake, sender, given, ImportOutcome(lambda origin, text: pytest.fail(f"{origin}: {text}")))
    engine.dispose()
    return house


def test_tasks_bring_their_endpoint_and_lead_to_nothing_else(tasked: House) -> None:
    """Provider tasks: by tag, with what is included and the endpoint behind it."""
    house, rule = tasked, catalogue().standards["provider-tasks-1"].rule("tasks")
    asked = path_of(rule, ("_include", "Task:digital-activity"), ("_include", "Task:based-on"))
    for form in FORMATS:
        found = entries(house.ask(JANSEN, "9022", asked, form), form, FhirVersion.R4)
        assert {(mode, one["id"]) for mode, one in found} == {
            ("match", "taak-1"),
            ("include", "meting"),
            ("include", "plan"),
            ("include", "module"),
        }
    assert house.ask(JANSEN, "9022", asked.replace("digital-activity", "digitalActivity")).json()["total"] == 1
    assert house.ask(JANSEN, "9022", "Endpoint/module").status_code == 200
    for where in ("Task/taak-2", "ServiceRequest/elders"):
        assert house.ask(JANSEN, "9022", where).status_code == 404, "not of this service"
    assert house.ask(ORANJE, "9022", "Endpoint/module").status_code == 404, "no task of this person leads there"


def put(house: House, task: Resource, *, person: str = JANSEN, at: str = "", **headers: str) -> httpx.Response:
    """A module puts a task; ``at`` is the id of the address where that is another."""
    return house.client.put(
        f"{house.running.base}/{PROVIDER}/9023/fhir/Task/{at or task['id']}",
        content=jsonio.dump(task),
        headers={
            "authorization": f"Bearer {token(person, '9023')}",
            "content-type": "application/fhir+json",
            "accept": "application/fhir+json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    )


def test_a_module_writes_how_far_a_task_is_and_nothing_else(tasked: House) -> None:
    """Provider tasks: the state alone, by the transitions of the row, against the version that the module read."""
    read = tasked.ask(JANSEN, "9023", "Task/taak-1")
    assert read.status_code == 200, read.text
    task, version = read.json(), read.headers["etag"]
    assert version == f'W/"{task["meta"]["versionId"]}"'

    begun = put(tasked, task | {"status": "in-progress"}, if_match=version)
    assert begun.status_code == 200, begun.text
    assert begun.json()["status"] == "in-progress"
    assert begun.headers["etag"] == f'W/"{begun.json()["meta"]["versionId"]}"' != version
    assert put(tasked, task | {"status": "completed"}, if_match=version).status_code == 412, "it was changed meanwhile"
    again = tasked.ask(JANSEN, "9022", "Task/taak-1").json()
    assert again == begun.json(), "the PGO finds it in its new state"
    assert again["basedOn"] == task["basedOn"]

    assert put(tasked, again | {"status": "requested"}).status_code == 400, "no module gives this state"
    assert put(tasked, again | {"status": "accepted"}).status_code == 422, "not from where it is"
    assert put(tasked, again | {"status": "completed", "intent": "plan"}).status_code == 422, "the provider's own"
    assert (
        put(tasked, again | {"status": "completed", "focus": {"reference": "ServiceRequest/elders"}}).status_code == 422
    )
    assert put(tasked, again | {"status": "completed"}, at="taak-2").status_code == 404
    assert put(tasked, again | {"status": "completed", "id": "taak-2"}, at="taak-1").status_code == 400
    assert tasked.ask(JANSEN, "9022", "Task/taak-1").json() == again, "what was refused changed nothing"
    done = put(tasked, again | {"status": "completed"}, if_match=begun.headers["etag"])
    assert done.json()["status"] == "completed"
    assert put(tasked, done.json() | {"status": "in-progress"}).status_code == 422, "what is done stays done"


def test_the_token_of_a_module_opens_the_task_alone(tasked: House) -> None:
    """No search, nothing that the task points at, no task without the tag of the service, nobody else's."""
    for where in ("Task/taak-2", "Patient/" + JANSEN, "Endpoint/module", "ServiceRequest/plan"):
        assert tasked.ask(JANSEN, "9023", where).status_code == 404, where
    searched = path_of(catalogue().standards["provider-tasks-1"].rule("tasks"))
    assert tasked.ask(JANSEN, "9023", searched).status_code == 404
    assert tasked.ask(ORANJE, "9023", "Task/taak-1").status_code == 404
    other = {**tasks()[0], "status": "in-progress"}
    assert put(tasked, other, person=ORANJE).status_code == 404
    assert put(tasked, {**tasks()[1], "status": "in-progress"}).status_code == 404, "without the tag of the service"
    created = tasked.client.post(
        f"{tasked.running.base}/{PROVIDER}/9023/fhir/Task",
        content=jsonio.dump(other),
        headers={"authorization": f"Bearer {token(JANSEN, '9023')}", "content-type": "application/fhir+json"},
    )
    assert created.status_code == 405, created.text


def test_the_examples_are_all_tried() -> None:
    described = Path(shared("examples", "new-sets"))
    assert {path.name for path in described.iterdir()} >= set(SETS)
    assert {name.split("/")[1] for name in EXAMPLES if name.startswith("new-sets/")} >= set(SETS)
