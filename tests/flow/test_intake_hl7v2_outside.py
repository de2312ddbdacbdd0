"""Messages as they come from other systems: other versions, repetitions, escapes, numbers and batches than one expects.

What is right is taken; what is not is refused by name; of what is not taken a line says so.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flow.hl7_sender import PID, Sender, codes, listening, msh, oru, segment
from world.intake_house import source

PATIENT = "PID|1||{}^^^ZKH^PI||Testpersoon^Tessa||19700131|F"


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Sender]:
    yield from listening("sqlite", tmp_path, source)


def message(kind: str, number: str, *segments: str, **change: str) -> str:
    return "\r".join([msh(kind, number, **change), *segments]) + "\r"


def person(id_: str, number: str) -> str:
    return message("ADT^A28", number, PATIENT.format(id_))


def result(id_: str, number: str) -> str:
    rows = ["OBR|1||L" + id_ + "|CHEM|||202602010900", "OBX|1|NM|1^een^L||1|x|||||F"]
    return message("ORU^R01", number, PATIENT.format(id_), *rows)


def test_every_number_of_a_merge_ends(one: Sender) -> None:
    """A40: MRG-1 is a list. A number of another institution in it is not one of ours, though ours may be the same."""
    for place, id_ in enumerate(("A", "B", "C", "D")):
        assert codes(one.send(person(id_, f"p{place}"), result(id_, f"r{place}"))) == ["AA", "AA"]
    prior = "MRG|B^^^ZKH^PI~C^^^ZKH^PI~D^^^ELDERS^PI"
    assert codes(one.send(message("ADT^A40^ADT_A39", "m", "EVN||20260201", PATIENT.format("A"), prior))) == ["AA"]
    stored = one.hospital.stored()
    assert sorted(key for key in stored if key.startswith("Patient/")) == ["Patient/A", "Patient/D"]
    whose = {key: body["subject"]["reference"] for key, body in stored.items() if key.startswith("Observation/")}
    assert sorted(whose.values()) == ["Patient/A", "Patient/A", "Patient/A", "Patient/D"]


def test_the_number_of_the_sender_among_those_of_others(one: Sender) -> None:
    """PID-3 with a number of another institution in front: that of the sender (MSH-4) counts."""
    pid = "PID|1||77^^^ELDERS^PI~88^^^ZKH^PI||Testpersoon^Tessa||19700131|F"
    assert codes(one.send(message("ADT^A28", "1", pid))) == ["AA"]
    assert set(one.hospital.stored()) == {"Patient/88"}


def test_null_deletes_and_is_no_field_that_was_left(one: Sender) -> None:
    pid = PID + "||010-123^PRN^PH~06-123^PRN^CP"
    (answer,) = one.send(message("ADT^A28", "1", pid))
    (answer,) = one.send(message("ADT^A31", "2", 'PID|1||4711^^^ZKH^PI||""||""|""|||""||""'))
    assert (answer["MSA"][1], answer["ERR"]) == ("AA", [])
    left = one.hospital.stored()["Patient/4711"]
    assert not {"name", "birthDate", "gender", "address", "telecom"} & set(left)


def test_a_character_that_no_text_has_costs_one_result(one: Sender) -> None:
    """Bytes in escapes of their own make one character; a control character is refused by name, the rest is stored."""
    rows = [r"OBX|1|ST|1^een^L||caf\XC3\\XA9\||||||F", r"OBX|2|ST|2^twee^L||nul \X00\||||||F"]
    (answer,) = one.send(oru("1", *rows))
    assert answer["MSA"][1] == "AA"
    assert any("OBX 2" in line and "control character" in line for line in answer["ERR"])
    values = [body["valueString"] for key, body in one.hospital.stored().items() if key.startswith("Observation/")]
    assert values == ["café"]


def test_numbers_and_hours_as_laboratories_write_them(one: Sender) -> None:
    """NM: zeros that mean nothing may be missing. TM: an hour alone is a text, for FHIR has no such time."""
    sent = {"1": ".5", "2": "5.", "3": "007", "4": "-.25"}
    rows = [f"OBX|{code}|NM|{code}^n^L||{value}|x|||||F" for code, value in sent.items()]
    (answer,) = one.send(oru("1", *rows, "OBX|5|TM|5^t^L||09||||||F", "OBX|6|NM|6^n^L||1,5|x|||||F"))
    assert [line for line in answer["ERR"] if "not a number" in line] == [
        "OBX 6: Observation.valueQuantity: not a number"
    ]
    stored = {body["code"]["coding"][0]["code"]: body for body in one.hospital.stored().values() if "code" in body}
    assert {code: float(stored[code]["valueQuantity"]["value"]) for code in sent} == {
        "1": 0.5, "2": 5, "3": 7, "4": -0.25}  # fmt: skip
    assert stored["5"]["valueString"] == "09"


def test_results_without_an_order_are_refused_in_words(one: Sender) -> None:
    (answer,) = one.send(message("ORU^R01", "1", PID, "OBX|1|NM|1^een^L||4|x|||||F"))
    assert (answer["MSA"][1], answer["ERR"]) == ("AE", ["OBX 1: no OBR stands above it"])


def test_one_test_in_two_orders_with_the_number_of_one_sample(one: Sender) -> None:
    """A tolerance test: glucose before and after, each in an OBR of its own, both with the number of the sample."""
    rows = [
        "OBR|1||S1|NUL^nuchter^L|||202602010900", "OBX|1|NM|G^glucose^L||5.1|mmol/L|||||F",
        "OBR|2||S1|TWEE^na 2 uur^L|||202602011100", "OBX|1|NM|G^glucose^L||7.9|mmol/L|||||F",
    ]  # fmt: skip
    (answer,) = one.send(message("ORU^R01", "1", PID, *rows))
    assert (answer["MSA"][1], answer["ERR"]) == ("AA", [])
    stored = {key: body for key, body in one.hospital.stored().items() if key.startswith("Observation/")}
    assert {str(body["valueQuantity"]["value"]): body["effectiveDateTime"][11:16] for body in stored.values()} == {
        "5.1": "09:00", "7.9": "11:00"}  # fmt: skip
    assert not any("related" in body for body in stored.values())


def test_vaccinations_and_medication_of_older_versions(one: Sender) -> None:
    """VXU has no ORC before 2.5: known by day and vaccine, and corrected by these. RDE and RDS were event O01."""
    given = segment("RXA", f1="0", f2="1", f3="20260105", f5="J07^x^ATC", f6="0.5", f7="mL", f20="CP", f21="A")
    wrong = given.replace("0.5", "0.7").replace("|A", "|U")
    refused = segment("RXA", f1="0", f2="1", f3="20260106", f5="J08^y^ATC", f6="999", f18="00^weigert^L", f20="RE")
    version = {"version": "2.3"}
    answers = one.send(
        message("VXU^V04", "1", PID, given, **version), message("VXU^V04", "2", PID, wrong, **version),
        message("VXU^V04", "3", PID, refused, **version),
        message("RDE^O01", "4", PID, "ORC|NW|R1", "RXE||1^pil^L|1||stuk||||||||||R1", **version),
        message("RDS^O01", "5", PID, "ORC|RE|R1", "RXE||1^pil^L|1||stuk||||||||||R1",
                "RXD|1|1^pil^L|20260101|5|stuk||R1", **version),
    )  # fmt: skip
    assert codes(answers) == ["AA"] * 5
    stored = one.hospital.stored()
    first, second = (body for key, body in stored.items() if key.startswith("Immunization/"))
    assert (str(first["doseQuantity"]["value"]), first["notGiven"]) == ("0.7", False)
    assert (second["notGiven"], second["explanation"]["reasonNotGiven"][0]["text"]) == (True, "weigert")
    assert {key.partition("/")[0] for key in stored} >= {"MedicationRequest", "MedicationDispense"}
    assert codes(one.send(message("VXU^V04", "6", PID, given.replace("|A", "|D"), **version))) == ["AA"]
    assert sum(key.startswith("Immunization/") for key in one.hospital.stored()) == 1


def test_two_segments_that_say_different_things_of_one(one: Sender) -> None:
    """The same diagnosis of one visit twice: the last counts, and a line says so; alike is no matter."""
    rows = ["DG1|1||A01^Tyfus^I10|||F", "DG1|2||A01^Tyfus^I10|||F", "DG1|3||B01^Pokken^I10|||F"]
    (answer,) = one.send(message("ADT^A28", "1", PID, *rows, "DG1|4||B01^Pokken^I10|||A"))
    assert answer["ERR"] == ["DG1 3 not taken: DG1 4 says otherwise of the same"]
    assert one.hospital.stored()["Condition/diagnosis-4711-0-B01"]["verificationStatus"] == "provisional"


def test_a_document_that_is_edited(one: Sender) -> None:
    """MDM T08 (edited, with content) is the same document anew, as T02 with the same TXA-12 is."""

    def told(event: str, number: str, text: str) -> str:
        txa = segment("TXA", f1="1", f2="DS^Brief", f3="TX", f4="202602011200", f12="D1", f19="AV")
        return message(f"MDM^{event}", number, "EVN||20260201", PID, "PV1|1|O", txa, f"OBX|1|TX|1^b^L||{text}||||||F")

    assert codes(one.send(told("T02", "1", "oud"), told("T08", "2", "nieuw"))) == ["AA", "AA"]
    binaries = [body for key, body in one.hospital.stored().items() if key.startswith("Binary/")]
    assert len(binaries) == 1
    assert one.hospital.count("original where resource_pk in (select pk from resource where type = 'Binary')") == 2


def test_a_file_of_two_batches(one: Sender) -> None:
    """FHS with two BHS is answered as one batch; FTS that counts more batches than came refuses the whole."""

    def batches(mark: str, said: int) -> str:
        parts = [f"BHS|^~\\&|LAB|ZKH\r{result(f'{mark}{part}', f'{mark}{part}')}BTS|1\r" for part in (1, 2)]
        return f"FHS|^~\\&|LAB|ZKH\r{''.join(parts)}FTS|{said}\r"

    for mark, said, expected in (("x", 3, "AE"), ("y", 2, "AA")):
        answer = one.hospital.portal.call(one.raw, batches(mark, said))
        names = [line[:3] for line in answer.split("\r") if line]
        assert names[:2] == ["FHS", "BHS"]
        assert names.count("BHS") == 1
        assert names[-2:] == ["BTS", "FTS"]
        assert answer.count(f"MSA|{expected}|") == 2
    assert {key for key in one.hospital.stored() if key.startswith("Patient/")} == {"Patient/y1", "Patient/y2"}
