"""From the PGO to the inbox of the staff and back to the page of the citizen; and every staff page with axe."""

from collections.abc import Callable

import pytest
from browser.browsing import Tab

pytestmark = pytest.mark.browser

Open = Callable[..., Tab]
PRACTICE, HANNA = "Huisartsenpraktijk Het Veer", "Hanna Terpstra"
NURSE, STEWARD, DESK, OPERATOR = "Nadia Bakker", "Dirk Steenman", "Hanneke Deskamp", "Omar Beheer"


def send(tab: Tab, what: str, provider: str = PRACTICE, person: str = HANNA) -> Tab:
    """From the PGO, past the login and the confirmation, to what became of it."""
    tab.open("/demo-pgo/delen").press(f"Stuur naar {provider}: {what}")
    tab.press("Inloggen met DigiD").log_in(person)
    return tab.press("Ja, versturen")


def working(open_tab: Open, who: str, **options: object) -> Tab:
    """A colleague who is logged in, in the first room that their role opens."""
    tab = open_tab(**options).open("/staff")
    tab.press("Inloggen" if options.get("locale", "nl-NL") == "nl-NL" else "Log in")
    tab.page.get_by_role("radio", name=who).check()
    return tab.press("Inloggen" if options.get("locale", "nl-NL") == "nl-NL" else "Log in")


def mine(open_tab: Open, person: str = HANNA) -> Tab:
    """The citizen's page of consents."""
    tab = open_tab().open("/consents").press("Inloggen met DigiD")
    return tab.log_in(person)


def test_what_a_citizen_sends_is_seen_decided_on_and_told(open_tab: Open) -> None:
    """DL-C37, DL-90, DL-91, UI-14: sent in the PGO, accepted and declined by a nurse, read by the citizen."""
    pgo = open_tab()
    assert pgo.open("/demo-pgo/delen").faults() == []
    send(pgo, "mijn gewicht")
    assert pgo.heading == f"Gestuurd naar {PRACTICE}"
    assert pgo.page.locator("svg.trend").count() == 1
    assert pgo.faults() == []
    nurse = working(open_tab, NURSE)
    assert nurse.faults() == []
    nurse.press("Postvak")
    assert nurse.faults() == []
    assert "71,9" not in nurse.text
    nurse.follow(nurse.page.locator("td a", has_text=HANNA).first)
    assert "71.9 kg" in nurse.text
    assert "Wat al in het dossier stond" in nurse.text
    assert nurse.faults() == []
    nurse.page.get_by_role("checkbox").first.check()
    nurse.page.get_by_label("Toelichting").fill("Deze meting is van een ander.")
    nurse.press("Afwijzen")
    assert "Afgewezen" in nurse.text
    nurse.press("Accepteren")
    assert "Geaccepteerd" in nurse.text
    told = mine(open_tab)
    assert "3 geaccepteerd, op weg naar uw dossier" in told.text
    assert "Deze meting is van een ander." in told.text
    # Who of the staff looked collected nothing.
    assert "n.bakker" not in told.page.content()
    assert told.faults() == []


def test_a_questionnaire_is_filled_in_and_read(open_tab: Open) -> None:
    """DL-C15, DL-C16, DL-57: ready in the PGO, filled in on a page without script, read by a nurse."""
    pgo = open_tab(javascript=False).to_consent(HANNA, PRACTICE).consent().record()
    pgo.follow(pgo.page.get_by_role("link", name="Vul de vragenlijst in: Leefstijl"))
    assert pgo.heading == "Vragenlijst: Leefstijl"
    pgo.page.get_by_label("Rookt u?").select_option("Nee")
    pgo.page.get_by_label("Hoeveel dagen per week").fill("veel")
    pgo.page.get_by_label("Wat wilt u bespreken?").fill("Mijn nachtrust.")
    pgo.press("Verstuur de antwoorden")
    assert "Dit antwoord past niet bij de vraag: Hoeveel dagen per week" in pgo.text
    assert pgo.page.get_by_label("Rookt u?").input_value() == "Nee"
    pgo.page.get_by_label("Hoeveel dagen per week").fill("3")
    pgo.press("Verstuur de antwoorden")
    assert pgo.heading == f"Gestuurd naar {PRACTICE}"
    nurse = working(open_tab, NURSE).press("Postvak")
    nurse.follow(nurse.page.locator("tr", has_text="Vragenlijsten").locator("a"))
    for word in ("Rookt u?", "Nee", "3", "Mijn nachtrust."):
        assert word in nurse.text
    looking = open_tab().to_consent(HANNA, PRACTICE).consent().record()
    assert looking.page.get_by_role("link", name="Vul de vragenlijst in: Leefstijl").count() == 0
    looking.follow(looking.page.get_by_role("link", name="Vul de vragenlijst in: Slaap"))
    assert looking.heading == "Vragenlijst: Slaap"
    assert looking.faults() == []


def test_a_photo_and_a_request_to_correct(open_tab: Open) -> None:
    """DL-63, DL-82: a photo is shown as one; a request gets an answer that the citizen reads."""
    send(open_tab(), "een foto")
    send(open_tab(), "een verzoek om mijn dossier te verbeteren")
    nurse = working(open_tab, NURSE).press("Postvak")
    nurse.follow(nurse.page.locator("tr", has_text="Foto's delen").locator("a"))
    photo = nurse.page.get_by_role("img", name="Foto die de patiënt stuurde")
    photo.wait_for()
    assert photo.evaluate("one => one.naturalWidth") == 160
    assert nurse.faults() == []
    steward = working(open_tab, STEWARD).press("Correcties")
    assert steward.faults() == []
    steward.follow(steward.page.locator("td a").first)
    assert "Ik ben tien jaar geleden gestopt." in steward.text
    assert steward.faults() == []
    steward.page.get_by_label("Besluit").select_option("granted")
    steward.page.get_by_label("Antwoord").fill("Wij hebben het aangepast.")
    steward.press("Vastleggen en antwoorden")
    assert "Het besluit is vastgelegd." in steward.text
    assert "Wij hebben het aangepast." in mine(open_tab).text


def test_the_rooms_of_operations_in_both_languages(open_tab: Open) -> None:
    """UI-14, DL-90: each room fits and is accessible; without script everything works."""
    for who, rooms in (
        (NURSE, ("Questionnaires",)),
        (STEWARD, ("Quality", "Quarantine")),
        (DESK, ("One person", "Look-up", "Sources")),
        (OPERATOR, ("To the EHR", "Figures")),
    ):
        tab = working(open_tab, who, locale="en-GB")
        for room in rooms:
            tab.press(room)
            assert tab.heading == room
            assert tab.faults() == []
            tab.other_language()
            assert tab.page.locator("html").get_attribute("lang") == "nl"
            tab.other_language()


def test_nobody_without_a_role_comes_in(open_tab: Open) -> None:
    """DL-90: the login says who, the roles say what; somebody without one reads why."""
    tab = open_tab().open("/staff")
    assert tab.faults() == []
    tab.press("Inloggen")
    assert tab.faults() == []
    tab.page.get_by_role("radio", name="Gijs Rolloos").check()
    tab.press("Inloggen")
    assert tab.heading == "U hebt hier geen rol"
    assert tab.faults() == []
    assert tab.open("/staff/inbox").heading == "Voor medewerkers"


def test_a_colleague_logs_out(open_tab: Open) -> None:
    """A session ends at once."""
    tab = working(open_tab, DESK, javascript=False)
    tab.press("Uitloggen")
    assert tab.heading == "U bent uitgelogd"
    assert tab.open("/staff/person").heading == "Voor medewerkers"
