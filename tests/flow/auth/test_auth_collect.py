"""A person collects: the whole visit, from the client's link to the bearer check (CT-01 to CT-16)."""

import httpx
import pytest
from world.auth_house import FRONT, P1, P4, ZANDOORD, D, House, returned

pytestmark = pytest.mark.anyio


async def test_ct_01_the_landing_page_names_the_provider(house: House) -> None:
    """CT-01, UI-05: 200, the provider's name, a cookie that scripts cannot read."""
    page = await house.pgo().authorize()
    assert page.status_code == 200
    assert "Ziekenhuis Zandoord" in page.text
    assert "Mijn Dossierboom" in page.text
    cookie = page.headers["set-cookie"]
    assert cookie.startswith("__Host-")
    for part in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert part in cookie


async def test_ct_02_to_05_one_visit_gives_an_access_token(house: House) -> None:
    """CT-02, CT-04, CT-05, AUTH-13, TOKEN-10: code and state, then a token answer as the framework wants it."""
    pgo = house.pgo()
    consent = await pgo.to_consent(P1)
    assert consent.status_code == 200
    answer = await pgo.submit(consent, "decide", decision="give")
    back = returned(answer)
    assert set(back) == {"code", "state"}
    assert back["state"] == pgo.state
    token = await pgo.token(back["code"])
    assert token.status_code == 200
    assert token.headers["cache-control"] == "no-store"
    assert token.headers["pragma"] == "no-cache"
    assert token.headers["content-type"] == "application/json;charset=UTF-8"
    body = token.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 900
    assert body["scope"] == f"{ZANDOORD}~48 {ZANDOORD}~65"
    assert "refresh_token" not in body
    grant = await pgo.check(body["access_token"])
    assert (grant.client, grant.provider, grant.services) == (D, ZANDOORD, frozenset({"48", "65"}))
    assert house.auth.parts.ring.open("bsn", grant.sealed_bsn).decode() == P1


async def test_ct_08_services_without_data_are_left_out(house: House) -> None:
    """CT-08, AVL-05."""
    assert (await house.pgo().tokens(P4))["scope"] == f"{ZANDOORD}~48"


async def test_ct_06_a_lasting_consent_gives_a_refresh_token(house: House) -> None:
    """CT-06, CT-80, LTC-02, LTC-04: and it rotates."""
    pgo = house.pgo()
    first = await pgo.tokens(lasting=True)
    second = await pgo.refresh(first["refresh_token"])
    assert second.status_code == 200
    body = second.json()
    assert body["refresh_token"] != first["refresh_token"]
    assert body["access_token"] != first["access_token"]
    assert body["scope"] == first["scope"]
    assert (await pgo.check(body["access_token"])).provider == ZANDOORD


async def test_ct_16_no_client_id_is_a_page(house: House) -> None:
    """CT-16, ERR-01: nobody is redirected."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url=FRONT) as browser:
        page = await browser.get("/oauth/authorize")
    assert page.status_code == 400
    assert "location" not in page.headers
