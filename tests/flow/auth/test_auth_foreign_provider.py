"""The login against an OpenID Connect provider that is not ours: npm `oidc-provider`, over HTTP (issue: login).

Its folder is `OIDC_PROVIDER_FOLDER`, or is made once under var/ from the npm registry.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey
from servers import free_port
from world.auth_house import FRONT, P1, House, Pgo

from auth.bridges import OidcSettings
from auth.login.oidc import OidcLogin

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[3]
PIN = "oidc-provider@9.13.3"
MIDDEN = "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract"
SECRET = "only-for-tests-only-for-tests-only"


def _folder() -> Path:
    given = os.environ.get("OIDC_PROVIDER_FOLDER")
    folder = Path(given) if given else ROOT / "var" / "oidc-provider"
    if not (folder / "node_modules" / "oidc-provider").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        try:
            npm = ["npm", "install", "--no-audit", "--no-fund", "--silent", PIN]
            subprocess.run(npm, cwd=folder, check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError):
            pytest.skip(f"no npm registry; set OIDC_PROVIDER_FOLDER to a folder where {PIN} is installed")
    shutil.copy(ROOT / "tests" / "world" / "oidc_provider.mjs", folder / "serve.mjs")
    return folder


@pytest.fixture(scope="module", params=["client_secret_basic", "private_key_jwt"])
def bridge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcSettings]:
    """The provider on a port of its own, and the settings that reach it."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    client: dict[str, Any] = {
        "client_id": "medmij-gateway",
        "redirect_uris": [f"{FRONT}/login/callback"],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": request.param,
        "id_token_signed_response_alg": "ES256",
    }
    settings: dict[str, Any] = {"issuer": issuer}
    if request.param == "private_key_jwt":
        key = ec.generate_private_key(ec.SECP256R1())
        file = tmp_path_factory.mktemp("bridge") / "client.pem"
        no_password = serialization.NoEncryption()
        file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password))
        public = ECKey.import_key(key.public_key()).as_dict(private=False)
        client |= {"jwks": {"keys": [{**public, "kid": "k1"}]}, "token_endpoint_auth_signing_alg": "ES256"}
        settings |= {"private_key_file": str(file), "private_key_id": "k1"}
    else:
        client["client_secret"] = settings["client_secret"] = SECRET
    told = json.dumps({"issuer": issuer, "port": port, "client": client, "acr": MIDDEN})
    process = subprocess.Popen(
        ["node", "serve.mjs", told], cwd=_folder(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        assert any(line.strip() == "ready" for line in process.stdout)
        yield OidcSettings(**settings)
    finally:
        process.terminate()
        process.communicate(timeout=10)


async def _at_bridge(pgo: Pgo, browser: httpx.AsyncClient, query: str) -> httpx.Response:
    """From the landing page through the bridge's own redirects, back to our callback; the page after it."""
    answer = await pgo.submit(await pgo.authorize(), "continue")
    while not answer.headers["location"].startswith(FRONT):
        url = httpx.URL(str(answer.url)).join(answer.headers["location"])
        if url.path.startswith("/interaction/"):
            url = url.copy_with(query=query.encode())
        answer = await browser.get(str(url))
        assert answer.is_redirect, answer.text[:500]
    return await pgo.follow(await pgo.browser.get(answer.headers["location"]))


async def test_idn_01_a_visit_through_a_real_provider(house_with: Callable[..., House], bridge: OidcSettings) -> None:
    """IDN-01: PKCE, nonce, level and freshness as another implementation understands them."""
    pgo = house_with(login=OidcLogin(bridge)).pgo()
    async with httpx.AsyncClient(verify=False) as browser:
        consent = await _at_bridge(pgo, browser, f"bsn={P1}")
    token = (await pgo.token(await pgo.grant(consent))).json()
    assert (await pgo.check(token["access_token"])).subject == pgo.house.auth.parts.pseudonyms.of(P1)


async def test_ct_46_cancelling_at_a_real_provider(house_with: Callable[..., House], bridge: OidcSettings) -> None:
    """CT-46: its error answer is a cancellation."""
    pgo = house_with(login=OidcLogin(bridge)).pgo()
    async with httpx.AsyncClient(verify=False) as browser:
        page = await _at_bridge(pgo, browser, "")
    assert "U bent gestopt met inloggen" in page.text
