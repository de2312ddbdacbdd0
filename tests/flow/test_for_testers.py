"""What a tester of an integration finds on a running gateway: where to begin, what is there, why an answer is empty."""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from click.testing import CliRunner
from databases import database
from servers import Running, serving
from sqlalchemy import select

from gateway.cli.explain import explain
from gateway.store.engine import open_engine, reading
from gateway.store.schema import audit_record
from workbench.demo.world import load
from workbench.pgo.client import connect
from workbench.pgo.endpoints import GatewayEndpoints
from workbench.pgo.walk import VisitError, admitted
from workbench.statictokens import issue, read_tokens

PROVIDER, JOKE = "ziekenhuiszandoord", "Joke van Veldhuizen - Brandsma"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with database("sqlite", tmp_path_factory.mktemp("store")) as url, serving(url, visits=True) as running:
        yield running


def got(server: Running, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{server.base}{path}", headers=headers, trust_env=False, timeout=30)


def test_the_well_known_address_says_where_to_authorise_and_what_it_names_is_there(server: Running) -> None:
    """RFC 8414 section 3: JSON without a token; the endpoints exist."""
    answer = got(server, "/.well-known/oauth-authorization-server")
    assert answer.headers["content-type"] == "application/json"
    said = answer.json()
    assert said["issuer"] == server.base
    for name in ("authorization_endpoint", "token_endpoint", "revocation_endpoint"):
        assert httpx.get(said[name], trust_env=False).status_code != 404


def test_a_fhir_base_has_a_smart_configuration_that_agrees_with_its_statement(server: Running) -> None:
    base = f"/{PROVIDER}/48/fhir"
    said = got(server, f"{base}/.well-known/smart-configuration")
    assert said.status_code == 200
    assert said.headers["content-type"] == "application/json"
    statement = got(server, f"{base}/metadata", accept="application/fhir+json").text
    assert said.json()["authorization_endpoint"] in statement
    assert said.json()["token_endpoint"] in statement


@pytest.mark.parametrize("base", ["/nergens/48/fhir", f"/{PROVIDER}/99999/fhir"])
def test_where_nothing_is_served_there_is_no_smart_configuration(server: Running, base: str) -> None:
    assert got(server, f"{base}/.well-known/smart-configuration").status_code == 404


def test_the_smart_configuration_is_read_only(server: Running) -> None:
    address = f"{server.base}/{PROVIDER}/48/fhir/.well-known/smart-configuration"
    assert httpx.post(address, trust_env=False).status_code in (404, 405)


def test_what_there_is_stands_in_one_list_and_every_link_of_it_works(server: Running) -> None:
    listed = got(server, "/demo/world.json").json()
    hospital = next(one for one in listed["providers"] if one["name"] == PROVIDER)
    assert JOKE in hospital["persons"]
    for link in (listed["metadata"], hospital["docs"], *(one["metadata"] for one in hospital["services"])):
        assert httpx.get(link, trust_env=False, timeout=30).status_code == 200, link
    switch = listed["faults"][0]["switches"]["normal"] if listed["faults"] else None
    assert switch is None or httpx.post(switch, trust_env=False).status_code == 303
    people = {one["name"]: one for one in listed["persons"]}
    assert PROVIDER in people[JOKE]["known_at"]
    # Names, never numbers of persons; service ids of nine digits may stand there.
    assert re.search(r"\b999\d{6}\b", got(server, "/demo/world.json").text) is None
    start = got(server, "/").text
    assert hospital["services"][0]["metadata"] in start
    assert "/demo/world.json" in start


def test_a_wrong_provider_or_service_is_told_what_there_is(server: Running) -> None:
    nowhere = got(server, "/nergens/48/fhir/metadata", accept="application/fhir+json")
    assert nowhere.status_code == 404
    assert PROVIDER in nowhere.text
    assert "nergens" not in nowhere.text
    assert "48, 51" in got(server, f"/{PROVIDER}/99999/fhir/metadata", accept="application/fhir+json").text


def test_a_wrong_person_is_told_who_can_log_in(server: Running) -> None:
    async def go() -> None:
        async with connect() as http:
            await admitted(http, GatewayEndpoints(server.base, f"{server.base}/demo-pgo/callback"), PROVIDER, "Niemand")

    with pytest.raises(VisitError, match="Joke van Veldhuizen"):
        asyncio.run(go())


JOKE_BSN = next(one.bsn for one in load(datetime.now(UTC).date()).persons if one.name == JOKE)
NOTHING = f"/{PROVIDER}/48/fhir/Observation?code=http://snomed.info/sct|228273003&_lastUpdated=gt2199-01-01"
SECRET = "a-token-for-the-tests-of-explain"


@pytest.fixture(scope="module")
def token(server: Running) -> str:
    engine = open_engine(server.settings.database_url)
    given = [{"token": SECRET, "provider": PROVIDER, "services": ["48"], "bsn": JOKE_BSN}]
    issue(engine, server.settings, read_tokens(json.dumps(given).encode()))
    engine.dispose()
    return f"Bearer {SECRET}"


def test_an_empty_answer_explains_itself_to_who_asks(server: Running, token: str) -> None:
    """Issue 12 point 9: per source, and per parameter what it leaves out; the names of parameters, never values."""
    silent = got(server, NOTHING, authorization=token)
    assert silent.json()["total"] == 0
    assert "gateway-explain" not in silent.headers
    why = got(server, NOTHING, authorization=token, **{"gateway-explain": "yes"}).headers["gateway-explain"]
    assert re.search(r"source: \S+ \(store\) has [1-9]\d* Observation", why)
    assert re.search(r"filter: code leaves out [1-9]", why)
    assert re.search(r"filter: _lastUpdated leaves out [1-9]", why)
    assert why.endswith("answer: 0 matches, 0 included")
    assert "228273003" not in why
    assert JOKE_BSN not in why


def test_the_command_says_the_same_and_is_recorded(server: Running, token: str) -> None:
    """NEN 7513: an operator who asks why leaves a record; the exit code tells that nothing was found."""
    environment = {"GATEWAY_DATABASE_URL": server.settings.database_url}
    ran = CliRunner().invoke(explain, [NOTHING], input=f"{JOKE_BSN}\n", env=environment)
    assert ran.exit_code == 1, ran.output
    header = got(server, NOTHING, authorization=token, **{"gateway-explain": "yes"}).headers["gateway-explain"]
    assert [line for line in ran.stdout.splitlines() if ": " in line][-len(header.split("; ")) :] == header.split("; ")
    engine = open_engine(server.settings.database_url)
    with reading(engine).connect() as connection:
        records = [json.loads(row.record) for row in connection.execute(select(audit_record))]
    engine.dispose()
    asked = [one for one in records if one.get("interaction") == "explain"]
    assert [(one["action"], one["provider"], one["service"]) for one in asked] == [
        ("operator:resource:read", PROVIDER, "48")
    ]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/nergens/48/fhir/Observation", PROVIDER),
        (f"/{PROVIDER}/48/fhir/Observation/1", "Only a search"),
        (f"/{PROVIDER}/48/fhir/Observation?patient=1", "Leave out parameter patient"),
        ("/docs", "/provider/service/fhir/"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_words(server: Running, address: str, told: str) -> None:
    environment = {"GATEWAY_DATABASE_URL": server.settings.database_url}
    ran = CliRunner().invoke(explain, [address, "--patient", "1"], env=environment)
    assert ran.exit_code == 2
    assert told in ran.output


def test_every_request_that_the_api_page_lists_can_answer(server: Running, token: str) -> None:
    """Issue 12 point 9: with a token of the provider, as its page fills it in, no search of the page is refused."""
    document = got(server, f"/openapi.json?provider={PROVIDER}").json()
    refused = {}
    for path, operations in document["paths"].items():
        if not path.startswith(f"/{PROVIDER}/48/") or "{id}" in path:
            continue
        query = [
            (one["name"], value)
            for one in operations["get"].get("parameters", ())
            if one["in"] == "query"
            for value in one["schema"].get("default")
            or [next(iter(one.get("examples", {"": {"value": ""}}).values()))["value"]]
            if value
        ]
        answer = httpx.get(
            f"{server.base}{path}", params=query, headers={"authorization": token}, trust_env=False, timeout=30
        )
        if answer.status_code != 200:
            refused[path] = answer.text[:200]
    assert refused == {}
