"""Mijn gegevens: a person without a PGO logs in at the institution, reads, prints and takes along their record."""

import io
import json
from collections.abc import Callable

import pikepdf
import pytest
from browser.browsing import Tab
from lxml import etree

pytestmark = pytest.mark.browser

Open = Callable[..., Tab]
JOKE = "Joke van Veldhuizen"


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
            assert (told["pdfaid:part"], told["pdfaid:conformance"]) == ("2", "U")
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
