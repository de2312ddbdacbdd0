"""The staff pages: who sees what, what is recorded of it, and what becomes of what citizens sent."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS
from sqlalchemy import select
from world.share_house import (
    ANNA,
    BRAM,
    CORRECT,
    DOCUMENT,
    PHOTO,
    ShareHouse,
    correction,
    document,
    measurements,
    pdf,
    share_house,
)
from world.share_photos import photos, picture
from world.staff_house import STAFF, StaffBrowser, colleague, working

from gateway.host import GatewayHost
from gateway.share.filing import Outbox
from gateway.share.inbox import Inbox
from gateway.share.keep import Keys
from gateway.staff.rights import Right, rights_of, table
from gateway.staff.sessions import StaffSessions
from gateway.staff.settings import StaffRole
from gateway.store.schema import resource
from gateway.wiring import keys_of
from gateway.wiring.sharing import write_backs
from profiles.fhir.codec import jsonio
from profiles.fhir.codec.packing import unpack

HEADS = ("when", "who", "what", "outcome", "count")
NURSE, STEWARD = StaffRole.CARE_PROFESSIONAL, StaffRole.DATA_STEWARD


@pytest.fixture(scope="module", params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShareHouse]:
    """The hospital with its staff pages, on each database."""
    with share_house(request.param, tmp_path_factory.mktemp("staff"), **STAFF) as made:
        yield made


@pytest.fixture
def house(hospital: ShareHouse) -> Iterator[ShareHouse]:
    """The same, with nothing sent yet."""
    hospital.forget()
    yield hospital
    hospital.forget()


def sent(house: ShareHouse, body: Any, *where: str) -> str:
    """Send something; the id of its submission."""
    answer = house.send(body, *where)
    assert answer.is_success, answer.text
    return max(house.lines(open_only=False), key=lambda line: line.received).id


def last(house: ShareHouse) -> dict[str, Any]:
    return house.records()[-1]


def test_a_nurse_accepts_what_a_patient_measured(house: ShareHouse) -> None:
    """DL-90, DL-91, DL-93: list, one submission, accept; each view and deed in the trail with who."""
    id_ = sent(house, measurements(72.5, 71.9))
    nurse = working(house, colleague(NURSE))
    listed = nurse.page("/inbox")
    assert "A Lindegaarde" in listed
    assert "72.5" not in listed
    assert last(house)["action"] == "staff:inbox:list"
    shown = nurse.page(f"/inbox/{id_}")
    assert "72.5 kg" in shown
    assert ANNA not in shown
    assert "the patient measured" in shown.lower()
    answer = nurse.post(f"/inbox/{id_}/accept")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/staff/inbox/{id_}?done=accept")
    assert "Accepted" in nurse.page(f"/inbox/{id_}?done=accept")
    told = [(one["action"], one["client"], one["outcome"]) for one in house.records() if one.get("rule") == id_]
    who = "care-professional-1"
    assert told == [
        ("staff:submission:view", who, 200),
        ("staff:submission:accept", who, 200),
        ("staff:submission:view", who, 200),
    ]
    # Once more, as a tired nurse does: nothing happens twice.
    again = nurse.post(f"/inbox/{id_}/accept")
    assert again.status_code == 409
    assert last(house)["outcome"] == 409


def test_a_part_is_accepted_and_the_rest_declined_with_a_reason(house: ShareHouse) -> None:
    """DL-91, DL-C37: items are chosen; the reason is one of the list with own words, and none is no refusal."""
    id_ = sent(house, measurements(72.5, 71.9))
    nurse = working(house, colleague(NURSE))
    nurse.page(f"/inbox/{id_}")
    with house.engine.connect() as connection:
        items = [one.id for one in Inbox(connection).open(id_).items if one.role == "item"]
    assert nurse.post(f"/inbox/{id_}/decline", item=items[1], reason="  ").status_code == 400
    declined = nurse.post(f"/inbox/{id_}/decline", item=items[1], listed="Wij hebben dit al.", reason="Van maandag.")
    assert declined.status_code == 303
    assert nurse.post(f"/inbox/{id_}/accept", item=items[0]).status_code == 303
    with house.engine.connect() as connection:
        assert dict(Inbox(connection).reasons(id_)) == {"accepted": "", "declined": "Wij hebben dit al. Van maandag."}


def test_another_department_stays_closed(house: ShareHouse) -> None:
    """DL-C36, DL-90: what was routed to others is refused, and that somebody tried is in the trail."""
    id_ = sent(house, measurements(72.5))
    steward = working(house, colleague(STEWARD, id="steward"))
    steward.page(f"/inbox/{id_}")
    assert steward.post(f"/inbox/{id_}/forward", department="longziekten").status_code == 303
    stranger, own = colleague(NURSE, departments=("oogheelkunde",)), colleague(NURSE, departments=("longziekten",))
    refused = working(house, stranger).page(f"/inbox/{id_}", 403)
    assert "72.5" not in refused
    assert (last(house)["action"], last(house)["outcome"]) == ("staff:submission:view", 403)
    assert "72.5 kg" in working(house, own).page(f"/inbox/{id_}")


def test_three_photos_are_seen_as_pictures(house: ShareHouse) -> None:
    """DL-C24, DL-63: the nurse sees each of the three on the page, small; each is served as the picture that it is."""
    id_ = sent(house, photos(*(picture() + bytes([number]) for number in range(3))), PHOTO)
    nurse = working(house, colleague(NURSE))
    addresses = re.findall(rf'<img class="photo" src="/staff(/inbox/{id_}/file/[^"]+)"', nurse.page(f"/inbox/{id_}"))
    assert len(set(addresses)) == 3
    for address in addresses:
        answer = nurse.call("GET", address)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")


def test_another_institution_is_not_there(house: ShareHouse) -> None:
    """DL-C36, ROLE-04: who works for another provider finds nothing, by list or address; that they tried is told."""
    id_ = sent(house, measurements(72.5))
    stranger = working(house, colleague(NURSE, providers=("tandartsdekies",)))
    assert "Lindegaarde" not in stranger.page("/inbox")
    assert "72.5" not in stranger.page(f"/inbox/{id_}", 409)
    assert (last(house)["action"], last(house)["outcome"]) == ("staff:submission:view", 409)
    assert stranger.post(f"/inbox/{id_}/accept").status_code == 409
    assert house.lines()[0].states == {"inbox": 1}


def test_files_open_as_what_they_are_and_run_as_nothing(house: ShareHouse) -> None:
    """DL-63: a PDF opens, guarded by its headers; the file of another submission does not."""
    id_, other = sent(house, document(pdf()), DOCUMENT), sent(house, measurements(72.5))
    nurse = working(house, colleague(NURSE))
    with house.engine.connect() as connection:
        file = next(one.id for one in Inbox(connection).open(id_).items if one.type == "Binary")
    answer = nurse.call("GET", f"/inbox/{id_}/file/{file}")
    assert answer.content.startswith(b"%PDF")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert nurse.call("GET", f"/inbox/{other}/file/{file}").status_code == 409


def test_a_request_to_correct_is_decided_and_answered(house: ShareHouse) -> None:
    """DL-82, DL-84: the answer is registered, and stands in the record as a Communication to the patient."""
    id_ = sent(house, correction(), CORRECT)
    nurse, steward = working(house, colleague(NURSE)), working(house, colleague(STEWARD, id="steward"))
    assert "days left" in nurse.page("/corrections")
    assert "Mijn geboorteplaats klopt niet." in nurse.page(f"/corrections/{id_}")
    assert nurse.post(f"/corrections/{id_}/decide", decision="denied", answer="Nee.").status_code == 403
    steward.page(f"/corrections/{id_}")
    assert steward.post(f"/corrections/{id_}/decide", decision="denied", answer="").status_code == 400
    done = steward.post(f"/corrections/{id_}/decide", decision="denied", answer="Het klopt volgens uw paspoort.")
    assert done.headers["location"].endswith("?done=answered")
    with house.engine.connect() as connection:
        (body,) = connection.execute(select(resource.c.json).where(resource.c.source == "corrections")).scalars()
    answer = jsonio.load(unpack(bytes(body)))
    assert answer["payload"] == [{"contentString": "Het klopt volgens uw paspoort."}]
    assert answer["recipient"] == [{"reference": "Patient/anna", "type": "Patient"}]
    again = steward.post(f"/corrections/{id_}/decide", decision="granted", answer="Toch wel.")
    assert again.status_code == 409


def test_nobody_comes_in_without_a_session_and_no_form_from_elsewhere_counts(house: ShareHouse) -> None:
    """CT-57: no session leads to the login; a form without the token of the session changes nothing."""
    id_ = sent(house, measurements(72.5))
    nobody = StaffBrowser(house)
    assert nobody.call("GET", "/inbox").headers["location"] == "/staff?to=/staff/inbox"
    assert nobody.post(f"/inbox/{id_}/accept").status_code == 401
    nurse = working(house, colleague(NURSE))
    for token in ("", "0" * 64):
        assert nurse.post(f"/inbox/{id_}/accept", token=token).status_code == 403
    assert house.lines()[0].states == {"inbox": 1}


def test_a_session_ends(house: ShareHouse) -> None:
    """A session that is not used, or that is old, is over; so is one that was logged out."""
    moment = datetime.now(UTC)
    sessions = StaffSessions(house.engine, timedelta(minutes=20), timedelta(hours=9), lambda: moment)
    account = colleague(NURSE)
    secret = sessions.open(account)
    for _ in range(26):
        moment += timedelta(minutes=20)
        assert sessions.of(secret) == account
    moment += timedelta(minutes=20, seconds=1)
    assert sessions.of(secret) is None
    moment = datetime.now(UTC)
    idle = sessions.open(account)
    moment += timedelta(minutes=21)
    assert sessions.of(idle) is None
    nurse = working(house, account)
    nurse.page("/inbox")
    assert "logged out" in nurse.post("/logout").text
    assert nurse.call("GET", "/inbox").status_code == 303


@pytest.mark.parametrize("role", StaffRole)
def test_a_role_opens_its_rooms_and_no_other(house: ShareHouse, role: StaffRole) -> None:
    """DL-90: the table decides; what it does not open is refused and recorded."""
    rooms = {
        "inbox": Right.INBOX_LIST, "corrections": Right.CORRECTIONS, "questionnaires": Right.QUESTIONNAIRES,
        "filing": Right.FILING, "quarantine": Right.QUARANTINE, "sources": Right.SOURCES, "quality": Right.QUALITY,
        "person": Right.PERSON, "trace": Right.TRACE, "figures": Right.FIGURES,
    }  # fmt: skip
    browser = working(house, colleague(role))
    for room, right in rooms.items():
        may = right in rights_of([role])
        page = browser.page(f"/{room}", 200 if may else 403)
        assert (f'href="/staff/{room}"' in page) is may
        assert (last(house)["outcome"], last(house)["client"]) == (200 if may else 403, f"{role.value}-1")


def test_the_table_of_rights_gives_nobody_everything() -> None:
    assert all(rights < set(Right) for rights in table().values())


def test_consents_and_accesses_of_a_person_want_a_reason(house: ShareHouse) -> None:
    """LOG-09: by BSN in a form, never in an address; the reason is kept, the number is not."""
    sent(house, measurements(72.5))
    desk = working(house, colleague(StaffRole.HELPDESK))
    desk.page("/person")
    assert desk.post("/person", bsn="123456789", reason="vraag 17").status_code == 400
    assert desk.post("/person", bsn=ANNA, reason="").status_code == 400
    shown = desk.post("/person", bsn=ANNA, reason="vraag 17")
    assert "pgo:resource:batch" in shown.text or "pgo:" in shown.text
    assert ANNA not in shown.text
    assert last(house)["reason"] == "vraag 17"
    assert last(house)["person"]
    # Of somebody who is not known here there is this look, and nothing else.
    assert desk.post("/person", bsn="999990044", reason="vraag 18").text.count("<td") == len(HEADS)


def test_the_helpdesk_reads_why_a_person_sees_nothing(house: ShareHouse) -> None:
    """LOG-07: by the number that an app shows; a wrong number is told, and finds nothing."""
    trace = "5f0f7f4e-1111-4222-8333-444455556666"
    house.call("GET", "Observation", "52", BRAM, headers={"x-correlation-id": trace})
    desk = working(house, colleague(StaffRole.HELPDESK))
    shown = desk.page(f"/trace?id={trace[:8]}")
    assert "1 requests" in shown
    assert "not such a number" in desk.page("/trace?id=%3Cscript%3E")
    assert "0 requests" in desk.page("/trace?id=00000000")


def test_bad_forms_and_addresses_get_a_page(house: ShareHouse) -> None:
    """A form of 100 kB, another encoding, an id that is none: a page and no fault."""
    nurse = working(house, colleague(NURSE))
    nurse.page("/inbox")
    for body in (b"csrf=" + b"x" * 100_000, b"csrf=%FF%FE", b"\xff\xfe", b"&".join([b"a=b"] * 2_000)):
        answer = nurse.call("POST", "/inbox/x/accept", content=body)
        assert answer.status_code in (400, 403)
    assert nurse.call("GET", "/inbox/..%2F..%2Fetc").status_code in (404, 409)
    assert nurse.call("GET", "/inbox/" + "x" * 400).status_code == 409


def test_everything_that_was_sent_is_escaped(house: ShareHouse) -> None:
    """DL-C41: words of a citizen are text, wherever they are shown."""
    id_ = sent(house, correction(text="<script>alert(1)</script>"), CORRECT)
    nurse = working(house, colleague(NURSE))
    for path in (f"/inbox/{id_}", f"/corrections/{id_}"):
        page = nurse.page(path)
        assert "<script>" not in page
        assert "&lt;script&gt;" in page


def test_what_is_accepted_reaches_the_ehr_and_the_citizen_reads_so(tmp_path: Path) -> None:
    """DL-C34, DL-C37: accepted by staff, filed by the outbox, told on the citizen's page."""
    folder = tmp_path / "epd"
    folder.mkdir()
    ways = {"write_back": ({"type": "folder", "name": "epd", "folder": str(folder)},)}
    with share_house("sqlite", tmp_path, provider=ways, **STAFF) as house:
        id_ = sent(house, measurements(72.5))
        nurse = working(house, colleague(NURSE))
        nurse.page(f"/inbox/{id_}")
        nurse.post(f"/inbox/{id_}/accept")
        outbox = Outbox(house.engine, house.settings.share, Keys(*keys_of(house.settings)), write_backs(house.settings))
        person = house.lines(open_only=False)[0].person
        host = GatewayHost(house.engine, None, None)  # type: ignore[arg-type]
        assert [one.states for one in house.portal.call(host.sent, person, 10)] == [(("accepted", 1),)]
        operator = working(house, colleague(StaffRole.OPERATOR))
        assert "epd" in operator.page("/filing")
        while house.portal.call(outbox.round):
            pass
        assert len([one for one in folder.iterdir() if one.is_dir()]) == 1
        assert "In the EHR" in nurse.page(f"/inbox/{id_}")
        assert [one.states for one in house.portal.call(host.sent, person, 10)] == [(("filed", 1),)]
        assert "Nothing waits" in operator.page("/filing")


def test_the_pages_are_off_by_default(tmp_path: Path) -> None:
    with share_house("sqlite", tmp_path) as plain:
        assert StaffBrowser(plain).call("GET", "").status_code == 404
