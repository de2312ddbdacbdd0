"""The three dialects, delen and abonneren, and what clients may add (CT-03, CT-09 to CT-15, CT-94 to CT-97)."""

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from world.auth_house import FRONT, P1, P3, ZANDOORD, D, House, raw_query, returned

pytestmark = pytest.mark.anyio

NO_TRACE: dict[str, Any] = {"request_id": None, "correlation_id": None}


async def test_ct_03_a_long_state_comes_back_byte_for_byte(house: House) -> None:
    """CT-03, AUTH-09: 330 characters of base64url ending in `=`, not percent-encoded."""
    pgo = house.pgo()
    pgo.state = "Qx-_7" * 65 + "abcd="
    landing = await pgo.browser.get(f"{FRONT}/oauth/authorize?{raw_query(pgo.parameters())}")
    consent = await pgo.log_in(await pgo.to_login(landing), P1)
    answer = await pgo.submit(consent, "decide", decision="give")
    assert len(pgo.state) == 330
    assert answer.headers["location"].endswith(f"&state={pgo.state}")


@pytest.mark.parametrize("raw", ["a%3D%3D", "a+b", "a%20b", "%7e~", "a/b?c:d@e,f;g=h"])
async def test_auth_09_state_is_returned_as_it_was_written(house: House, raw: str) -> None:
    """AUTH-09: whatever the client's encoder did, it gets the same characters back."""
    pgo = house.pgo()
    query = raw_query({k: v for k, v in pgo.parameters(scope="onbekend").items() if k != "state"})
    answer = await pgo.browser.get(f"{FRONT}/oauth/authorize?{query}&state={raw}")
    assert answer.headers["location"].endswith(f"&state={raw}")


async def test_ct_09_dialect_m_one_combination(house: House) -> None:
    """CT-09: granted, same scope; no trace ids needed."""
    token = await house.pgo().tokens(scope=f"{ZANDOORD}~48", **NO_TRACE)
    assert token["scope"] == f"{ZANDOORD}~48"


async def test_ct_10_dialect_m_two_combinations(house: House) -> None:
    """CT-10."""
    token = await house.pgo().tokens(scope=f"{ZANDOORD}~48 {ZANDOORD}~65", **NO_TRACE)
    assert token["scope"] == f"{ZANDOORD}~48 {ZANDOORD}~65"


async def test_ct_11_dialect_l_on_a_path_of_the_provider(house_with: Callable[..., House]) -> None:
    """CT-11: bare service id, no trace ids; the path names the provider."""
    pgo = house_with(legacy_dialect=True).pgo()
    query = raw_query(pgo.parameters(scope="48", state=uuid.uuid4().hex, **NO_TRACE))
    landing = await pgo.browser.get(f"{FRONT}/oauth/{ZANDOORD}/authorize?{query}")
    code = await pgo.grant(await pgo.log_in(await pgo.to_login(landing), P1))
    token = (await pgo.token(code)).json()
    assert token["access_token"]
    assert (await pgo.check(token["access_token"])).services == {"48"}


async def test_ver_05_dialect_l_is_off_by_default(house: House) -> None:
    """VER-05: the path does not exist, and the general endpoint does not know bare ids."""
    pgo = house.pgo()
    assert (await pgo.browser.get(f"{FRONT}/oauth/{ZANDOORD}/authorize")).status_code == 404
    assert returned(await pgo.authorize(scope="48"))["error"] == "invalid_scope"


async def test_ct_12_the_java_client_of_dialect_m(house: House) -> None:
    """CT-12, TOKEN-01: `%7E` in the scope, client_id empty, parameters in the query of the POST."""
    pgo = house.pgo()
    query = raw_query(pgo.parameters(**NO_TRACE)).replace(f"scope={ZANDOORD}", f"scope={ZANDOORD}%7E48")
    landing = await pgo.browser.get(f"{FRONT}/oauth/authorize?{query}")
    code = await pgo.grant(await pgo.log_in(await pgo.to_login(landing), P1))
    form = {"grant_type": "authorization_code", "code": code, "client_id": "", "redirect_uri": pgo.redirect_uri}
    with pgo.connected():
        answer = await pgo.server.post(f"/oauth/token?{raw_query(form)}")
    assert answer.status_code == 200
    assert answer.json()["scope"] == f"{ZANDOORD}~48"


async def test_ct_12_dialect_c_needs_its_client_id(house: House) -> None:
    """TOKEN-03: the tolerance is for dialect M only."""
    pgo = house.pgo()
    answer = await pgo.token(await pgo.code(), client_id="")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_ct_13_a_redirect_uri_with_a_query(house: House) -> None:
    """CT-13: appended with `&`; the query that was there stays."""
    pgo = house.pgo()
    pgo.redirect_uri = f"https://{D}/cb?tenant=a%20b&x="
    answer = await pgo.submit(await pgo.to_consent(), "decide", decision="give")
    location = answer.headers["location"]
    assert location.startswith(pgo.redirect_uri + "&code=")
    assert set(parse_qs(urlsplit(location).query, keep_blank_values=True)) == {"tenant", "x", "code", "state"}


async def test_ct_14_unknown_parameters_are_ignored(house: House) -> None:
    """CT-14, AUTH-11, TOKEN-13: a code_challenge that means nothing included."""
    pgo = house.pgo()
    code = await pgo.code(prompt="none", code_challenge="abc", nonce="n", resource="https://x.example")
    answer = await pgo.token(code, unknown="1")
    assert answer.status_code == 200


async def test_ct_15_trace_ids_as_headers(house: House) -> None:
    """CT-15: accepted and logged."""
    pgo = house.pgo()
    query = raw_query(pgo.parameters(**NO_TRACE))
    ids = {"MedMij-Request-ID": str(uuid.uuid4()), "X-Correlation-ID": pgo.correlation}
    page = await pgo.browser.get(f"{FRONT}/oauth/authorize?{query}", headers=ids)
    assert page.status_code == 200
    assert {event.trace_id for event in house.host.events} == {pgo.correlation}


async def test_ct_94_delen_shows_a_confirmation(house: House) -> None:
    """AVL-07, SCOPE-07, CT-94, SHR-01, UI-11, DL-C13: receivability; no duration, no refresh token."""
    pgo = house.pgo()
    page = await pgo.to_consent(scope=f"{ZANDOORD}~53")
    assert "Mag Mijn Dossierboom gegevens sturen naar Ziekenhuis Zandoord?" in page.text
    assert 'name="duration"' not in page.text
    assert [test for test, _, _ in house.host.asked] == ["receivability"]
    answer = await pgo.submit(page, "decide", decision="give", duration="lasting")
    token = (await pgo.token(returned(answer)["code"])).json()
    assert token["scope"] == f"{ZANDOORD}~53"
    assert "refresh_token" not in token
    assert (await pgo.check(token["access_token"])).function == "share"


async def test_dl_c11_who_has_no_relation_is_told_on_a_page(house: House) -> None:
    """DL-C11, AVL-07, CT-53: a page without a confirmation; the client hears what it hears of any other refusal."""
    pgo = house.pgo()
    page = await pgo.to_consent(P3, scope=f"{ZANDOORD}~53")
    assert [test for test, _, _ in house.host.asked] == ["receivability"]
    assert "kent u niet" in page.text
    assert 'id="decide"' not in page.text
    told = await pgo.browser.get(f"{str(page.url).partition('?')[0]}/leave")
    assert returned(told)["error"] == "access_denied"
    pressed = await pgo.submit(await pgo.to_consent(P1, scope=f"{ZANDOORD}~53"), "decide", decision="refuse")
    assert (pressed.headers["location"], pressed.status_code) == (told.headers["location"], told.status_code)
    assert pressed.text == told.text


async def test_ct_94_delen_that_is_not_on_offer(house: House) -> None:
    """CT-94: absent from the provider's services."""
    assert returned(await house.pgo().authorize(scope="ggzdewadden~53"))["error"] == "invalid_scope"


@pytest.mark.parametrize(
    "scope", [f"{ZANDOORD}~53 {ZANDOORD}~48", f"{ZANDOORD}~53 {ZANDOORD}~53", f"subscribe~10/{ZANDOORD}~48"]
)
async def test_scope_03_one_share_service_alone(house: House, scope: str) -> None:
    """SCOPE-07, SCOPE-03, SCOPE-04: never mixed, and subscriptions only where the provider has them."""
    assert returned(await house.pgo().authorize(scope=scope))["error"] == "invalid_scope"


async def test_ct_95_a_subscription_is_shortened_to_the_maximum(house: House) -> None:
    """CT-95, SUB-04."""
    pgo = house.pgo()
    page = await pgo.to_consent(scope=f"subscribe~400/{ZANDOORD}~65")
    assert "365 dagen" in page.text
    answer = await pgo.submit(page, "decide", decision="give")
    token = (await pgo.token(returned(answer)["code"])).json()
    assert token["scope"] == f"subscribe~365/{ZANDOORD}~65"
    assert "refresh_token" not in token


async def test_ct_96_zero_days_ends_the_subscription(house: House) -> None:
    """CT-96: another screen, no availability test."""
    pgo = house.pgo()
    page = await pgo.to_consent(scope=f"subscribe~0/{ZANDOORD}~65")
    assert "Wilt u geen berichten meer?" in page.text
    assert house.host.asked == []
    answer = await pgo.submit(page, "decide", decision="give")
    assert (await pgo.token(returned(answer)["code"])).json()["scope"] == f"subscribe~0/{ZANDOORD}~65"


@pytest.mark.parametrize("days", ["-1", "x", "", "1.5", "01", "9999999"])
async def test_ct_96_days_that_are_no_number(house: House, days: str) -> None:
    """CT-96."""
    answer = await house.pgo().authorize(scope=f"subscribe~{days}/{ZANDOORD}~65")
    assert returned(answer)["error"] == "invalid_scope"


async def test_rfc_9207_iss_by_setting(house_with: Callable[..., House]) -> None:
    """RFC 9207: in answers and in refusals, when switched on."""
    pgo = house_with(issuer_parameter=True).pgo()
    answer = await pgo.submit(await pgo.to_consent(), "decide", decision="give")
    assert returned(answer)["iss"] == FRONT
    assert returned(await pgo.authorize(scope="onbekend"))["iss"] == FRONT


VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE: dict[str, Any] = {
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}


async def test_pkce_is_honoured_when_sent(house: House) -> None:
    """RFC 7636 with the example of its appendix B; RFC 9700 section 4.8."""
    pgo = house.pgo()
    assert (await pgo.token(await pgo.code(**CHALLENGE), code_verifier=VERIFIER)).status_code == 200
    wrong = await pgo.token(await pgo.code(**CHALLENGE), code_verifier=VERIFIER[::-1])
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")
    absent = await pgo.token(await pgo.code(**CHALLENGE))
    assert absent.status_code == 400
    downgraded = await pgo.token(await pgo.code(), code_verifier=VERIFIER)
    assert downgraded.status_code == 400


async def test_pkce_can_be_switched_off(house_with: Callable[..., House]) -> None:
    """AUTH-11 to the letter, for clients that send a challenge and no verifier."""
    pgo = house_with(pkce="ignore").pgo()
    assert (await pgo.token(await pgo.code(**CHALLENGE))).status_code == 200
