"""SAML by POST (IDN-03): requests and answers in forms, and what may not come that way."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree
from world.auth_house import CARER, FRONT, P1, House, Pgo
from world.saml_bridge import BASE, CALLBACK, KEYS, NS, STRANGER, SamlBridge, sealed, signed

from auth.login.port import LoginAsk, LoginCancelled, LoginFailed
from auth.login.saml.client import SamlLogin
from auth.ports import Level

pytestmark = pytest.mark.anyio

ASK = LoginAsk(state="s.1", callback=CALLBACK, level=Level.MIDDEN)
POST: dict[str, Any] = {"answers": ("post",), "request": "post"}


def posting_house(house_with: Callable[..., House], bridge: SamlBridge, folder: Path, **changes: Any) -> House:
    """A house whose people log in at this bridge, with forms."""
    settings = bridge.settings(folder, **{**POST, **changes})
    house = house_with(login=SamlLogin(settings, bridge.transport), saml=settings)
    house.mounts[BASE] = bridge.transport
    return house


async def to_answer(pgo: Pgo) -> tuple[str, dict[str, str]]:
    """Up to the page of the bridge that would post its answer: the callback and the fields."""
    button = await pgo.to_login(await pgo.authorize())
    assert 'id="onward"' in button.text
    answer = await pgo.submit(button, "onward")
    form = etree.fromstring(answer.text, etree.HTMLParser())
    fields = {str(field.get("name")): str(field.get("value")) for field in form.iter("input")}
    return CALLBACK, fields


async def across(fields: dict[str, str], house: House) -> httpx.Response:
    """Post to the callback as a browser does from another site: without our cookie (SameSite=Lax)."""
    transport = httpx.ASGITransport(house.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=FRONT) as bare:
        return await bare.post("/login/callback", data=fields)


async def test_idn_03_a_whole_visit_in_forms(house_with: Callable[..., House], tmp_path: Path) -> None:
    """IDN-03, AUTH-17: request and answer by POST; the cookie of the visit is needed to go on from it."""
    bridge = SamlBridge(f"s00000000:{P1}")
    house = posting_house(house_with, bridge, tmp_path)
    pgo = house.pgo()
    callback, fields = await to_answer(pgo)
    (asked,) = bridge.asked
    assert asked.get("ProtocolBinding") == "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
    posted = await across(fields, house)
    assert (posted.status_code, posted.text) == (303, "")
    assert P1 not in posted.headers["location"]
    stranger = await house.pgo().browser.get(callback, params={"RelayState": fields["RelayState"]})
    assert stranger.status_code == 400, "another browser gets nothing for it"
    consent = await pgo.follow(await pgo.browser.get(str(httpx.URL(FRONT).join(posted.headers["location"]))))
    assert "Ziekenhuis Zandoord" in consent.text
    assert (await pgo.token(await pgo.grant(consent))).status_code == 200
    assert P1 not in house.dump()
    assert bridge.resolved == []


async def test_ct_48_a_posted_answer_works_once(house_with: Callable[..., House], tmp_path: Path) -> None:
    """CT-48: the same answer again, another one in its place, an answer to another visit, and one for nobody."""
    house = posting_house(house_with, SamlBridge(P1), tmp_path)
    pgo, theirs = house.pgo(), house.pgo()
    callback, fields = await to_answer(pgo)
    _, others = await to_answer(theirs)
    assert (await across(fields, house)).status_code == 303
    assert (await across(fields, house)).status_code == 303, "a reload of the same page"
    assert (await across({**others, "RelayState": fields["RelayState"]}, house)).status_code == 400
    consent = await pgo.follow(await pgo.browser.get(callback, params={"RelayState": fields["RelayState"]}))
    assert "decide" in consent.text
    assert (await across(fields, house)).status_code == 400, "replayed after it was used"
    assert (await across({**fields, "RelayState": f"{fields['RelayState']}x"}, house)).status_code == 400
    # The answer of another visit, in a visit of one's own: InResponseTo tells.
    stolen = {"SAMLResponse": fields["SAMLResponse"], "RelayState": others["RelayState"]}
    assert (await across(stolen, house)).status_code == 303
    refused = await theirs.follow(await theirs.browser.get(callback, params={"RelayState": others["RelayState"]}))
    assert "decide" not in refused.text


async def test_a_way_that_was_not_chosen_is_not_taken(house_with: Callable[..., House], tmp_path: Path) -> None:
    """Answers by artifact only: a posted one is nobody's, and the reverse."""
    bridge = SamlBridge(P1)
    artifact = SamlLogin(bridge.settings(tmp_path), bridge.transport)
    start = await artifact.start(ASK)
    response = base64.b64encode(bridge.response(start.kept["request"]).encode()).decode()
    with pytest.raises(LoginFailed, match="no-artifact"):
        await artifact.finish({"SAMLResponse": response}, start.kept, ASK, datetime.now(UTC))
    house = posting_house(house_with, bridge, tmp_path, answers=("artifact",))
    assert (await across({"SAMLResponse": response, "RelayState": "x.y"}, house)).status_code == 400
    posting = SamlLogin(bridge.settings(tmp_path, **POST), bridge.transport)
    with pytest.raises(LoginFailed, match="no-answer"):
        await posting.finish({"SAMLart": bridge.artifact("_x")}, start.kept, ASK, datetime.now(UTC))
    either = SamlLogin(bridge.settings(tmp_path, answers=("artifact", "post")), bridge.transport)
    both = {"SAMLart": bridge.artifact("_x"), "SAMLResponse": response}
    with pytest.raises(LoginFailed, match="no-answer"):
        await either.finish(both, start.kept, ASK, datetime.now(UTC))
    assert (await either.finish({"SAMLResponse": response}, start.kept, ASK, datetime.now(UTC))).bsn == P1


async def test_an_answer_in_an_address_is_none(house_with: Callable[..., House], tmp_path: Path) -> None:
    """The same answer in the query of the callback, where it would stand in logs: refused."""
    pgo = posting_house(house_with, SamlBridge(P1), tmp_path).pgo()
    callback, fields = await to_answer(pgo)
    refused = await pgo.follow(await pgo.browser.get(callback, params=fields))
    assert "decide" not in refused.text


async def posted(bridge: SamlBridge, folder: Path, bend: Callable[[str], str] = lambda xml: xml) -> str:
    """One posted login with the client alone; the number of who logged in."""
    login = SamlLogin(bridge.settings(folder, **POST), bridge.transport)
    start = await login.start(ASK)
    response = bend(signed(bridge.response(start.kept["request"]), bridge.sign_answer))
    answer = {"SAMLResponse": base64.b64encode(response.encode()).decode()}
    return (await login.finish(answer, start.kept, ASK, datetime.now(UTC))).bsn


async def test_idn_08_what_a_posted_answer_must_be(tmp_path: Path) -> None:
    """IDN-08: the assertion is signed whatever is signed around it, it is for us, for this request, and in time."""
    assert await posted(SamlBridge(P1), tmp_path) == P1
    assert await posted(SamlBridge(P1, sign_answer=None), tmp_path) == P1
    assert await posted(SamlBridge(P1, after=lambda xml: sealed("EncryptedAssertion", xml)), tmp_path) == P1
    late = datetime(2020, 1, 1, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for values, why in (
        ({"destination": "https://evil.example/acs"}, "saml-destination"),
        ({"response_to": "_other"}, "saml-another-request"),
        ({"in_response_to": "_other"}, "saml-confirmation"),
        ({"audience": "urn:example:webshop"}, "saml-audience"),
        ({"response_issuer": "urn:example:other"}, "saml-issuer"),
        ({"until": late}, "saml-conditions"),
    ):
        with pytest.raises(LoginFailed, match=why):
            await posted(SamlBridge(P1, values), tmp_path)
    for bridge, why in (
        (SamlBridge(P1, sign_assertion=None), "saml-unsigned"),
        (SamlBridge(P1, sign_assertion=STRANGER), "saml-signature"),
        (SamlBridge(P1, sign_answer=STRANGER), "saml-signature"),
    ):
        with pytest.raises(LoginFailed, match=why):
            await posted(bridge, tmp_path)
    status = "urn:oasis:names:tc:SAML:2.0:status:"
    with pytest.raises(LoginCancelled):
        await posted(SamlBridge(P1, status=(status + "Responder", status + "AuthnFailed")), tmp_path)


BENT: dict[str, Callable[[str], str]] = {
    "changed": lambda xml: xml.replace(P1, CARER),
    "another element": lambda xml: xml.replace("samlp:Response", "samlp:LogoutResponse"),
    "no destination": lambda xml: xml.replace(f'Destination="{CALLBACK}"', ""),
    "an artifact response": lambda xml: (
        f'<soap:Envelope xmlns:soap="{NS["soap"]}"><soap:Body>{xml}</soap:Body></soap:Envelope>'
    ),
    "a document type": lambda xml: '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + xml,
    "half": lambda xml: xml[: len(xml) // 2],
    "too much": lambda xml: xml + " " * 600_000,
}


@pytest.mark.parametrize("case", BENT)
async def test_ct_48_posted_answers_that_are_refused(case: str, tmp_path: Path) -> None:
    """CT-48: whoever stands between the bridge and us is the browser here."""
    for answer in (KEYS, None):
        with pytest.raises(LoginFailed, match="saml-"):
            await posted(SamlBridge(P1, sign_answer=answer), tmp_path, BENT[case])


async def test_forms_that_are_too_large_or_broken(house_with: Callable[..., House], tmp_path: Path) -> None:
    """A form above the bound, with a field twice, without a state, or no base64: a page, and nothing kept."""
    house = posting_house(house_with, SamlBridge(P1), tmp_path)
    pgo = house.pgo()
    callback, fields = await to_answer(pgo)
    assert (await across({**fields, "SAMLResponse": "A" * 400_000}, house)).status_code == 400
    assert (await across({"SAMLResponse": "AAAA"}, house)).status_code == 400
    assert (await across({**fields, "SAMLResponse": "%%%"}, house)).status_code == 303
    refused = await pgo.follow(await pgo.browser.get(callback, params={"RelayState": fields["RelayState"]}))
    assert "decide" not in refused.text
