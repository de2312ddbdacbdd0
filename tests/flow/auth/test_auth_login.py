"""The login against a provider that lies: claims, signatures, and a provider that is down (CT-47, CT-48, IDN)."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from world.auth_house import CARER, IDP, P1, House

from auth.bridges import OidcSettings
from auth.login.oidc import OidcLogin
from auth.login.port import Identity, LoginAsk, LoginCancelled, LoginFailed, LoginUnavailable
from auth.ports import Level, Representation

pytestmark = pytest.mark.anyio

KEY = ECKey.generate_key("P-256", {"kid": "one"})
OTHER = ECKey.generate_key("P-256", {"kid": "one"})
CALLBACK = "https://medmij.zandoord.example/login/callback"
ASK = LoginAsk(state="s.1", callback=CALLBACK, level=Level.MIDDEN)
MIDDEN = "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract"


class Bridge:
    """A provider whose answers a test can bend."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.key: Any = KEY
        self.header: dict[str, Any] = {"alg": "ES256", "kid": "one"}
        self.keys = KeySet([KEY]).as_dict(private=False)
        self.metadata: dict[str, Any] = {
            "issuer": IDP,
            "authorization_endpoint": f"{IDP}/authorize",
            "token_endpoint": f"{IDP}/token",
            "jwks_uri": f"{IDP}/jwks",
        }
        self.token_status = 200
        self.token_request: dict[str, str] = {}
        self.authorization = ""
        self.raw: str | None = None
        self.calls: list[str] = []
        routes = [
            Route("/idp/.well-known/openid-configuration", lambda request: self._json(request, self.metadata)),
            Route("/idp/jwks", lambda request: self._json(request, self.keys)),
            Route("/idp/token", self.token, methods=["POST"]),
        ]
        self.transport = httpx.ASGITransport(Starlette(routes=routes))

    def _json(self, request: Request, body: Mapping[str, Any]) -> Response:
        self.calls.append(request.url.path)
        return JSONResponse(body)

    async def token(self, request: Request) -> Response:
        self.calls.append(request.url.path)
        self.token_request = {name: str(value) for name, value in (await request.form()).items()}
        self.authorization = request.headers.get("authorization", "")
        if self.token_status != 200:
            return JSONResponse({"error": "invalid_grant"}, self.token_status)
        id_token = self.raw or jwt.encode(
            self.header, self.claims, self.key, algorithms=["ES256", "RS256", "HS256", "none"]
        )
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": id_token})


async def log_in(
    bridge: Bridge, changes: dict[str, Any] | None = None, settings: OidcSettings | None = None, **answer: str
) -> Identity:
    """One login; `changes` to the claims of a right ID token, None removes."""
    settings = settings or OidcSettings(issuer=IDP)
    login = OidcLogin(settings, bridge.transport)
    start = await login.start(ASK)
    now = int(time.time())
    right = {
        "iss": IDP, "aud": settings.client_id, "sub": "x", "iat": now, "exp": now + 60, "auth_time": now,
        "nonce": start.kept["nonce"], "bsn": P1, "acr": MIDDEN,
    }  # fmt: skip
    bridge.claims = {k: v for k, v in {**right, **(changes or {})}.items() if v is not None}
    return await login.finish({"code": "c", "state": "s.1", **answer}, start.kept, ASK, datetime.now(UTC))


async def test_idn_01_a_right_login() -> None:
    """IDN-01, AUTH-18: PKCE, nonce, a fresh login, the levels that suffice; the identity without the number in repr."""
    bridge = Bridge()
    login = OidcLogin(OidcSettings(issuer=IDP), bridge.transport)
    query = {k: v[0] for k, v in parse_qs(urlsplit((await login.start(ASK)).url).query).items()}
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert (query["prompt"], query["max_age"], query["redirect_uri"]) == ("login", "0", CALLBACK)
    assert MIDDEN in query["acr_values"]
    assert "PasswordProtected" not in query["acr_values"]
    assert query["nonce"]
    identity = await log_in(bridge, {"birthdate": "1980-05-17"})
    assert (identity.bsn, identity.level, str(identity.birth_date)) == (P1, Level.MIDDEN, "1980-05-17")
    assert P1 not in repr(identity)
    assert bridge.token_request["code_verifier"]


async def test_idn_01_representation() -> None:
    """REP-02: the representative in `act`, with the kind."""
    found = await log_in(Bridge(), {"act": {"bsn": CARER}, "representation": "voluntary"})
    assert (found.actor_bsn, found.representation) == (CARER, Representation.VOLUNTARY)


WRONG: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "other-client"},
    "another issuer": {"iss": "https://evil.example"},
    "several audiences without azp": {"aud": ["medmij-gateway", "other"]},
    "azp of another": {"aud": ["medmij-gateway", "other"], "azp": "other"},
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "expired": {"exp": int(time.time()) - 120},
    "from the future": {"iat": int(time.time()) + 3600},
    "not yet valid": {"nbf": int(time.time()) + 3600},
    "no auth_time": {"auth_time": None},
    "an old login": {"auth_time": int(time.time()) - 3600},
    "a login in the future": {"auth_time": int(time.time()) + 3600},
    "auth_time as text": {"auth_time": "now"},
    "no number": {"bsn": None},
    "a number that fails the eleven test": {"bsn": "999990018"},
    "a number that is a number": {"bsn": int(P1)},
    "no level": {"acr": None},
    "an unknown level": {"acr": "https://eidas.example/high"},
    "a birth date that is none": {"birthdate": "17-05-1980"},
    "half a representation": {"act": {"bsn": CARER}},
    "the other half": {"representation": "voluntary"},
    "an unknown kind": {"act": {"bsn": CARER}, "representation": "friendship"},
    "no subject": {"sub": None},
}


@pytest.mark.parametrize("case", WRONG)
async def test_ct_48_id_tokens_that_are_refused(case: str) -> None:
    """CT-48, IDN-08: signed well, but saying something wrong."""
    with pytest.raises(LoginFailed) as refused:
        await log_in(Bridge(), WRONG[case])
    assert P1 not in str(refused.value)


async def test_ct_48_signatures_that_are_refused() -> None:
    """Another key, no signature, a public key used as a secret, rubbish."""
    bridge = Bridge()
    bridge.key = OTHER
    with pytest.raises(LoginFailed, match="signature"):
        await log_in(bridge)
    bridge = Bridge()
    secret = json.dumps(KEY.as_dict(private=False)).encode()
    bridge.key, bridge.header = OctKey.import_key(secret), {"alg": "HS256", "kid": "one"}
    with pytest.raises(LoginFailed, match="signature"):
        await log_in(bridge)
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for raw in (f"{head}.{base64.urlsafe_b64encode(b'{}').decode().rstrip('=')}.", "a.b.c", "rubbish", "x" * 100_000):
        bridge = Bridge()
        bridge.raw = raw
        with pytest.raises(LoginFailed, match="signature"):
            await log_in(bridge)


async def test_a_new_signing_key_is_looked_up() -> None:
    """Key rotation at the provider: an unknown key id makes us fetch the keys again, not at every attempt."""
    bridge = Bridge()
    login = OidcLogin(OidcSettings(issuer=IDP), bridge.transport)
    start = await login.start(ASK)
    now = int(time.time())
    bridge.claims = {
        "iss": IDP, "aud": "medmij-gateway", "sub": "x", "iat": now, "exp": now + 60, "auth_time": now,
        "nonce": start.kept["nonce"], "bsn": P1, "acr": MIDDEN,
    }  # fmt: skip
    assert (await login.finish({"code": "c"}, start.kept, ASK, datetime.now(UTC))).bsn == P1
    two = ECKey.generate_key("P-256", {"kid": "two"})
    bridge.key, bridge.header, bridge.keys = two, {"alg": "ES256", "kid": "two"}, KeySet([two]).as_dict(private=False)
    with pytest.raises(LoginFailed):
        await login.finish({"code": "c"}, start.kept, ASK, datetime.now(UTC))
    assert bridge.calls.count("/idp/jwks") == 1, "fetched less than five seconds ago"
    login._keys = (time.monotonic() - 6, login._keys[1])  # type: ignore[index]
    assert (await login.finish({"code": "c"}, start.kept, ASK, datetime.now(UTC))).bsn == P1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("access_denied", LoginCancelled),
        ("login_required", LoginFailed),
        ("invalid_request", LoginFailed),
        ("temporarily_unavailable", LoginUnavailable),
        ("server_error", LoginUnavailable),
    ],
)
async def test_idn_08_error_answers(error: str, outcome: type[Exception]) -> None:
    """IDN-08, ERR-12, ERR-13, ERR-18."""
    with pytest.raises(outcome):
        await log_in(Bridge(), error=error)


async def test_answers_of_another_provider_are_refused() -> None:
    """RFC 9207: mix-up."""
    with pytest.raises(LoginFailed, match="other-issuer"):
        await log_in(Bridge(), iss="https://evil.example")


async def test_a_code_that_the_provider_refuses() -> None:
    """A replayed or foreign code."""
    bridge = Bridge()
    bridge.token_status = 400
    with pytest.raises(LoginFailed, match="code-refused"):
        await log_in(bridge)


@pytest.mark.parametrize(
    "metadata",
    [{}, {**Bridge().metadata, "issuer": "https://evil.example"}, {"issuer": IDP, "token_endpoint": 1}],
)
async def test_metadata_that_do_not_fit(metadata: dict[str, Any]) -> None:
    """The issuer in the metadata must be the one in the settings."""
    bridge = Bridge()
    bridge.metadata = metadata
    with pytest.raises(LoginUnavailable):
        await log_in(bridge)


class Down(httpx.AsyncBaseTransport):
    """A provider that does not answer."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("down", request=request)


async def test_err_18_the_provider_is_down(house_with: Callable[..., House]) -> None:
    """ERR-18: 503 with a link that carries temporarily_unavailable."""
    house = house_with(login=OidcLogin(OidcSettings(issuer=IDP), Down()))
    pgo = house.pgo()
    page = await pgo.submit(await pgo.authorize(), "continue")
    assert page.status_code == 503
    assert "error=temporarily_unavailable" in page.text


async def test_private_key_jwt(tmp_path: Path) -> None:
    """The client proves itself with a signed assertion, when a key is configured; with a secret otherwise."""
    key = ec.generate_private_key(ec.SECP256R1())
    file = tmp_path / "client.pem"
    no_password = serialization.NoEncryption()
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password))
    bridge = Bridge()
    await log_in(bridge, None, OidcSettings(issuer=IDP, private_key_file=str(file), private_key_id="k1"))
    assertion = jwt.decode(bridge.token_request["client_assertion"], ECKey.import_key(file.read_bytes()))
    assert assertion.header["kid"] == "k1"
    assert (assertion.claims["iss"], assertion.claims["sub"]) == ("medmij-gateway", "medmij-gateway")
    assert assertion.claims["aud"] == f"{IDP}/token"
    assert assertion.claims["exp"] > time.time()
    assert assertion.claims["jti"]
    await log_in(bridge, None, OidcSettings(issuer=IDP, client_secret="geheim"))
    assert bridge.authorization == "Basic " + base64.b64encode(b"medmij-gateway:geheim").decode()


async def test_claims_of_another_bridge() -> None:
    """The names are settings: a dotted path, a URN, DigiD's own notation of the number."""
    names = {"bsn": "urn:nl:bsn", "level": "loa", "actor_bsn": "mandate.actor", "representation": "mandate.kind"}
    settings = OidcSettings(issuer=IDP, claims=names, levels={"substantial": Level.SUBSTANTIEEL})
    claims = {
        "bsn": None, "acr": None, "urn:nl:bsn": f"s00000000:{P1}", "loa": "substantial",
        "mandate": {"actor": CARER, "kind": "parental"},
    }  # fmt: skip
    found = await log_in(Bridge(), claims, settings)
    assert (found.bsn, found.level, found.actor_bsn) == (P1, Level.SUBSTANTIEEL, CARER)
    assert found.representation is Representation.PARENTAL


async def test_the_provider_in_the_box_refuses_strangers(house: House) -> None:
    """The test provider knows one client and its callbacks, and its codes work once."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.idp_app), base_url=IDP) as browser:
        wrong = {"client_id": "medmij-gateway", "redirect_uri": "https://evil.example/cb", "response_type": "code"}
        assert (await browser.get("/authorize", params=wrong)).status_code == 400
        assert (await browser.post("/login", data={"ticket": "x"})).status_code == 400
        assert (await browser.post("/token", data={"code": "x"})).status_code == 400
