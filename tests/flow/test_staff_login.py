"""The door of the staff pages: the institution's login, what its claims give, and what comes back that is not ours."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from databases import database
from sqlalchemy import Engine
from starlette.applications import Starlette

from auth.crypto import KeyRing
from auth.login.oidc import OidcLogin
from gateway.audit.trail import Trail
from gateway.cli.db import upgrade
from gateway.staff.account import NoAccount, account_of
from gateway.staff.door import StaffDoor
from gateway.staff.guard import StaffGuard
from gateway.staff.sessions import StaffSessions
from gateway.staff.settings import StaffClaims, StaffLoginSettings, StaffSettings
from gateway.store.engine import open_engine
from workbench.idp.staff import TestColleague, TestStaffProvider

BASE = "https://gateway.example"
PEOPLE = (
    TestColleague("n.bakker", "Nadia Bakker", ("care-professional", "yoga"), ("zandoord",), ("longziekten",)),
    TestColleague("guest", "Gast", ("visitor",), ("zandoord",)),
)
LOGIN = StaffLoginSettings(issuer="https://login.example")
SETTINGS = StaffSettings(enabled=True, login=LOGIN, claims=StaffClaims(providers="providers"))


class Browser:
    """A browser that goes from the gateway to the login and back."""

    def __init__(self, portal: BlockingPortal, app: Starlette, provider: Starlette) -> None:
        self._portal = portal
        self._hosts = {"gateway.example": app, "login.example": provider}
        self.cookies = httpx.Cookies()

    def call(self, method: str, url: str, **options: Any) -> httpx.Response:
        """One request; redirects are not followed."""
        return self._portal.call(lambda: self._call(method, url, **options))

    async def _call(self, method: str, url: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._hosts[urlsplit(url).netloc])
        async with httpx.AsyncClient(transport=transport, cookies=self.cookies) as client:
            answer = await client.request(method, url, headers={"accept-language": "en"}, **options)
            self.cookies = client.cookies
        return answer

    def to_login(self, to: str = "") -> tuple[str, str]:
        """To the login page; where that is, and its ticket."""
        url = self.call("GET", f"{BASE}/staff/login?to={to}").headers["location"]
        page = self.call("GET", url).text
        return url, page.split('name="ticket" value="')[1].split('"')[0]

    def back(self, account: str, to: str = "") -> str:
        """Be this colleague; the address of the callback."""
        _, ticket = self.to_login(to)
        done = self.call(
            "POST", f"{LOGIN.issuer}/login", data={"ticket": ticket, "account": account, "action": "login"}
        )
        return str(done.headers["location"])


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with database("sqlite", tmp_path) as url:
        made = open_engine(url)
        upgrade(made)
        yield made
        made.dispose()


@pytest.fixture
def new(engine: Engine) -> Iterator[Callable[[], Browser]]:
    """Opens a browser in front of one gateway."""
    with start_blocking_portal() as portal:
        provider = TestStaffProvider(LOGIN, PEOPLE, [f"{BASE}/staff/callback"]).app
        trail = Trail(engine, b"key of a test that has more than thirty-two bytes", 20)
        sessions = StaffSessions(engine, timedelta(minutes=20), timedelta(hours=9))
        guard = StaffGuard(engine, trail, sessions, secure=True)
        login = OidcLogin(LOGIN, httpx.ASGITransport(app=provider))
        door = StaffDoor(guard, SETTINGS, login, KeyRing("k", {"k": bytes(32)}), BASE, ("zandoord", "other"))
        app = Starlette(routes=door.routes)
        yield lambda: Browser(portal, app, provider)
        portal.call(trail.close)


def test_a_colleague_logs_in_and_goes_where_they_wanted(new: Callable[[], Browser]) -> None:
    """DL-90: code flow with PKCE and nonce; the cookie is the host's own, and no script sees it."""
    browser = new()
    url, _ = browser.to_login()
    asked = parse_qs(urlsplit(url).query)
    assert {"code_challenge", "nonce", "state"} <= asked.keys()
    assert "acr_values" not in asked
    done = browser.call("GET", browser.back("n.bakker", "/staff/inbox"))
    assert (done.status_code, done.headers["location"]) == (303, "/staff/inbox")
    cookie = next(one for one in done.headers.get_list("set-cookie") if one.startswith("__Host-staff="))
    assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"))
    assert "Nadia Bakker" in browser.call("GET", f"{BASE}/staff").text


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/oauth/x", "/staff/%0d%0aSet-Cookie:x", "/staff/../x"]
)
def test_a_login_leads_nowhere_else(new: Callable[[], Browser], to: str) -> None:
    browser = new()
    assert browser.call("GET", browser.back("n.bakker", to)).headers["location"] == "/staff"


def test_an_answer_that_another_browser_began_opens_nothing(new: Callable[[], Browser]) -> None:
    """CT-57: the state is bound to the browser; an answer is good once, and a made-up one never."""
    browser, other = new(), new()
    url = browser.back("n.bakker")
    assert other.call("GET", url).status_code == 400
    other.to_login()
    assert other.call("GET", url).status_code == 400
    assert browser.call("GET", url).status_code == 303
    assert browser.call("GET", url).status_code == 400
    browser.to_login()
    assert browser.call("GET", f"{BASE}/staff/callback?state=x&code=y").status_code == 400


def test_who_has_no_role_gets_no_session(new: Callable[[], Browser]) -> None:
    browser = new()
    done = browser.call("GET", browser.back("guest"))
    assert done.status_code == 403
    assert not any(one.startswith("__Host-staff=") for one in done.headers.get_list("set-cookie"))


def test_who_cancels_reads_so(new: Callable[[], Browser]) -> None:
    browser = new()
    _, ticket = browser.to_login()
    done = browser.call("POST", f"{LOGIN.issuer}/login", data={"ticket": ticket, "action": "cancel"})
    assert "stopped logging in" in browser.call("GET", done.headers["location"]).text


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({}, "no-account"),
        ({"preferred_username": "x\ny", "roles": ["auditor"], "providers": ["zandoord"]}, "no-account"),
        ({"preferred_username": "x", "roles": "admin root", "providers": ["zandoord"]}, "no-role"),
        ({"preferred_username": "x", "roles": {"auditor": True}, "providers": ["zandoord"]}, "no-role"),
        ({"preferred_username": "x", "roles": ["auditor"], "providers": ["elsewhere"]}, "no-provider"),
        ({"preferred_username": "x", "roles": ["auditor"]}, "no-provider"),
    ],
)
def test_claims_give_no_more_than_they_say(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(NoAccount, match=why):
        account_of(claims, SETTINGS, ("zandoord", "other"))


def test_without_a_claim_for_providers_the_settings_say_for_whom() -> None:
    """ROLE-04: with two providers and nothing said, nobody sees either."""
    claims = {"preferred_username": "x", "roles": "auditor"}
    plain = StaffSettings(enabled=True)
    assert account_of(claims, plain, ("zandoord",)).providers == ("zandoord",)
    with pytest.raises(NoAccount, match="no-provider"):
        account_of(claims, plain, ("zandoord", "other"))
    told = StaffSettings(enabled=True, providers=("other",))
    assert account_of(claims, told, ("zandoord", "other")).providers == ("other",)
    assert "staff.providers" in " ".join(plain.problems(2))
