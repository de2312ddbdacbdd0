"""How the gateway logs in at an EHR: basic, SMART backend services, mutual TLS."""

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import uvicorn
from contract.adapter_world import ANNA_KEY, record
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from timing import LONG

from adapters.fhir_http.adapter import FhirAdapter
from adapters.fhir_http.settings import FhirSettings
from adapters.port import AdapterDown, AdapterError, AdapterMisconfigured, AdapterQuery, AdapterRefused, Batch
from adapters.testing.fake_ehr import FakeEhr
from profiles.fhir.version import FhirVersion

TOKEN_URL = "http://ehr.test/token"


def settings(**changes: Any) -> FhirSettings:
    return FhirSettings(**({"name": "ehr", "url": "http://ehr.test/fhir", "version": "stu3"} | changes))


def ask(adapter: FhirAdapter, times: int = 1) -> list[Batch | BaseException]:
    async def whole() -> list[Batch | BaseException]:
        deadline = time.monotonic() + LONG
        query = AdapterQuery("p", ANNA_KEY, "bgz-3", "problem", "search-type", "Condition", FhirVersion.STU3, deadline)
        try:
            return list(await asyncio.gather(*(adapter.find(query) for _ in range(times)), return_exceptions=True))
        finally:
            await adapter.aclose()

    return asyncio.run(whole())


def smart(
    tmp_path: Path, kind: type[ECKey | RSAKey], algorithm: str, as_jwk: bool = False
) -> tuple[dict[str, Any], Any]:
    key: Any = ECKey.generate_key("P-384") if kind is ECKey else RSAKey.generate_key(2048)
    path = tmp_path / "key"
    path.write_bytes(json.dumps(key.as_dict(private=True)).encode() if as_jwk else key.as_pem(private=True))
    login = {"kind": "smart", "token_url": TOKEN_URL, "client_id": "gw", "key_file": path, "key_id": "k1"}
    return {"login": {**login, "algorithm": algorithm}}, key


def test_basic_login_and_what_a_wrong_password_is() -> None:
    ehr = FakeEhr(record(), login="basic", password="right")
    for password, kind in (("right", Batch), ("wrong", AdapterRefused)):
        login = {"kind": "basic", "username": "gateway", "password": password}
        [outcome] = ask(FhirAdapter(settings(login=login), httpx.ASGITransport(app=ehr)))
        assert type(outcome) is kind
        assert "wrong" not in repr(outcome)


@pytest.mark.parametrize(
    ("kind", "algorithm", "as_jwk"), [(ECKey, "ES384", False), (RSAKey, "RS384", False), (ECKey, "ES384", True)]
)
def test_smart_backend_services(tmp_path: Path, kind: type[ECKey | RSAKey], algorithm: str, as_jwk: bool) -> None:
    login, key = smart(tmp_path, kind, algorithm, as_jwk)
    ehr = FakeEhr(record(), login="smart")
    outcomes = ask(FhirAdapter(settings(**login), httpx.ASGITransport(app=ehr)), times=10)
    assert {type(one) for one in outcomes} == {Batch}
    assert len(ehr.assertions) == 1
    token = jwt.decode(ehr.assertions[0], key, algorithms=[algorithm])
    assert (token.header["kid"], token.header["alg"]) == ("k1", algorithm)
    assert (token.claims["iss"], token.claims["sub"], token.claims["aud"]) == ("gw", "gw", TOKEN_URL)
    assert 0 < token.claims["exp"] - time.time() <= 300


def test_a_token_that_is_no_longer_taken_is_renewed_once(tmp_path: Path) -> None:
    login, _ = smart(tmp_path, ECKey, "ES384")
    ehr = FakeEhr(record(), login="smart")

    async def story() -> None:
        adapter = FhirAdapter(settings(**login), httpx.ASGITransport(app=ehr))
        deadline = time.monotonic() + LONG
        query = AdapterQuery("p", ANNA_KEY, "bgz-3", "problem", "search-type", "Condition", FhirVersion.STU3, deadline)
        try:
            await adapter.find(query)
            ehr.tokens.append("another")
            await adapter.find(query)
        finally:
            await adapter.aclose()

    asyncio.run(story())
    assert len(ehr.assertions) == 2


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"error":"invalid_client"}', AdapterRefused),
        (200, b"<html>", AdapterRefused),
        (200, b'{"token":"x"}', AdapterRefused),
        (200, b'{"access_token":"a\\r\\nb"}', AdapterRefused),
        (200, b"x" * 100_000, AdapterRefused),
        (503, b"", AdapterDown),
        (302, b"", AdapterDown),
    ],
)
def test_what_a_login_server_can_do_wrong(tmp_path: Path, status: int, body: bytes, kind: type[AdapterError]) -> None:
    login, _ = smart(tmp_path, ECKey, "ES384")

    async def server(scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"] == "/token"
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    [outcome] = ask(FhirAdapter(settings(**login), httpx.ASGITransport(app=server)))
    assert type(outcome) is kind


@pytest.mark.parametrize("content", ["", "-----BEGIN nonsense", '{"kty":"oct","k":"AAAA"}'])
def test_a_key_that_cannot_sign_stops_the_start(tmp_path: Path, content: str) -> None:
    login, _ = smart(tmp_path, ECKey, "ES384")
    (tmp_path / "key").write_text(content)
    with pytest.raises(AdapterMisconfigured) as caught:
        FhirAdapter(settings(**login))
    assert "AAAA" not in str(caught.value)


@contextmanager
def mutual(ehr: FakeEhr, ca: trustme.CA, folder: Path) -> Iterator[str]:
    server_cert = ca.issue_cert("localhost")
    server_cert.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    config = uvicorn.Config(
        ehr,
        port=0,
        log_level="critical",
        lifespan="off",
        loop="asyncio",
        ssl_certfile=str(folder / "server.pem"),
        ssl_keyfile=str(folder / "server.pem"),
        ssl_ca_certs=str(folder / "ca.pem"),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield f"https://localhost:{server.servers[0].sockets[0].getsockname()[1]}/fhir"
    finally:
        server.should_exit = True
        thread.join(10)


def test_mutual_tls(tmp_path: Path) -> None:
    ca, other = trustme.CA(), trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    client = ca.issue_cert("gateway.test")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    shown = {"certificate_file": tmp_path / "client.pem", "key_file": tmp_path / "client.key"}
    with mutual(FakeEhr(record()), ca, tmp_path) as url:
        for tls, kind in (
            ({"ca_file": tmp_path / "ca.pem", **shown}, Batch),
            ({"ca_file": tmp_path / "ca.pem"}, AdapterDown),
            ({"ca_file": tmp_path / "other.pem", **shown}, AdapterDown),
        ):
            [outcome] = ask(FhirAdapter(settings(url=url, tls=tls)))
            assert type(outcome) is kind


def test_certificate_files_that_are_not_there_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(AdapterMisconfigured):
        FhirAdapter(settings(url="https://ehr.test/fhir", tls={"ca_file": tmp_path / "none.pem"}))
