"""Who may push: client credentials with a signed assertion, or mutual TLS; each source only as itself (issue 6)."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from databases import KINDS
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from sqlalchemy import text
from world.intake_house import House, house, patient, source

from auth.ports import Peer
from gateway.intake.login import LoginFault, read_keys
from gateway.intake.settings import IntakeSettings, SourceSettings
from gateway.settings import load, refusals

TOKEN_URL = "http://127.0.0.1:8090/intake/token"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    return {"epd": RSAKey.generate_key(2048, {"kid": "k1"}), "lab": ECKey.generate_key("P-256", {"kid": "k2"})}


def secured(folder: Path, keys: dict[str, Any]) -> dict[str, SourceSettings]:
    made = {}
    for name, key in keys.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(KeySet([key]).as_dict(private=False)))
        made[name] = source(auth={"kind": "private_key_jwt", "keys": str(file)})
    return made | {"pacs": source(auth={"kind": "mtls", "hosts": ["pacs.zandoord.example"]})}


@pytest.fixture(params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path: Path, keys: dict[str, Any]) -> Iterator[House]:
    with house(request.param, tmp_path, **secured(tmp_path, keys)) as found:
        yield found


def assertion(key: Any, name: str = "epd", **change: Any) -> str:
    now = int(time.time())
    claims = {"iss": name, "sub": name, "aud": TOKEN_URL, "exp": now + 240, "iat": now, "jti": str(uuid.uuid4())}
    algorithm = change.pop("alg", "RS384" if isinstance(key, RSAKey) else "ES256")
    kid = change.pop("kid", key.kid)
    claims = {name: value for name, value in (claims | change).items() if value is not None}
    return jwt.encode({"alg": algorithm, "kid": kid}, claims, key, algorithms=[algorithm])


def ask(hospital: House, signed: str, **change: str) -> httpx.Response:
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION, "client_assertion": signed}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return hospital.send("POST", "/intake/token", urlencode(form | change).encode(), headers=headers)


def put(hospital: House, name: str, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return hospital.send("PUT", f"/intake/{name}/Patient/p1", patient(), headers=headers).status_code


def test_a_signed_assertion_gives_a_token_for_one_source(hospital: House, keys: dict[str, Any]) -> None:
    answer = ask(hospital, assertion(keys["epd"]))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()["access_token"]
    assert answer.json()["expires_in"] <= 600
    assert put(hospital, "lab", token) == 401
    assert put(hospital, "epd", token) == 201
    assert put(hospital, "epd", "") == 401
    assert put(hospital, "epd", token[:-1]) == 401
    with hospital.engine.connect() as connection:
        kept = connection.execute(text("select digest from intake_token")).scalar_one()
    assert token.encode() not in bytes(kept)


def test_a_token_ends(hospital: House, keys: dict[str, Any]) -> None:
    token = ask(hospital, assertion(keys["epd"])).json()["access_token"]
    with hospital.engine.begin() as connection:
        connection.execute(text("update intake_token set expires = :now"), {"now": int(time.time()) - 1})
    assert put(hospital, "epd", token) == 401


def test_an_assertion_is_good_once(hospital: House, keys: dict[str, Any]) -> None:
    signed = assertion(keys["lab"], "lab")
    assert ask(hospital, signed).status_code == 200
    again = ask(hospital, signed)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")


def test_assertions_that_are_not_good(hospital: House, keys: dict[str, Any]) -> None:
    now, key = int(time.time()), keys["epd"]
    stranger = RSAKey.generate_key(2048, {"kid": "k1"})
    wrong = {
        "signed by another": assertion(stranger),
        "of another source": assertion(keys["lab"], "epd"),
        "unknown": assertion(key, "other"),
        "for another server": assertion(key, aud="https://elsewhere.example/token"),
        "expired": assertion(key, exp=now - 60),
        "too long": assertion(key, exp=now + 3600),
        "without end": assertion(key, exp=None),
        "not yet": assertion(key, nbf=now + 120),
        "without number": assertion(key, jti=None),
        "about another": assertion(key, sub="lab"),
        "no JWT": "a.b.c",
        "unsigned": ".".join((*assertion(key).split(".")[:2], "")),
        "none": "eyJhbGciOiJub25lIn0." + assertion(key).split(".")[1] + ".",
    }
    found = {name: ask(hospital, signed).status_code for name, signed in wrong.items()}
    assert found == dict.fromkeys(wrong, 401)
    assert ask(hospital, assertion(key), grant_type="password").json()["error"] == "unsupported_grant_type"
    assert ask(hospital, assertion(key), client_id="lab").status_code == 401
    assert hospital.count("intake_token") == 0


def test_mutual_tls_by_host_name(hospital: House) -> None:
    """A certificate of one host is not another source; a token does not stand in for a certificate."""

    logins = hospital.parts.logins
    assert logins.is_source("pacs", Peer(("pacs.zandoord.example",)), "")
    assert not logins.is_source("pacs", Peer(("epd.zandoord.example",)), "")
    assert not logins.is_source("pacs", Peer(None), "Bearer x")
    assert not logins.is_source("epd", Peer(("pacs.zandoord.example",)), "")
    assert put(hospital, "pacs", "") == 401


def test_keys_that_cannot_be_used_stop_the_start(tmp_path: Path) -> None:
    private = tmp_path / "private.json"
    private.write_text(json.dumps(KeySet([ECKey.generate_key("P-256")]).as_dict(private=True)))
    for file in (private, tmp_path / "absent.json"):
        with pytest.raises(LoginFault):
            read_keys(file)
    pem = tmp_path / "public.pem"
    pem.write_bytes(ECKey.generate_key("P-256").as_pem(private=False))
    assert len(read_keys(pem)) == 1


def test_production_refuses_an_open_door() -> None:
    settings = load().model_copy(update={"mode": "production", "intake": IntakeSettings(sources={"epd": source()})})
    assert any("intake.sources.epd.auth" in line for line in refusals(settings))
