"""Logging in over SAML 2.0 (IDN-01, IDN-03): the whole visit, and every way in which an assertion can lie."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from lxml import etree
from world.auth_house import CARER, P1, House, returned
from world.saml_bridge import BASE, CALLBACK, KEYS, NS, OURS, STRANGER, SamlBridge, sealed, signed, text_of

from auth.bridges import SamlSettings
from auth.login.open import BridgeUnusable, login_of
from auth.login.port import Identity, LoginAsk, LoginCancelled, LoginFailed, LoginUnavailable
from auth.login.saml.client import SamlLogin
from auth.ports import Level, Representation
from auth.settings import AuthSettings
from gateway.cli.main import cli

pytestmark = pytest.mark.anyio

ASK = LoginAsk(state="s.1", callback=CALLBACK, level=Level.MIDDEN)
STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
SUCCESS = STATUS + "Success"
LEGAL, ACTING = "urn:nl-eid-gdi:1.0:LegalSubjectID", "urn:nl-eid-gdi:1.0:ActingSubjectID"


async def log_in(bridge: SamlBridge, folder: Path, ask: LoginAsk = ASK, **changes: Any) -> Identity:
    """One login with the client alone."""
    login = SamlLogin(bridge.settings(folder, **changes), bridge.transport)
    start = await login.start(ask)
    back = httpx.URL(bridge.login(start.url))
    return await login.finish(dict(back.params), start.kept, ask, datetime.now(UTC))


def saml_house(house_with: Callable[..., House], bridge: SamlBridge, folder: Path, **settings: Any) -> House:
    """A house whose people log in at this bridge."""
    house = house_with(login=SamlLogin(bridge.settings(folder, **settings), bridge.transport))
    house.mounts[BASE] = bridge.transport
    return house


# --- what works ----------------------------------------------------------------------------------------------------


async def test_idn_03_a_whole_visit(house_with: Callable[..., House], tmp_path: Path) -> None:
    """IDN-03, AUTH-18, LOG-03: from the landing page to a token, with the artifact resolved on the back channel."""
    bridge = SamlBridge(f"s00000000:{P1}")
    house = saml_house(house_with, bridge, tmp_path)
    pgo = house.pgo()
    consent = await pgo.to_login(await pgo.authorize())
    assert "Ziekenhuis Zandoord" in consent.text
    answer = await pgo.token(await pgo.grant(consent))
    assert answer.status_code == 200, answer.text
    (asked,) = bridge.asked
    assert (asked.get("ForceAuthn"), asked.get("AssertionConsumerServiceURL")) == ("true", CALLBACK)
    context = asked.find("samlp:RequestedAuthnContext", NS)
    assert context is not None
    assert context.get("Comparison") == "minimum"
    assert context.findtext("saml:AuthnContextClassRef", namespaces=NS).endswith("MobileTwoFactorContract")  # type: ignore[union-attr]
    assert len(bridge.resolved) == 1
    assert "send_artifact_resolution_request" in house.host.told()
    assert P1 not in house.dump()


async def test_idn_02_the_floor_of_the_provider_is_asked(tmp_path: Path) -> None:
    """IDN-02: the lowest level that suffices; a level that the bridge does not know is a bridge that cannot help."""
    bridge = SamlBridge(P1)
    for floor, name in ((Level.BASIS, "PasswordProtectedTransport"), (Level.HOOG, "SmartcardPKI")):
        await log_in(bridge, tmp_path, LoginAsk("s.1", CALLBACK, floor))
        assert etree.tostring(bridge.asked[-1]).decode().count(name) == 1
    with pytest.raises(LoginUnavailable):
        await log_in(bridge, tmp_path, LoginAsk("s.1", CALLBACK, Level.HOOG), levels={"low": Level.BASIS})


async def test_idn_03_encrypted_for_us(tmp_path: Path) -> None:
    """TVS: numbers in EncryptedIDs, with a key for us among those for others; a whole assertion encrypted."""
    for gcm in (True, False):
        name = sealed("EncryptedID", f'<saml:NameID xmlns:saml="{NS["saml"]}">{P1}</saml:NameID>', gcm=gcm)
        assert (await log_in(SamlBridge(P1, {"name": name}), tmp_path)).bsn == P1
    bare = sealed("EncryptedID", f"<saml:NameID>{P1}</saml:NameID>")
    assert (await log_in(SamlBridge(P1, {"name": bare}), tmp_path)).bsn == P1, "a prefix that is declared around it"
    two = sealed("EncryptedID", f"<saml:NameID>{P1}</saml:NameID><saml:NameID>{CARER}</saml:NameID>")
    with pytest.raises(LoginFailed, match="unreadable"):
        await log_in(SamlBridge(P1, {"name": two}), tmp_path)
    bridge = SamlBridge(P1, after=lambda xml: sealed("EncryptedAssertion", xml))
    assert (await log_in(bridge, tmp_path)).bsn == P1
    for wrong in (
        SamlBridge(P1, after=lambda xml: sealed("EncryptedAssertion", xml, gcm=False)),
        SamlBridge(P1, after=lambda xml: sealed("EncryptedAssertion", xml, reader=STRANGER)),
        SamlBridge(P1, after=lambda xml: sealed("EncryptedAssertion", xml), sign_assertion=None),
    ):
        with pytest.raises(LoginFailed):
            await log_in(wrong, tmp_path)


def attributes(**values: str) -> str:
    """An attribute statement with encrypted numbers and plain texts."""
    names = {"legal": LEGAL, "acting": ACTING}
    found = ""
    for name, value in values.items():
        xml = f'<saml:NameID xmlns:saml="{NS["saml"]}">{value}</saml:NameID>'
        inner = sealed("EncryptedID", xml) if name in names else value
        found += (
            f'<saml:Attribute Name="{names.get(name, name)}"><saml:AttributeValue>{inner}</saml:AttributeValue>'
            "</saml:Attribute>"
        )
    return f"<saml:AttributeStatement>{found}</saml:AttributeStatement>"


TVS: dict[str, Any] = {
    "claims": {"bsn": LEGAL, "level": "AuthnContextClassRef", "actor_bsn": ACTING, "representation": "mandate"},
    "representations": {"parental": "onbehalfofchild"},
    "levels": {"http://eidas.europa.eu/LoA/low": Level.MIDDEN, "http://eidas.europa.eu/LoA/substantial": 25},
    "service": 1,
    "representation_services": {"onbehalfofchild": 2},
}
SUBSTANTIAL = {"level": "http://eidas.europa.eu/LoA/substantial", "name": "<saml:NameID>transient</saml:NameID>"}


async def test_idn_03_the_names_of_tvs(tmp_path: Path) -> None:
    """REP-02: numbers in attributes; who acts is named always, and is somebody else only when there is a mandate."""
    bridge = SamlBridge(P1, {**SUBSTANTIAL, "attributes": attributes(legal=P1, acting=P1)})
    found = await log_in(bridge, tmp_path, **TVS)
    assert (found.bsn, found.actor_bsn, found.level) == (P1, None, Level.SUBSTANTIEEL)
    assert bridge.asked[-1].get("AttributeConsumingServiceIndex") == "1"
    bridge.values["attributes"] = attributes(legal=P1, acting=CARER, mandate="parental")
    ask = LoginAsk("s.1", CALLBACK, Level.MIDDEN, Representation.PARENTAL)
    found = await log_in(bridge, tmp_path, ask, **TVS)
    assert (found.bsn, found.actor_bsn, found.representation) == (P1, CARER, Representation.PARENTAL)
    assert bridge.asked[-1].get("AttributeConsumingServiceIndex") == "2"
    with pytest.raises(LoginUnavailable):
        await log_in(bridge, tmp_path, LoginAsk("s", CALLBACK, Level.MIDDEN, Representation.VOLUNTARY), **TVS)
    for half in (attributes(legal=P1, acting=CARER), attributes(legal=P1, mandate="parental")):
        bridge.values["attributes"] = half
        with pytest.raises(LoginFailed, match="representation"):
            await log_in(bridge, tmp_path, **TVS)
    bridge.values["attributes"] = attributes(legal=P1, acting=P1) + attributes(legal=CARER)
    with pytest.raises(LoginFailed, match="claim-bsn"):
        await log_in(bridge, tmp_path, **TVS)


async def test_a_bridge_that_changes_its_key(tmp_path: Path) -> None:
    """The metadata are read again when the file changes; broken metadata leave the old ones in force."""
    bridge = SamlBridge(P1)
    settings = bridge.settings(tmp_path)
    login = SamlLogin(settings, bridge.transport)

    async def visit() -> Identity:
        start = await login.start(ASK)
        return await login.finish(dict(httpx.URL(bridge.login(start.url)).params), start.kept, ASK, datetime.now(UTC))

    bridge.sign_assertion = bridge.sign_answer = STRANGER
    with pytest.raises(LoginFailed, match="signature"):
        await visit()
    assert settings.metadata_file is not None
    settings.metadata_file.write_text(bridge.metadata(KEYS, STRANGER), "utf-8")
    assert (await visit()).bsn == P1
    settings.metadata_file.write_text("<broken", "utf-8")
    assert (await visit()).bsn == P1


def test_our_metadata(tmp_path: Path) -> None:
    """What the institution hands to the bridge: entity id, certificate, where artifacts are sent to."""
    settings = SamlBridge(P1).settings(tmp_path)
    given = {
        f"GATEWAY_AUTH__SAML__{name.upper()}": str(getattr(settings, name))
        for name in ("bridge", "entity_id", "metadata_file", "key_file", "certificate_file")
    }
    ran = CliRunner().invoke(
        cli, ["login", "metadata"], env={**given, "GATEWAY_LISTEN__BASE_URL": CALLBACK.removesuffix("/login/callback")}
    )
    assert ran.exit_code == 0, ran.output
    root = etree.fromstring(ran.output.encode())
    text = etree.tostring(root).decode()
    assert root.get("entityID") == "urn:example:gateway"
    assert text.count(OURS.base64) == 2
    assert f'Location="{CALLBACK}"' in text


# --- what is refused -----------------------------------------------------------------------------------------------

LATE, EARLY = text_of(datetime.now(UTC) - timedelta(minutes=3)), text_of(datetime.now(UTC) + timedelta(hours=1))
VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "another audience": ({"audience": "urn:example:webshop"}, "saml-audience"),
    "another issuer": ({"issuer": "urn:example:other"}, "saml-issuer"),
    "another issuer of the response": ({"response_issuer": "urn:example:other"}, "saml-issuer"),
    "another issuer of the answer": ({"answer_issuer": "urn:example:other"}, "saml-issuer"),
    "another destination": ({"destination": "https://evil.example/acs"}, "saml-destination"),
    "another recipient": ({"recipient": "https://evil.example/acs"}, "saml-confirmation"),
    "an answer to another request": ({"response_to": "_other"}, "saml-another-request"),
    "an answer to another resolve": ({"resolve_id": "_other"}, "saml-another-request"),
    "an assertion for another request (replay)": ({"in_response_to": "_other"}, "saml-confirmation"),
    "no bearer": ({"method": "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"}, "saml-confirmation"),
    "expired": ({"until": LATE}, "saml-conditions"),
    "confirmation expired": ({"confirmed_until": LATE}, "saml-confirmation"),
    "not yet valid": ({"not_before": EARLY, "until": EARLY}, "saml-conditions"),
    "session ended": ({"session": LATE}, "saml-session"),
    "an old login": ({"instant": text_of(datetime.now(UTC) - timedelta(hours=1))}, "stale"),
    "a login in the future": ({"instant": EARLY}, "stale"),
    "a clock far behind": ({"skew": timedelta(minutes=-10)}, "saml-confirmation"),
    "a clock far ahead": ({"skew": timedelta(minutes=10)}, "saml-conditions"),
    "a moment that is none": ({"until": "tomorrow"}, "saml-unreadable"),
    "SAML 1.1": ({"version": "1.1"}, "saml-version"),
    "no name": ({"name": ""}, "claim-bsn"),
    "a name that fails the eleven test": ({"name": "<saml:NameID>999990018</saml:NameID>"}, "claim-bsn"),
    "another sector": ({"name": f"<saml:NameID>s00000001:{P1}</saml:NameID>"}, "claim-bsn"),
    "two names": ({"name": f"<saml:NameID>{P1}</saml:NameID><saml:NameID>{CARER}</saml:NameID>"}, "saml-unreadable"),
    "a name with an element": ({"name": f"<saml:NameID>{P1}<saml:b/></saml:NameID>"}, "saml-unreadable"),
    "an unknown level": ({"level": "urn:example:whatever"}, "claim-level"),
}


@pytest.mark.parametrize("case", VALUES)
async def test_ct_48_assertions_that_are_refused(case: str, tmp_path: Path) -> None:
    """CT-48, IDN-08: signed well, but saying something wrong."""
    values, why = VALUES[case]
    with pytest.raises(LoginFailed, match=why) as refused:
        await log_in(SamlBridge(P1, values), tmp_path)
    assert P1 not in str(refused.value)


async def test_small_differences_of_clocks_are_no_reason(tmp_path: Path) -> None:
    """IDN-08: twenty seconds either way."""
    for seconds in (-20, 20):
        assert (await log_in(SamlBridge(P1, {"skew": timedelta(seconds=seconds)}), tmp_path)).bsn == P1


def wrapped_inside(xml: str) -> str:
    """A forged assertion that carries the signed one, and its signature, inside."""
    evil = xml.replace(P1, CARER).replace('ID="_assertion"', 'ID="_evil"').partition("<ds:Signature ")
    start, rest = evil[0], evil[2].partition("</ds:Signature>")[2]
    signature = "<ds:Signature " + xml.partition("<ds:Signature ")[2].partition("</ds:Signature>")[0]
    assert "SignatureValue" in signature
    return f"{start}{signature}<ds:Object>{xml}</ds:Object></ds:Signature>{rest}"


def wrapped_after(xml: str) -> str:
    """A forged assertion first, the signed one after it."""
    return xml.replace(P1, CARER).replace('ID="_assertion"', 'ID="_evil"') + xml


def same_id(xml: str) -> str:
    """A forged assertion with the id of the signed one, which hides in an extension."""
    return xml.replace(P1, CARER) + f"<samlp:Extensions>{xml}</samlp:Extensions>"


def without_signature(xml: str) -> str:
    """The signature cut out."""
    assert "<ds:Signature " in xml
    return xml.partition("<ds:Signature ")[0] + xml.partition("</ds:Signature>")[2]


AFTER: dict[str, Callable[[str], str]] = {
    "changed": lambda xml: xml.replace(P1, CARER),
    "wrapped inside": wrapped_inside,
    "wrapped after": wrapped_after,
    "wrapped with the same id": same_id,
    "unsigned": without_signature,
    "an unsigned one signed by a stranger": lambda xml: signed(without_signature(xml), STRANGER),
    "a comment in the name": lambda xml: xml.replace(P1, f"{P1[:4]}<!-- x -->{P1[4:]}"),
    "an instruction in the name": lambda xml: xml.replace(P1, f"{P1[:4]}<?x y?>{P1[4:]}"),
    "twice": lambda xml: xml + xml,
    "none": lambda xml: "",
    "no signature value": lambda xml: xml.replace("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"),
    "a weak method": lambda xml: xml.replace("xmldsig-more#rsa-sha256", "xmldsig-more#hmac-sha256"),
    "SHA-1": lambda xml: xml.replace("2001/04/xmldsig-more#rsa-sha256", "2000/09/xmldsig#rsa-sha1"),
}


@pytest.mark.parametrize("answered", ["answer signed", "answer unsigned"])
@pytest.mark.parametrize("case", AFTER)
async def test_ct_48_signatures_that_are_refused_in_saml(case: str, answered: str, tmp_path: Path) -> None:
    """Wrapping, changes and comments after signing: whoever stands between the bridge and us, or at the bridge."""
    bridge = SamlBridge(P1, after=AFTER[case], sign_answer=KEYS if answered == "answer signed" else None)
    with pytest.raises(LoginFailed, match="saml-"):
        await log_in(bridge, tmp_path)


async def test_ct_48_signed_with_comments(tmp_path: Path) -> None:
    """Comments that are signed too may still split a name for who reads it."""
    bridge = SamlBridge(P1, before=lambda xml: xml.replace(P1, f"{P1}<!---->1"))
    bridge.after = lambda xml: xml
    with pytest.raises(LoginFailed, match="saml-"):
        await log_in(bridge, tmp_path)


WHOLE: dict[str, Callable[[str], str]] = {
    "XXE": lambda xml: '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + xml.replace(P1, "&e;"),
    "billion laughs": lambda xml: '<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]>' + xml,
    "an empty document type": lambda xml: "<!DOCTYPE x>" + xml,
    "half": lambda xml: xml[: len(xml) // 2],
    "nothing": lambda xml: "",
    "no SOAP": lambda xml: "<html/>",
    "a fault": lambda xml: f'<s:Envelope xmlns:s="{NS["soap"]}"><s:Body><s:Fault/></s:Body></s:Envelope>',
    "two bodies": lambda xml: xml.replace("</soap:Body>", "</soap:Body><soap:Body/>"),
    "the answer changed": lambda xml: xml.replace('ID="_response"', 'ID="_other"'),
    "the answer signed by nobody we know": lambda xml: xml.replace("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"),
}


@pytest.mark.parametrize("case", WHOLE)
async def test_idn_08_answers_that_are_no_answer(case: str, tmp_path: Path) -> None:
    """IDN-08: entities, document types, broken XML, another protocol, a changed envelope."""
    with pytest.raises(LoginFailed, match="saml-"):
        await log_in(SamlBridge(P1, whole=WHOLE[case]), tmp_path)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ((STATUS + "Responder", STATUS + "AuthnFailed"), LoginCancelled),
        ((STATUS + "Responder", STATUS + "RequestDenied"), LoginCancelled),
        ((STATUS + "Responder", STATUS + "NoAuthnContext"), LoginFailed),
        ((STATUS + "Requester",), LoginFailed),
        (("urn:example:fine",), LoginFailed),
    ],
)
async def test_err_12_status_of_saml(status: tuple[str, ...], outcome: type[Exception], tmp_path: Path) -> None:
    """ERR-12, ERR-13: cancelled at DigiD is not failed."""
    with pytest.raises(outcome):
        await log_in(SamlBridge(P1, status=status), tmp_path)


async def test_ct_48_artifacts_of_others(tmp_path: Path) -> None:
    """An artifact is sent only to the bridge that made it, and works once."""
    bridge = SamlBridge(P1)
    login = SamlLogin(bridge.settings(tmp_path), bridge.transport)
    start = await login.start(ASK)
    right = dict(httpx.URL(bridge.login(start.url)).params)["SAMLart"]
    strange = (bridge.artifact("_x", of="urn:example:evil"), bridge.artifact("_x", index=7), "", "%%", "AAQA", "é")
    for artifact in strange:
        with pytest.raises(LoginFailed, match="artifact"):
            await login.finish({"SAMLart": artifact}, start.kept, ASK, datetime.now(UTC))
    assert bridge.resolved == []
    with pytest.raises(LoginFailed):
        await login.finish({"SAMLart": right}, {}, ASK, datetime.now(UTC))
    assert (await login.finish({"SAMLart": right}, start.kept, ASK, datetime.now(UTC))).bsn == P1
    with pytest.raises(LoginFailed, match="no-response"):
        await login.finish({"SAMLart": right}, start.kept, ASK, datetime.now(UTC))


async def test_ct_48_a_refused_login_has_its_page_and_its_line(
    house_with: Callable[..., House], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """CT-48, ERR-13, IDN-04: a page in Dutch, one reason in the log, no number; the client hears access_denied."""
    bridge = SamlBridge(P1, after=wrapped_inside)
    pgo = saml_house(house_with, bridge, tmp_path).pgo()
    with caplog.at_level(logging.WARNING):
        page = await pgo.to_login(await pgo.authorize())
    assert page.status_code == 200
    assert 'lang="nl"' in page.text
    assert "a login was refused: saml-signature" in caplog.text
    assert P1 not in caplog.text + page.text
    assert CARER not in caplog.text + page.text
    left = await pgo.browser.get(str(page.url).split("?", maxsplit=1)[0] + "/leave")
    assert returned(left)["error"] == "access_denied"


async def test_ct_48_another_persons_answer_in_my_browser(house_with: Callable[..., House], tmp_path: Path) -> None:
    """CT-48: login forgery. An artifact made for another visit, brought to mine with my state, is refused."""
    bridge = SamlBridge(P1)
    house = saml_house(house_with, bridge, tmp_path)
    theirs, mine = house.pgo(), house.pgo()
    to_bridge = await theirs.submit(await theirs.authorize(), "continue")
    stolen = dict(httpx.URL(bridge.login(to_bridge.headers["location"])).params)
    to_bridge = await mine.submit(await mine.authorize(), "continue")
    own = dict(httpx.URL(bridge.login(to_bridge.headers["location"])).params)
    forged = await mine.follow(await mine.browser.get(CALLBACK, params={**own, "SAMLart": stolen["SAMLart"]}))
    assert house.host.asked == []
    assert "decide" not in forged.text
    replayed = await mine.browser.get(CALLBACK, params=stolen)
    assert replayed.status_code == 400


async def test_err_18_a_bridge_that_does_not_answer(tmp_path: Path) -> None:
    """ERR-18: down, or an answer without end."""
    with pytest.raises(LoginUnavailable):
        await log_in(SamlBridge(P1, http_status=503), tmp_path)
    with pytest.raises(LoginUnavailable):
        await log_in(SamlBridge(P1, whole=lambda xml: xml + " " * 600_000), tmp_path)


def test_settings_of_a_bridge_that_cannot_be_used(tmp_path: Path) -> None:
    """One clear line at the start: what lacks, or which file does not fit."""
    with pytest.raises(ValueError, match=r"auth\.saml needs metadata_file"):
        SamlSettings(bridge="urn:example:bridge")
    right = SamlBridge(P1).settings(tmp_path)
    assert right.certificate_file is not None
    for change in ({"bridge": "urn:example:nobody"}, {"key_file": tmp_path / "absent"}, {"metadata_file": tmp_path}):
        with pytest.raises(BridgeUnusable, match=r"auth\.saml: "):
            login_of(AuthSettings(saml=right.model_copy(update=change)))
    STRANGER.write(tmp_path, "stranger")
    with pytest.raises(BridgeUnusable, match="not the certificate of"):
        login_of(AuthSettings(saml=right.model_copy(update={"certificate_file": tmp_path / "stranger.pem"})))
    assert isinstance(login_of(AuthSettings(saml=right)), SamlLogin)
