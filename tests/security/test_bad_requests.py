"""Bad input at the FHIR endpoints: each gets its typed answer, nothing leaks, the process stays up (section 14)."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from servers import Running, serving
from sqlalchemy import text

from gateway.store.engine import open_engine
from workbench.statictokens import StaticToken, issue

BASE = "/ziekenhuiszandoord/48/fhir"
TOKEN = "token-for-bad-requests"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/gateway.db"
    with serving(url) as running:
        engine = open_engine(url)
        issue(engine, running.settings, [
            StaticToken(token=TOKEN, provider="ziekenhuiszandoord", services=["48"], bsn="999951750"),
        ])  # fmt: skip
        engine.dispose()
        yield running


def get(server: Running, path: str, token: str | None = TOKEN, method: str = "GET", **headers: str) -> httpx.Response:
    sent = {"accept": "application/fhir+json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    return httpx.request(method, f"{server.base}{path}", headers=sent, timeout=20)


def issue_of(response: httpx.Response) -> dict[str, str]:
    body = response.json()
    assert body["resourceType"] == "OperationOutcome"
    assert response.headers["content-type"].startswith("application/fhir+json; fhirVersion=3.0")
    assert response.headers["cache-control"] == "no-store"
    return {"code": body["issue"][0]["code"], "text": body["issue"][0]["details"]["text"]}


@pytest.mark.parametrize(
    ("path", "status", "code", "named"),
    [
        (f"{BASE}/Nonsense", 404, "not-supported", ""),
        (f"{BASE}/Procedure?category=http://snomed.info/sct|387713003&colour=red", 400, "not-supported", "colour"),
        (f"{BASE}/Condition?code:fuzzy=1", 400, "not-supported", "code:fuzzy"),
        (f"{BASE}/Condition?_lastUpdated=yesterday", 400, "value", "_lastUpdated"),
        (f"{BASE}/Observation", 400, "required", "code"),
        (f"{BASE}/Observation?code=http://loinc.org|1-1", 400, "", ""),
        (f"{BASE}/Condition?code=%ZZ", 400, "value", "code"),
        (f"{BASE}/Condition?code=%00", 400, "value", "code"),
        (f"{BASE}/Condition?patient=Patient/joke", 400, "not-supported", "patient"),
        (f"{BASE}/Condition?subject.identifier=999951750", 400, "not-supported", "subject"),
        (f"{BASE}/Patient?identifier=urn:oid:2.16|999951750", 400, "not-supported", "identifier"),
        (f"{BASE}/Condition/$everything", 404, "not-supported", ""),
        (f"{BASE}/Condition/$", 400, "invalid", ""),
        (f"{BASE}/condition", 404, "not-supported", ""),
        (f"{BASE}/Condition/a/b/c/d", 400, "invalid", ""),
        (f"{BASE}/../../../etc/passwd", 404, "", ""),
        (f"{BASE}/Condition?{'a=b&' * 200}", 400, "too-costly", ""),
        (f"{BASE}/Condition?code={'x' * 9000}", 414, "too-long", "8000 bytes"),
        (f"{BASE}/Condition?_include=Condition:everything", 400, "", "_include"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_named(server: Running, path: str, status: int, code: str, named: str) -> None:
    """ERR-45, ERR-46, CT-92: the refusal names the parameter and never its value."""
    response = get(server, path)
    assert response.status_code == status
    if status == 404 and "passwd" in path:
        return
    found = issue_of(response)
    assert not code or found["code"] == code
    assert named in found["text"]
    assert "999951750" not in response.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_methods_that_are_not_offered(server: Running, method: str) -> None:
    """RES-13."""
    assert get(server, f"{BASE}/Condition", method=method).status_code == 405
    assert get(server, f"{BASE}/Condition/x", method=method).status_code == 405


def test_tokens_that_do_not_open(server: Running) -> None:
    """ERR-40 to ERR-42, CT-90: absent, malformed, elsewhere, unknown."""
    absent = get(server, f"{BASE}/Condition", token=None)
    assert (absent.status_code, absent.headers["www-authenticate"]) == (401, "Bearer")
    assert issue_of(absent)["code"] == "security"
    unknown = get(server, f"{BASE}/Condition", token="nobody-ever-got-this-token")
    assert unknown.status_code == 401
    assert 'error="invalid_token"' in unknown.headers["www-authenticate"]
    for headers in ({"authorization": f"Basic {TOKEN}"}, {"authorization": "Bearer"}, {"authorization": "Bearer a b"}):
        refused = httpx.get(f"{server.base}{BASE}/Condition", headers=headers)
        assert refused.status_code == 400
        assert 'error="invalid_request"' in refused.headers["www-authenticate"]
    elsewhere = get(server, f"{BASE}/Condition?access_token={TOKEN}")
    assert elsewhere.status_code == 400
    assert TOKEN not in elsewhere.text
    twice = httpx.get(f"{server.base}{BASE}/Condition", headers=[("authorization", f"Bearer {TOKEN}")] * 2)
    assert twice.status_code == 400


def test_an_expired_token_does_not_open(server: Running) -> None:
    """CT-87, ERR-42."""
    engine = open_engine(server.settings.database_url)
    issue(engine, server.settings, [
        StaticToken(token="expired-token-0000", provider="ziekenhuiszandoord", services=["48"], bsn="999951750"),
    ])  # fmt: skip
    assert get(server, f"{BASE}/Condition", token="expired-token-0000").status_code == 200
    past = int((datetime.now(UTC) - timedelta(seconds=1)).timestamp() * 1000)
    newest = "(select max(issued) from auth_access_token)"
    change = text(f"update auth_access_token set expires = :past where issued = {newest}")
    with engine.begin() as connection:
        connection.execute(change, {"past": past})
    engine.dispose()
    refused = get(server, f"{BASE}/Condition", token="expired-token-0000")
    assert refused.status_code == 401
    assert issue_of(refused)["code"] == "security"


@pytest.mark.parametrize(
    ("accept", "status"),
    [("text/html", 406), ("application/fhir+json; fhirVersion=4.0", 406), ("application/fhir+xml;q=0, text/plain", 406),
     ("", 200), ("*/*", 200), ("application/fhir+xml; fhirVersion=3.0", 200), ("application/json", 200)],
)  # fmt: skip
def test_formats_and_versions(server: Running, accept: str, status: int) -> None:
    """ERR-47, RES-08."""
    response = get(server, f"{BASE}/Condition", accept=accept)
    assert response.status_code == status
    if "4.0" in accept:
        assert 'error="invalid_request"' in response.headers["www-authenticate"]


def test_refusals_come_in_the_asked_format(server: Running) -> None:
    response = get(server, f"{BASE}/Nonsense?_format=xml")
    assert response.headers["content-type"].startswith("application/fhir+xml")
    assert response.text.startswith("<?xml")
    assert "<OperationOutcome" in response.text


def test_trace_ids_are_echoed_and_others_never_reach_a_header_or_log(server: Running) -> None:
    """HDR-03, HDR-04."""
    good = "6f4f1f0e-6a3e-4bd5-9d0a-2f8c4f5b1a01"
    assert get(server, f"{BASE}/Condition", medmij_request_id=good).headers["medmij-request-id"] == good
    bad = get(server, f"{BASE}/Condition", medmij_request_id="999951750 <script>")
    assert bad.status_code == 200
    assert "script" not in bad.headers["medmij-request-id"]


def test_a_doubled_fhir_in_the_path_is_understood(server: Running) -> None:
    assert get(server, f"{BASE}/fhir/Condition").json()["total"] == 7


def test_metadata_of_an_unknown_provider_or_service_is_not_found(server: Running) -> None:
    assert get(server, f"{BASE}/metadata", token=None).status_code == 200
    assert get(server, "/onbekend/48/fhir/metadata", token=None).status_code == 404
    assert get(server, "/ziekenhuiszandoord/999/fhir/metadata", token=None).status_code == 404


def test_no_store_no_answer_and_it_comes_back_by_itself(tmp_path: Path) -> None:
    """ERR-48: the database locked or gone gives 503 with Retry-After; nothing is delivered without its audit record."""
    path = tmp_path / "gateway.db"
    with serving(f"sqlite:///{path}", limits={"audit_seconds": 1.0}) as server:
        engine = open_engine(server.settings.database_url)
        issue(engine, server.settings, [
            StaticToken(token=TOKEN, provider="ziekenhuiszandoord", services=["48"], bsn="999951750"),
        ])  # fmt: skip
        engine.dispose()
        assert get(server, f"{BASE}/Condition").status_code == 200
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        locked = get(server, f"{BASE}/Condition")
        lock.execute("ROLLBACK")
        lock.close()
        assert locked.status_code == 503
        assert locked.headers["retry-after"]
        assert json.loads(locked.text)["issue"][0]["code"] == "transient"
        assert "Condition/" not in locked.text
        assert get(server, f"{BASE}/Condition").status_code == 200
