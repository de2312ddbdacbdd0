"""The room of questionnaires: put one ready, the citizen answers, staff read it, or it is taken back."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from databases import KINDS
from world.intake_house import pushing, source
from world.share_forms import BAD, QUESTIONS, FormHouse
from world.share_house import BRAM, PROVIDER, now, share_house
from world.staff_house import STAFF, StaffBrowser, colleague, working

from gateway.calendar import today_here
from gateway.intake.settings import IntakeSettings
from gateway.share.retention import end_offers
from gateway.staff.settings import StaffRole

NURSE = StaffRole.CARE_PROFESSIONAL
ASKED = f"{PROVIDER}/slaap"


@pytest.fixture(scope="module", params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FormHouse]:
    with share_house(request.param, tmp_path_factory.mktemp("room"), **STAFF) as house:
        with pushing(house.settings.database_url, IntakeSettings(sources={"epd": source()})) as intake:
            assert intake.send("PUT", "/intake/epd/Questionnaire/slaap", QUESTIONS).is_success
        yield FormHouse(house)


@pytest.fixture
def forms(hospital: FormHouse) -> FormHouse:
    hospital.house.forget()
    return hospital


@pytest.fixture
def nurse(forms: FormHouse) -> StaffBrowser:
    browser = working(forms.house, colleague(NURSE))
    browser.page("/questionnaires")
    return browser


def offered(nurse: StaffBrowser, **change: Any) -> Any:
    """The form to offer one, filled in."""
    fields = {"patient": "anna", "questionnaire": ASKED, "by": "Nadia Bakker", "until": "", "turn": "now"}
    return nurse.post("/questionnaires/offer", **fields | change)


def test_a_nurse_offers_one_and_reads_the_answers(forms: FormHouse, nurse: StaffBrowser) -> None:
    """DL-57, issue 14, 3: offered on the page, found by the PGO, answered, and read from the same list."""
    until = today_here() + timedelta(days=14)
    answer = offered(nurse, until=until.isoformat())
    assert (answer.status_code, answer.headers["location"]) == (303, "/staff/questionnaires?done=offered")
    listed = nurse.page("/questionnaires?done=offered")
    assert "A Lindegaarde" in listed
    assert until.isoformat() in listed
    (task,) = forms.found()
    assert task["requester"]["agent"]["display"] == "Nadia Bakker"
    assert task["restriction"]["period"]["end"].startswith(until.isoformat())
    accepted = forms.put(task, status="accepted").json()
    assert forms.answers(accepted, BAD).status_code == 200
    listed = nurse.page("/questionnaires")
    submission = forms.house.lines()[0].id
    assert f'href="/staff/inbox/{submission}"' in listed
    shown = nurse.page(f"/inbox/{submission}")
    for word in ("Hoe slaapt u?", "slecht", "Hoeveel uur?", "4"):
        assert word in shown
    told = [(one["action"], one["client"]) for one in forms.house.records() if one["action"].startswith("staff:")]
    assert ("staff:questionnaire:offer", "care-professional-1") in told


def test_it_waits_for_its_turn_and_is_taken_back(forms: FormHouse, nurse: StaffBrowser) -> None:
    """DL-52, DL-C23: the second waits; when the first is taken back, the PGO finds the second, and it alone."""
    assert offered(nurse).status_code == 303
    assert offered(nurse, turn="turn").status_code == 303
    (first,) = forms.found()
    withdrawn = nurse.post("/questionnaires/withdraw", provider=PROVIDER, task=first["id"])
    assert withdrawn.headers["location"] == "/staff/questionnaires?done=withdrawn"
    (second,) = forms.found()
    assert second["id"] != first["id"]
    assert forms.put(first, status="accepted").status_code == 422
    assert nurse.post("/questionnaires/withdraw", provider=PROVIDER, task=first["id"]).status_code == 409
    assert forms.found(BRAM) == []


def test_what_was_removed_from_the_record_does_not_close_the_room(forms: FormHouse, nurse: StaffBrowser) -> None:
    """DL-52: the Task of an offer is gone from the record: the room opens, the end of the day comes, others end."""
    until = today_here().isoformat()
    assert offered(nurse, until=until).status_code == 303
    forms.house.forget()
    assert offered(nurse, until=until).status_code == 303
    assert nurse.page("/questionnaires").count('name="task"') == 1
    assert end_offers(forms.house.engine, forms.keys, [PROVIDER], now() + timedelta(days=2)) == 1
    assert [one.status for one in forms.offers()] == ["cancelled"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"patient": "nobody"}, 404),
        ({"questionnaire": f"{PROVIDER}/none"}, 404),
        ({"questionnaire": "elsewhere/slaap"}, 400),
        ({"patient": ""}, 400),
        ({"by": ""}, 400),
        ({"until": "gisteren"}, 400),
        ({"until": "2020-01-01"}, 400),
        ({"token": "0" * 64}, 400),
    ],
)
def test_what_cannot_be_offered_is_told(
    forms: FormHouse, nurse: StaffBrowser, change: dict[str, Any], status: int
) -> None:
    """Nothing is put ready, and the page says why."""
    answer = offered(nurse, **change)
    assert answer.status_code in ({status, 403} if "token" in change else {status})
    assert forms.offers() == []


@pytest.mark.parametrize("role", [StaffRole.DATA_STEWARD, StaffRole.HELPDESK, StaffRole.OPERATOR, StaffRole.AUDITOR])
def test_other_roles_do_not_offer(forms: FormHouse, role: StaffRole) -> None:
    """DL-90: who is no care professional neither sees nor offers; that they asked is recorded."""
    browser = working(forms.house, colleague(role))
    browser.page("/questionnaires", 403)
    assert offered(browser).status_code == 403
    assert forms.house.records()[-1]["outcome"] == 403
    assert forms.offers() == []
