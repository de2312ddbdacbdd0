"""Many small data services on one consent page: a few lines on a phone, which a person opens to see more."""

from collections.abc import Callable

import pytest
from browser.browsing import Tab
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

DUINROOS = "Woonzorg Duinroos"


def test_services_of_a_kind_are_one_line_that_opens(open_tab: Callable[..., Tab]) -> None:
    """UI-08, UI-14: fourteen services, on a phone, without JavaScript."""
    tab = open_tab(width=360, javascript=False).to_consent("Coba Meesters", DUINROOS)
    lines = tab.page.locator(".services > li")
    assert [line.split("\n")[0].strip() for line in lines.all_inner_texts()] == [
        "Basisgegevens langdurige zorg 3.0",
        "Uw zorg en behandeling 4 soorten gegevens",
        "Metingen 7 soorten gegevens",
        "Over u 2 soorten gegevens",
    ]
    pressure = tab.page.locator("details.contents li", has_text="Bloeddruk")
    measurements = tab.page.locator("summary", has_text="Metingen")
    expect(pressure).not_to_be_visible()
    measurements.click()
    expect(pressure).to_be_visible()
    expect(pressure).to_contain_text("2 gegevens")
    about = pressure.locator(".told")
    expect(about).to_be_visible()
    assert about.inner_text().endswith("."), "what it is, in a sentence"
    tab.other_language()
    expect(tab.page.locator("summary", has_text="Measurements 7 kinds of data")).to_be_visible()


def test_the_page_of_many_services_is_accessible(open_tab: Callable[..., Tab]) -> None:
    """UI-14: closed and opened, at a phone's width and wide."""
    tab = open_tab(width=360).to_consent("Coba Meesters", DUINROOS)
    assert tab.faults() == []
    assert tab.unfold().faults() == []
