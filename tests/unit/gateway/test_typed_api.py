"""The JSON APIs that FastAPI carries: what they answer, what they never say back, and how they are described."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError

from gateway.health import router
from gateway.http.api import described
from gateway.typed import refused_input
from profiles.fhir.authored import AuthoringError, authored
from profiles.fhir.outcome import Issue, operation_outcome
from profiles.fhir.version import FhirVersion
from profiles.standards.capability import OAuthUrls, statement
from profiles.standards.load import catalogue

HOSPITAL, BASE = "ziekenhuiszandoord", "https://medmij.zandoord.example"


def asked(app: FastAPI, method: str, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
            return await client.request(method, path)

    return asyncio.run(ask())


def healthy(probe: Callable[[], None] = lambda: None) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.include_router(router(probe))
    return app


def broken() -> None:
    raise OperationalError("select", {}, Exception("password=secret host=db.internal"))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_balancers_may_ask_with_get_and_head(method: str, path: str) -> None:
    answer = asked(healthy(), method, path)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


def test_a_store_that_is_away_is_told_without_its_name() -> None:
    """503, so that no traffic comes; the process itself lives."""
    answer = asked(healthy(broken), "GET", "/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "store unavailable"})
    assert asked(healthy(broken), "GET", "/health/live").json() == {"status": "live"}


def test_an_unforeseen_fault_is_no_health() -> None:
    def odd() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asked(healthy(odd), "GET", "/health/ready")


def test_input_that_does_not_fit_is_not_said_back() -> None:
    """Whatever somebody put into a parameter (a number of a person, a token) stays out of the answer."""
    app = FastAPI(openapi_url=None)
    app.add_exception_handler(RequestValidationError, refused_input)

    @app.get("/numbers")
    async def numbers(most: Annotated[int, Query(le=10)]) -> int:
        return most

    for wrong in ("999990019", "Bearer-abc"):
        answer = asked(app, "GET", f"/numbers?most={wrong}")
        assert answer.status_code == 422
        assert wrong not in answer.text
        assert answer.json()["detail"][0]["loc"] == ["query", "most"]
    assert asked(app, "GET", "/numbers?most=7").json() == 7


# --- the description ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return described(catalogue(), HOSPITAL, BASE)


def test_one_document_has_the_rows_and_the_typed_apis(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert f"/{HOSPITAL}/48/fhir/Condition" in paths
    assert {"/health/live", "/health/ready", "/fhir/{version}/$validate"} <= paths.keys()
    assert paths["/health/ready"]["get"]["responses"].keys() == {"200", "503"}


def test_nobody_is_told_to_log_in_where_nobody_is_asked(document: dict[str, Any]) -> None:
    for path in ("/health/live", "/health/ready", "/fhir/{version}/$validate", "/fhir/{version}/{type}/$validate"):
        for operation in document["paths"][path].values():
            assert operation["security"] == []


def test_every_operation_has_a_name_and_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    referred = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert referred <= schemas.keys()
    tags = {tag["name"] for tag in document["tags"]}
    assert {tag for methods in document["paths"].values() for one in methods.values() for tag in one["tags"]} <= tags


# --- what we author ---------------------------------------------------------------------------------------------------


SERVICES = [(standard, service) for standard in catalogue().standards.values() for service in standard.services]


@pytest.mark.parametrize(("standard", "service"), SERVICES, ids=[service.id for _, service in SERVICES])
def test_every_statement_is_what_its_model_builds(standard: Any, service: Any) -> None:
    """RES-07: nothing is lost or changed on the way through the model, so the model can be the maker."""
    oauth = OAuthUrls(f"{BASE}/oauth/authorize", f"{BASE}/oauth/token")
    made = statement(standard, service, f"{BASE}/{HOSPITAL}/{service.id}/fhir", "1.0", "2026-11-22", oauth)
    assert authored(made, standard.fhir) == made


@pytest.mark.parametrize("version", FhirVersion)
def test_outcomes_are_built_by_the_model_too(version: FhirVersion) -> None:
    made = operation_outcome([Issue("error", "invalid", "één fout", "rule x", "Condition.code")])
    assert authored(made, version) == made


@pytest.mark.parametrize("version", FhirVersion)
@pytest.mark.parametrize(
    "change", [{"issue": [{"severity": "error"}]}, {"isue": []}, {"issue": "none"}, {"issue": None}], ids=str
)
def test_what_is_no_fhir_is_not_sent(version: FhirVersion, change: dict[str, Any]) -> None:
    made = operation_outcome([Issue("error", "invalid", "text")]) | change
    with pytest.raises(AuthoringError):
        authored(made, version)
