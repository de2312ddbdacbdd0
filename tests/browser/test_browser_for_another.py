"""A mother collects for her child, and a man for a woman who authorised him: section 19, as a person meets it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from browser.browsing import Tab, authorize_path, tab_to
from browser.test_browser_accessible import accessible, both_languages
from playwright.sync_api import expect

from workbench.demo.world import WorldPerson, load

pytestmark = pytest.mark.browser

Open = Callable[..., Tab]
ISA, SANNE, OMAR = "Isa Hofland", "Sanne Hofland", "Omar Bouzid"
JOKE = "Joke van Veldhuizen - Brandsma"


def person(name: str) -> WorldPerson:
    """A person of the demo world, as they are today."""
    return next(one for one in load(datetime.now(UTC).date()).persons if one.name == name)


def written(one: WorldPerson) -> str:
    """A birth date as the pages write it."""
    return one.born.strftime("%d-%m-%Y")


def to_choice(tab: Tab, whom: str, actor: str) -> Tab:
    """From the PGO to the question for whom."""
    return tab.depart_for(whom).press("Inloggen met DigiD").log_in(actor)


def request(base: str, born: str) -> str:
    """A request for a child with this birth date."""
    callback = f"{base}/demo-pgo/callback"
    return authorize_path(callback, scope="ziekenhuiszandoord onbehalfofchild", MedMij_geboortedatum=born)


def test_a_mother_collects_for_her_child(tab: Tab) -> None:
    """SC-T3, REP-01 to REP-06, UI-14: every page of it says whose data they are; then both see who did it."""
    both_languages(tab.depart_for(ISA), "U gaat naar Ziekenhuis Zandoord", "You are going to Ziekenhuis Zandoord")
    assert "U doet dit voor uw kind." in tab.text
    accessible(tab.press("Inloggen met DigiD").log_in(SANNE), "Voor wie doet u dit?")
    assert f"U bent ingelogd als {SANNE}." in tab.text
    expect(tab.page.get_by_role("radio")).to_have_count(2)
    tab.choose(ISA)
    both_languages(tab, "Mag Demo PGO de gegevens van uw kind ophalen?", "May Demo PGO collect the data of your child?")
    assert f"geboren op {written(person(ISA))}" in tab.text
    assert "Wij leggen vast dat u dit deed." in tab.text
    tab.consent(lasting=True).record()
    accessible(tab, ISA)
    assert f"Gegevens van {ISA}" in tab.page.locator(".hero").inner_text()

    tab.open("/consents").press("Inloggen met DigiD").log_in(SANNE)
    both_languages(tab, "Mijn toestemmingen", "My consents")
    given = tab.page.get_by_role("region", name="Toestemmingen die u voor iemand anders gaf").get_by_role("article")
    words = f"Voor uw kind, geboren op {written(person(ISA))}."
    expect(given).to_contain_text(words)
    log = tab.page.get_by_role("region", name="Wie heeft wat opgehaald?").get_by_role("listitem")
    expect(log.filter(has_text=words).first).to_contain_text(re.compile(r"Problemen en diagnoses \(1\)"))
    tab.follow(given.get_by_role("button", name="Toestemming stoppen"))
    accessible(tab, "Wilt u deze toestemming stoppen?")
    tab.press("Ja, toestemming stoppen")
    accessible(tab)
    expect(tab.page.get_by_role("status")).to_contain_text("Demo PGO kan vanaf nu niets meer ophalen.")
    expect(given).to_have_count(0)


def test_who_was_acted_for_sees_it(tab: Tab) -> None:
    """REP-06, LOG-09: in words; neither the number nor the pseudonym of who did it is on the page."""
    to_choice(tab, JOKE, OMAR).choose(JOKE)
    both_languages(tab, "de persoon voor wie u dit doet", "the person for whom you do this")
    tab.consent().record()
    tab.open("/consents").press("Inloggen met DigiD").log_in(JOKE)
    both_languages(tab, "Mijn toestemmingen", "My consents")
    log = tab.page.get_by_role("region", name="Wie heeft wat opgehaald?")
    expect(log).to_contain_text("Dit deed iemand voor u, met een machtiging.")
    assert person(OMAR).bsn not in tab.page.content()
    assert re.search(r"\b[0-9a-f]{64}\b", tab.text) is None


def test_who_may_act_for_nobody(tab: Tab) -> None:
    """REP-02 to REP-04, CT-98: the choice offers nobody, and going on for oneself is no mandate."""
    accessible(to_choice(tab, ISA, OMAR), "Voor wie doet u dit?")
    assert "Er is niemand voor wie u dit mag doen." in tab.text
    tab.choose("Voor mijzelf")
    both_languages(tab, "Dit kan nu niet", "not possible")
    assert "De machtiging is niet (meer) geldig" in tab.text
    tab.press("Terug naar Demo PGO")
    assert "U of uw zorgaanbieder heeft het ophalen gestopt." in tab.text


def test_another_birth_date(base: str, tab: Tab) -> None:
    """REP-05, CT-98: the provider knows the child by another one."""
    tab.open(request(base, "20200229")).press("Inloggen met DigiD").log_in(SANNE).choose(ISA)
    accessible(tab, "Dit kan nu niet")
    assert "of de geboortedatum klopt" in tab.text


def test_a_choice_that_was_not_made(tab: Tab) -> None:
    """UI-14: the browser asks for it; a form that comes without it anyway gets the question again."""
    to_choice(tab, ISA, SANNE)
    tab.page.get_by_role("button", name="Verder").click()
    assert tab.heading == "Voor wie doet u dit?"
    assert tab.page.locator("input:invalid").count() == 2
    tab.page.locator("form").evaluate("form => form.noValidate = true")
    tab.press("Verder")
    accessible(tab, "Voor wie doet u dit?")
    expect(tab.page.get_by_role("alert")).to_have_text("Kies voor wie u dit doet.")
    assert tab.choose(ISA).heading == "Mag Demo PGO de gegevens van uw kind ophalen?"


def test_by_keyboard_alone(tab: Tab) -> None:
    """UI-14, WCAG 2.1.1 and 2.4.7: from the PGO over the choice to the record with Tab, arrows, Space and Enter."""
    heading = tab.page.locator("h1")
    tab.open("/demo-pgo/")
    tab_to(tab, f"Ophalen voor {ISA}").press("Enter")
    expect(heading).to_have_text("U gaat naar Ziekenhuis Zandoord")
    tab_to(tab, "Inloggen met DigiD").press("Enter")
    expect(heading).to_have_text("Inloggen bij de testomgeving")
    tab_to(tab, "Of typ een verzonnen BSN").type(person(SANNE).bsn)
    tab_to(tab, "Inloggen").press("Enter")
    expect(heading).to_have_text("Voor wie doet u dit?")
    tab_to(tab, ISA).press("ArrowDown")
    assert tab.page.get_by_role("radio", name="Voor mijzelf").is_checked()
    tab.page.keyboard.press("ArrowUp")
    assert tab.page.get_by_role("radio", name=ISA).is_checked()
    tab_to(tab, "Verder").press("Enter")
    expect(heading).to_have_text("Mag Demo PGO de gegevens van uw kind ophalen?")
    tab_to(tab, "Ja, ik geef toestemming").press("Enter")
    tab.record()
    assert tab.heading == ISA


@pytest.mark.parametrize("width", [1280, 360])
def test_without_javascript(open_tab: Open, width: int) -> None:
    """UI-14: the choice, the consent and the overview, on a desktop and on a phone."""
    tab = open_tab(javascript=False, width=width)
    to_choice(tab, ISA, SANNE).choose(ISA).consent(lasting=True).record()
    assert tab.heading == ISA
    tab.open("/consents").press("Inloggen met DigiD").log_in(SANNE)
    assert "Voor uw kind, geboren op" in tab.text
    tab.press("Uitloggen").press("Uitloggen bij DigiD")
    assert tab.heading == "U bent uitgelogd"


def test_the_choice_in_english(open_tab: Open) -> None:
    """UI-03: the login speaks the language of the visit."""
    tab = open_tab(locale="en-GB").depart_for(ISA).press("Log in with DigiD")
    accessible(tab, "Log in to the test environment")
    tab.page.get_by_role("radio", name=SANNE).check()
    accessible(tab.press("Log in"), "For whom do you do this?")
