"""What a partner may ask under a grant, and what it may not: over mutual TLS, against a store with two persons."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update
from world.exchange_house import (
    DOCTOR,
    GGZ,
    HOSPITAL,
    PDF,
    STRANGER,
    URA,
    XML,
    ExchangeWorld,
    exchange,
    record_of_a_patient,
)
from world.intake_house import BSN, BSN_SYSTEM, OTHER_BSN

from gateway.exchange.referrals import CannotRefer
from gateway.exchange.trust import PartnerFault
from gateway.store.exchanged import exchange_token, referral

BSN_A, BSN_B = f"{BSN_SYSTEM}|{BSN}", f"{BSN_SYSTEM}|{OTHER_BSN}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeWorld]:
    with exchange("sqlite", tmp_path_factory.mktemp("exchange")) as made:
        made.hospital.know(*record_of_a_patient())
        yield made


class Opened:
    """A referral with the token that opens its data."""

    def __init__(self, world: ExchangeWorld, **change: Any) -> None:
        self.world = world
        self.id = world.hospital.refer(GGZ, **change)
        self.token = world.ggz.token(HOSPITAL, "bgz-sender", world.hospital.data_base(self.id), DOCTOR)
        self.fhir = f"{world.hospital.base}/{HOSPITAL}/fhir"

    def get(self, path: str, **options: Any) -> Any:
        return self.world.ggz.ask("GET", f"{self.fhir}/{path}", self.token, **options)

    def ids(self, path: str) -> set[str]:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return {f"{one['resource']['resourceType']}/{one['resource']['id']}" for one in answer.json().get("entry", ())}

    def move(self, status: str, **change: Any) -> Any:
        """Set the state of the Task."""
        headers = {"content-type": "application/fhir+json"} | change.pop("headers", {})
        body = self.world.hospital.task(self.id) | {"status": status} | change
        token = self.world.ggz.token(HOSPITAL, "bgz-sender", self.world.hospital.data_base(self.id), DOCTOR)
        return self.world.ggz.ask(
            "PUT", f"{self.fhir}/Task/{self.id}", token, content=json.dumps(body), headers=headers
        )


@pytest.fixture
def opened(world: ExchangeWorld) -> Opened:
    return Opened(world, letters=["b1"])


def test_a_search_gives_the_person_of_the_grant_named_or_not(opened: Opened) -> None:
    """NP-19, NP-20, SV-02: only patient A, and the same with the citizen number as without."""
    assert opened.ids("Condition") == {"Condition/c1", "Condition/c2"}
    assert opened.ids(f"Condition?patient.identifier={BSN_A}") == {"Condition/c1", "Condition/c2"}
    assert opened.ids("CareTeam?status=active&_include=CareTeam:participant") == {"CareTeam/t1"}


@pytest.mark.parametrize(
    "query",
    [
        f"Condition?patient.identifier={BSN_B}",
        f"Condition?patient.identifier={BSN_A}&patient.identifier={BSN_B}",
        f"Condition?patient.identifier={BSN_A},{BSN_B}",
        f"Condition?patient.identifier:not={BSN_A}",
        "Condition?patient=Patient/p2",
        "Condition?subject=Patient/p1",
        f"Patient?identifier={BSN_B}&_include=Patient:general-practitioner",
        "Patient?_id=p2",
        f"CareTeam?status=active&patient.identifier={BSN_B}",
    ],
)
def test_who_names_another_person_is_refused_and_it_is_an_alarm(opened: Opened, query: str) -> None:
    """NP-21, SV-03: 403, with an event; the number of the other stands nowhere."""
    answer = opened.get(query)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (403, "forbidden")
    last = [one for one in opened.world.hospital.audit() if one["action"] == "institution:resource:search-type"][-1]
    assert last["incidents"] == ["a request names another person than its grant"]
    assert OTHER_BSN not in json.dumps(opened.world.hospital.audit())


def test_the_patient_comes_with_the_citizen_number_in_both_formats(opened: Opened) -> None:
    """NP-22, NP-02, SV-06: the receiver has to know who came; the store keeps the number masked."""
    query = f"Patient?identifier={BSN_A}&_include=Patient:general-practitioner"
    (entry,) = opened.get(query).json()["entry"]
    assert entry["resource"]["identifier"][0] == {"use": "official", "system": BSN_SYSTEM, "value": BSN}
    answer = opened.get(query, headers={"accept": XML})
    assert answer.headers["content-type"].startswith(XML)
    assert f'<value value="{BSN}"/>' in answer.text
    assert BSN not in json.loads(opened.get(query).content)["link"][0]["url"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("Consent?category=http://snomed.info/sct|11291000146105", 403),
        ("Observation/$lastn?code=http://loinc.org|4548-4", 403),
        ("Observation/$lastn", 403),
        ("Observation", 403),
        ("Task?code=3457005", 403),
        ("Binary", 403),
        ("Patient/$everything", 403),
        ("Condition?_elements=code", 400),
        ("Condition?clinicalstatus=active", 400),
        ("Condition?_has:Observation:subject:code=1", 400),
        ("DocumentReference", 403),
        ("DocumentReference?status=superseded", 403),
    ],
)
def test_what_the_grant_does_not_hold_is_refused_and_never_narrowed(opened: Opened, query: str, status: int) -> None:
    """SV-01, SV-04, NP-16, NP-23, NP-24, NP-27, NP-47, GF-C36: a search outside the rows is no search at all."""
    assert opened.get(query).status_code == status


def test_provenance_comes_when_asked(opened: Opened) -> None:
    """NP-26, GF-C37."""
    assert "Provenance/v1" in opened.ids("Condition?_revinclude=Provenance:target")
    assert "Provenance/v1" not in opened.ids("Condition")


def test_the_order_of_values_does_not_matter(opened: Opened) -> None:
    """NP-25."""
    one = "Observation/$lastn?code=http://loinc.org|8306-3,http://loinc.org|8309-7"
    assert opened.get(one).status_code == 403
    same = "Observation/$lastn?code=http://loinc.org|8308-9,http://loinc.org|8302-2,http://loinc.org|8306-3"
    assert opened.get(same).status_code == 200


def test_letters_of_the_grant_and_no_others(opened: Opened) -> None:
    """NP-28, NP-29, NP-30: the letter and its bytes; another letter of the same person is not there."""
    assert opened.ids("DocumentReference?status=current") == {"DocumentReference/b1"}
    answer = opened.get("Binary/b1-pdf", headers={"accept": "application/pdf"})
    assert answer.content == PDF + b"b1"
    for path in ("Binary/b2-pdf", "DocumentReference/b2", "Condition/c1", "Condition/c9", "Patient/p1"):
        assert opened.get(path).status_code == 404, path


def test_each_token_opens_its_own_level(world: ExchangeWorld, opened: Opened) -> None:
    """NP-17, NP-18: a notification token opens no data; without a professional there are no data."""
    notify = world.ggz.token(HOSPITAL, "ta-np-notification")
    for path in ("Condition", f"Task/{opened.id}"):
        assert world.ggz.ask("GET", f"{opened.fhir}/{path}", notify).status_code == 403
    with pytest.raises(PartnerFault, match="invalid_grant"):
        world.ggz.token(HOSPITAL, "bgz-sender", world.hospital.data_base(opened.id))
    with pytest.raises(PartnerFault, match="invalid_grant"):
        world.ggz.token(HOSPITAL, "bgz-sender")
    assert world.ggz.ask("GET", f"{opened.fhir}/Condition").status_code == 401


def test_another_organisation_gets_nothing(world: ExchangeWorld, opened: Opened) -> None:
    """NP-15, NP-32, NP-36, TK-13: neither by the base of another, nor by its token over the own connection."""
    with pytest.raises(PartnerFault, match="invalid_grant"):
        world.stranger.token(HOSPITAL, "bgz-sender", world.hospital.data_base(opened.id), DOCTOR)
    with pytest.raises(PartnerFault, match="invalid_grant"):
        world.stranger.token(HOSPITAL, "bgz-sender", "unknown", DOCTOR)
    assert world.stranger.ask("GET", f"{opened.fhir}/Condition", opened.token).status_code == 401
    own = Opened(world)
    assert own.get(f"Task/{opened.id}").status_code == 404


def test_who_shows_no_certificate_is_nobody(world: ExchangeWorld, opened: Opened) -> None:
    """NP-62."""
    assert world.ggz.ask("GET", f"{opened.fhir}/Condition", opened.token, identity=None).status_code == 403


def test_a_token_ends(world: ExchangeWorld, opened: Opened) -> None:
    """NP-31: after its time it is none."""
    with world.hospital.engine.begin() as store:
        store.execute(update(exchange_token).values(expires=1))
    assert opened.get("Condition").status_code == 401


@pytest.mark.parametrize("status", ["rejected", "cancelled", "completed"])
def test_the_end_of_a_task_ends_the_data_at_once(opened: Opened, status: str) -> None:
    """NP-42, NP-43, NP-46, NPS-02: a token that still lives opens nothing any more; the Task can be read."""
    if status != "rejected":
        assert opened.move("accepted").status_code == 200
    answer = opened.get("Condition")
    assert answer.status_code == 200
    token = opened.token
    if status == "cancelled":
        assert opened.move("cancelled").status_code == 200
    else:
        assert opened.move(status).status_code == 200
    assert opened.world.ggz.ask("GET", f"{opened.fhir}/Condition", token).status_code == 403
    assert opened.get(f"Task/{opened.id}").json()["status"] == status
    with pytest.raises(PartnerFault, match="invalid_grant"):
        opened.world.ggz.token(HOSPITAL, "bgz-sender", opened.world.hospital.data_base(opened.id), DOCTOR)


def test_the_clock_ends_the_data_too(world: ExchangeWorld, opened: Opened) -> None:
    """NP-44, NP-45: the end stands in the Task, and holds whatever tokens there are."""
    with world.hospital.engine.begin() as store:
        store.execute(update(referral).where(referral.c.id == opened.id).values(not_after=referral.c.created))
    assert opened.get("Condition").status_code == 403
    assert opened.get(f"Task/{opened.id}").status_code == 200


def test_states_follow_the_table_and_nothing_else_changes(opened: Opened) -> None:
    """NP-37, NP-38, NP-39, NP-40, NPW-08."""
    assert opened.move("completed").status_code == 422
    assert opened.move("received").status_code == 200
    assert opened.move("received").status_code == 200
    assert opened.move("accepted", input=[]).status_code == 422
    other = {"identifier": {"system": "http://fhir.nl/fhir/NamingSystem/ura", "value": URA[STRANGER]}}
    assert opened.move("accepted", owner=other).status_code == 422
    assert opened.move("accepted", headers={"if-match": 'W/"1"'}).status_code == 412
    assert opened.move("accepted", headers={"if-match": 'W/"2"'}).status_code == 200
    assert opened.move("received").status_code == 422
    assert opened.world.hospital.task(opened.id)["input"]


def test_assertions_are_good_once(world: ExchangeWorld, opened: Opened) -> None:
    """NP-33, NP-34: replayed, unsigned, for somebody else or too long: no client."""
    trust = world.ggz.running.pull.trust
    sign = trust._signer.sign  # type: ignore[attr-defined]
    url, ours = f"{world.hospital.base}/{HOSPITAL}/token", world.ggz.base
    now = trust._clock()  # type: ignore[attr-defined]

    def form(aud: str = url, seconds: int = 60, sub: str = URA[GGZ]) -> dict[str, str]:
        return {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": sign({"iss": ours, "sub": ours, "aud": aud}, seconds, now),
            "assertion": sign({"iss": ours, "sub": sub, "aud": aud}, 60, now),
            "scope": "ta-np-notification",
        }

    good = form()
    assert world.ggz.ask("POST", url, data=good).status_code == 200
    assert world.ggz.ask("POST", url, data=good).json()["error"] == "invalid_client"
    unsigned = good["client_assertion"].rpartition(".")[0] + "."
    wrong = [
        form(aud="https://elsewhere.example"),
        form(seconds=600),
        form(sub=URA[STRANGER]),
        form() | {"client_assertion": unsigned},
        form() | {"client_assertion": "a.b.c"},
        form() | {"client_assertion": ""},
    ]
    for given in wrong:
        answer = world.ggz.ask("POST", url, data=given)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert world.ggz.ask("POST", url, data=form() | {"scope": "admin"}).json()["error"] == "invalid_scope"
    # NP-63: signed by one institution, over the connection of another.
    answer = world.stranger.ask("POST", url, data=form())
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


def test_nothing_secret_stands_in_the_trail(
    world: ExchangeWorld, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """NP-64, GF-C39: no number, name, token or base in trail and log."""
    opened.get(f"Condition?patient.identifier={BSN_A}")
    shown = json.dumps(world.hospital.audit()) + caplog.text
    for secret in (BSN, OTHER_BSN, "Testpersoon", opened.token, world.hospital.data_base(opened.id)):
        assert secret not in shown


def test_what_cannot_be_referred_is_said(world: ExchangeWorld) -> None:
    """GF-19: typing errors of a tired nurse, and an emergency: each is told in words, and nothing is kept."""
    before = world.hospital.count(referral)
    for change in ({"bsn": "123456789"}, {"bsn": "999990032"}, {"letters": ["b7"]}, {"base": "mitz"}):
        with pytest.raises(CannotRefer):
            world.hospital.refer(GGZ, **change)
    with pytest.raises(CannotRefer, match="unknown partner"):
        world.hospital.refer("nowhere")
    for change in ({"evidence": ""}, {"base": "emergency"}, {"base": "whim"}, {"parts": ["soul"]}):
        with pytest.raises(ValueError):
            world.hospital.refer(GGZ, **change)
    assert world.hospital.count(referral) == before
