"""A person at a browser: the steps of a visit in a few words, and an eye for what a page must never do."""

from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import APIResponse, Browser, BrowserContext, Keyboard, Locator, Page, Playwright, Response

WIDTHS = (1280, 360)
AXE = Axe()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
"""The tags that axe gives to its rules for WCAG 2.2, levels A and AA."""
ZANDOORD = "Ziekenhuis Zandoord"

_QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


def chromium(playwright: Playwright) -> Browser:
    """Debian's Chromium, without a life of its own."""
    return playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(_QUIET))


class Tab:
    """One page in a context, and everything that its context asked for and complained about."""

    def __init__(self, base: str, context: BrowserContext, page: Page | None = None) -> None:
        self.base = base
        self.context = context
        self.page = page or context.new_page()
        self.page.set_default_timeout(10_000)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.broken: list[str] = []
        if page is None:
            context.on("console", lambda message: self._heard(message.type, message.text))
            context.on("weberror", lambda error: self.complaints.append(str(error.error)))
            context.on("request", lambda request: self.asked.append(request.url))
            context.on("response", self._answered)

    def _heard(self, kind: str, text: str) -> None:
        # An error page is a page: Chromium also reports its status as a failure.
        if kind in ("error", "warning") and "the server responded with a status of" not in text:
            self.complaints.append(text)

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.request.resource_type not in ("document", "fetch", "xhr"):
            self.broken.append(f"{response.status} {response.url}")

    def assert_strict(self) -> None:
        """No complaint in the console (a broken policy is one), nothing missing, and no other host was asked."""
        here = urlsplit(self.base).netloc
        elsewhere = [url for url in self.asked if urlsplit(url).netloc not in (here, "")]
        assert (self.complaints, self.broken, elsewhere) == ([], [], [])

    # --- the steps of a visit --------------------------------------------------------------------------------------

    def open(self, path: str) -> "Tab":
        """Go to a path of the gateway."""
        self.page.goto(self.base + path)
        return self

    def another(self) -> "Tab":
        """A second tab of the same browser."""
        return Tab(self.base, self.context, self.context.new_page())

    @property
    def heading(self) -> str:
        """The heading of the page."""
        return self.page.locator("h1").first.inner_text()

    @property
    def text(self) -> str:
        """Everything on the page that can be read."""
        return self.page.locator("main").inner_text()

    def press(self, label: str) -> "Tab":
        """Press the button, or follow the link, with these words, and wait for the page that comes."""
        button = self.page.get_by_role("button", name=label, exact=True)
        return self.follow(button.or_(self.page.get_by_role("link", name=label, exact=True)).first)

    def follow(self, door: Locator) -> "Tab":
        """Click on what leads to another page, and wait for that page."""
        with self.page.expect_navigation():
            door.click()
        return self

    def other_language(self) -> "Tab":
        """The same page in the other language."""
        return self.follow(self.page.locator("footer a"))

    def depart(self, provider: str = ZANDOORD) -> "Tab":
        """From the PGO to the landing page of a provider."""
        return self.open("/demo-pgo/").press(f"Ophalen bij {provider}")

    def to_login(self, provider: str = ZANDOORD) -> "Tab":
        """From the PGO to the test login."""
        return self.depart(provider).press("Inloggen met DigiD")

    def log_in(self, person: str) -> "Tab":
        """Be this person at the test login."""
        self.page.get_by_role("radio", name=person).check()
        return self.press("Inloggen")

    def to_consent(self, person: str = "Joke van Veldhuizen", provider: str = ZANDOORD) -> "Tab":
        """From the PGO to the question."""
        return self.to_login(provider).log_in(person)

    def depart_for(self, whom: str) -> "Tab":
        """From the PGO to the landing page of the hospital, for somebody else."""
        return self.open("/demo-pgo/").press(f"Ophalen voor {whom}")

    def choose(self, whom: str) -> "Tab":
        """Say for whom, on the page that asks it after the login."""
        self.page.get_by_role("radio", name=whom).check()
        return self.press("Verder")

    def consent(self, *, lasting: bool = False) -> "Tab":
        """Say yes; the record is shown when everything is in."""
        if lasting:
            self.page.get_by_role("checkbox").check()
        self.press("Ja, ik geef toestemming")
        self.page.wait_for_url("**/demo-pgo/bezoek/*")
        return self

    def record(self) -> "Tab":
        """Wait until everything was collected; a page that says it takes longer is asked again."""
        found, again = self.page.locator(".record"), self.page.locator("#again")
        found.or_(again).first.wait_for(timeout=20_000)
        for _ in range(10):
            if found.count():
                break
            self.follow(again)
        found.wait_for()
        return self

    def part(self, name: str) -> "Tab":
        """From the summary of a record, or another part, to this part."""
        return self.follow(self.page.locator("nav.parts a", has_text=name).first)

    def unfold(self) -> "Tab":
        """Open everything on the page that can be closed."""
        self.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        return self

    def post_as_form(self, form: dict[str, str], to: "Tab | None" = None) -> APIResponse:
        """Send the consent form past the page, with this browser's cookies; redirects are looked at."""
        page = (to or self).page
        url = self.base + str(page.locator("#decide").get_attribute("action"))
        return self.context.request.post(url, form=form, headers={"Origin": self.base}, max_redirects=0)

    # --- what the eye sees -----------------------------------------------------------------------------------------

    def faults(self) -> list[str]:
        """What axe finds against WCAG 2.2 A and AA, and whether the page is wider than the window; at both widths."""
        found = []
        height = 900
        self.page.evaluate(AXE.axe_script)
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": height})
            found += [f"{width} px: {one}" for one in _violations(self.page)]
            if self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                found.append(f"{width} px: scrolls sideways")
        self.page.set_viewport_size({"width": WIDTHS[0], "height": height})
        return found


def _violations(page: Page) -> list[str]:
    options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    answer: dict[str, Any] = page.evaluate("options => axe.run(options)", options)
    return [
        f"{rule['id']}: {node['target']} {node['html'][:120]}"
        for rule in answer["violations"]
        for node in rule["nodes"][:5]
    ]


def authorize_path(redirect_uri: str, **changes: str | None) -> str:
    """The path of an authorization request of the demo PGO; ``None`` leaves a parameter out."""
    query = {
        "response_type": "code",
        "client_id": "pgo.demo.example",
        "redirect_uri": redirect_uri,
        "scope": "ziekenhuiszandoord",
        "state": uuid4().hex,
        "MedMij-Request-ID": str(uuid4()),
        "X-Correlation-ID": str(uuid4()),
        **changes,
    }
    return "/oauth/authorize?" + urlencode({name: value for name, value in query.items() if value is not None})


_FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const style = getComputedStyle(one);
  const label = one.labels && one.labels.length ? one.labels[0].innerText : one.innerText;
  const box = one.getBoundingClientRect();
  const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && box.right > 0 && box.bottom > 0;
  return {name: (one.getAttribute("aria-label") || label || one.value || one.tagName).trim(), seen};
}"""


def tab_to(tab: Tab, name: str, *, back: bool = False) -> Keyboard:
    """Press Tab (or Shift+Tab) until the element with this name has the focus; what has it must always show it."""
    tab.page.wait_for_load_state()
    for _ in range(80):
        tab.page.keyboard.press("Shift+Tab" if back else "Tab")
        focused = tab.page.evaluate(_FOCUSED)
        if focused is None:
            continue
        assert focused["seen"], f"nobody sees that {focused['name']!r} has the focus"
        if focused["name"].startswith(name):
            return tab.page.keyboard
    raise AssertionError(f"{name!r} cannot be reached by keyboard")


def hidden_fields(tab: Tab) -> dict[str, str]:
    """The hidden fields of the form on the consent page."""
    found = tab.page.locator("#decide input[type=hidden]").all()
    return {str(one.get_attribute("name")): one.input_value() for one in found}
