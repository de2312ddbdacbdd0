"""Mijn gegevens: a person without a PGO logs in at the institution, reads, prints and takes along their record."""

import io
import json
import re
from collections.abc import Callable

import pikepdf
import pytest
from browser.browsing import Tab
from browser.test_browser_accessible import accessible
from browser.test_browser_for_another import ISA, OMAR, SANNE, person, written
from browser.test_browser_for_another import JOKE as LONG
from lxml import etree
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

Open = Callable[..., Tab]
JOKE = "Joke van Veldhuizen"
DUTCH = ("Samenvatting", "Toon de", "zorgverleners", "Niets vastgelegd", "Uitloggen", "Gemeten", "Vastgelegd", "Sinds")
"""Words of ours that an English page does not have."""


def enter(tab: Tab, person: str) -> Tab:
    """Through the login, to the record."""
    tab.open("/mijn-gegevens/ziekenhuiszandoord")
    assert tab.heading == "Mijn gegevens"
    return tab.press("Inloggen met DigiD").log_in(person)


def test_a_person_without_a_pgo_reads_their_own_record(tab: Tab) -> None:
    """UI-14: the same dossier as in a PGO; each page fits and is accessible."""
    enter(tab, JOKE)
    assert JOKE in tab.heading
    assert "Uw volgende afspraak" in tab.text
    # What search does not look at is there too.
    assert "Kattenepitheel" in tab.text
    assert "niet ingevuld" not in tab.text
    assert tab.faults() == []
    tab.part("Basisgegevens zorg").unfold()
    assert "GOLD 3" in tab.text
    assert tab.faults() == []
    tab.part("Samenvatting").press("Alles op één pagina, om te printen")
    assert "GOLD 3" in tab.text
    assert "999951750" not in tab.page.content()
    tab.press("Uitloggen").press("Uitloggen bij DigiD")
    assert tab.heading == "U bent uitgelogd"


def test_the_record_can_be_taken_along(tab: Tab) -> None:
    """PDF/A with its fonts inside and text that can be found; FHIR in both forms, with every digit."""
    enter(tab, JOKE)
    root = tab.page.url

    def fetched(name: str, media: str) -> bytes:
        answer = tab.context.request.get(f"{root}/{name}")
        assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, media)
        assert "attachment" in answer.headers["content-disposition"]
        return answer.body()

    with pikepdf.open(io.BytesIO(fetched("gegevens.pdf", "application/pdf"))) as paper:
        with paper.open_metadata() as told:
            assert (told["pdfaid:part"], told["pdfaid:conformance"]) == ("2", "A")
            assert JOKE in str(told["dc:title"])
        assert (str(paper.Root.Lang), bool(paper.Root.MarkInfo.Marked)) == ("nl-NL", True)
        assert paper.Root.ViewerPreferences.DisplayDocTitle
        assert "/OutputIntents" in paper.Root
        fonts = [font for page in paper.pages for font in page.Resources.Font.values()]
        assert all("/FontFile2" in font.DescendantFonts[0].FontDescriptor for font in fonts)
    bundle = json.loads(fetched("gegevens-stu3.json", "application/fhir+json"))
    found = {(entry["resource"]["resourceType"], entry["resource"]["id"]) for entry in bundle["entry"]}
    assert len(found) == len(bundle["entry"]) > 60
    (cat,) = (one["resource"] for one in bundle["entry"] if "Kattenepitheel" in json.dumps(one))
    assert cat["resourceType"] == "AllergyIntolerance"
    as_xml = etree.fromstring(fetched("gegevens-stu3.xml", "application/fhir+xml"))
    assert len(as_xml.findall("{http://hl7.org/fhir}entry")) == len(found)
    for name in ("gegevens-r9.json", "gegevens-stu3.exe"):
        assert tab.context.request.get(f"{root}/{name}").status == 404


def test_a_document_opens_and_that_is_recorded(tab: Tab) -> None:
    """UI-14, LOG-09: a PDF of the institution opens from the list; an address that is not in the list leads nowhere."""
    enter(tab, JOKE).part("Documenten")
    links = [str(one.get_attribute("href")) for one in tab.page.locator("a[href*='/document/']").all()]
    assert links
    for link in links:
        answer = tab.context.request.get(f"{tab.base}{link}")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
        assert answer.headers["content-disposition"] == "inline"
        assert answer.body().startswith(b"%PDF")
    strange = tab.context.request.get(f"{tab.base}{links[0].rpartition('/')[0]}/karel-brief")
    assert (strange.status, "Dit document is er niet." in strange.text()) == (404, True)
    tab.open("/consents").press("Inloggen met DigiD").log_in(JOKE)
    assert "De inhoud van een document" in tab.unfold().text


def test_reading_is_recorded_and_the_person_sees_it(tab: Tab) -> None:
    """LOG-09: an own event, in the words of the page."""
    enter(tab, JOKE)
    tab.open("/consents").press("Inloggen met DigiD").log_in(JOKE)
    assert "Mijn gegevens haalde op bij Ziekenhuis Zandoord:" in tab.text


@pytest.mark.parametrize(("person", "reason"), [("Daan Wiersma", "vanaf 16 jaar"), ("Noor El Amrani", "")])
def test_who_may_not_collect_reads_why(tab: Tab, person: str, reason: str) -> None:
    """AVL-04, AVL-05: the same tests as for a PGO."""
    enter(tab, person)
    assert reason in tab.text
    assert "Naar het begin" in tab.text
    assert tab.faults() == []


def test_another_browser_and_another_kind_of_visit_see_nothing(open_tab: Open) -> None:
    """AUTH-17: the address alone is worth nothing; a visit to the consents is no visit to the record."""
    mine, other = enter(open_tab(), JOKE), open_tab()
    visit = mine.page.url.rsplit("/", 1)[-1]
    for path in ("", "/alles", "/gegevens.pdf", "/gegevens-stu3.json"):
        answer = other.context.request.get(f"{mine.page.url}{path}")
        assert (answer.status, JOKE in answer.text()) == (400, False)
    other.open("/consents").press("Inloggen met DigiD").log_in(JOKE)
    theirs = other.page.url.rsplit("/", 1)[-1]
    assert other.context.request.get(f"{other.base}/mijn-gegevens/inzage/{theirs}").status == 400
    assert mine.context.request.get(f"{mine.base}/oauth/visit/{visit}", max_redirects=0).status == 303


def test_an_institution_that_there_is_not(tab: Tab) -> None:
    assert tab.context.request.get(f"{tab.base}/mijn-gegevens/nergens").status == 404


def test_without_javascript(open_tab: Open) -> None:
    """UI-14."""
    tab = enter(open_tab(javascript=False), JOKE)
    assert JOKE in tab.part("Documenten").heading


def another(tab: Tab, kind: str, born: str, actor: str, whom: str) -> Tab:
    """Through the form for somebody else and the login, to the record or to what is said instead."""
    ask(tab, kind, born)
    return tab.log_in(actor).choose(whom)


def ask(tab: Tab, kind: str, born: str) -> Tab:
    """Fill in the form for somebody else, and send it whatever the browser thinks of it."""
    tab.open("/mijn-gegevens/ziekenhuiszandoord").unfold()
    tab.page.get_by_label(kind).check()
    tab.page.get_by_label("Geboortedatum van die persoon").fill(born)
    tab.page.locator("form").last.evaluate("form => form.noValidate = true")
    return tab.press("Inloggen voor iemand anders")


def test_a_mother_reads_the_record_of_her_child(tab: Tab) -> None:
    """REP-01 to REP-06: whose it is stands on each page and on paper."""
    another(tab, "Voor mijn kind", written(person(ISA)), SANNE, ISA)
    whose = f"Dit zijn de gegevens van uw kind, {ISA}"
    assert tab.heading == ISA
    assert whose in tab.page.locator(".whose").inner_text()
    accessible(tab)
    root = tab.page.url
    for path in ("/alles", "/deel/48", "/deel/9999"):
        assert whose in tab.context.request.get(f"{root}{path}").text()
    paper = io.BytesIO(tab.context.request.get(f"{root}/gegevens.pdf").body())
    with pikepdf.open(paper) as opened, opened.open_metadata() as told:
        assert ISA in str(told["dc:title"])
    assert person(ISA).bsn not in tab.context.request.get(f"{root}/gegevens-stu3.json").text()
    tab.press("Uitloggen").press("Uitloggen bij DigiD")
    assert tab.heading == "U bent uitgelogd"


def test_who_was_authorised_reads_the_record_and_its_person_sees_that(tab: Tab) -> None:
    """REP-03, REP-06, LOG-09: the record is that of who gave the authorisation, not of who logged in."""
    another(tab, "Voor iemand die mij een machtiging gaf", written(person(LONG)), OMAR, LONG)
    assert "met een machtiging" in tab.page.locator(".whose").inner_text()
    assert JOKE in tab.heading
    tab.open("/consents").press("Inloggen met DigiD").log_in(JOKE)
    log = tab.page.get_by_role("region", name="Wie heeft wat opgehaald?")
    expect(log).to_contain_text("Mijn gegevens haalde op bij Ziekenhuis Zandoord:")
    # With an authorisation, where a choice of before tells which kind it was.
    expect(log).to_contain_text(re.compile("Dit deed iemand (anders voor u|voor u, met een machtiging)"))


@pytest.mark.parametrize(
    ("born", "whom", "reason"),
    [("29-02-2020", ISA, "of de geboortedatum klopt"), ("", "Voor mijzelf", "De machtiging is niet (meer) geldig")],
)
def test_who_may_not_act_reads_nothing(tab: Tab, born: str, whom: str, reason: str) -> None:
    """REP-02, REP-04, REP-05, CT-98: by another birth date; without a mandate."""
    another(tab, "Voor mijn kind", born or written(person(ISA)), SANNE, whom)
    assert reason in tab.text
    assert "Samenvatting" not in tab.text
    assert tab.faults() == []


@pytest.mark.parametrize("born", ["", "31-02-2020", "2020"])
def test_a_birth_date_that_is_none(tab: Tab, born: str) -> None:
    """UI-14: the same page again, open, with what is wrong."""
    ask(tab, "Voor mijn kind", born)
    assert tab.heading == "Mijn gegevens"
    expect(tab.page.get_by_role("alert")).to_contain_text("vul de geboortedatum in als dag-maand-jaar")
    accessible(tab)


def test_in_english(tab: Tab) -> None:
    """UI-14: every text and label of ours; what the care provider wrote stays as it is."""
    tab.open("/mijn-gegevens/ziekenhuiszandoord?lang=en")
    assert tab.heading == "My data"
    tab.press("Log in with DigiD").page.get_by_role("radio", name=JOKE).check()
    tab.press("Log in")
    root = tab.page.url
    assert "Your next appointment" in tab.text
    accessible(tab)
    tab.page.goto(f"{root}/alles")
    assert "Blood pressure" in tab.text
    assert [word for word in DUTCH if word in tab.text] == []
    assert tab.page.locator("html").get_attribute("lang") == "en"
    with pikepdf.open(io.BytesIO(tab.context.request.get(f"{root}/gegevens.pdf").body())) as paper:
        assert str(paper.Root.Lang) == "en-GB"
    assert "Uw volgende afspraak" in tab.other_language().text
