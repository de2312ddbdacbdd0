"""What an ADT message says beside the person and the visit: allergies, diagnoses and contacts; and other services."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS
from flow.hl7_sender import PID, Sender, adt, codes, listening, oru, segment
from flow.test_intake_hl7v2_panel import faults
from world.intake_house import source

PENICILLIN = "AL1|1|DA|373270004^Penicilline^SCT|SV|Huiduitslag~Benauwdheid|20200315"
NUTS = "AL1|2|FA|N^Noten^L|MO"


@pytest.fixture(params=KINDS)
def listing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sender]:
    """A source whose AL1 are a snapshot."""
    yield from listening(request.param, tmp_path, source, options={"snapshot": ["AL1"]})


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Sender]:
    yield from listening("sqlite", tmp_path, source)


def told(number: str, event: str, *rows: str, pid: str = PID) -> str:
    return adt(number, event, pid).replace("PV1|1|O\r", "") + "".join(f"{row}\r" for row in rows)


def stored(sender: Sender, type_: str) -> dict[str, Any]:
    return {key.partition("/")[2]: body for key, body in sender.hospital.stored().items() if key.startswith(type_)}


def test_allergies_diagnoses_and_contacts_are_taken_whole_and_are_right(one: Sender) -> None:
    rows = (
        "NK1|1|Berg&&Berg^Piet|SPO^Echtgenoot^HL70063|Kade 2^^Haven^^4321BA^NLD|06-1^PRN^CP|010-9^WPN^PH|C^Contact^L",
        "NK1|2|Jansen^Els|MTH^Moeder^HL70063", PENICILLIN, NUTS,
        segment("DG1", f1="1", f3="I48^Atriumfibrilleren^I10", f5="20260105", f6="W", f16="1^Dokter^Anna", f20="D7"),
        segment("DG1", f1="2", f4="pijn op de borst", f6="A"),
    )  # fmt: skip
    (answer,) = one.send(told("1", "A01", segment("PV1", f1="1", f2="I", f19="V1"), *rows))
    assert (answer["MSA"][1], answer["ERR"]) == ("AA", [])
    penicillin = stored(one, "Allergy")["allergy-4711-373270004"]
    assert penicillin["clinicalStatus"] == "active"
    assert "verificationStatus" not in penicillin, "how sure it is, the message does not say"
    assert penicillin["category"] == ["medication"]
    assert penicillin["onsetDateTime"] == "2020-03-15"
    reaction = penicillin["reaction"][0]
    assert [item["text"] for item in reaction["manifestation"]] == ["Huiduitslag", "Benauwdheid"]
    assert reaction["severity"] == "severe"
    assert stored(one, "Allergy")["allergy-4711-N"]["note"] == [{"text": "ernst: matig"}]
    diagnoses = stored(one, "Condition")
    assert diagnoses["diagnosis-D7"]["verificationStatus"] == "provisional"
    assert diagnoses["diagnosis-D7"]["context"]["reference"] == "Encounter/visit-V1"
    assert "clinicalStatus" not in diagnoses["diagnosis-D7"], "whether it is still there, the message does not say"
    (other,) = (body for id_, body in diagnoses.items() if id_ != "diagnosis-D7")
    assert other["code"] == {"text": "pijn op de borst"}
    husband, mother = stored(one, "Patient")["4711"]["contact"]
    assert (husband["name"]["family"], husband["address"]["city"]) == ("Berg", "Haven")
    assert [(item["value"], item["use"]) for item in husband["telecom"]] == [("06-1", "mobile"), ("010-9", "work")]
    assert mother["relationship"][0]["coding"][0]["code"] == "MTH"
    assert faults(one.hospital.stored(), "") == {}


@pytest.mark.usefixtures("official_packages")
def test_they_meet_the_official_profiles(one: Sender, package_cache: Path) -> None:
    one.send(told("1", "A01", "NK1|1|Jansen^Els|MTH^Moeder^HL70063", PENICILLIN, NUTS, "DG1|1||I48^AF^I10|||F"))
    assert len(one.hospital.stored()) == 4
    assert faults(one.hospital.stored(), str(package_cache)) == {}


def test_a_snapshot_ends_what_it_does_not_name(listing: Sender) -> None:
    """Only of that patient, of that source, and with its history; a message without AL1 says nothing about them."""
    second = PID.replace("4711", "4712").partition("~")[0] + "||Jansen^P||19800101|M"
    listing.send(told("1", "A28", PENICILLIN, NUTS), told("2", "A28", NUTS, pid=second))
    assert codes(listing.send(told("3", "A08"))) == ["AA"]
    assert len(stored(listing, "Allergy")) == 3
    assert codes(listing.send(told("4", "A08", NUTS))) == ["AA"]
    assert set(stored(listing, "Allergy")) == {"allergy-4711-N", "allergy-4712-N"}
    assert codes(listing.send(told("5", "A31", PENICILLIN, NUTS))) == ["AA"]
    assert stored(listing, "Allergy")["allergy-4711-373270004"]["meta"]["versionId"] == "3"


def test_a_snapshot_of_which_a_part_was_refused_ends_nothing(listing: Sender) -> None:
    listing.send(told("1", "A28", PENICILLIN, NUTS))
    (answer,) = listing.send(told("2", "A08", NUTS, "AL1|3|DA||SV"))
    assert answer["MSA"][1] == "AA"
    assert any(text.startswith("AL1 2: ") for text in answer["ERR"])
    assert set(stored(listing, "Allergy")) == {"allergy-4711-373270004", "allergy-4711-N"}


def test_without_the_setting_only_null_ends_what_was_sent(one: Sender) -> None:
    one.send(told("1", "A28", PENICILLIN, NUTS))
    assert codes(one.send(told("2", "A08", NUTS))) == ["AA"]
    assert len(stored(one, "Allergy")) == 2
    (answer,) = one.send(told("3", "A08", 'AL1|1|""|""'))
    assert (answer["MSA"][1], answer["ERR"]) == ("AA", [])
    assert stored(one, "Allergy") == {}


def test_contacts_stay_when_nothing_is_sent_and_go_by_null(one: Sender) -> None:
    one.send(told("1", "A28", "NK1|1|Jansen^Els|MTH"))
    one.send(told("2", "A08"))
    assert stored(one, "Patient")["4711"]["contact"][0]["name"]["family"] == "Jansen"
    one.send(told("3", "A08", 'NK1|1|""'))
    assert "contact" not in stored(one, "Patient")["4711"]


def test_a_diagnosis_is_taken_back(one: Sender) -> None:
    row = {"f1": "1", "f3": "I48^AF^I10", "f20": "D7"}
    one.send(told("1", "A08", segment("DG1", **row)))
    assert set(stored(one, "Condition")) == {"diagnosis-D7"}
    assert codes(one.send(told("2", "A08", segment("DG1", **row, f21="D")))) == ["AA"]
    assert stored(one, "Condition") == {}


SECTIONS = {"RAD": "imaging", "CT": "imaging", "EC": "procedure"}


@pytest.mark.parametrize(("section", "category"), SECTIONS.items())
def test_other_services_are_stored_as_what_they_are(one: Sender, section: str, category: str) -> None:
    """The report is a document; what was measured is an Observation that no search for laboratory results finds."""
    order = segment("OBR", f1="1", f3="L-2026-1", f4="O^Onderzoek^L", f7="20260201090000", f24=section)
    rows = (
        "OBX|1|TX|B^Bevindingen^L||Longen vrij~Hart normaal||||||F",
        "OBX|2|TX|C^Conclusie^L||Geen afwijking||||||F",
        "NTE|1|L|besproken",
        "OBX|3|TX|C^Conclusie^L||verkeerd||||||D",
        "OBX|4|NM|8867-4^hartfrequentie^LN||62|/min|||||F",
        r"OBX|5|RP|b^Beeld^L||\\server\beeld^^TX||||||F",
    )
    report = oru("1", *rows).replace("OBR|1||L-2026-1|CHEM|||20260201090000", order)
    (answer,) = one.send(report)
    assert answer["MSA"][1] == "AA"
    assert [text for text in answer["ERR"] if "RP" in text], "the pointer is refused by name"
    (document,) = stored(one, "DocumentReference").values()
    assert (document["type"]["text"], document["status"]) == ("Onderzoek", "current")
    text = "Bevindingen\nLongen vrij\nHart normaal\nConclusie\nGeen afwijking\nbesproken"
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).digest()
    assert document["content"][0]["attachment"]["hash"] == base64.b64encode(digest).decode()
    (rate,) = stored(one, "Observation").values()
    assert [item["coding"][0]["code"] for item in rate["category"]] == [category]
    assert "profile" not in rate["meta"]
    kept = {key: body for key, body in one.hospital.stored().items() if not key.startswith("Binary")}
    assert faults(kept, "") == {}
