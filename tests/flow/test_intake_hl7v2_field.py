"""HL7 v2 as it comes from real senders, over MLLP: the field cases, types of results, what is kept and deleted."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS
from flow.hl7_sender import PID, Sender, adt, codes, listening, msh, oru
from shared import shared
from world.intake_house import BSN, source

CASES = ("h01", "h02", "h04", "h05", "h07", "h09", "h10a", "h10b", "h11", "h12", "h14", "h16", "h17", "h18")


@pytest.fixture(params=KINDS)
def sender(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sender]:
    yield from listening(request.param, tmp_path, source)


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Sender]:
    yield from listening("sqlite", tmp_path, source)


def case(name: str) -> bytes:
    return next(shared("field-cases").glob(f"{name}-*.hl7")).read_bytes()


def result(sender: Sender, key: str) -> dict[str, Any]:
    found: dict[str, Any] = sender.hospital.stored()[f"Observation/{key}"]
    return found


def test_every_field_case_is_taken_as_its_line_says(sender: Sender) -> None:
    answers = dict(zip(CASES, sender.send(*(case(name) for name in CASES)), strict=True))
    assert {name: answer["MSA"][1:3] for name, answer in answers.items()} == {
        name: ["CA" if name == "h17" else "AA", "H04B" if name == "h04" else name.upper()] for name in CASES
    }
    assert result(sender, "lab-H01-600-7-1")["valueString"] == "geen groei"
    colour = result(sender, "lab-H02-5778-6-1")["valueCodeableConcept"]
    assert colour == {"coding": [{"system": "urn:hl7v2:ZKH:L", "code": "GEEL", "display": "geel"}], "text": "geel"}
    codings = [one["coding"][0]["code"] for one in result(sender, "lab-H04B-2823-3-1")["category"]]
    assert codings == ["49581000146104", "275711006"]
    assert result(sender, "lab-H05-2823-3-1")["effectiveDateTime"] == "2026-02-02T00:30:00+01:00"
    grown = [one["valueCodeableConcept"]["text"] for one in result(sender, "lab-H07-600-7-1")["component"]]
    assert grown == ["Escherichia coli", "Staphylococcus aureus"]
    assert result(sender, "lab-H09-600-7-1")["valueCodeableConcept"]["text"] == "Escherichia coli"
    assert result(sender, "lab-H09-600-7-1-2")["valueCodeableConcept"]["text"] == "Staphylococcus aureus"
    stored = sender.hospital.stored()
    assert stored["Patient/7010"]["address"][0]["city"] == "Stad"
    assert stored["Patient/7010"]["telecom"][0]["value"] == "010-1234567"
    told = [(one["system"], one["value"], one["use"]) for one in stored["Patient/7012"]["telecom"]]
    assert told == [
        ("phone", "010-1234567", "home"), ("phone", "06-12345678", "mobile"), ("email", "a@b.example", "home"),
        ("phone", "020-7654321", "work"),
    ]  # fmt: skip
    assert result(sender, "lab-H14-2823-3-1")["comment"] == "café"
    assert result(sender, "lab-H16-2823-3-1")["comment"] == "Dvořák"
    assert result(sender, "lab-H18-2823-3-1")["effectiveDateTime"] == "2026-02-01T09:15:00.1234+01:00"


def test_who_died_is_known_by_the_indicator_and_by_the_day(one: Sender) -> None:
    """PID-30 alone, then PID-29; the sign that an identity is not known (PID-31) is no sign of death."""
    pid = "PID|1||7011^^^ZKH^PI||Proef^Pietje||19300131|M" + "|" * 21
    assert codes(one.send(adt("1", "A31", pid + "|Y"))) == ["AA"]
    assert one.hospital.stored()["Patient/7011"]["deceasedBoolean"] is True
    assert codes(one.send(adt("2", "A31", pid + "20260105|Y"))) == ["AA"]
    dead = one.hospital.stored()["Patient/7011"]
    assert (dead["deceasedDateTime"], "deceasedBoolean" in dead) == ("2026-01-05", False)
    assert codes(one.send(adt("3", "A31", pid + "|Y"))) == ["AA"]
    assert one.hospital.stored()["Patient/7011"]["deceasedDateTime"] == "2026-01-05", "the day that was known stays"
    assert codes(one.send(adt("4", "A31", pid + '""|N'))) == ["AA"]
    assert one.hospital.stored()["Patient/7011"]["deceasedBoolean"] is False
    assert codes(one.send(adt("5", "A28", pid.replace("7011", "7013") + "||Y"))) == ["AA"]
    assert not any("deceased" in name for name in one.hospital.stored()["Patient/7013"])


def test_empty_leaves_and_null_deletes(sender: Sender) -> None:
    whole = PID + "||010-1^PRN^PH~06-2^PRN^CP|020-3^WPN^PH||M"
    bare = f"PID|1||4711^^^ZKH^PI~{BSN}^^^NLMINBIZA^NNNLD||Berg^T||19700131|F"
    assert codes(sender.send(adt("1", "A28", whole), adt("2", "A08", bare))) == ["AA", "AA"]
    kept = sender.hospital.stored()["Patient/4711"]
    assert [one["value"] for one in kept["telecom"]] == ["010-1", "06-2", "020-3"]
    assert (kept["address"][0]["city"], kept["maritalStatus"]["coding"][0]["code"]) == ("Zandoord", "M")
    assert kept["name"][0]["family"] == "Berg", "what was sent replaces"
    assert codes(sender.send(adt("3", "A08", bare + '|||""||""|020-4^WPN^PH'))) == ["AA"]
    less = sender.hospital.stored()["Patient/4711"]
    assert "address" not in less
    assert [one["value"] for one in less["telecom"]] == ["020-4"]
    assert less["maritalStatus"]["coding"][0]["code"] == "M"


def test_the_number_of_a_patient_without_bsn_in_a_message_keeps_the_person(sender: Sender) -> None:
    sender.send(adt("1", "A28"))
    assert codes(sender.send(adt("2", "A08", "PID|1||4711^^^ZKH^PI||Berg^T||19700131|F"))) == ["AA"]
    assert sender.hospital.stored()["Patient/4711"]["identifier"][0]["system"].endswith("/bsn")


VALUES = {
    "SN|a^A^L||>^100|mmol/L": {"valueQuantity": {"value": 100, "comparator": ">", "unit": "mmol/L"}},
    "SN|a^A^L||^1^:^128": {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}},
    "SN|a^A^L||^0^-^1|/HPF": {
        "valueRange": {"low": {"value": 0, "unit": "/HPF"}, "high": {"value": 1, "unit": "/HPF"}}
    },
    "SN|a^A^L||^2^+": {"valueString": "2 +"},
    "NM|a^A^L||<0.10|g/L^g/L^UCUM": {
        "valueQuantity": {
            "value": 0.10, "comparator": "<", "unit": "g/L", "system": "http://unitsofmeasure.org", "code": "g/L"
        }
    },
    "NM|a^A^L||5|stuks^stuks^L": {"valueQuantity": {"value": 5, "unit": "stuks"}},
    "FT|a^A^L||een\\.br\\twee \\H\\drie\\N\\ \\T\\ \\X41\\": {"valueString": "een\ntwee drie & A"},
    "TX|a^A^L||regel een~regel twee": {"valueString": "regel een\nregel twee"},
    "ST|a^A^L||1.5 10^9/L": {"valueString": "1.5 10^9/L"},
    "|a^A^L||zonder type": {"valueString": "zonder type"},
    "CE|a^A^L||^onbekend": {"valueCodeableConcept": {"text": "onbekend"}},
    "CNE|a^A^L||260385009^negatief^SCT": {
        "valueCodeableConcept": {
            "coding": [{"system": "http://snomed.info/sct", "code": "260385009", "display": "negatief"}],
            "text": "negatief",
        }
    },
    "DT|a^A^L||20260131": {"valueDateTime": "2026-01-31"},
    "TM|a^A^L||0915": {"valueTime": "09:15:00"},
    "TS|a^A^L||202601310915": {"valueDateTime": "2026-01-31T09:15:00+01:00"},
    "DTM|a^A^L||20260131091500.5+0000": {"valueDateTime": "2026-01-31T10:15:00.5+01:00"},
    "NA|a^A^L||1^2^3": {"valueString": "1 2 3"},
    "DR|a^A^L||20260101^20260131": {"valuePeriod": {"start": "2026-01-01", "end": "2026-01-31"}},
}  # fmt: skip


def test_results_of_every_type_are_stored_as_what_they_are(one: Sender) -> None:
    rows = [f"OBX|{n}|{text.replace('a^A', f'c{n}^A')}" for n, text in enumerate(VALUES, 1)]
    rows = [row + "|" * (11 - row.count("|")) + "F" for row in rows]
    (answer,) = one.send(oru("7", *rows))
    assert answer["MSA"][1] == "AA", answer["ERR"]
    assert answer["ERR"] == []
    for number, expected in enumerate(VALUES.values(), 1):
        found = result(one, f"lab-L-2026-1-c{number}-1")
        assert {name: value for name, value in found.items() if name.startswith("value")} == expected


BAD_ROWS = {
    "a pointer": "OBX|2|RP|x^X^L||\\\\server\\beeld^^TX||||||F",
    "a type that nobody knows": "OBX|2|QQ|x^X^L||1||||||F",
    "no number": "OBX|2|NM|x^X^L||veel||||||F",
    "no time": "OBX|2|TS|x^X^L||gisteren||||||F",
    "no base64": "OBX|2|ED|x^X^L||Z^AP^PDF^Base64^???||||||F",
    "no code": "OBX|2|ST|||tekst||||||F",
}


@pytest.mark.parametrize("row", BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_one_result_that_cannot_be_taken_does_not_take_the_panel_with_it(one: Sender, row: str) -> None:
    good = "OBX|{n}|NM|{code}^K^LN||4.1|mmol/L|||||F"
    (answer,) = one.send(oru("8", good.format(n=1, code="2823-3"), row, good.format(n=3, code="2951-2")))
    assert answer["MSA"][1] == "AA"
    assert any(text.startswith("OBX 2: ") for text in answer["ERR"]), "it is named"
    assert {key for key in one.hospital.stored() if key.startswith("Obs")} == {
        "Observation/lab-L-2026-1-2823-3-1", "Observation/lab-L-2026-1-2951-2-1"
    }  # fmt: skip
    assert one.hospital.count("quarantine") == 1, "people can look at the message"


def test_a_source_may_want_all_or_nothing(tmp_path: Path) -> None:
    rows = ("OBX|1|NM|2823-3^K^LN||4.1|mmol/L|||||F", "OBX|2|NM|x^X^L||veel||||||F")
    for one in listening("sqlite", tmp_path, source, options={"faulty": "whole"}):
        (answer,) = one.send(oru("8", *rows))
        assert answer["MSA"][1] == "AE"
        assert one.hospital.stored() == {}


def test_what_is_not_taken_is_named_and_never_quoted(tmp_path: Path) -> None:
    message = oru("8", "OBX|1|NM|2823-3^K^LN||4.1|mmol/L|||GEHEIM||F") + "ZPI|1|GEHEIM\r"
    for one in listening("sqlite", tmp_path, source):
        (answer,) = one.send(message)
        assert answer["MSA"][1] == "AA"
        assert answer["ERR"] == ["OBX-9 not taken", "ZPI not taken"] or set(answer["ERR"]) == {
            "OBX-9 not taken", "ZPI not taken"
        }  # fmt: skip
        assert "GEHEIM" not in str(answer)


def test_a_source_may_want_nothing_left_out(tmp_path: Path) -> None:
    for one in listening("sqlite", tmp_path, source, options={"not_taken": "refuse"}):
        assert codes(one.send(oru("7"))) == ["AA"]
        (answer,) = one.send(oru("8", "OBX|1|NM|9^K^L||4.1|mmol/L|||5||F"))
        assert answer["MSA"][1] == "AE"
        assert "OBX-9 not taken" in answer["ERR"]
        assert "Observation/lab-L-2026-1-9-1" not in one.hospital.stored()
        assert one.hospital.count("quarantine") == 1


def test_ranges_flags_sub_ids_and_notes(one: Sender) -> None:
    rows = (
        "NTE|1|L|van de aanvraag", "OBX|1|NM|a^A^L|1|4.1|mmol/L|3.5 - 5.0|H~QQ|||F", "NTE|1|L|regel 1~regel 2",
        "NTE|2|L|regel 3", "OBX|2|ST|b^B^L|1|R||<5|R|||F", "OBX|3|ST|b^B^L|2|S||>=3|||F",
    )  # fmt: skip
    assert codes(one.send(oru("8", *rows))) == ["AA"]
    first, second = result(one, "lab-L-2026-1-a-1"), result(one, "lab-L-2026-1-b-1")
    assert first["referenceRange"] == [
        {"low": {"value": 3.5, "unit": "mmol/L"}, "high": {"value": 5.0, "unit": "mmol/L"}, "text": "3.5 - 5.0"}
    ]
    flags = [(one["system"].rpartition("/")[2], one["code"]) for one in first["interpretation"]["coding"]]
    assert flags == [("0078", "H"), ("sct", "281302008"), ("urn:hl7v2:ZKH:OBX-8", "QQ")]
    assert first["comment"] == "van de aanvraag\nregel 1\nregel 2\nregel 3"
    assert first["related"][0]["target"]["reference"] == "Observation/lab-L-2026-1-b-1"
    assert second["referenceRange"] == [{"text": "<5"}]
    assert result(one, "lab-L-2026-1-b-2")["referenceRange"] == [{"low": {"value": 3}, "text": ">=3"}]


def test_local_codes_that_differ_in_one_sign_are_two_results(one: Sender) -> None:
    assert codes(one.send(oru("8", "OBX|1|ST|HB+^A^L||1||||||F", "OBX|2|ST|HB-^A^L||2||||||F"))) == ["AA"]
    values = {one["valueString"] for key, one in one.hospital.stored().items() if key.startswith("Observation")}
    assert values == {"1", "2"}


def test_names_and_addresses_that_repeat(one: Sender) -> None:
    pid = (
        "PID|1||4711^^^ZKH^PI||van der Berg&van der&Berg^Tessa^M^^mw.^^L~Tes^^^^^^N||19700131|F|||"
        "Dorp&Dorp&1^a^Stad^^1234AB^NLD^H~Kade 2^^Haven^^4321BA^NLD^C||||||||||||1"
    )
    assert codes(one.send(adt("1", "A28", pid))) == ["AA"]
    person = one.hospital.stored()["Patient/4711"]
    assert [(name["use"], name["family"]) for name in person["name"]] == [
        ("official", "van der Berg"),
        ("nickname", "Tes"),
    ]
    assert person["name"][0]["given"] == ["Tessa", "M"]
    assert [(at["use"], at["line"][0]) for at in person["address"]] == [("home", "Dorp 1 a"), ("temp", "Kade 2")]


def test_the_text_of_a_letter_in_lines_is_a_document(one: Sender) -> None:
    lines = [
        msh("MDM^T02^MDM_T02", "5"), "EVN||20260201", PID,
        "TXA|1|DS^Brief|TX|20260201|||||1^Dokter^Anna|||DOC-1||||||AV",
        "OBX|1|TX|18842-5^Brief^LN||Beste collega,~alles goed||||||F",
        "OBX|2|TX|18842-5^Brief^LN||Groet||||||F",
    ]  # fmt: skip
    (answer,) = one.send("\r".join(lines) + "\r")
    assert (answer["MSA"][1], answer["ERR"]) == ("AA", [])
    letter = one.hospital.stored()["DocumentReference/document-DOC-1-text"]
    assert letter["content"][0]["attachment"]["size"] == len("Beste collega,\nalles goed\nGroet")
    assert re.fullmatch(r"Binary/.*", letter["content"][0]["attachment"]["url"])


def test_no_answer_holds_a_value_or_a_bsn(one: Sender) -> None:
    answers = one.send(oru("8", "OBX|1|NM|a^A^L||GEHEIM||||||F"), adt("9", pid=PID.replace(BSN, "999990010")))
    assert "GEHEIM" not in json.dumps(answers)
    assert "99999001" not in json.dumps(answers)
