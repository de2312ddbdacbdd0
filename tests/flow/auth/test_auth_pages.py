"""Every page that people meet, in both languages: what must be on it, and that anybody can use it (UI-01 to UI-14)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import httpx
import pytest
from world.auth_house import CARER, FRONT, P1, P3, ZANDOORD, House

from auth.ports import AbsenceReason, Available, Level, ServiceContents

pytestmark = pytest.mark.anyio


class Outline(HTMLParser):
    """The parts of a page that matter to a reader with or without eyes."""

    def __init__(self, page: httpx.Response) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "img", "input", "br"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self._open and data.strip():
            self.text.setdefault(self._open[-1], []).append(" ".join(data.split()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of every element with this tag."""
        return [attributes for name, attributes in self.tags if name == tag]


async def _pages(house: House, language: str) -> dict[str, httpx.Response]:
    pgo = house.pgo()
    pgo.browser.headers["Accept-Language"] = language
    landing = await pgo.authorize()
    manage = await pgo.browser.get(f"{FRONT}/consents?provider={ZANDOORD}")
    mine = await pgo.log_in(await pgo.to_login(manage), P1)
    pages = {
        "landing": landing,
        "cancel": await pgo.submit(landing, "cancel"),
        "login": await pgo.to_login(await pgo.authorize()),
        "consent": await pgo.to_consent(),
        "confirm": await pgo.to_consent(scope=f"{ZANDOORD}~53"),
        "subscribe": await pgo.to_consent(scope=f"subscribe~30/{ZANDOORD}~65"),
        "unsubscribe": await pgo.to_consent(scope=f"subscribe~0/{ZANDOORD}~65"),
        "refused": await pgo.to_consent(P3),
        "too weak": await pgo.to_consent(P1, Level.BASIS),
        "wrong request": await pgo.authorize(client_id="x"),
        "expired": await pgo.browser.get(f"{FRONT}/oauth/visit/x"),
        "before my consents": manage,
        "my consents": mine,
    }
    return {**pages, "logged out": await pgo.submit(mine, "logout")}


@pytest.mark.parametrize("language", ["nl", "en"])
async def test_ui_14_every_page_is_well_formed_and_usable(house: House, language: str) -> None:
    """UI-14: closed tags, one heading, a title that equals it, a language, labels, names, a way past the header."""
    await house.pgo().tokens(lasting=True)
    for name, page in (await _pages(house, language)).items():
        outline = Outline(page)
        assert outline.all("html")[0]["lang"] == language, name
        assert outline.text["h1"] == outline.text["title"], name
        assert len(outline.all("h1")) == len(outline.all("main")) == 1, name
        labels = {label["for"] for label in outline.all("label")}
        for field in [*outline.all("input"), *outline.all("select")]:
            assert field.get("type") == "hidden" or field["id"] in labels, name
        ids = [attributes["id"] for _, attributes in outline.tags if attributes.get("id")]
        assert len(ids) == len(set(ids)), name
        assert all(image["alt"] for image in outline.all("img")), name
        assert not outline.all("script"), name
        assert "{" not in page.text, name
        assert name == "login" or outline.all("a")[0]["href"] == "#content", name


async def test_ui_02_the_names_left_and_right(house: House) -> None:
    """UI-02, UI-04: the provider first, MedMij after it; display names, never the MedMij name."""
    for name, page in (await _pages(house, "nl")).items():
        if name in {"login", "wrong request", "expired"}:
            continue
        header = page.text.partition("<header")[2].partition("</header>")[0]
        assert 0 < header.index("Ziekenhuis Zandoord") < header.index('alt="MedMij"'), name
        assert ZANDOORD not in page.text.replace(f"/static/{ZANDOORD}", ""), name


async def test_ui_02_the_logo_of_the_provider(house: House) -> None:
    """UI-02: from its settings, with its name for who cannot see it."""
    house.providers[ZANDOORD] = replace(house.providers[ZANDOORD], logo="/static/logo.svg")
    page = await house.pgo().authorize()
    assert '<img class="logo" src="/static/logo.svg" alt="Ziekenhuis Zandoord">' in page.text


async def test_ui_12_the_fault_page_tells_whom_to_call(house: House) -> None:
    """UI-12: name and telephone of the supplier, the two numbers to quote."""
    page = await house.pgo().authorize(client_id="x")
    for words in ("Zandoord Koppelingen", "010 - 555 00 00", "Trace ID", "Session ID"):
        assert words in page.text


async def test_the_consent_page_says_who_what_since_when_and_what_is_not_there(house: House) -> None:
    """UI-08, AVL-05: name and birth date, the parts of each service with their number, why others are absent."""
    house.host.known[P1] = Available(
        frozenset({"48"}),
        birth_date=date(1980, 5, 17),
        name="<b>Joke</b> Zandstra",
        contents={"48": ServiceContents((("Allergieën", 3), ("Problemen", 1)), "2014")},
        absent={"65": AbsenceReason.DELAYED},
    )
    page = (await house.pgo().to_consent()).text
    assert "&lt;b&gt;Joke&lt;/b&gt; Zandstra, geboren op 17-05-1980" in page
    assert "4 gegevens, vanaf 2014" in page
    assert "Allergieën" in page
    assert "1 onderdeel is er niet bij" in page
    assert "Deze gegevens komen later beschikbaar." in page


async def test_what_a_representative_chooses_once_leaves_the_own_consent_alone(
    house_with: Callable[..., House],
) -> None:
    """LTC-10, REP-01: each giver replaces what that giver gave, and nothing else."""
    house = house_with(representation=True)
    store = house.auth.parts.store
    pgo = house.pgo()
    await pgo.tokens(lasting=True)
    (own,) = store.lasting_families(house.auth.parts.pseudonyms.of(P1))
    acting = replace(own, id="acting", actor=house.auth.parts.pseudonyms.of(CARER), lasting=False)
    (entry,) = store.consents_of(own.subject)
    for family in (acting, replace(own, id="once", lasting=False)):
        consent = await house.pgo().to_consent()
        row = store.find_session(str(consent.url).rsplit("/", 1)[-1])
        assert row is not None
        told = replace(entry, entry=family.id, consent_id=family.id)
        assert store.decide(row._replace(version=row.version + 1), row.version, told, family, True, None)
        kept = [one.id for one in store.lasting_families(own.subject)]
        assert kept == ([own.id] if family is acting else [])
