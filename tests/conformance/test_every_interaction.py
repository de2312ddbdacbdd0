"""Every request of a standard that reads, on our own persons: exactly what its row says, in both formats.

The rows are those of agreed_requests.toml, not of the gateway; what should come out is computed in expected_answers.py.
For each row: as it stands, with each optional parameter, for every person at the provider, and for one without data.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
import pytest
from conformance.agreed_requests import agreed
from conformance.expected_answers import IDENTIFIERS, Record, codes, everywhere, key_of
from databases import database
from servers import Running, serving

from gateway.store.engine import open_engine
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue
from workbench.demo.placeholders import moved
from workbench.demo.world import World, load
from workbench.statictokens import TOKENS, issue

ELSEWHERE = {"bgz-msz-2": "ziekenhuiszandoord", "bgz-msz-1.2.2": "ziekenhuiszandoord"}
"""Standards between institutions, tried on the persons of the hospital."""
NOBODY = {
    "eoverdracht-4": "handoffs between institutions, read by the task that announces them",
    "pathology-1": "a draft: tried on the official persons (test_new_sets.py)",
    "image-availability-1": "a draft: tried on the official persons (test_new_sets.py)",
    "provider-tasks-1": "a draft: tried on tasks of our own (test_new_sets.py)",
}
"""Standards without persons of ours."""
TODAY = datetime.now(UTC).date()
DAYS = ("-3m", "-1y-1m")
FORMATS = ("json", "xml")
KINDS = ["vital-signs", "http://hl7.org/fhir/observation-category|vital-signs"]


@dataclass(frozen=True)
class Row:
    """One request of a standard."""

    standard: str
    usecase: str
    id: str
    type: str
    operation: str
    instance: bool
    params: tuple[str, ...]
    optional: tuple[str, ...]
    profiles: frozenset[str]


def rows() -> list[Row]:
    found = []
    for name, standard in agreed().items():
        for one in standard.requests:
            if one.method == "GET" and name not in NOBODY:
                type_, _, rest = one.path.strip("/").partition("/")
                instance, operation = rest.startswith("{"), rest.removeprefix("$") if rest.startswith("$") else ""
                wanted = (one.must, one.may, frozenset(one.profiles))
                found.append(Row(name, one.usecase, one.id, type_, operation, instance, *wanted))
    return found


ROWS = rows()
SEARCHES = [row for row in ROWS if not row.instance and row.id != "badSyntax"]


@pytest.fixture(scope="module")
def world() -> World:
    return load(TODAY)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, world: World) -> Iterator[Running]:
    services = [service.id for one in catalogue().standards.values() for service in one.services]
    tokens = [
        {"token": token(provider.name, person.bsn), "provider": provider.name, "services": services, "bsn": person.bsn}
        for provider in world.providers
        for person in world.patients_of(provider.name)
    ]
    with database("sqlite", tmp_path_factory.mktemp("store")) as url, serving(url) as running:
        engine = open_engine(url)
        issue(engine, running.settings, TOKENS.validate_python(tokens))
        engine.dispose()
        yield running


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20) as made:
        yield made


def token(provider: str, bsn: str) -> str:
    return f"every-interaction-{provider}-{bsn}"


def provider_of(world: World, standard: str) -> str:
    known = [one.name for one in world.providers if standard in one.standards]
    return ELSEWHERE.get(standard) or known[0]


def service_of(row: Row) -> str:
    standard = catalogue().standards[row.standard]
    return next(one.id for one in standard.services if standard.rule(row.id) in standard.rules_of(one))


def questions(row: Row, record: Record, bsn: str) -> list[list[tuple[str, str]]]:
    """The queries to try: the row's own, and those with each optional parameter; placeholders filled in."""
    base: list[list[tuple[str, str]]] = [[]]
    for text in row.params:
        name, _, value = text.partition("=")
        base = [[*query, (name, filled)] for query in base for filled in fills(row, name, value, record, bsn)]
    found = list(base)
    for text in row.optional:
        name, _, value = text.partition("=")
        if name == "_count":
            continue
        extra = [("_count", "1")] if name == "_sort" else []
        found += [
            [*query, (name, filled), *extra] for query in base[:1] for filled in fills(row, name, value, record, bsn)
        ]
    return found


def fills(row: Row, name: str, value: str, record: Record, bsn: str) -> list[str]:
    """What a client could put in the place of a placeholder, given what the record holds."""
    of_type = [one for (kind, _), one in record.by_key.items() if kind == row.type]
    episodes = sorted(id_ for kind, id_ in record.by_key if kind == "EpisodeOfCare") or ["none"]
    if "{date}" in value:
        return [value.replace("{date}", moved(TODAY, steps).isoformat()) for steps in DAYS]
    if "{episode}" in value:
        bare = value.replace("EpisodeOfCare/", "")
        typed = bare.replace("{episode}", ",".join(f"EpisodeOfCare/{one}" for one in episodes))
        return [typed, *([f"EpisodeOfCare/{episodes[0]}", episodes[-1]] if name == "episodeofcare" else [])]
    if "{identifier}" in value:
        known = [item for one in of_type for item in everywhere(one, IDENTIFIERS[name])]
        texts = dict.fromkeys(f"{item['system']}|{item['value']}" for item in known if "system" in item)
        return [*list(texts)[:3], "urn:oid:2.16.840.1.113883.2.4.3.11.999.77.1|unknown"]
    if "{code}" in value and name == "medication.code":
        keys = {key_of(one.get("medicationReference")) for one in of_type}
        pairs = [pair for key in keys if key in record.by_key for pair in codes(record.by_key[key]["code"])]
        return sorted({"|".join(pair) for pair in pairs})[:3] or ["http://www.whocc.no/atc|A10BA02"]
    if "{code}" in value:
        allowed = catalogue().standards[row.standard].rule(row.id).parameters[0].values
        return [*allowed, ",".join(allowed)]
    if "{vitalsigns}" in value:
        return KINDS
    return [value.replace("{bsn}", bsn)]


def ask(client: httpx.Client, url: str, query: list[tuple[str, str]], bearer: str, form: str) -> httpx.Response:
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query)
    headers = {"authorization": f"Bearer {bearer}", "accept": f"application/fhir+{form}"}
    return client.get(f"{url}?{text}" if text else url, headers=headers)


def entries(answer: httpx.Response, form: str) -> list[tuple[str, str, str, frozenset[str]]]:
    """Mode, type, id and profiles of each entry."""
    assert answer.headers["content-type"].startswith(f"application/fhir+{form}")
    if form == "json":
        bundle = json.loads(answer.content)
        assert bundle["type"] == "searchset"
        found = [(one["search"]["mode"], one["resource"]) for one in bundle.get("entry", [])]
        assert bundle["total"] == sum(1 for mode, _ in found if mode == "match")
        return [
            (mode, one["resourceType"], one["id"], frozenset(one.get("meta", {}).get("profile", ())))
            for mode, one in found
        ]
    fhir = "{http://hl7.org/fhir}"
    parsed = []
    for entry in ElementTree.fromstring(answer.content).findall(f"{fhir}entry"):
        (resource,) = entry.find(f"{fhir}resource") or ()
        mode, id_ = entry.find(f"{fhir}search/{fhir}mode"), resource.find(f"{fhir}id")
        profiles = frozenset(str(one.get("value")) for one in resource.findall(f"{fhir}meta/{fhir}profile"))
        assert mode is not None
        assert id_ is not None
        parsed.append((str(mode.get("value")), resource.tag.removeprefix(fhir), str(id_.get("value")), profiles))
    return parsed


def row_id(row: Row) -> str:
    return f"{row.standard}-{row.id}-{row.operation or 'search'}"


@pytest.mark.parametrize("row", SEARCHES, ids=row_id)
def test_a_search_finds_exactly_what_its_row_says(
    row: Row, server: Running, client: httpx.Client, world: World
) -> None:
    provider, standard = provider_of(world, row.standard), catalogue().standards[row.standard]
    url = f"{server.base}/{provider}/{service_of(row)}/fhir/{row.type}" + (
        f"/${row.operation}" if row.operation else ""
    )
    profiles = row.profiles - standard.missing_profiles
    somebody, nobody = 0, 0
    for held in world.records:
        if (held.provider, held.version) != (provider, standard.fhir):
            continue
        person = world.person(held.person)
        record = Record((*held.resources, *held.pointed_at))
        for query in questions(row, record, person.bsn):
            matches = record.matches(row.type, row.operation, query)
            wanted = {("match", one["resourceType"], one["id"]) for one in matches}
            along = record.included(matches, query) | record.brought((row.standard, row.id), matches)
            wanted |= {("include", *key) for key in along}
            for form in FORMATS:
                answer = ask(client, url, query, token(provider, person.bsn), form)
                assert answer.status_code == 200, f"{query}: {answer.text}"
                found = entries(answer, form)
                assert {one[:3] for one in found} == wanted, f"{person.id} {form} {query}"
                assert len(found) == len(wanted), "every resource once"
                if not person.defects and profiles:
                    assert all(one[3] & profiles for one in found if one[0] == "match")
                if not held.resources:
                    nobody += 1
                    assert not found
                somebody += bool(found)
    assert nobody, f"nobody without data at {provider}"
    assert somebody or row.standard in ELSEWHERE, f"nobody at {provider} has anything for {row.id}"


def test_reading_one_document_reference_and_its_binary(server: Running, client: httpx.Client, world: World) -> None:
    """pdfa-3: documentReferenceRead, binary, unknownBinary, badSyntax."""
    base = f"{server.base}/ziekenhuiszandoord/51/fhir"
    joke = token("ziekenhuiszandoord", world.person("joke").bsn)
    noor = token("ziekenhuiszandoord", world.person("noor").bsn)
    record = world.record("ziekenhuiszandoord", "joke")
    assert record is not None
    references = [one for one in record.resources if one["resourceType"] == "DocumentReference"]
    assert len(references) > 2
    for reference in references:
        url = f"{base}/DocumentReference/{reference['id']}"
        assert ask(client, url, [], joke, "json").json()["id"] == reference["id"]
        root = ElementTree.fromstring(ask(client, url, [], joke, "xml").content)
        assert root.tag == "{http://hl7.org/fhir}DocumentReference"
        attachment = reference["content"][0]["attachment"]
        binary = f"{base}/{attachment['url']}"
        for form in FORMATS:
            assert ask(client, binary, [], joke, form).headers["content-type"].startswith(f"application/fhir+{form}")
        plain = client.get(binary, headers={"authorization": f"Bearer {joke}", "accept": "application/pdf"})
        assert plain.headers["content-type"] == "application/pdf"
        assert plain.content[:5] == b"%PDF-"
        for form in FORMATS:
            assert ask(client, url, [], noor, form).status_code == 404
            assert ask(client, binary, [], noor, form).status_code == 404
    for form in FORMATS:
        for path, status in (("Binary/unknown", 404), ("DocumentReference/$", 400)):
            answer = ask(client, f"{base}/{path}", [], joke, form)
            assert answer.status_code == status
            assert b"OperationOutcome" in answer.content


def test_reading_the_product_of_an_immunization(server: Running, client: httpx.Client, world: World) -> None:
    """immunization-2: product, as a client finds it: by the extension of each immunization."""
    url = f"{server.base}/ggdmerwestreek/63/fhir"
    record = world.record("ggdmerwestreek", "jasmijn", FhirVersion.R4)
    assert record is not None
    extension = "extension(ext-imm-Vaccination.PharmaceuticalProduct).valueReference"
    own = {key_of(one) for resource in record.resources for one in everywhere(resource, [extension])} - {None}
    assert len(own) == 4
    for key in own:
        assert key is not None
        for form in FORMATS:
            jasmijn = ask(
                client, f"{url}/{'/'.join(key)}", [], token("ggdmerwestreek", world.person("jasmijn").bsn), form
            )
            assert jasmijn.status_code == 200
            ties = ask(client, f"{url}/{'/'.join(key)}", [], token("ggdmerwestreek", world.person("ties").bsn), form)
            assert ties.status_code == 404, "a product that nothing of this person's points at"


def test_every_reading_row_of_the_standards_is_tried_here() -> None:
    tried = {(row.standard, row.id) for row in SEARCHES}
    tried |= {("pdfa-3", one) for one in ("documentReferenceRead", "binary", "unknownBinary", "badSyntax")}
    tried |= {("immunization-2", "product")}
    assert {(row.standard, row.id) for row in ROWS} == tried
