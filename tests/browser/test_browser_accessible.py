"""Every page against WCAG 2.2 A and AA, on a desktop and on a phone, in Dutch and in English where there are both."""

import re
from collections.abc import Callable

import pytest
from browser.browsing import Tab, authorize_path

pytestmark = pytest.mark.browser

Open = Callable[..., Tab]


def accessible(tab: Tab, heading: str = "") -> None:
    """The page has this heading, and nothing on it stands in anybody's way."""
    if heading:
        assert heading in tab.heading
    assert tab.page.locator("html").get_attribute("lang") in ("nl", "en")
    assert tab.page.title()
    assert tab.faults() == []


def both_languages(tab: Tab, dutch: str, english: str) -> None:
    """The same in Dutch and, by the link at the foot of the page, in English; back to Dutch afterwards."""
    accessible(tab, dutch)
    tab.other_language()
    assert tab.page.locator("html").get_attribute("lang") == "en"
    accessible(tab, english)
    tab.other_language()
    assert dutch in tab.heading


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/", "MedMij gateway"),
        ("/handbook/", "Documentation"),
        ("/handbook/validation.html", ""),
        ("/handbook/authorization.html", "authorization server"),
        ("/demo-ehr/", "Bronsystemen van de demo"),
        ("/demo-pgo/", "Haal uw gegevens op"),
        ("/demo-pgo/bezoek/onbekend", "Mijn Dossier"),
    ],
)
def test_pages_that_need_no_visit(tab: Tab, path: str, heading: str) -> None:
    """UI-14."""
    accessible(tab.open(path), heading)


def test_landing_cancel_and_login(tab: Tab) -> None:
    """UI-05, UI-06, UI-14."""
    both_languages(tab.depart(), "U gaat naar Ziekenhuis Zandoord", "You are going to Ziekenhuis Zandoord")
    tab.press("Annuleren")
    accessible(tab, "Wilt u stoppen?")
    tab.press("Ja, stoppen")
    accessible(tab, "Ziekenhuis Zandoord")
    accessible(tab.to_login(), "Inloggen bij de testomgeving")


def test_consent_and_the_record(tab: Tab) -> None:
    """UI-08, UI-09, UI-10, UI-14."""
    both_languages(tab.to_consent(), "Mag Demo PGO uw gegevens ophalen?", "Demo PGO")
    tab.page.locator("summary").click()
    accessible(tab)
    tab.consent().record()
    # Closed parts are part of the page as well.
    tab.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    accessible(tab, "Joke van Veldhuizen")


def test_a_record_with_mistakes(tab: Tab) -> None:
    """UI-14, with the findings unfolded."""
    tab.to_consent("Gerda Slootweg").consent().record()
    tab.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    accessible(tab, "Gerda Slootweg")


def test_the_confirmation_of_delen(base: str, tab: Tab) -> None:
    """UI-11, CT-94: no choice of duration."""
    tab.open(authorize_path(f"{base}/demo-pgo/callback", scope="ziekenhuiszandoord~9004"))
    accessible(tab, "U gaat naar Ziekenhuis Zandoord")
    tab.press("Inloggen met DigiD").log_in("Joke van Veldhuizen")
    both_languages(tab, "Mag Demo PGO gegevens sturen naar Ziekenhuis Zandoord?", "Demo PGO")
    assert tab.page.get_by_role("checkbox").count() == 0
    assert "Documenten delen" in tab.text


@pytest.mark.parametrize(
    ("days", "heading"),
    [(30, "Mag Demo PGO bericht krijgen over nieuwe gegevens?"), (0, "Wilt u geen berichten meer?")],
)
def test_a_subscription_and_its_end(base: str, tab: Tab, days: int, heading: str) -> None:
    """CT-95, CT-96: the statements of subscribing, in both languages."""
    tab.open(authorize_path(f"{base}/demo-pgo/callback", scope=f"subscribe~{days}/ziekenhuiszandoord~48"))
    tab.press("Inloggen met DigiD").log_in("Joke van Veldhuizen")
    both_languages(tab, heading, "Demo PGO" if days else "messages")


@pytest.mark.parametrize(
    ("person", "reason"),
    [("Daan Wiersma", "vanaf 16 jaar"), ("Noor El Amrani", "niets vastgelegd|geen gegevens")],
)
def test_refusals(tab: Tab, person: str, reason: str) -> None:
    """UI-13, CT-49, CT-50."""
    tab.to_consent(person)
    assert re.search(reason, tab.text)
    both_languages(tab, "Dit kan nu niet", "not possible")


def test_a_login_that_was_cancelled(tab: Tab) -> None:
    """CT-46."""
    tab.to_login().press("Annuleren")
    both_languages(tab, "U bent gestopt met inloggen", "logging in")


def test_faults_in_both_languages(base: str, open_tab: Open) -> None:
    """UI-12, CT-17: an unknown client gets a page with the two ids to quote, and no way back."""
    for locale, heading in (("nl-NL", "Deze pagina kunt u zo niet openen"), ("en-GB", "You cannot open")):
        tab = open_tab(locale=locale)
        tab.open(authorize_path(f"{base}/demo-pgo/callback", client_id="niemand.example"))
        accessible(tab, heading)
        assert "Trace ID" in tab.text
        assert "Session ID" in tab.text
        assert tab.page.locator("main a").count() == 0


def test_a_session_that_was_lost(tab: Tab) -> None:
    """ERR-19."""
    tab.to_consent()
    tab.context.clear_cookies()
    tab.press("Ja, ik geef toestemming")
    accessible(tab, "Deze pagina is verlopen")


def test_the_api_page(tab: Tab) -> None:
    """With a service, a request and the dialogue of the Authorize button unfolded."""
    tab.open("/docs")
    tab.page.locator(".opblock-tag").first.click()
    tab.page.locator(".opblock-summary-control").nth(1).click()
    tab.page.get_by_role("button", name="Execute").wait_for()
    accessible(tab, "MedMij gateway")
    tab.page.get_by_role("button", name="Authorize").first.click()
    tab.page.locator(".modal-ux").wait_for()
    accessible(tab)
