"""One running demo gateway, one Chromium, and pages that notice what a strict page must not do."""

from collections.abc import Callable, Iterator

import pytest
from browser.browsing import Tab, chromium
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from workbench.cli.visit import started


@pytest.fixture(scope="session")
def base() -> Iterator[str]:
    """The address of a demo gateway in a process of its own, on a store that is thrown away. Its login wants to be told
    of a logout, in a form."""
    with started(settings={"GATEWAY_AUTH__LOGIN__SINGLE_LOGOUT": "post"}) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, closed with the module: Playwright keeps an event loop in this thread for as long as it is open."""
    with sync_playwright() as playwright:
        opened = chromium(playwright)
        yield opened
        opened.close()


Open = Callable[..., Tab]


@pytest.fixture
def open_tab(base: str, browser: Browser) -> Iterator[Open]:
    """Opens a tab in a browser context of its own; afterwards every tab must have kept the rules of its pages."""
    contexts: list[BrowserContext] = []
    tabs: list[Tab] = []

    def opened(*, width: int = 1280, javascript: bool = True, locale: str = "nl-NL", at: str = base) -> Tab:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=javascript, locale=locale
        )
        contexts.append(context)
        tab = Tab(at, context)
        tabs.append(tab)
        return tab

    yield opened
    for context in contexts:
        context.close()
    for tab in tabs:
        tab.assert_strict()


@pytest.fixture
def tab(open_tab: Open) -> Tab:
    """One tab on a desktop, in Dutch."""
    return open_tab()
