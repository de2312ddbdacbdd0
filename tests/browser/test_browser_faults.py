"""What a person sees when something fails while they visit: the gateway is real, and so is what fails (UI-12)."""

from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from browser.browsing import Tab, authorize_path
from browser.failing import Failing, failing
from browser.test_browser_accessible import accessible

pytestmark = pytest.mark.browser

Open = Callable[..., Tab]
BUSY = {"nl-NL": "Het lukt nu even niet", "en-GB": "This is not possible right now"}
LOG_IN = {"nl-NL": "Inloggen met DigiD", "en-GB": "Log in with DigiD"}
LATER = "De zorgaanbieder is nu niet bereikbaar. Probeer het later opnieuw."
PATIENCE = 40_000
"""Milliseconds: the gateway waits some seconds for its database."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failing]:
    """A gateway of which everything around it can fail."""
    with failing(tmp_path_factory.mktemp("failing")) as running:
        yield running


def told(tab: Tab, heading: str, pgo: str) -> None:
    """The page has the two ids to quote and a telephone number, is accessible, and leads back to the PGO."""
    accessible(tab, heading)
    assert "Trace ID" in tab.text
    assert "Session ID" in tab.text
    assert "000 - 000 00 00" in tab.text
    assert "Traceback" not in tab.page.content()
    assert trace_of(tab) in tab.text, "the number of the client's request, so that both helpdesks speak of the same"
    tab.follow(tab.page.locator("#leave"))
    accessible(tab, "Ziekenhuis Zandoord")
    assert pgo in tab.text


def trace_of(tab: Tab) -> str:
    """The X-Correlation-ID of the last authorization request of this tab."""
    asked = [url for url in tab.asked if "/oauth/authorize?" in url]
    return dict(parse_qsl(urlsplit(asked[-1]).query))["X-Correlation-ID"]


def at_login(tab: Tab, locale: str) -> Tab:
    """From the PGO to the test login, in the language of the browser."""
    return tab.depart().press(LOG_IN[locale])


def log_in(tab: Tab, person: str = "Joke van Veldhuizen") -> Tab:
    """Be this person, in either language."""
    tab.page.get_by_role("radio", name=person).check()
    return tab.follow(tab.page.locator("button[value=login]"))


@pytest.mark.parametrize("locale", list(BUSY))
def test_the_login_fails_during_the_visit(house: Failing, open_tab: Open, locale: str) -> None:
    """ERR-18, UI-12: the person chose who to be; what they chose cannot be asked for any more."""
    tab = at_login(open_tab(locale=locale, at=house.base), locale)
    with house.login.stopped():
        log_in(tab)
        told(tab, BUSY[locale], LATER)
    log_in(at_login(tab, locale))
    assert tab.page.locator("#decide").count() == 1


# The gateway remembers for a while whom a source knows: each of these stories needs a person of its own.
@pytest.mark.parametrize(("locale", "person"), [("nl-NL", "Bram Oudejans"), ("en-GB", "Gerda Slootweg")])
def test_the_source_fails_during_the_visit(house: Failing, open_tab: Open, locale: str, person: str) -> None:
    """ERR-18, AVL-03, CT-54: no answer is "not now", never "no data"; a visit after it is an ordinary one."""
    tab = at_login(open_tab(locale=locale, at=house.base), locale)
    with house.source.stopped():
        log_in(tab, person)
        told(tab, BUSY[locale], LATER)
    log_in(at_login(tab, locale), person)
    assert tab.page.locator("#decide").count() == 1


def test_the_database_fails_during_the_visit(house: Failing, open_tab: Open) -> None:
    """ERR-18, CT-55, UI-12: a visit under way gets the way back; one that begins does so once the database is free."""
    under_way, beginning = open_tab(at=house.base).depart(), open_tab(locale="en-GB", at=house.base)
    for tab in (under_way, beginning):
        tab.page.set_default_timeout(PATIENCE)
        tab.page.set_default_navigation_timeout(PATIENCE)
    with house.locked():
        # Both wait for the database at the same time.
        under_way.page.get_by_role("button", name="Inloggen met DigiD").click(no_wait_after=True)
        beginning.open(authorize_path(f"{house.base}/demo-pgo/callback"))
        accessible(beginning, BUSY["en-GB"])
        assert trace_of(beginning) in beginning.text
        under_way.page.locator("#leave").wait_for()
        told(under_way, BUSY["nl-NL"], LATER)
    # Reloading the page of the fault is asking again.
    beginning.page.reload()
    assert beginning.heading == "You are going to Ziekenhuis Zandoord"


@pytest.mark.parametrize(("width", "person"), [(1280, "Fleur Hoekstra"), (360, "Noor El Amrani")])
def test_a_fault_without_javascript(house: Failing, open_tab: Open, width: int, person: str) -> None:
    """UI-12, UI-14: the page, its numbers and the way back need no script."""
    tab = open_tab(javascript=False, width=width, at=house.base).to_login()
    with house.source.stopped():
        tab.log_in(person)
        assert tab.heading == BUSY["nl-NL"]
        assert "Trace ID" in tab.text
        tab.press("Terug naar Demo PGO")
    assert LATER in tab.text
