"""Mijn toestemmingen: who may collect, who collected what, and ending it at once."""

import re
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import httpx
import pytest
from browser.browsing import Tab, authorize_path
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


class Pgo:
    """A PGO of which the test holds the tokens: the demo PGO does not know this visit, and leaves the code unused."""

    def __init__(self, base: str, tab: Tab) -> None:
        self.base = base
        self.tab = tab
        self.back = f"{base}/demo-pgo/callback"

    def lasting_consent(self, person: str) -> dict[str, str]:
        """The token answer after a lasting consent of this person."""
        self.tab.open(authorize_path(self.back)).press("Inloggen met DigiD").log_in(person)
        self.tab.page.get_by_role("checkbox").check()
        self.tab.press("Ja, ik geef toestemming")
        self.tab.page.wait_for_url("**/demo-pgo/callback*")
        code = dict(parse_qsl(urlsplit(self.tab.page.url).query))["code"]
        answer = self.token(grant_type="authorization_code", code=code, redirect_uri=self.back)
        assert answer.status_code == 200
        body: dict[str, str] = answer.json()
        return body

    def token(self, **form: str) -> httpx.Response:
        """A request to the token endpoint."""
        form = {"client_id": "pgo.demo.example", **form}
        return httpx.post(f"{self.base}/oauth/token", data=form, headers=ids(), trust_env=False)

    def collect(self, access_token: str, query: str) -> httpx.Response:
        """A search of the BgZ."""
        url = f"{self.base}/ziekenhuiszandoord/48/fhir/{query}"
        return httpx.get(url, headers={**ids(), "Authorization": f"Bearer {access_token}"}, trust_env=False)


def ids() -> dict[str, str]:
    """The two ids of every request."""
    return {"MedMij-Request-ID": str(uuid4()), "X-Correlation-ID": str(uuid4())}


def test_a_person_sees_who_collected_what_and_ends_it_at_once(base: str, tab: Tab) -> None:
    """CT-85, SC-T2, LTC-07, LTC-09."""
    pgo = Pgo(base, tab)
    tokens = pgo.lasting_consent("Gerda Slootweg")
    assert pgo.collect(tokens["access_token"], "Condition").json()["resourceType"] == "Bundle"

    tab.open("/consents").press("Inloggen met DigiD").log_in("Gerda Slootweg")
    overview = tab.page.url
    card = tab.page.get_by_role("article")
    expect(card).to_have_count(1)
    expect(card).to_contain_text("Demo PGO")
    expect(card).to_contain_text("Ziekenhuis Zandoord")
    expect(card).to_contain_text(re.compile(r"Gegeven op \d\d-\d\d-\d{4}"))
    collected = tab.page.get_by_role("region", name="Wie heeft wat opgehaald?")
    expect(collected).to_contain_text(re.compile(r"Demo PGO.*Ziekenhuis Zandoord.*Problemen en diagnoses", re.DOTALL))
    expect(collected).to_contain_text(re.compile(r"\d\d-\d\d-\d{4} \d\d:\d\d"))
    assert tab.faults() == []

    tab.follow(card.get_by_role("button", name="Toestemming"))
    assert tab.heading == "Wilt u deze toestemming stoppen?"
    tab.press("Nee, terug")
    expect(card).to_have_count(1)
    tab.follow(card.get_by_role("button", name="Toestemming")).press("Ja, toestemming stoppen")
    expect(tab.page.get_by_role("status")).to_contain_text("Demo PGO kan vanaf nu niets meer ophalen.")
    assert tab.faults() == []
    refused = pgo.collect(tokens["access_token"], "Condition")
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    renewed = pgo.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert (renewed.status_code, renewed.json()["error"]) == (400, "invalid_grant")

    tab.press("Uitloggen")
    assert tab.heading == "Bijna uitgelogd"
    assert tab.faults() == []
    tab.press("Uitloggen bij DigiD")
    assert tab.heading == "U bent uitgelogd"
    assert "U bent ook uitgelogd bij DigiD." in tab.text
    assert tab.faults() == []
    tab.page.goto(overview)
    assert tab.heading == "Deze pagina is verlopen"


def test_the_pages_in_english(tab: Tab) -> None:
    """UI-14."""
    tab.open("/consents")
    assert tab.faults() == []
    tab.other_language()
    assert tab.heading == "My consents"
    assert tab.faults() == []
    tab.follow(tab.page.get_by_role("main").get_by_role("button"))
    tab.page.get_by_role("radio", name="Noor El Amrani").check()
    tab.follow(tab.page.locator("button[value=login]"))
    assert tab.heading == "My consents"
    assert tab.faults() == []


def test_nobody_sees_the_consents_of_another(base: str, tab: Tab) -> None:
    pgo = Pgo(base, tab)
    pgo.lasting_consent("Bram Oudejans")
    tab.open("/consents").press("Inloggen met DigiD").log_in("Fleur Hoekstra")
    assert tab.page.get_by_role("article").count() == 0
