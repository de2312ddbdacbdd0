"""What the person meets on the way: cancelling, failing, being refused, and what the client hears (CT-45 to CT-59)."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from world.auth_house import (
    CARER,
    CHILD,
    FRONT,
    P1,
    P2,
    P3,
    ZANDOORD,
    D,
    House,
    Pgo,
    read_form,
    returned,
    years_before,
)

from auth.ages import today
from auth.ports import AbsenceReason, Available, Level

pytestmark = pytest.mark.anyio


async def _leave(pgo: Pgo, page: httpx.Response) -> dict[str, str]:
    url = str(page.url)
    return returned(await pgo.browser.get(f"{url.partition('?')[0]}/leave"))


async def test_ct_45_cancel_on_the_landing_page(house: House) -> None:
    """ERR-11, CT-45, UI-06: asked once more, then access_denied."""
    pgo = house.pgo()
    sure = await pgo.submit(await pgo.authorize(), "cancel")
    assert sure.status_code == 200
    answer = returned(await pgo.submit(sure, "stop"))
    assert (answer["error"], answer["state"]) == ("access_denied", pgo.state)
    assert "send_authorization_cancellation" in house.host.told()


async def test_ct_46_cancel_at_the_login(house: House) -> None:
    """CT-46, ERR-12: a page that says so, then access_denied."""
    pgo = house.pgo()
    page = await pgo.follow(await pgo.submit(await pgo.to_login(await pgo.authorize()), "login", action="cancel"))
    assert page.status_code == 200
    assert "U bent gestopt met inloggen" in page.text
    assert (await _leave(pgo, page))["error"] == "access_denied"
    assert "receive_authorization_cancellation" in house.host.told()


async def test_ct_47_a_level_below_the_floor(house: House) -> None:
    """CT-47, IDN-02: the floor is per provider; no availability call was made."""
    pgo = house.pgo()
    page = await pgo.to_consent(P1, Level.BASIS)
    assert "veiliger manier van inloggen" in page.text
    assert (await _leave(pgo, page))["error"] == "access_denied"
    house.lists.entries[D] = house.lists.entries[D]
    page = await pgo.to_consent(P1, Level.MIDDEN, scope="ggzdewadden")
    assert "veiliger manier van inloggen" in page.text
    assert house.host.asked == []


async def test_ct_48_a_login_answer_replayed(house: House) -> None:
    """CT-48: the second time the same answer ends the visit."""
    pgo = house.pgo()
    login = await pgo.to_login(await pgo.authorize())
    callback = (await pgo.submit(login, "login", typed=P1, action="login")).headers["location"]
    first = await pgo.browser.get(callback)
    assert first.status_code == 303
    page = await pgo.follow(await pgo.browser.get(callback))
    assert "Het inloggen is niet gelukt" in page.text
    assert (await _leave(pgo, page))["error"] == "access_denied"


async def test_ct_48_a_login_answer_for_another_request(house: House) -> None:
    """CT-48: the answer of one visit offered to another visit of the same browser."""
    pgo = house.pgo()
    one = await pgo.to_login(await pgo.authorize())
    other = await pgo.to_login(await pgo.authorize())
    answers = [(await pgo.submit(page, "login", typed=P1, action="login")).headers["location"] for page in (one, other)]
    session = answers[1].partition("state=")[2].partition(".")[0]
    mixed = answers[0].replace(answers[0].partition("state=")[2].partition(".")[0], session)
    page = await pgo.follow(await pgo.browser.get(mixed))
    assert "Het inloggen is niet gelukt" in page.text
    assert house.host.asked == []


async def test_ct_48_a_login_answer_in_another_browser(house: House) -> None:
    """CT-48, CT-58: without the cookie there is no visit, and no way back to the client."""
    pgo = house.pgo()
    login = await pgo.to_login(await pgo.authorize())
    callback = (await pgo.submit(login, "login", typed=P1, action="login")).headers["location"]
    page = await house.pgo().browser.get(callback)
    assert page.status_code == 400
    assert 'id="leave"' not in page.text


async def test_ct_49_unknown_at_the_provider(house: House) -> None:
    """ERR-14, CT-49, AVL-06, UI-13: the person is told, no consent screen, the client hears the usual."""
    pgo = house.pgo()
    page = await pgo.to_consent(P3)
    assert "kent u niet" in page.text
    assert 'id="decide"' not in page.text
    assert (await _leave(pgo, page))["error"] == "access_denied"


async def test_ct_50_fifteen_years_old(house: House) -> None:
    """ERR-14, CT-50, AVL-04."""
    pgo = house.pgo()
    page = await pgo.to_consent(P2)
    assert "vanaf 16 jaar" in page.text
    assert (await _leave(pgo, page))["error"] == "access_denied"


@pytest.mark.parametrize(("days", "passes"), [(0, True), (1, False)])
async def test_ct_51_the_sixteenth_birthday(house: House, days: int, passes: bool) -> None:
    """CT-51: today passes, tomorrow does not."""
    born = years_before(today(house.clock.now), 16) + timedelta(days=days)
    house.host.known[P1] = Available(frozenset({"48"}), birth_date=born)
    page = await house.pgo().to_consent(P1)
    assert ('id="decide"' in page.text) is passes


async def test_ct_51_a_birth_date_that_nobody_knows(house_with: Callable[..., House]) -> None:
    """AVL-01: fail closed, unless the institution decided otherwise."""
    for setting, passes in (("refuse", False), ("pass", True)):
        house = house_with(unknown_birth_date=setting)
        house.host.known[P1] = Available(frozenset({"48"}))
        page = await house.pgo().to_consent(P1)
        assert ('id="decide"' in page.text) is passes


async def test_ct_52_consent_refused(house: House) -> None:
    """ERR-15, CT-52: access_denied, and the register knows."""
    pgo = house.pgo()
    answer = returned(await pgo.submit(await pgo.to_consent(), "decide", decision="refuse"))
    assert answer["error"] == "access_denied"
    entries = house.auth.parts.store.consents_of(house.auth.parts.pseudonyms.of(P1))
    assert [(entry.outcome, entry.granted) for entry in entries] == [("refused", ())]


async def test_ct_53_the_client_cannot_tell_the_refusals_apart(house: House) -> None:
    """CT-53, ERR-92: the same Location for six situations, apart from state."""
    answers = []
    pgo = house.pgo()
    answers.append(await pgo.submit(await pgo.submit(await pgo.authorize(), "cancel"), "stop"))
    pages = [
        await pgo.follow(await pgo.submit(await pgo.to_login(await pgo.authorize()), "login", action="cancel")),
        await pgo.to_consent(P1, Level.BASIS),
        await pgo.to_consent(P3),
        await pgo.to_consent(P2),
    ]
    answers += [await pgo.browser.get(f"{page.url}/leave") for page in pages]
    answers.append(await pgo.submit(await pgo.to_consent(), "decide", decision="refuse"))
    assert len(answers) == 6
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1


async def test_ct_54_the_source_does_not_answer(house_with: Callable[..., House]) -> None:
    """LOG-07, CT-54, ERR-18, UI-12: 503 with trace id, session id and a link that carries temporarily_unavailable."""
    house = house_with(availability_seconds=0.05)
    house.host.slow = 5
    pgo = house.pgo()
    page = await pgo.to_consent()
    assert page.status_code == 503
    assert pgo.correlation in page.text
    session = str(page.request.url).partition("state=")[2].partition(".")[0]
    assert f"<dd>{session}</dd>" in page.text
    assert f'href="{pgo.redirect_uri}?error=temporarily_unavailable' in page.text
    assert f"state={pgo.state}" in page.text
    assert "010 - 555 00 00" in page.text


async def test_ct_55_an_internal_fault(house: House) -> None:
    """CT-55, ERR-17: 500 with a link that carries server_error; the fault's text stays inside."""
    pgo = house.pgo()
    consent = await pgo.to_consent()
    with house.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE auth_consent RENAME TO gone")
    try:
        page = await pgo.submit(consent, "decide", decision="give")
    finally:
        with house.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO auth_consent")
    assert page.status_code == 500
    assert "error=server_error" in page.text
    assert f"state={pgo.state}" in page.text
    assert "auth_consent" not in page.text
    assert returned(await pgo.submit(consent, "decide", decision="give"))["code"], "nothing was half done"


async def test_ct_56_a_fault_without_a_valid_client(house: House) -> None:
    """CT-56: no link."""
    house.lists = None  # type: ignore[assignment]
    house.auth = house.build()
    house.app.router.routes[:] = house.auth.routes
    page = await house.pgo().authorize()
    assert page.status_code == 500
    assert 'id="leave"' not in page.text


async def test_ct_57_the_consent_form_posted_twice(house: House) -> None:
    """CT-57: one code only; a second press of a hand that trembles gets it too, until the client had it."""
    pgo = house.pgo()
    consent = await pgo.to_consent()
    first = await pgo.submit(consent, "decide", decision="give")
    second = await pgo.submit(consent, "decide", decision="give")
    assert "code" in returned(first)
    assert (second.status_code, returned(second)) == (302, returned(first))
    refused = await pgo.submit(consent, "decide", decision="refuse")
    assert (refused.status_code, "location" in refused.headers) == (400, False)
    assert (await pgo.token(returned(first)["code"])).status_code == 200
    late = await pgo.submit(consent, "decide", decision="give")
    assert (late.status_code, "location" in late.headers) == (400, False)


async def test_ct_57_the_first_answer_is_repeated_for_some_seconds_only(house: House) -> None:
    """CT-57: and to nobody but the browser and the page that asked."""
    pgo, stranger = house.pgo(), house.pgo()
    consent = await pgo.to_consent()
    assert "code" in returned(await pgo.submit(consent, "decide", decision="give"))
    action, _ = read_form(consent.text, "decide")
    for browser, csrf in ((pgo.browser, "x" * 43), (stranger.browser, read_form(consent.text, "decide")[1]["csrf"])):
        refused = await browser.post(f"{FRONT}{action}", data={"csrf": csrf, "decision": "give"})
        assert (refused.status_code, "location" in refused.headers) == (400, False)
    house.clock.pass_(seconds=31)
    late = await pgo.submit(consent, "decide", decision="give")
    assert (late.status_code, "location" in late.headers) == (400, False)


@pytest.mark.parametrize("csrf", ["", "x" * 43])
async def test_ct_57_without_the_csrf_token(house: House, csrf: str) -> None:
    """CT-57, AUTH-17."""
    pgo = house.pgo()
    consent = await pgo.to_consent()
    action, _ = read_form(consent.text, "decide")
    refused = await pgo.browser.post(f"{FRONT}{action}", data={"csrf": csrf, "decision": "give"})
    assert refused.status_code == 400
    assert "Deze pagina is verlopen" in refused.text
    assert "code" in returned(await pgo.submit(consent, "decide", decision="give"))


async def test_ct_58_the_consent_form_from_another_browser(house: House) -> None:
    """CT-58: the CSRF token alone does not help."""
    pgo, stranger = house.pgo(), house.pgo()
    consent = await pgo.to_consent()
    await stranger.authorize()
    refused = await stranger.submit(consent, "decide", decision="give")
    assert refused.status_code == 400
    assert "location" not in refused.headers


async def test_ct_59_no_single_sign_on(house: House) -> None:
    """CT-59, AUTH-18: every request logs in again; two tabs are two visits."""
    pgo = house.pgo()
    first = await pgo.to_consent()
    second = await pgo.authorize()
    assert 'id="continue"' in second.text
    assert "prompt=login" in (await pgo.submit(second, "continue")).headers["location"]
    assert "code" in returned(await pgo.submit(first, "decide", decision="give"))


async def test_auth_17_a_visit_expires(house: House) -> None:
    """AUTH-17, ERR-19: fifteen minutes idle; the link is there because the client is still known."""
    pgo = house.pgo()
    consent = await pgo.to_consent()
    house.clock.pass_(minutes=15, seconds=1)
    page = await pgo.submit(consent, "decide", decision="give")
    assert page.status_code == 400
    assert "error=access_denied" in page.text


async def test_auth_17_steps_cannot_be_skipped(house: House) -> None:
    """AUTH-17: no consent before login, no leaving before a refusal, no second landing after consent."""
    pgo = house.pgo()
    landing = await pgo.authorize()
    action, hidden = read_form(landing.text, "continue")
    base = f"{FRONT}{action.removesuffix('/continue')}"
    for step in ("decide", "end", "logout"):
        answer = await pgo.browser.post(f"{base}/{step}", data={**hidden, "decision": "give"})
        assert answer.status_code == 400
        assert "location" not in answer.headers
    assert (await pgo.browser.get(f"{base}/leave")).status_code == 400


REPRESENTING: dict[str, Any] = {"representation": True}


async def _representing(
    house: House, kind: str, born: str, actor: str, subject: str | None
) -> tuple[Pgo, httpx.Response]:
    pgo = house.pgo()
    landing = await pgo.authorize(scope=f"{ZANDOORD} {kind}", MedMij_geboortedatum=born)
    return pgo, await pgo.log_in(await pgo.to_login(landing), actor, **{"for": subject or ""})


async def test_rep_03_a_parent_collects_for_a_child(house_with: Callable[..., House]) -> None:
    """REP-01 to REP-06, SC-T3: code for the child, both persons in the register, the rule for children applies."""
    house = house_with(**REPRESENTING)
    born: date = house.host.known[CHILD].birth_date or date.min
    pgo, consent = await _representing(house, "onbehalfofchild", born.strftime("%Y%m%d"), CARER, CHILD)
    assert "Mag Mijn Dossierboom de gegevens van uw kind ophalen?" in consent.text
    assert "U doet dit voor uw kind. Wij leggen vast dat u dit deed." in consent.text
    assert f"Geboortedatum van die persoon: {born:%d-%m-%Y}" in consent.text
    token = (await pgo.token(await pgo.grant(consent))).json()
    grant = await pgo.check(token["access_token"])
    pseudonyms = house.auth.parts.pseudonyms
    assert (grant.subject, grant.actor) == (pseudonyms.of(CHILD), pseudonyms.of(CARER))
    entry = house.auth.parts.store.consents_of(pseudonyms.of(CHILD))[0]
    assert (entry.actor, entry.representation) == (pseudonyms.of(CARER), "onbehalfofchild")


async def test_ct_98_representation_asked_but_not_used(house_with: Callable[..., House]) -> None:
    """CT-98, ERR-16, REP-04: a page, no code."""
    house = house_with(**REPRESENTING)
    _, page = await _representing(house, "onbehalfof", "19800517", P1, None)
    assert "machtiging is niet (meer) geldig" in page.text
    assert house.host.asked == []


async def test_ct_98_another_birth_date(house_with: Callable[..., House]) -> None:
    """CT-98, REP-05: also when it is missing or no date."""
    house = house_with(**REPRESENTING)
    for born in ("19790517", "", "19801301", "17051980"):
        _, page = await _representing(house, "onbehalfof", born, CARER, P1)
        assert "machtiging is niet (meer) geldig" in page.text
        assert page.status_code == 200


async def test_rep_the_age_rules_of_representation(house_with: Callable[..., House]) -> None:
    """AVL-04: a parent of somebody of 15 or of an adult is refused."""
    house = house_with(**REPRESENTING)
    for subject in (P2, P1):
        born = house.host.known[subject].birth_date or date.min
        _, page = await _representing(house, "onbehalfofchild", born.strftime("%Y%m%d"), CARER, subject)
        assert "vanaf 16 jaar" in page.text


async def test_rep_07_a_kind_that_the_provider_does_not_offer(house_with: Callable[..., House]) -> None:
    """REP-07: the extension is on, the provider did not switch it on."""
    pgo = house_with(**REPRESENTING).pgo()
    assert returned(await pgo.authorize(scope="ggzdewadden onbehalfof"))["error"] == "invalid_scope"


async def test_ui_07_reasons_of_the_source_reach_the_person(house: House) -> None:
    """Mission context, section 7: the page says which; the client does not hear it."""
    house.host.known[P1] = Available(frozenset(), AbsenceReason.WITHHELD, date(1980, 1, 1))
    page = await house.pgo().to_consent()
    assert "behandelaar" in page.text


async def test_ct_07_lasting_is_never_preselected(house: House) -> None:
    """CT-07, UI-09, UI-10."""
    page = await house.pgo().to_consent()
    box = page.text.partition('id="lasting"')[2].partition(">")[0]
    assert "checked" not in box
    for words in ("zes maanden", "Toestemmingen aanpassen", "https://zandoord.example/privacy", "MedMij stelt strenge"):
        assert words in page.text
    assert "Basisgegevens zorg 3.0" in page.text


async def test_ui_03_the_pages_speak_english_when_asked(house: House) -> None:
    """UI-03: Accept-Language, and the switch on the page."""
    pgo = house.pgo()
    page = await pgo.authorize(lang="en")
    assert '<html lang="en">' in page.text
    assert "You are going to Ziekenhuis Zandoord" in page.text
    other = page.text.partition('class="foot"')[2].partition('href="')[2].partition('"')[0]
    assert "U gaat naar Ziekenhuis Zandoord" in (await pgo.browser.get(f"{FRONT}{other}")).text
