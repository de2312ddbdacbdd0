"""One running demo gateway, one Chromium, and pages that notice what a strict page must not do."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser.browsing import Tab, chromium
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from servers import Running, serving


@pytest.fixture(scope="session")
def gateway() -> Iterator[Running]:
    """The real application with the demo world and its PGO, on a store that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="gateway-browser-") as folder:
        with serving(f"sqlite:///{folder}/browser.db", world=True, visits=True) as running:
            yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, closed with the module: Playwright keeps an event loop in this thread for as long as it is open."""
    with sync_playwright() as playwright:
        opened = chromium(playwright)
        yield opened
        opened.close()


Open = Callable[..., Tab]


@pytest.fixture
def open_tab(gateway: Running, browser: Browser) -> Iterator[Open]:
    """Opens a tab in a browser context of its own; afterwards every tab must have kept the rules of its pages."""
    contexts: list[BrowserContext] = []
    tabs: list[Tab] = []

    def opened(*, width: int = 1280, javascript: bool = True, locale: str = "nl-NL") -> Tab:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=javascript, locale=locale
        )
        contexts.append(context)
        tab = Tab(gateway.base, context)
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


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """A folder for what is downloaded."""
    return tmp_path
