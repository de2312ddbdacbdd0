"""Every page against WCAG 2.2 A and AA, on a desktop and on a phone, in Dutch and in English where there are both."""

import re
from collections.abc import Callable

import httpx
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
        ("/demo-pgo/bezoek/onbekend", "Demo PGO"),
        ("/demo-pgo/nergens", "Demo PGO"),
        ("/idp/authorize?client_id=niemand", "Inloggen kan niet"),
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
    tab.unfold()
    accessible(tab)
    tab.consent().record()
    accessible(tab, "Joke van Veldhuizen")
    accessible(tab.press("Bekijk dit in FHIR STU3 en R4 naast elkaar"), "Uw gegevens in twee versies")
    tab.press("Terug naar uw dossier")
    accessible(tab.press("Alles op één pagina, om te printen"), "Joke van Veldhuizen")
    tab.press("Terug naar de samenvatting").part("Basisgegevens zorg")
    # Closed sections are part of the page as well.
    tab.unfold()
    accessible(tab, "Joke van Veldhuizen")


def test_a_record_with_mistakes(tab: Tab) -> None:
    """UI-14, with the findings unfolded."""
    tab.to_consent("Gerda Slootweg").consent().record().part("Basisgegevens zorg").unfold()
    accessible(tab, "Gerda Slootweg")


@pytest.mark.parametrize(
    ("provider", "person", "part"),
    [
        ("Geboortepraktijk De Linde", "Sanne Hofland", "Integrale zwangerschapskaart"),
        ("Laboratorium Delta", "Hanna Terpstra", "Laboratoriumuitslagen"),
    ],
)
def test_trends_ranges_and_pregnancies(tab: Tab, provider: str, person: str, part: str) -> None:
    """UI-14: plots have a name, and colour is never the only sign."""
    tab.to_consent(person, provider).consent().record().part(part).unfold()
    assert tab.page.locator("svg[role=img] title").count() > 0
    accessible(tab)


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
    accessible(tab, "U gaat naar Ziekenhuis Zandoord")
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


def test_a_login_without_a_choice(tab: Tab) -> None:
    """UI-14: nobody was chosen; the page says what to do."""
    tab.to_login().press("Inloggen")
    accessible(tab, "Inloggen bij de testomgeving")
    assert "Kies een persoon of typ een geldig test-BSN" in tab.page.get_by_role("alert").inner_text()


def test_a_login_that_was_used_already(tab: Tab) -> None:
    """UI-14: the same login page, sent a second time."""
    ticket = tab.to_login().page.locator("input[name=ticket]").input_value()
    form = {"ticket": ticket, "action": "cancel"}
    tab.context.request.post(f"{tab.base}/idp/login", form=form, max_redirects=0)
    tab.log_in("Joke van Veldhuizen")
    accessible(tab, "Inloggen kan niet")
    assert "verlopen" in tab.text


def test_a_login_that_is_too_weak(tab: Tab) -> None:
    """CT-47, UI-13."""
    tab.to_login().page.get_by_label("Manier van inloggen").select_option("Basis")
    tab.log_in("Joke van Veldhuizen")
    both_languages(tab, "Het inloggen is niet gelukt", "Logging in did not work")


@pytest.mark.parametrize(
    ("locale", "heading"), [("nl-NL", "Deze pagina is er niet"), ("en-GB", "This page does not exist")]
)
@pytest.mark.parametrize(("path", "status"), [("/toestemingen", 404), ("/oauth/visit/gone/continue", 405)])
def test_an_address_that_there_is_not(
    base: str, open_tab: Open, locale: str, heading: str, path: str, status: int
) -> None:
    """UI-14: a page for who reads; what a program is told stays as it was. Nothing of the address is repeated."""
    tab = open_tab(locale=locale)
    answer = tab.page.goto(base + path)
    assert answer is not None
    assert (answer.status, "default-src 'none'" in answer.headers["content-security-policy"]) == (status, True)
    accessible(tab, heading)
    assert path not in tab.page.content()
    program = httpx.get(base + path, trust_env=False)
    assert (program.status_code, program.headers["content-type"]) == (status, "application/json")
    assert list(program.json()) == ["detail"]


def test_a_visit_that_takes_long(base: str, tab: Tab) -> None:
    """UI-14: while a source lets wait, the page says how far it is, and goes on when the person asks."""
    tab.to_consent("Ruben Schouten", "GGZ Merwerand")
    httpx.post(f"{base}/demo-ehr/ecd/switch/slow", trust_env=False)
    try:
        tab.consent()
        accessible(tab, "Gegevens ophalen bij GGZ Merwerand")
        accessible(tab.record(), "Uw dossier")
        assert "Niet opgehaald" in tab.text
        accessible(tab.open("/demo-ehr/"), "Bronsystemen van de demo")
    finally:
        httpx.post(f"{base}/demo-ehr/ecd/switch/normal", trust_env=False)


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
