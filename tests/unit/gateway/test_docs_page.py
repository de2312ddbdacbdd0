"""The API page: one provider at a time, and nothing on it that its Authorize button cannot reach."""

import asyncio

import httpx
from starlette.applications import Starlette

from gateway.http import docs
from gateway.providers import Registry
from gateway.sections import ProviderSettings
from profiles.standards.load import catalogue

BASE = "http://127.0.0.1:8080"
EVERY = tuple(service.id for standard in catalogue().standards.values() for service in standard.services)
REGISTRY = Registry(
    {
        "hospital": ProviderSettings(display_name="Hospital", services=("48", "51", "9004")),
        "everything": ProviderSettings(display_name="Everything", services=EVERY),
    }
)


def got(path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        app = Starlette(routes=docs.routes(BASE, REGISTRY))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_a_provider_is_described_with_what_it_offers_and_no_more() -> None:
    document = got("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    paths = [path for path in document["paths"] if "/fhir/" in path and not path.startswith("/fhir/")]
    assert {path.split("/")[2] for path in paths} == {"48", "51", "9004"}
    assert {path.split("/")[1] for path in paths} == {"hospital"}
    # 9004 is for sending: no authorization makes a search there answer.
    assert [path for path in paths if path.split("/")[2] == "9004"] == ["/hospital/9004/fhir/metadata"]
    flow = document["components"]["securitySchemes"]["medmij"]["flows"]["authorizationCode"]
    assert list(flow["scopes"]) == ["hospital"]


def test_a_provider_with_many_services_opens_with_one_and_links_to_the_others() -> None:
    page = got("/docs?provider=everything").text
    shown = got("/docs/openapi.json?provider=everything").json()
    services = {path.split("/")[2] for path in shown["paths"] if path.startswith("/everything/")}
    assert services == {EVERY[0]}
    assert all(f"provider=everything&amp;service={id_}" in page for id_ in REGISTRY.find("everything").services)  # type: ignore[union-attr]
    assert len(got("/docs/openapi.json?provider=everything").content) < 100_000
    whole = got("/openapi.json?provider=everything").json()
    assert {path.split("/")[2] for path in whole["paths"] if path.startswith("/everything/")} == set(
        REGISTRY.find("everything").services  # type: ignore[union-attr]
    )


def test_the_script_asks_for_the_provider_that_is_shown() -> None:
    script = got("/docs/start.js?provider=everything&service=48").text
    assert 'url: "/docs/openapi.json?provider=everything&service=48"' in script
    assert 'scopes: "everything"' in script
    assert "MedMij-Request-ID" in script


def test_a_wrong_provider_or_service_names_what_is_there_and_repeats_nothing() -> None:
    for path in ("/docs?provider=<b>nix", "/docs?provider=hospital&service=65", "/openapi.json?provider=nix"):
        answer = got(path)
        assert answer.status_code == 404
        assert "provider=hospital" in answer.text
        assert "provider=everything" in answer.text
        assert "nix" not in answer.text


def test_the_document_of_the_page_is_the_served_one_in_the_release_that_its_reader_is_fast_with() -> None:
    page, served = got("/docs/openapi.json").json(), got("/openapi.json").json()
    assert page | {"openapi": served["openapi"]} == served
    assert page["openapi"] == "3.0.3"
