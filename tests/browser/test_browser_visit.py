"""A person visits a hospital with a browser: by mouse, by keyboard, without JavaScript, twice at once, and too late."""

import re
from collections.abc import Callable

import pytest
from browser.browsing import Tab, authorize_path, hidden_fields, tab_to
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.browser

Open = Callable[..., Tab]
STOPPED = "U of uw zorgaanbieder heeft het ophalen gestopt. Er zijn geen gegevens gedeeld."
EXPIRED = "Deze pagina is verlopen"


def test_the_record_is_shown_zib_by_zib(tab: Tab) -> None:
    """CT-01, CT-02, CT-07, UI-07, UI-09: once; the lasting choice is never made beforehand."""
    tab.to_consent()
    assert "Basisgegevens zorg" in tab.text
    assert not tab.page.get_by_role("checkbox").is_checked()
    tab.consent().record()
    assert "Joke van Veldhuizen" in tab.heading
    on_top = tab.page.locator(".record").inner_text()
    assert on_top.index("Uw volgende afspraak") < on_top.index("Allergieën") < on_top.index("Documenten")
    tab.part("Basisgegevens zorg").unfold()
    cards = {re.sub(r"\s*\d+$", "", card.strip()) for card in tab.page.locator(".part h3").all_inner_texts()}
    assert {"Problemen en diagnoses", "Bloeddruk", "Inentingen", "Zorgverzekering"} <= cards
    assert len(cards) == 28
    expect(tab.page.get_by_role("row", name=re.compile(r"COPD .*GOLD 3")).first).to_be_visible()
    assert "999951750" not in tab.page.content()


def test_a_pdf_can_be_read_and_a_part_saved(tab: Tab) -> None:
    """SC-T4."""
    tab.to_consent().consent().record().part("Documenten")
    letter = tab.page.get_by_role("link", name=re.compile(r"\(pdf\)$")).first
    answer = tab.context.request.get(tab.base + (letter.get_attribute("href") or ""))
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.body().startswith(b"%PDF-")
    tab.part("Basisgegevens zorg").unfold()
    with tab.page.expect_download() as saved:
        tab.page.get_by_role("link", name="Problemen en diagnoses als FHIR XML").click()
    assert saved.value.suggested_filename == "48-problem.xml"


@pytest.mark.parametrize(("person", "lasting"), [("Bram Oudejans", True), ("Fleur Hoekstra", False)])
def test_what_was_chosen_is_what_is_kept(tab: Tab, person: str, lasting: bool) -> None:
    """CT-06, CT-51, UI-09: once or lasting; also for who turns sixteen today."""
    tab.to_consent(person).consent(lasting=lasting).record()
    tab.open("/consents").press("Inloggen met DigiD").log_in(person)
    assert ("Voor het laatst gebruikt op" in tab.text) is lasting
    assert ("(tot u stopt)" in tab.text) is lasting
    assert ("(één keer)" in tab.text) is not lasting


def test_by_keyboard_alone(tab: Tab) -> None:
    """UI-14, WCAG 2.1.1 and 2.4.7: a whole visit with Tab, arrows, Space and Enter, the focus always seen."""
    tab.open("/demo-pgo/")
    tab_to(tab, "Ophalen bij Ziekenhuis Zandoord").press("Enter")
    expect(tab.page.locator("h1")).to_have_text("U gaat naar Ziekenhuis Zandoord")
    tab_to(tab, "Inloggen met DigiD").press("Enter")
    expect(tab.page.locator("h1")).to_have_text("Inloggen bij de testomgeving")
    tab_to(tab, "Joke van Veldhuizen").press("ArrowDown")
    assert tab.page.get_by_role("radio", name="Bram Oudejans").is_checked()
    tab_to(tab, "Inloggen").press("Enter")
    expect(tab.page.locator("h1")).to_have_text("Mag Demo PGO uw gegevens ophalen?")
    tab_to(tab, "Ik geef toestemming tot ik die zelf stop").press("Space")
    assert tab.page.get_by_role("checkbox").is_checked()
    tab_to(tab, "Uitleg over uw toestemming").press("Enter")
    assert "zes maanden" in tab.text
    tab_to(tab, "Ja, ik geef toestemming", back=True).press("Enter")
    tab.record()
    assert tab.heading == "Bram Oudejans"
    tab_to(tab, "Naar de inhoud").press("Enter")
    assert tab.page.url.endswith("#inhoud")


def test_without_javascript(open_tab: Open) -> None:
    """UI-14: the whole visit, the explanation and the overview of consents."""
    tab = open_tab(javascript=False)
    tab.to_consent("Bram Oudejans")
    tab.page.locator("summary", has_text="Uitleg over uw toestemming").click()
    assert "zes maanden" in tab.text
    tab.consent(lasting=True).record()
    assert tab.heading == "Bram Oudejans"
    tab.open("/consents").press("Inloggen met DigiD").log_in("Bram Oudejans")
    assert "Demo PGO" in tab.text
    tab.press("Uitloggen").press("Uitloggen bij DigiD")
    assert tab.heading == "U bent uitgelogd"


def test_whoever_stops_comes_back_to_the_pgo_in_dutch(tab: Tab) -> None:
    """CT-45, CT-46, CT-50, CT-52, CT-53: whatever the reason, the PGO can only say the same."""
    tab.depart().press("Annuleren").press("Ja, stoppen")
    assert STOPPED in tab.text
    tab.to_login().press("Annuleren").press("Terug naar Demo PGO")
    assert STOPPED in tab.text
    tab.to_consent("Daan Wiersma").press("Terug naar Demo PGO")
    assert STOPPED in tab.text
    tab.to_consent().press("Nee, ik geef geen toestemming")
    assert STOPPED in tab.text
    tab.press("Terug naar het begin")
    assert tab.heading == "Haal uw gegevens op"


def test_who_hesitates_may_go_on(tab: Tab) -> None:
    """UI-06: stopping is asked once more."""
    tab.depart().press("Annuleren").press("Nee, doorgaan")
    assert tab.heading == "U gaat naar Ziekenhuis Zandoord"


def test_two_tabs_are_two_visits(tab: Tab) -> None:
    """AUTH-17: each ends with the person who logged in there."""
    tab.to_consent("Joke van Veldhuizen")
    other = tab.another().to_consent("Bram Oudejans")
    tab.consent().record()
    other.consent().record()
    assert "Joke van Veldhuizen" in tab.heading
    assert "Bram Oudejans" in other.heading


def test_back_and_reload_do_no_harm(tab: Tab) -> None:
    """AUTH-17: the consent page reloads; after the answer it is over; a record reloads without a second visit."""
    tab.to_consent("Bram Oudejans")
    tab.page.reload()
    assert tab.heading == "Mag Demo PGO uw gegevens ophalen?"
    tab.consent().record()
    tab.page.reload()
    assert tab.heading == "Bram Oudejans"
    tab.page.go_back()
    assert tab.heading == EXPIRED
    tab.page.go_forward()
    assert tab.heading == "Bram Oudejans"


def test_a_consent_counts_once(tab: Tab) -> None:
    """CT-57: the same form again gives the same code; without the secret of the page it gives none."""
    tab.to_consent("Bram Oudejans")
    form = {**hidden_fields(tab), "decision": "give"}
    answers = [tab.post_as_form(data) for data in ({**form, "csrf": "guess"}, form, form)]
    assert [answer.status for answer in answers] == [400, 302, 302]
    assert "code=" in answers[1].headers["location"]
    assert answers[1].headers["location"] == answers[2].headers["location"]
    assert "location" not in answers[0].headers


def test_a_double_click_is_one_click(tab: Tab) -> None:
    """CT-57: two clicks before the browser left. A click that comes later gets the page of test_ct_57 in flow/auth."""
    tab.to_consent("Bram Oudejans")
    # Both in one turn of the browser: how fast the machine is must not decide which of the two cases this is.
    tab.page.get_by_role("button", name="Ja, ik geef toestemming").evaluate(
        "button => { button.click(); button.click() }"
    )
    tab.record()
    assert tab.heading == "Bram Oudejans"


def test_another_browser_cannot_answer(tab: Tab, open_tab: Open) -> None:
    """CT-58: with everything that the page shows, and after a visit of its own, but without the cookie."""
    tab.to_consent("Bram Oudejans")
    thief = open_tab().to_consent("Gerda Slootweg")
    answer = thief.post_as_form({**hidden_fields(tab), "decision": "give"}, to=tab)
    assert answer.status >= 400
    assert "location" not in answer.headers
    tab.consent().record()
    assert tab.heading == "Bram Oudejans"


def test_a_second_visit_asks_for_a_new_login(base: str, tab: Tab) -> None:
    """AUTH-18, CT-59: a lasting consent and a login of a moment ago spare nobody the questions."""
    tab.to_consent("Bram Oudejans").consent(lasting=True).record()
    tab.depart()
    assert tab.heading == "U gaat naar Ziekenhuis Zandoord"
    tab.press("Inloggen met DigiD")
    assert tab.heading == "Inloggen bij de testomgeving"
    assert tab.page.locator("input[type=radio]:checked").count() == 0
    tab.log_in("Bram Oudejans")
    assert "U gaf Demo PGO al eerder toestemming" in tab.text
    assert tab.faults() == []
    tab.open(authorize_path(f"{base}/demo-pgo/callback"))
    assert tab.heading == "U gaat naar Ziekenhuis Zandoord"


def test_what_breaks_the_policy_would_be_noticed(base: str, browser: Browser) -> None:
    """UI-14: every other test of this folder ends by asking whether a page complained; this one provokes it."""
    context = browser.new_context()
    tab = Tab(base, context).depart()
    with tab.page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        tab.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p>')")
    context.close()
    assert "Content Security Policy" in " ".join(tab.complaints)
    with pytest.raises(AssertionError):
        tab.assert_strict()
