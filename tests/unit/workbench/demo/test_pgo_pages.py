"""The demo PGO in a browser's hands: start, come back, read the record, take files."""

import re
from collections.abc import Iterator
from datetime import date
from html import unescape
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from unit.workbench.pgo.pgo_fakes import BASE, PDF, Browser, FakeGateway, bundle, client, outcome

from workbench.demo.pgo.app import app
from workbench.demo.world import load

WORLD = load(date(2026, 3, 31))
JOKE = {resource["id"]: resource for resource in WORLD.resources_of("ziekenhuiszandoord")}
DOCUMENT = JOKE["joke-ontslagbrief"]


@pytest.fixture
def gateway() -> FakeGateway:
    """A gateway with a little of everything."""
    return FakeGateway(
        "48 51",
        {
            "Patient": bundle((JOKE["joke"], "match"), (JOKE["huisarts-vanvliet"], "include")),
            "Condition": bundle((JOKE["joke-copd"], "match"), (JOKE["gerda-status-onbekend"], "match")),
            "Flag": (503, outcome("Het <b>systeem</b> is er niet.")),
            "DocumentReference?status=current": bundle((DOCUMENT, "match")),
        },
    )


@pytest.fixture
def browser(gateway: FakeGateway) -> Iterator[Browser]:
    """A browser at the PGO."""
    pgo = Starlette(routes=[Mount("/demo-pgo", app(BASE, client(gateway)))])
    found = Browser(pgo)
    yield found
    found.close()


def begin(browser: Browser, provider: str = "ziekenhuiszandoord") -> str:
    """Press the button of an institution; gives the state that was sent."""
    response = browser.post("/demo-pgo/bezoek", provider=provider)
    assert response.status_code == 303
    return parse_qs(urlsplit(response.headers["location"]).query)["state"][0]


def record(browser: Browser) -> tuple[str, str]:
    """A whole visit: the address of the record and its text."""
    state = begin(browser)
    back = browser.get("/demo-pgo/callback", code="once", state=state)
    page = browser.get(back.headers["location"])
    assert page.status_code == 200
    return back.headers["location"], unescape(page.text).replace("\u00a0", " ")


def test_the_first_page_offers_the_institutions_and_says_who_can_log_in(browser: Browser) -> None:
    page = browser.get("/demo-pgo/")
    for provider in WORLD.providers:
        assert f"Ophalen bij {provider.display}" in page.text
    assert all(person.name in page.text for person in WORLD.persons)
    assert not any(person.bsn in page.text for person in WORLD.persons)


def test_pages_allow_no_scripts_and_nothing_from_elsewhere(browser: Browser) -> None:
    for path in ("/demo-pgo/", "/demo-pgo/callback?state=x"):
        page = browser.get(path)
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'")
        assert "script" not in policy
        assert "<script" not in page.text
        assert " style=" not in page.text
        assert page.headers["cache-control"] == "no-store"


def part(browser: Browser, service: str) -> str:
    """A visit, and the text of one of its parts."""
    address, _ = record(browser)
    page = browser.get(f"{address}/deel/{service}")
    assert page.status_code == 200
    return unescape(page.text).replace("\u00a0", " ")


def test_the_record_is_shown_zib_by_zib_with_what_is_missing_and_what_is_empty(browser: Browser) -> None:
    _, text = record(browser)
    assert "<h1>Joke van Veldhuizen - Brandsma</h1>" in text
    assert "COPD" in text
    assert "Dit overzicht is niet compleet" in text
    text = part(browser, "48")
    assert "GOLD 3, groep E." in text
    assert "P.J. van Vliet" in text
    missing = re.search(r'id="ontbreekt">.*?</section>', text, re.DOTALL)
    assert missing is not None
    assert "Waarschuwingen" in missing[0]
    empty = re.search(r"<h3>Niets vastgelegd.*?</section>", text, re.DOTALL)
    assert empty is not None
    assert "Allergieën" in empty[0]
    assert "Waarschuwingen" not in empty[0]


def test_every_part_is_one_press_away_and_all_of_it_can_be_printed(browser: Browser) -> None:
    address, text = record(browser)
    for service in ("48", "51"):
        assert f'href="{address}/deel/{service}"' in text
        assert f'href="{address}"' in browser.get(f"{address}/deel/{service}").text
    whole = unescape(browser.get(f"{address}/alles").text)
    assert "GOLD 3, groep E." in whole
    assert "Ontslagbrief" in whole or "brief" in whole
    assert browser.get(f"{address}/deel/999").status_code == 404


def test_with_a_lasting_consent_it_can_be_asked_again(browser: Browser, gateway: FakeGateway) -> None:
    address, _ = record(browser)
    seen = len(gateway.requests)
    again = browser.post(f"{address}/opnieuw")
    assert (again.status_code, again.headers["location"]) == (303, address)
    assert browser.get(address).status_code == 200
    assert len(gateway.requests) == 2 * seen
    browser.cookies.clear()
    assert browser.post(f"{address}/opnieuw").status_code == 404


def test_a_consent_that_has_ended_takes_nothing_away(browser: Browser, gateway: FakeGateway) -> None:
    address, text = record(browser)
    gateway.ended = True
    again = browser.post(f"{address}/opnieuw")
    assert (again.status_code, "Begin opnieuw." in again.text) == (200, True)
    assert unescape(browser.get(address).text).replace("\u00a0", " ") == text


def test_what_the_gateway_says_is_text_and_never_markup(browser: Browser) -> None:
    state = begin(browser)
    back = browser.get("/demo-pgo/callback", code="once", state=state)
    page = browser.get(back.headers["location"]).text
    assert "Het &lt;b&gt;systeem&lt;/b&gt; is er niet." in page


def test_findings_are_in_words_and_for_professionals(browser: Browser) -> None:
    text = part(browser, "48")
    assert "Voor zorgverleners en technici" in text
    assert "1 gegeven volgt de landelijke afspraken niet." in text
    assert "Condition.clinicalStatus:" not in text


def test_a_section_can_be_taken_as_it_came_in_json_and_in_xml(browser: Browser, gateway: FakeGateway) -> None:
    address, _ = record(browser)
    taken = browser.get(f"{address}/48-problem.json")
    assert taken.headers["content-type"].startswith("application/fhir+json")
    assert taken.json() == gateway.answers["Condition"][1]
    assert "attachment" in taken.headers["content-disposition"]
    assert browser.get(f"{address}/48-problem.xml").content == b"<Bundle/>"
    assert browser.get(f"{address}/48-unknown.json").status_code == 404
    assert browser.get(f"{address}/48-problem.exe").status_code == 404


def test_a_document_opens_with_the_token_of_the_visit(browser: Browser) -> None:
    address, _ = record(browser)
    link = re.search(r'href="([^"]+/document/[^"]+)"', browser.get(f"{address}/deel/51").text)
    assert link is not None
    opened = browser.get(link[1])
    assert (opened.headers["content-type"], opened.content) == ("application/pdf", PDF)
    assert link[1].startswith(f"{address}/51-documentReference/document/joke-ontslagbrief-pdf")


def test_no_token_code_or_bsn_is_on_any_page(browser: Browser) -> None:
    _, text = record(browser)
    assert "a-token" not in text
    assert "once" not in text
    assert WORLD.person("joke").bsn not in text


def test_another_browser_sees_nothing_of_a_visit(browser: Browser) -> None:
    address, _ = record(browser)
    browser.cookies.clear()
    assert browser.get(address).status_code == 404
    assert browser.get(f"{address}/48-problem.json").status_code == 404
    browser.cookies.set("demo_pgo", "guess")
    assert browser.get(address).status_code == 404


def test_an_answer_is_taken_once_and_only_by_the_browser_that_asked(browser: Browser) -> None:
    state = begin(browser)
    mine = browser.cookies.get("demo_pgo")
    browser.cookies.clear()
    assert browser.get("/demo-pgo/callback", code="once", state=state).status_code == 400
    assert mine is not None
    browser.cookies.set("demo_pgo", mine, path="/demo-pgo")
    assert browser.get("/demo-pgo/callback", code="once", state=state).status_code == 303
    assert browser.get("/demo-pgo/callback", code="once", state=state).status_code == 400


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"error": "access_denied"}, "Er zijn geen gegevens gedeeld."),
        ({"error": "temporarily_unavailable"}, "Probeer het later opnieuw."),
        ({"code": "wrong"}, "de toegang werd geweigerd"),
    ],
)
def test_a_refusal_is_told_in_plain_dutch(browser: Browser, answer: dict[str, str], told: str) -> None:
    state = begin(browser)
    back = browser.get("/demo-pgo/callback", **answer, state=state)
    assert told in browser.get(back.headers["location"]).text


def test_an_unknown_institution_is_not_visited(browser: Browser) -> None:
    assert browser.post("/demo-pgo/bezoek", provider="elders").status_code == 404
    assert browser.get("/demo-pgo/logo/elders.svg").status_code == 404


def test_style_icon_and_logos_are_there(browser: Browser) -> None:
    assert "text/css" in browser.get("/demo-pgo/pgo.css").headers["content-type"]
    for path in ("/demo-pgo/icon.svg", "/demo-pgo/logo/ggzmerwerand.svg"):
        assert browser.get(path).headers["content-type"].startswith("image/svg+xml")


def test_when_the_token_has_ended_files_are_refused_in_words(browser: Browser, gateway: FakeGateway) -> None:
    address, _ = record(browser)
    link = re.search(r'href="([^"]+/document/[^"]+)"', browser.get(f"{address}/deel/51").text)
    assert link is not None
    gateway.ended = True
    for path in (f"{address}/48-problem.xml", link[1]):
        answer = browser.get(path)
        assert answer.status_code == 502
        assert "Haal uw gegevens opnieuw op." in answer.text
    assert browser.get(f"{address}/48-problem.json").status_code == 200


def test_a_slow_institution_gets_a_page_that_says_so(browser: Browser, gateway: FakeGateway) -> None:
    """SC-P5: the person sees that something happens."""
    gateway.seconds = 2.5
    state = begin(browser)
    back = browser.get("/demo-pgo/callback", code="once", state=state)
    waiting = browser.get(back.headers["location"])
    assert f'href="{back.headers["location"]}">Kijk of het klaar is' in waiting.text
    assert "Gegevens ophalen bij Ziekenhuis Zandoord" in waiting.text
    assert "<h1>Joke van Veldhuizen - Brandsma</h1>" in browser.get(back.headers["location"]).text


def test_headings_go_down_one_level_at_a_time(browser: Browser) -> None:
    """WCAG 1.3.1, 2.4.6."""
    for page in (browser.get("/demo-pgo/").text, record(browser)[1]):
        assert '<html lang="nl">' in page
        levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_record_stands_in_both_releases_side_by_side_with_what_is_lost(browser: Browser) -> None:
    """ZC-03: the list in Dutch, and each resource as it came and as it became."""
    address, text = record(browser)
    assert f'href="{address}/releases"' in text
    page = unescape(browser.get(f"{address}/releases").text)
    assert page.count('"clinicalStatus": "active"') == page.count('"code": "active"') > 0
    assert "zibs van 2020" in page
    assert "PractitionerRole/huisarts-vanvliet" in page, "the role that R4 has"
    assert re.search(r"<li>[^<]+ \(\d+ keer\)</li>", page), "kinds of loss, counted"
    assert "Narrative" not in page
    assert browser.get("/demo-pgo/bezoek/onbekend/releases").status_code == 404
