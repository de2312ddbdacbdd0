"""What a tester of an integration finds on a running gateway: where to begin, what is there, why an answer is empty."""

from collections.abc import Iterator

import httpx
import pytest
from databases import database
from servers import Running, serving

PROVIDER = "ziekenhuiszandoord"


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
