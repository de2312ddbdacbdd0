"""Single logout: who logs out here logs out at the bridge, and the other way round (OpenID Connect and SAML 2.0)."""

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from lxml import etree
from world.auth_house import FRONT, IDP, P1, P4, House, Pgo
from world.saml_bridge import BASE, NS, OUT, STRANGER, SamlBridge, from_us, in_soap, page, signed, text_of

from auth.login.saml.client import SamlLogin, signing_of
from auth.login.saml.metadata import our_metadata
from gateway.app import is_back_channel

pytestmark = pytest.mark.anyio

BACK = f"{OUT}/back"


async def managing(pgo: Pgo, bsn: str = P1) -> httpx.Response:
    """The page "Mijn toestemmingen" of somebody who logged in."""
    shown = await pgo.to_login(await pgo.browser.get(f"{FRONT}/consents"))
    return shown if 'id="logout"' in shown.text else await pgo.log_in(shown, bsn)


def logged_in(page: httpx.Response) -> bool:
    return 'id="logout"' in page.text


async def again(pgo: Pgo, page: httpx.Response) -> httpx.Response:
    """The same page once more."""
    return await pgo.browser.get(str(page.url).partition("?")[0])


# --- OpenID Connect ------------------------------------------------------------------------------------------------


async def test_logging_out_goes_on_to_the_provider(house_with: Callable[..., House]) -> None:
    """RP-initiated logout by redirect: the address names nobody, and the browser comes back to a goodbye."""
    house = house_with(oidc={"single_logout": "redirect"})
    pgo = house.pgo()
    page = await managing(pgo)
    out = await pgo.submit(page, "logout")
    assert out.headers["location"].startswith(f"{IDP}/logout?")
    assert P1 not in out.headers["location"]
    assert "id_token_hint" not in out.headers["location"]
    bye = await pgo.follow(out)
    assert "U bent ook uitgelogd bij DigiD" in bye.text
    assert house.idp.logouts[-1]["post_logout_redirect_uri"] == f"{FRONT}/login/logged-out"
    assert not logged_in(await again(pgo, page))
    assert P1 not in house.dump()
    once_more = await pgo.browser.get(str(bye.url))
    assert (once_more.status_code, "ook uitgelogd" in once_more.text) == (200, False)


async def test_logging_out_with_the_id_token(house_with: Callable[..., House]) -> None:
    """RP-initiated logout by post: the ID token holds the number, so it goes in a form and in no address."""
    house = house_with(oidc={"single_logout": "post"})
    pgo = house.pgo()
    button = await pgo.submit(await managing(pgo), "logout")
    assert "Uitloggen bij DigiD" in button.text
    bye = await pgo.follow(await pgo.submit(button, "onward"))
    assert "U bent ook uitgelogd bij DigiD" in bye.text
    assert house.idp.logouts[-1]["id_token_hint"].count(".") == 2


async def test_without_single_logout_nothing_goes_to_the_provider(house: House) -> None:
    """Off, as it is unless it is set: goodbye here, no addresses for the bridge, no token kept."""
    pgo = house.pgo()
    bye = await pgo.submit(await managing(pgo), "logout")
    assert "U bent uitgelogd" in bye.text
    assert "DigiD" not in bye.text
    assert house.idp.logouts == []
    for method, url in (("GET", OUT), ("POST", BACK), ("GET", f"{FRONT}/login/logged-out")):
        assert (await pgo.browser.request(method, url)).status_code == 404


async def test_a_provider_that_cannot_be_reached(house_with: Callable[..., House]) -> None:
    """The person is logged out here whatever the provider does, and reads that it may not be so there."""
    house = house_with(oidc={"single_logout": "redirect", "jwks_seconds": 10})
    pgo = house.pgo()
    page = await managing(pgo)
    house.login._metadata = None  # type: ignore[attr-defined]
    house.idp_app.router.routes.clear()
    bye = await pgo.submit(page, "logout")
    assert "bent u misschien nog ingelogd" in bye.text
    assert not logged_in(await again(pgo, page))


async def tell(house: House, **claims: Any) -> httpx.Response:
    """Send a logout token of the provider."""
    return await send(house, {"logout_token": house.idp.logout_token(**claims)})


async def send(house: House, form: dict[str, str]) -> httpx.Response:
    """Post to the address for the provider's server."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app)) as provider:
        return await provider.post(BACK, data=form)


async def test_the_provider_tells_of_a_logout(house_with: Callable[..., House]) -> None:
    """Back-channel logout of one session: never of another, no consent ends, and a second time nothing happens."""
    house = house_with(oidc={"single_logout": "redirect"})
    token = await house.pgo().tokens(lasting=True)
    mine, other = house.pgo(), house.pgo()
    page, others = await managing(mine), await managing(other, P4)
    _, (_, session), _ = house.idp.sessions
    told = await tell(house, sid=session)
    assert (told.status_code, told.headers["cache-control"]) == (200, "no-store")
    assert not logged_in(await again(mine, page))
    assert logged_in(await again(other, others))
    assert (await tell(house, sid=session)).status_code == 200
    await house.pgo().check(token["access_token"])


async def test_a_logout_of_a_person_and_of_a_visit_half_way(house_with: Callable[..., House]) -> None:
    """By subject alone; a visit that waits for consent ends too, and an old token ends no later login."""
    house = house_with(oidc={"single_logout": "redirect"})
    pgo = house.pgo()
    consent = await pgo.to_consent()
    ((subject, session),) = house.idp.sessions
    old = int(time.time()) - 200
    assert (await tell(house, sub=subject, iat=old)).status_code == 200
    assert "decide" in (await again(pgo, consent)).text, "it was said before this login"
    assert (await tell(house, sub="somebody else", sid=session)).status_code == 200
    assert "decide" in (await again(pgo, consent)).text
    assert (await tell(house, sub=subject)).status_code == 200
    assert "decide" not in (await again(pgo, consent)).text
    assert "access_denied" not in (await pgo.submit(consent, "decide", decision="give")).headers.get("location", "")


OTHER = ECKey.generate_key("P-256", {"kid": "x"})
WRONG: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "webshop"},
    "another issuer": {"iss": "https://evil.example"},
    "no event": {"events": None},
    "another event": {"events": {"urn:example:login": {}}},
    "a nonce: an ID token": {"nonce": "n"},
    "nobody": {"sid": None},
    "no id of its own": {"jti": None},
    "an hour old": {"iat": int(time.time()) - 3600},
    "of tomorrow": {"iat": int(time.time()) + 86_400},
    "no moment": {"iat": None},
    "past its end": {"exp": int(time.time()) - 3600},
}


async def test_logout_tokens_that_are_refused(house_with: Callable[..., House]) -> None:
    """Signature, audience, moment and kind, as of every token; the session goes on."""
    house = house_with(oidc={"single_logout": "redirect"})
    pgo = house.pgo()
    page = await managing(pgo)
    ((_, session),) = house.idp.sessions
    for case, claims in WRONG.items():
        assert (await tell(house, **{"sid": session, **claims})).status_code == 400, case
    forged = jwt.encode({"alg": "ES256", "kid": "x"}, {"sid": session}, OTHER)
    unsigned = f"eyJhbGciOiJub25lIn0.{house.idp.logout_token(sid=session).split('.')[1]}."
    for token in (forged, unsigned, "", "a.b.c"):
        assert (await send(house, {"logout_token": token})).status_code == 400
    assert (await send(house, {})).status_code == 400
    assert (await send(house, {"logout_token": "x" * 400_000})).status_code == 400
    assert logged_in(await again(pgo, page))


async def test_the_frame_of_the_provider(house_with: Callable[..., House]) -> None:
    """Front-channel logout: issuer and session together; the answer may stand in a frame of the provider only."""
    house = house_with(oidc={"single_logout": "redirect"})
    pgo = house.pgo()
    page = await managing(pgo)
    ((_, session),) = house.idp.sessions
    for query in ({"sid": session}, {"iss": "https://evil.example", "sid": session}, {"iss": IDP}, {}):
        assert (await house.pgo().browser.get(OUT, params=query)).status_code == 400
    assert logged_in(await again(pgo, page))
    framed = await house.pgo().browser.get(OUT, params={"iss": IDP, "sid": session})
    assert framed.status_code == 200
    assert framed.headers["content-security-policy"] == "default-src 'none'; frame-ancestors https://inloggen.example"
    assert "x-frame-options" not in framed.headers
    assert not logged_in(await again(pgo, page))


# --- SAML 2.0 ------------------------------------------------------------------------------------------------------


def saml_house(house_with: Callable[..., House], bridge: SamlBridge, folder: Path, **changes: Any) -> House:
    """A house whose people log in, and out, at this bridge."""
    settings = bridge.settings(folder, **{"single_logout": True, **changes})
    house = house_with(login=SamlLogin(settings, bridge.transport), saml=settings)
    house.mounts[BASE] = bridge.transport
    return house


async def test_logging_out_at_a_saml_bridge(house_with: Callable[..., House], tmp_path: Path) -> None:
    """From server to server where that is taken: the name and the session, signed, and nothing in the browser."""
    bridge = SamlBridge(f"s00000000:{P1}", {"index": 'SessionIndex="_s1"'})
    house = saml_house(house_with, bridge, tmp_path)
    pgo = house.pgo()
    page = await managing(pgo)
    bye = await pgo.submit(page, "logout")
    assert "U bent ook uitgelogd bij DigiD" in bye.text
    (asked,) = bridge.logouts
    assert asked.findtext("saml:NameID", namespaces=NS) == f"s00000000:{P1}"
    assert asked.findtext("samlp:SessionIndex", namespaces=NS) == "_s1"
    assert asked.get("Destination") == f"{BASE}/slo-soap"
    assert not logged_in(await again(pgo, page))
    assert P1 not in house.dump()


@pytest.mark.parametrize("way", ["HTTP-POST", "HTTP-Redirect"])
async def test_logging_out_with_the_browser(way: str, house_with: Callable[..., House], tmp_path: Path) -> None:
    """By form, or by redirect when the name is no citizen number; the answer is held to our request."""
    bridge = SamlBridge("_transient", {"attributes": bsn_attribute()}, logout_ways=(way,))
    house = saml_house(house_with, bridge, tmp_path, claims={"bsn": "bsn"})
    for answers, words in ((None, "ook uitgelogd bij DigiD"), ("_another", "U kunt deze pagina sluiten")):
        pgo = house.pgo()
        bridge.values.pop("logout_to", None)
        if answers is not None:
            bridge.values["logout_to"] = answers
        out = await pgo.submit(await managing(pgo), "logout")
        bye = await pgo.follow(await pgo.submit(out, "onward") if way == "HTTP-POST" else out)
        assert words in bye.text
        assert ("ook uitgelogd" in bye.text) is (answers is None)
    assert len(bridge.logouts) == 2


def bsn_attribute() -> str:
    return (
        '<saml:AttributeStatement><saml:Attribute Name="bsn"><saml:AttributeValue>'
        f"{P1}</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>"
    )


async def test_a_citizen_number_never_goes_in_an_address(house_with: Callable[..., House], tmp_path: Path) -> None:
    """A bridge that takes a logout by redirect only, and whose name is the number: here alone, and said so."""
    bridge = SamlBridge(P1, logout_ways=("HTTP-Redirect",))
    pgo = saml_house(house_with, bridge, tmp_path).pgo()
    bye = await pgo.submit(await managing(pgo), "logout")
    assert "bent u misschien nog ingelogd" in bye.text
    assert bridge.logouts == []


async def test_a_saml_bridge_that_refuses_a_logout(house_with: Callable[..., House], tmp_path: Path) -> None:
    """Another status, or an answer to another request: the person reads that it may not be so there."""
    partial = "urn:oasis:names:tc:SAML:2.0:status:Responder"
    for bridge in (SamlBridge(P1, logout_status=partial), SamlBridge(P1, {"logout_to": "_other"})):
        pgo = saml_house(house_with, bridge, tmp_path).pgo()
        page = await managing(pgo)
        assert "bent u misschien nog ingelogd" in (await pgo.submit(page, "logout")).text
        assert not logged_in(await again(pgo, page))


async def test_the_bridge_tells_us_while_we_tell_the_bridge(house_with: Callable[..., House], tmp_path: Path) -> None:
    """A bridge that tells everybody, us too, before it answers our own logout: one goodbye, no fault."""
    bridge = SamlBridge(P1)
    house = saml_house(house_with, bridge, tmp_path)

    async def everybody() -> None:
        request = in_soap(signed(bridge.logout_request(P1, destination=BACK)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app)) as server:
            assert (await server.post(BACK, content=request)).status_code == 200

    bridge.during_logout = everybody
    pgo = house.pgo()
    assert "ook uitgelogd bij DigiD" in (await pgo.submit(await managing(pgo), "logout")).text


async def test_a_saml_bridge_tells_of_a_logout(house_with: Callable[..., House], tmp_path: Path) -> None:
    """Over SOAP, by redirect and by form: the session ends, and the bridge gets a signed answer to its request."""
    bridge = SamlBridge(P1, {"index": 'SessionIndex="_s1"'})
    house = saml_house(house_with, bridge, tmp_path)

    async def ended(pgo: Pgo, shown: httpx.Response) -> bool:
        return not logged_in(await again(pgo, shown))

    pgo = house.pgo()
    shown = await managing(pgo)
    other = in_soap(signed(bridge.logout_request(P1, "_s2", destination=BACK)))
    assert (await pgo.browser.post(BACK, content=other)).status_code == 200
    assert not await ended(pgo, shown), "another session of the same person"
    right = in_soap(signed(bridge.logout_request(P1, "_s1", destination=BACK)))
    told = await pgo.browser.post(BACK, content=right)
    answer = etree.fromstring(told.content).find("soap:Body/samlp:LogoutResponse", NS)
    assert answer is not None
    assert from_us(answer).get("InResponseTo") == "_logout"
    assert await ended(pgo, shown)

    shown = await managing(pgo)
    back = await pgo.browser.get(bridge.redirect("SAMLRequest", bridge.logout_request(P1), OUT, "their state"))
    assert back.headers["location"].startswith(f"{BASE}/slo?SAMLResponse=")
    assert (await pgo.browser.get(back.headers["location"])).text == "logged out everywhere"
    assert await ended(pgo, shown)

    shown = await managing(pgo)
    form = page(OUT, {"SAMLRequest": encoded(signed(bridge.logout_request(P1))), "RelayState": "x"})
    posted = await pgo.submit(httpx.Response(200, content=form.body, request=httpx.Request("GET", BASE)), "back")
    assert "Terug naar DigiD" in posted.text
    assert (await pgo.submit(posted, "onward")).text == "logged out everywhere"
    assert await ended(pgo, shown)
    assert [message.get("InResponseTo") for message in bridge.answers] == ["_logout", "_logout"]


def encoded(xml: str) -> str:
    return base64.b64encode(xml.encode()).decode()


async def test_saml_logouts_that_are_refused(house_with: Callable[..., House], tmp_path: Path) -> None:
    """Unsigned, of a stranger, changed, old, for another, of another: the session goes on."""
    bridge = SamlBridge(P1)
    house = saml_house(house_with, bridge, tmp_path)
    pgo = house.pgo()
    shown = await managing(pgo)
    old = text_of(datetime.now(UTC) - timedelta(hours=1))
    of_us = {"destination": BACK}
    for why, xml in {
        "unsigned": bridge.logout_request(P1, **of_us),
        "a stranger": signed(bridge.logout_request(P1, **of_us), STRANGER),
        "changed": signed(bridge.logout_request(P4, **of_us)).replace(P4, P1),
        "old": signed(bridge.logout_request(P1, instant=old, **of_us)),
        "another issuer": signed(bridge.logout_request(P1, issuer="urn:example:other", **of_us)),
        "for another": signed(bridge.logout_request(P1, destination="https://evil.example/out")),
        "nobody": signed(bridge.logout_request("", **of_us)),
        "no logout": "<nothing/>",
    }.items():
        assert (await pgo.browser.post(BACK, content=in_soap(xml))).status_code == 400, why
    right = bridge.redirect("SAMLRequest", bridge.logout_request(P1), OUT, "s")
    for why, address in {
        "signed by a stranger": bridge.redirect("SAMLRequest", bridge.logout_request(P1), OUT, pair=STRANGER),
        "another state": right.replace("RelayState=s", "RelayState=t"),
        "no signature": right.partition("&Signature=")[0],
        "SHA-1": right.replace("2001%2F04%2Fxmldsig-more%23rsa-sha256", "2000%2F09%2Fxmldsig%23rsa-sha1"),
        "twice": f"{right}&SAMLRequest=x",
        "for another place": bridge.redirect("SAMLRequest", bridge.logout_request(P1, destination=BACK), OUT),
        "as an answer": bridge.redirect("SAMLResponse", bridge.logout_request(P1), OUT),
        "a bomb": bridge.redirect("SAMLRequest", bridge.logout_request(P1) + " " * 900_000, OUT),
    }.items():
        assert (await pgo.browser.get(address)).status_code == 400, why
    posted = await pgo.browser.post(OUT, data={"SAMLRequest": encoded(bridge.logout_request(P1))})
    assert posted.status_code == 400
    assert logged_in(await again(pgo, shown))


def test_single_logout_needs_a_bridge_that_offers_it(tmp_path: Path) -> None:
    """One clear line at the start; and our metadata name the places where the bridge tells us."""
    bridge = SamlBridge(P1, logout_ways=())
    with pytest.raises(ValueError, match="offers no single logout"):
        SamlLogin(bridge.settings(tmp_path, single_logout=True), bridge.transport)
    settings = SamlBridge(P1).settings(tmp_path, single_logout=True, answers=("artifact", "post"))
    metadata = our_metadata(settings, signing_of(settings).certificate, FRONT).decode()
    assert metadata.count(f'Location="{OUT}"') == 2
    assert metadata.count(f'Location="{BACK}"') == 1
    assert metadata.count(f'Location="{FRONT}/login/callback"') == 2


def test_the_bridge_is_no_member_of_the_network() -> None:
    """TLS-07: its addresses ask for no client certificate; what lies beside them does."""
    for path in ("/login/callback", "/login/logged-out", "/login/logout", "/login/logout/back"):
        assert not is_back_channel(path), path
    assert is_back_channel("/login/logout/back/more")
    assert is_back_channel("/oauth/token")
