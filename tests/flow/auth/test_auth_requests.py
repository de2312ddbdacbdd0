"""Authorization requests that go no further: which get a page, which go back to the client (CT-16 to CT-44, CT-100)."""

from urllib.parse import urlencode

import pytest
from sqlalchemy import Engine
from world.auth_house import FRONT, WHITELIST_ONLY, ZANDOORD, D, G, House, empty, returned

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine(engines: dict[str, Engine]) -> Engine:
    """Refused requests leave nothing in a database: one kind is enough here."""
    empty(engines["sqlite"])
    return engines["sqlite"]


PAGES: dict[str, dict[str, str | None]] = {
    "CT-16 no client_id": {"client_id": None},
    "CT-17 client_id not on the list": {"client_id": "pgo.onbekend.example"},
    "CT-17 client_id in upper case": {"client_id": D.upper()},
    "CT-18 on the whitelist only": {"client_id": WHITELIST_ONLY, "redirect_uri": f"https://{WHITELIST_ONLY}/cb"},
    "CT-20 no redirect_uri": {"redirect_uri": None},
    "CT-20 redirect_uri empty": {"redirect_uri": ""},
    "CT-21 http": {"redirect_uri": f"http://{D}/cb"},
    "CT-22 the host as a prefix": {"redirect_uri": f"https://{D}.evil.example/cb"},
    "CT-23 a port": {"redirect_uri": f"https://{D}:8443/cb"},
    "CT-23 the default port": {"redirect_uri": f"https://{D}:443/cb"},
    "CT-24 user-info": {"redirect_uri": f"https://{D}@evil.example/"},
    "CT-25 a fragment": {"redirect_uri": f"https://{D}/cb#x"},
    "CT-25 an empty fragment": {"redirect_uri": f"https://{D}/cb#"},
    "CT-26 another client's host": {"redirect_uri": f"https://{G}/cb"},
    "CT-28 upper case": {"redirect_uri": f"https://{D.upper()}/cb"},
}


@pytest.mark.parametrize("case", PAGES)
async def test_ct_16_to_28_a_page_and_no_redirect(house: House, case: str) -> None:
    """CT-16 to CT-28, ERR-01, ERR-02: 400, no Location, no way to the client, nothing received in the page."""
    page = await house.pgo().authorize(**PAGES[case])
    assert page.status_code == 400
    assert "location" not in page.headers
    assert 'id="leave"' not in page.text
    assert "evil" not in page.text
    assert "set-cookie" not in page.headers
    assert "authorization_request_error" in house.host.told()
    assert "show_authorization_request_error_page" in house.host.told()


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_ct_19_and_27_twice_is_a_page(house: House, name: str) -> None:
    """CT-19, CT-27, AUTH-07: even when both values are equal."""
    pgo = house.pgo()
    parameters = pgo.parameters()
    query = urlencode(parameters) + "&" + urlencode({name: parameters[name]})
    page = await pgo.browser.get(f"{FRONT}/oauth/authorize?{query}")
    assert page.status_code == 400
    assert "location" not in page.headers


REDIRECTS: dict[str, tuple[dict[str, str | None], str]] = {
    "CT-29 no response_type": ({"response_type": None}, "invalid_request"),
    "CT-30 response_type token": ({"response_type": "token"}, "unsupported_response_type"),
    "CT-30 response_type code token": ({"response_type": "code token"}, "unsupported_response_type"),
    "CT-33 no scope": ({"scope": None}, "invalid_scope"),
    "CT-33 an empty scope": ({"scope": ""}, "invalid_scope"),
    "CT-34 unknown provider": ({"scope": "onbekend"}, "invalid_scope"),
    "CT-35 the suffix": ({"scope": f"{ZANDOORD}@medmij"}, "invalid_scope"),
    "CT-36 unknown service": ({"scope": f"{ZANDOORD}~999"}, "invalid_scope"),
    "CT-37 another provider's service": ({"scope": f"{ZANDOORD}~50"}, "invalid_scope"),
    "CT-38 two providers": ({"scope": f"{ZANDOORD}~48 ggzdewadden~50"}, "invalid_scope"),
    "CT-38 two provider names": ({"scope": f"{ZANDOORD} ggzdewadden"}, "invalid_scope"),
    "CT-39 two spaces": ({"scope": f"{ZANDOORD}~48  {ZANDOORD}~65"}, "invalid_scope"),
    "CT-39 a space at the end": ({"scope": f"{ZANDOORD}~48 "}, "invalid_scope"),
    "CT-39 the same twice": ({"scope": f"{ZANDOORD}~48 {ZANDOORD}~48"}, "invalid_scope"),
    "SCOPE-05 upper case": ({"scope": ZANDOORD.capitalize()}, "invalid_scope"),
    "SCOPE-06 a stray part": ({"scope": f"{ZANDOORD} openid"}, "invalid_scope"),
    "CT-42 no request id": ({"request_id": None}, "invalid_request"),
    "CT-42 request id no UUID": ({"request_id": "12345"}, "invalid_request"),
    "CT-43 no correlation id": ({"correlation_id": None}, "invalid_request"),
    "CT-43 correlation id no UUID": ({"correlation_id": "x" * 36}, "invalid_request"),
    "CT-97 representation off": ({"scope": f"{ZANDOORD} onbehalfof"}, "invalid_scope"),
}


@pytest.mark.parametrize("case", REDIRECTS)
async def test_ct_29_to_43_back_to_the_client(house: House, case: str) -> None:
    """AUTH-12, CT-29 to CT-43, CT-97, ERR-04 to ERR-09: 302 with error and state, fixed ASCII text, one event."""
    changes, error = REDIRECTS[case]
    pgo = house.pgo()
    answer = returned(await pgo.authorize(**changes))
    assert answer["error"] == error
    assert answer["state"] == pgo.state
    assert set(answer) == {"error", "error_description", "state"}
    assert answer["error_description"].isascii()
    assert house.host.told()[-1] == "send_authorization_request_error"


async def test_ct_31_no_state(house: House) -> None:
    """CT-31: and none is made up."""
    answer = returned(await house.pgo().authorize(state=None))
    assert answer["error"] == "invalid_request"
    assert "state" not in answer


@pytest.mark.parametrize("state", ["s" * 1025, "", "caf\u00e9", "a\tb"])
async def test_ct_32_a_state_out_of_form(house: House, state: str) -> None:
    """CT-32, AUTH-09: 1 to 1024 printable ASCII characters."""
    assert returned(await house.pgo().authorize(state=state))["error"] == "invalid_request"


async def test_ct_32_1024_characters_pass(house: House) -> None:
    """AUTH-09."""
    assert (await house.pgo().authorize(state="s" * 1024)).status_code == 200


async def test_ct_40_dialect_m_and_the_client_list(house: House) -> None:
    """AUTH-12, CT-40, ERR-10: G is not listed for 65."""
    assert returned(await house.pgo(G).authorize(scope=f"{ZANDOORD}~65"))["error"] == "invalid_scope"


@pytest.mark.parametrize("name", ["scope", "state", "response_type", "X-Correlation-ID", "whatever"])
async def test_ct_41_any_parameter_twice(house: House, name: str) -> None:
    """CT-41, ERR-08: state is echoed only when there is one state."""
    pgo = house.pgo()
    parameters = pgo.parameters(whatever="1")
    query = urlencode(parameters) + "&" + urlencode({name: parameters[name]})
    answer = returned(await pgo.browser.get(f"{FRONT}/oauth/authorize?{query}"))
    assert answer["error"] == "invalid_request"
    assert ("state" in answer) == (name != "state")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_ct_44_only_get(house: House, method: str) -> None:
    """CT-44, AUTH-01, ERR-03."""
    pgo = house.pgo()
    answer = await pgo.browser.request(method, f"{FRONT}/oauth/authorize?{urlencode(pgo.parameters())}")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"


async def test_ct_100_lists_too_old(house: House) -> None:
    """CT-100, SLA-05: a page that says so; the way back is there, because the client was known."""
    house.lists.fresh = False
    pgo = house.pgo()
    page = await pgo.authorize()
    assert page.status_code == 503
    assert page.headers["retry-after"]
    assert "error=temporarily_unavailable" in page.text
    house.lists.entries.clear()
    page = await pgo.authorize()
    assert page.status_code == 503
    assert 'id="leave"' not in page.text


async def test_err_17_the_order_of_the_checks(house: House) -> None:
    """AUTH-05, AUTH-06: client before redirect before the rest; response_type before scope before state before ids."""
    pgo = house.pgo()
    wrong = {"response_type": "x", "scope": "?", "state": "", "request_id": "?"}
    assert (await pgo.authorize(client_id="?", redirect_uri="?", **wrong)).status_code == 400
    errors = []
    for name, right in (("response_type", "code"), ("scope", ZANDOORD), ("state", "s")):
        errors.append(returned(await pgo.authorize(**wrong))["error_description"])
        wrong[name] = right
    errors.append(returned(await pgo.authorize(**wrong))["error_description"])
    assert [text.split()[0] for text in errors] == ["response_type", "the", "state", "MedMij-Request-ID"]
