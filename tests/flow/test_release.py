"""What waits and what is withheld is in no answer, on no way; what is told of it, and what the trail keeps."""

import base64
import json
from collections.abc import Iterator

import pytest
from databases import KINDS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world.intake_house import BSN, OTHER_BSN, PROVIDER, condition
from world.release_house import LAB_SEARCH, ReleaseHouse, lab, letter, moment, release_house

from auth.pages.own import OwnRecordReader
from auth.ports import Person
from gateway.ownrecord.collecting import OwnRecords, named
from gateway.ownrecord.texts import texts_of
from gateway.release.rules import rules
from gateway.release.shield import ReleasePolicy
from gateway.store.reader import open_reader
from gateway.testmode import completed
from gateway.wiring import keys_of, wire
from gateway.wiring.endpoint import collector_of
from profiles.fhir.version import FhirVersion
from workbench.plugin import workbench

OLD = "2026-01-05T10:00:00+01:00"
SECRET = "geheime brief"
PSY = {"security": [{"system": "http://hl7.org/fhir/v3/ActCode", "code": "PSY"}]}


@pytest.fixture(scope="module", params=KINDS)
def hospital(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReleaseHouse]:
    with release_house(request.param, tmp_path_factory.mktemp("release")) as made:
        pointing = {"related": [{"type": "has-member", "target": {"reference": "Observation/old", "display": "Oude"}}]}
        made.push(
            lab("old", OLD, code="2951-2"),
            lab("panel", OLD, code="24323-8", **pointing),
            lab("new", moment(), code="2823-3"),
            condition("c1"),
            condition("sad", meta={"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-Problem"], **PSY}),
        )
        made.push_together(*letter("b1", base64.b64encode(SECRET.encode()).decode()))
        yield made


@pytest.fixture
def house(hospital: ReleaseHouse) -> Iterator[ReleaseHouse]:
    hospital.forget()
    yield hospital
    hospital.forget()


def test_a_new_result_waits_and_the_answer_says_so(house: ReleaseHouse) -> None:
    """VIPP V1-A2c: the delay of its kind is obeyed on every read, is told with its day, and stands in the trail."""
    assert house.keys(LAB_SEARCH) == {"Observation/old", "Observation/panel"}
    ((code, text),) = house.said(LAB_SEARCH)
    assert code == "informational"
    assert "can be read from" in text
    assert house.last()["hidden"] == [["Observation:delayed:laboratory", 1]]
    assert house.last()["gaps"] == ["Observation:delayed"]
    # Somebody told the person: it is shown before its time, and waits again when that is taken back.
    number = house.decide("early", "Observation/new")
    assert "Observation/new" in house.keys(LAB_SEARCH)
    assert house.said(LAB_SEARCH) == []
    house.decide("end", str(number))
    assert "Observation/new" not in house.keys(LAB_SEARCH)


def test_a_label_of_sensitive_care_is_withheld_and_not_told(house: ReleaseHouse) -> None:
    """The policy is a row per zib: where a person may not know, the answer is silent, and the trail counts it."""
    assert house.keys("Condition") == {"Condition/c1"}
    assert house.said("Condition") == []
    assert house.last()["hidden"] == [["Condition:withheld:psychiatry", 1]]


def test_one_item_is_withheld_from_everything(house: ReleaseHouse) -> None:
    """Search, include, the name in a reference, the document and its bytes: gone while it is withheld, back after."""
    before = house.ask(LAB_SEARCH).text
    assert "Oude" in before
    number = house.decide("withhold", "Observation/old")
    answer = house.ask(LAB_SEARCH)
    assert house.keys(LAB_SEARCH) == {"Observation/panel"}
    assert "Oude" not in answer.text
    assert ("suppressed", "Observation: Something is withheld by the care provider.") in house.said(LAB_SEARCH)
    house.decide("end", str(number))
    assert house.ask(LAB_SEARCH).json()["entry"][:2] == json.loads(before)["entry"][:2]

    assert house.ask("Binary/b1-pdf", "51", accept="text/plain").text == SECRET
    house.decide("withhold", "DocumentReference/b1", "--silent")
    assert house.keys("DocumentReference?status=current", "51") == set()
    assert house.said("DocumentReference?status=current", "51") == []
    for path in ("DocumentReference/b1", "Binary/b1-pdf"):
        assert house.ask(path, "51").status_code == 404, path
    assert house.last()["hidden"] == [["Binary:withheld:item", 1]]
    assert SECRET not in house.ask("Binary/b1-pdf", "51", accept="text/plain").text


def test_the_other_release_and_the_summary_have_it_neither(house: ReleaseHouse) -> None:
    """What is converted comes from what may be shown; that a part is withheld is told there too, and counted."""
    assert house.keys("Condition", "bgz-2020") == {"Condition/c1"}
    assert "195967001" in house.ask("Patient/$summary", "ips-2").text
    house.decide("withhold", "Condition/c1")
    assert house.keys("Condition", "bgz-2020") == set()
    told = house.said("Condition", "bgz-2020")
    assert ("suppressed", "Condition: Something is withheld by the care provider.") in told
    assert ["Condition:withheld:item", 1] in house.last()["hidden"]
    assert house.ask("Condition/c1", "bgz-2020").status_code in (404, 405)
    summary = house.ask("Patient/$summary", "ips-2")
    assert summary.status_code == 200
    assert "195967001" not in summary.text
    assert ["Condition:withheld:item", 1] in house.last()["hidden"]
    assert "Condition:withheld" in house.last()["gaps"]


def test_only_this_person(house: ReleaseHouse) -> None:
    """What is withheld of one person takes nothing from another."""
    house.decide("withhold", "Condition/c1")
    assert house.keys("Condition") == set()
    assert house.keys("Condition", bsn=OTHER_BSN) == {"Condition/c2"}


def test_mijn_gegevens_says_it_in_dutch(house: ReleaseHouse) -> None:
    """The person's own page goes the same way, and says what is so in their language."""
    house.decide("withhold", "Condition/c1")
    wiring = wire(completed(house.settings, workbench, everything=False))
    pseudonyms, ring = keys_of(house.settings)
    records = OwnRecords(collector_of(wiring), ring, wiring.trail, house.settings.base_url)
    try:
        provider = wiring.registry.find(PROVIDER)
        assert provider is not None
        me = Person(pseudonyms.of(BSN), BSN)
        reader = OwnRecordReader("visit", "csrf", provider, me, frozenset({"48"}), None)
        answers = named(house.portal.call(records.of, reader), texts_of(reader))
    finally:
        house.portal.call(wiring.close)
    served = {f"{one['resourceType']}/{one['id']}" for answer in answers for one in answer.matches}
    assert not served & {"Condition/c1", "Condition/sad", "Observation/new"}
    said = {problem for answer in answers for problem in answer.problems}
    assert "Een deel wordt u hier niet getoond. Vraag uw zorgverlener ernaar." in said
    assert any(one.startswith("Een uitslag is nog niet vrijgegeven. U ziet die hier vanaf ") for one in said)


def test_what_cannot_be_decided(house: ReleaseHouse) -> None:
    """Typed refusals: who the person is, no item, no reason, twice, and what the store does not have."""
    for args in (
        ("withhold", "Patient/p1", "--reason", "zomaar iets"),
        ("withhold", "Condition", "--reason", "zomaar iets"),
        ("withhold", "Condition/c1", "--reason", "x"),
        ("withhold", "Condition/nowhere", "--reason", "zomaar iets"),
    ):
        assert house.run("release", *args, "--provider", PROVIDER).exit_code == 2, args
    house.decide("withhold", "Condition/c1")
    again = house.run("release", "withhold", "Condition/c1", "--provider", PROVIDER, "--reason", "nog een keer")
    assert again.exit_code == 2
    assert "holds already" in again.output
    assert house.run("release", "end", "999", "--provider", PROVIDER).exit_code == 2
    listed = json.loads(house.run("release", "list", "--provider", PROVIDER, "--json").stdout)
    assert [(one["type"], one["deed"], "person" in one) for one in listed] == [("Condition", "withheld", False)]
    assert json.loads(house.run("release", "rows", "--json").stdout)["kind"][0]["days"] == 5
    # What only a live source has is withheld for whom it is of: by a number that is asked.
    live = house.run("release", "withhold", "Condition/epd.7", "--provider", PROVIDER, "--bsn", "--reason",
                     "alleen in het epd", typed=BSN)  # fmt: skip
    assert live.exit_code == 0, live.output
    assert BSN not in live.output


ITEMS = ("Observation/old", "Observation/panel", "Condition/c1", "DocumentReference/b1")


@given(hidden=st.sets(st.sampled_from(ITEMS)))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_serves_what_is_withheld(hospital: ReleaseHouse, hidden: set[str]) -> None:
    """Whatever is withheld, no search, include, read or document has it, and everything else is served as before."""
    hospital.forget()
    rules(hospital.settings.release.rules)
    for item in sorted(hidden):
        hospital.decide("withhold", item)
    served = (
        hospital.keys(LAB_SEARCH) | hospital.keys("Condition") | hospital.keys("DocumentReference?status=current", "51")
    )
    assert served == set(ITEMS) - hidden
    document = hospital.ask("Binary/b1-pdf", "51")
    assert document.status_code == (404 if "DocumentReference/b1" in hidden else 200)
    assert hospital.ask("DocumentReference/b1", "51").status_code == document.status_code


def test_a_token_that_names_a_patient(house: ReleaseHouse) -> None:
    """Test tokens know no number: what is withheld of a person is withheld of their Patient."""
    house.decide("withhold", "Condition/c1")
    reader = open_reader(house.settings.database_url)
    policy = ReleasePolicy(house.settings.release.rules)
    try:
        mine, other = (
            house.portal.call(policy.shield, reader, PROVIDER, FhirVersion.STU3, "", patient)
            for patient in ("p1", "p2")
        )
    finally:
        house.portal.call(reader.close)
    assert mine.withheld == {("Condition", "c1")}
    assert other.withheld == set()
