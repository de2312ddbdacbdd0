"""Nobody gets another's data: two patients, two providers, two services (RES-04, RES-05, ERR-43, ERR-44).

The world: Joke and Bram at the hospital, Ruben at the GGZ institution. Requests are drawn from the rows of every
standard and changed in ways that a curious client would try.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from databases import KINDS, database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import Running, serving

from gateway.store.engine import open_engine
from profiles.standards.load import catalogue
from workbench.demo.world import World, load
from workbench.statictokens import StaticToken, issue

HOSPITAL, GGZ = "ziekenhuiszandoord", "ggzmerwerand"
TOKENS = {
    "joke": StaticToken(token="token-of-joke-000000", provider=HOSPITAL, services=["48", "51"], bsn="999951750"),
    "bram": StaticToken(token="token-of-bram-000000", provider=HOSPITAL, services=["48"], bsn="999970239"),
    "ruben": StaticToken(token="token-of-ruben-00000", provider=GGZ, services=["50"], bsn="999951993"),
}


@pytest.fixture(scope="module", params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, World]]:
    with database(request.param, tmp_path_factory.mktemp("store")) as url, serving(url) as server:
        engine = open_engine(url)
        issue(engine, server.settings, list(TOKENS.values()))
        engine.dispose()
        yield server, load(datetime.now(UTC).date())


def owned(world: World, person: str) -> set[tuple[str, str]]:
    """Type and id of everything that is this person's own."""
    return {
        (resource["resourceType"], resource["id"])
        for record in world.records
        if record.person == person
        for resource in record.resources
    }


def asked(server: Running, who: str, path: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {TOKENS[who].token}", "accept": "application/fhir+json"}
    return httpx.get(f"{server.base}{path}", headers=headers, timeout=20)


rules = [
    (service.id, rule)
    for standard in catalogue().standards.values()
    for service in standard.services
    for rule in standard.rules
    if rule.method == "GET"
]
strange = st.sampled_from(
    ["", "&_id=joke", "&patient=Patient/joke", "&_include=Patient:general-practitioner",
     "&_has:Observation:patient:code=1",
     "&subject:Patient.name=Joke", "&_revinclude=Observation:subject", "&_include:recurse=*", "&_summary=count",
     "&identifier=http://fhir.nl/fhir/NamingSystem/bsn|999951750", "&_count=100000", "&_lastUpdated=ge2000-01-01"]
)  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_answer_holds_own_and_shared_only(house: tuple[Running, World], data: st.DataObject) -> None:
    server, world = house
    who = data.draw(st.sampled_from(["bram", "ruben"]))
    service, rule = data.draw(st.sampled_from(rules))
    path = rule.path.lstrip("/").replace("{id}", data.draw(st.sampled_from(["joke", "bram", "ruben", "x"])))
    query = "&".join(f"{one.name}={one.value}" for one in rule.required) + data.draw(strange)
    provider = data.draw(st.sampled_from([HOSPITAL, GGZ]))
    response = asked(server, who, f"/{provider}/{service}/fhir/{path}?{query}")
    foreign = owned(world, "joke") | owned(world, {"bram": "ruben", "ruben": "bram"}[who])
    foreign -= owned(world, who)
    if response.status_code != 200:
        assert response.json()["resourceType"] == "OperationOutcome"
        return
    body = response.json()
    found = body.get("entry", []) if body["resourceType"] == "Bundle" else [{"resource": body}]
    assert TOKENS[who].provider == provider
    for entry in found:
        resource = entry["resource"]
        assert (resource["resourceType"], resource["id"]) not in foreign


@pytest.mark.parametrize("who", ["bram", "ruben"])
def test_no_id_opens_another_persons_record(house: tuple[Running, World], who: str) -> None:
    server, world = house
    provider, service = TOKENS[who].provider, TOKENS[who].services[0]
    unknown = asked(server, who, f"/{provider}/{service}/fhir/Condition/does-not-exist").json()
    for type_, id_ in sorted(owned(world, "joke")):
        response = asked(server, who, f"/{provider}/{service}/fhir/{type_}/{id_}")
        assert response.status_code == 404
        if response.json()["issue"][0]["code"] == "not-found":
            # Byte for byte what an id that nobody has gets: existence is not confirmed (ERR-44).
            assert response.json() == unknown


def test_another_provider_or_service_is_refused(house: tuple[Running, World]) -> None:
    """CT-88, ERR-43: a valid token, a service or provider outside its scope."""
    server, _ = house
    for who, path in (("bram", f"/{HOSPITAL}/51/fhir/DocumentReference"), ("bram", f"/{GGZ}/50/fhir/Patient"),
                      ("joke", f"/{HOSPITAL}/65/fhir/Patient"), ("ruben", f"/{HOSPITAL}/48/fhir/Patient")):  # fmt: skip
        response = asked(server, who, path)
        assert response.status_code == 403
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
        assert response.json()["issue"][0]["code"] == "security"


def test_a_practitioner_of_anothers_record_cannot_be_read(house: tuple[Running, World]) -> None:
    server, world = house
    mine = world.record(HOSPITAL, "bram")
    others = world.record(HOSPITAL, "joke")
    assert mine
    assert others
    reachable = {(one["resourceType"], one["id"]) for one in mine.pointed_at}
    hidden = {(one["resourceType"], one["id"]) for one in others.pointed_at} - reachable
    assert hidden
    assert reachable
    for type_, id_ in sorted(reachable | hidden):
        status = asked(server, "bram", f"/{HOSPITAL}/48/fhir/{type_}/{id_}").status_code
        assert status == 404 or (type_, id_) in reachable


def test_no_bsn_leaves_in_any_answer(house: tuple[Running, World]) -> None:
    """CT-93, IDN-06: over the whole BgZ of a rich person, in both formats."""
    server, world = house
    numbers = {person.bsn for person in world.persons}
    for rule in catalogue().standards["bgz-3"].rules:
        query = "&".join(f"{one.name}={one.value}" for one in rule.required)
        for format_ in ("json", "xml"):
            text = asked(server, "joke", f"/{HOSPITAL}/48/fhir/{rule.path.lstrip('/')}?{query}&_format={format_}").text
            assert not [number for number in numbers if number in text]
            assert "urn:oid:2.16.840.1.113883.2.4.6.3" not in text or "masked" in text


def test_the_store_itself_holds_no_bsn(house: tuple[Running, World]) -> None:
    """CT-101: what a dump of the database would show."""
    server, world = house
    engine = open_engine(server.settings.database_url)
    with engine.connect() as connection:
        from sqlalchemy import inspect, text

        dump = []
        for table in inspect(engine).get_table_names():
            dump += [repr(tuple(row)) for row in connection.execute(text(f'select * from "{table}"'))]
    engine.dispose()
    everything = "\n".join(dump)
    assert not [person.bsn for person in world.persons if person.bsn in everything]
    assert not [token.token for token in TOKENS.values() if token.token in everything]
    assert json.dumps("does-not-exist") not in everything
