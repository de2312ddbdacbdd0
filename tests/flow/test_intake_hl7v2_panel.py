"""A panel of messages as hospitals, laboratories, pharmacies and birth care send them: each to its zib, and valid."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flow.hl7_sender import PID, Sender, adt, codes, listening, msh, oru, segment
from world.intake_house import source

from gateway.quality.verdicts import shared_validator
from profiles.fhir.version import FhirVersion


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Sender]:
    yield from listening("sqlite", tmp_path, source)


def message(kind: str, number: str, *segments: str, first: str = "") -> str:
    return "\r".join(filter(None, [msh(kind, number), first, PID, *segments])) + "\r"


PARACETAMOL = "12345678^paracetamol 500 mg^HPK"


def surgery(number: str = "1", control: str = "NW", when: str = "202603010900") -> str:
    return message(
        "ORM^O01", number, segment("ORC", f1=control, f2="P1", f12="123^Dokter^Anna"),
        segment("OBR", f1="1", f2="P1", f4="80146002^appendectomie^SCT", f31="^buikpijn", f36=when),
        "NTE|1|L|nuchter komen",
    )  # fmt: skip


def appointment(number: str, event: str, when: str = "202603011000", *, services: bool = True) -> str:
    rows = ["RGS|1", f"AIS|1|A|C^Consult^L|{when}|||20|MIN", "AIP|1|A|123^Dokter^Anna", "AIL|1|A|POLI^K1^^ZKH"]
    sch = segment("SCH", f1="A1", f2="F1", f7="^Controle bij arts", f8="V^Vervolg^L")
    return message(f"SIU^{event}", number, *(rows if services else []), first=sch)


def vaccination(number: str = "1", completion: str = "CP", action: str = "A") -> str:
    return message(
        "VXU^V04^VXU_V04", number, segment("ORC", f1="RE", f3="V77"),
        segment("RXA", f1="0", f2="1", f3="20260105", f5="J07AH08^meningokokken ACWY^ATC", f6="0.5", f7="mL^mL^UCUM",
                f10="123^Zuster^Els", f15="LOT1", f16="20270101", f17="^Farma", f20=completion, f21=action),
        "RXR|IM^intramusculair^L|LD^linker arm^L",
    )  # fmt: skip


def prescription(number: str = "1", control: str = "NW") -> str:
    return message(
        "RDE^O11^RDE_O11", number, segment("ORC", f1=control, f2="R1", f9="202602010900", f12="123^Dokter^Anna"),
        segment("RXE", f2=PARACETAMOL, f3="1", f4="2", f5="stuk^stuk", f7="^3 maal daags", f15="R1"),
        "NTE|1|L|bij pijn", segment("TQ1", f1="1", f7="20260201", f8="20260210"), "RXR|9^oraal^GSTD9",
    )  # fmt: skip


def delivery(number: str = "1") -> str:
    return message(
        "RDS^O13^RDS_O13", number, segment("ORC", f1="RE", f2="R1", f3="D1"),
        segment("RXE", f2=PARACETAMOL, f3="1", f5="stuk", f7="^3 maal daags", f15="R1", f32="202602011000"),
        "RXR|9^oraal^GSTD9",
        segment("RXD", f1="1", f2=PARACETAMOL, f3="202602011200", f4="30", f5="stuk", f7="R1", f10="7^Apotheker^Piet"),
    )  # fmt: skip


def pregnant(number: str = "1") -> str:
    """What a midwife's system sends to the hospital: a measurement, a term date and a blood group."""
    return oru(
        number, "OBX|1|NM|8302-2^lengte^LN||1.68|m^m^UCUM|||||F", "OBX|2|DT|11778-8^a terme datum^LN||20260901||||||F",
        "OBX|3|CWE|882-1^bloedgroep^LN||112144000^bloedgroep A^SCT||||||F",
    )  # fmt: skip


def specimen(number: str = "1") -> str:
    blood = segment("SPM", f1="1", f2="S1&Z", f4="119297000^Bloed^SCT", f17="202602010845", f18="202602010930")
    return oru(number) + blood + "\r"


def admission(number: str = "1") -> str:
    visit = segment("PV1", f1="1", f2="I", f3="A1^12^3", f7="1^Dokter^Anna", f14="264362003^Thuis^SCT", f19="V-1",
                    f44="202602010900")  # fmt: skip
    return message("ADT^A01", number, visit, segment("PV2", f3="^benauwd"))


PANEL = (surgery, lambda number: appointment(number, "S12"), vaccination, prescription, delivery, pregnant, specimen,
         admission)  # fmt: skip


def test_the_panel_is_taken_whole_and_meets_our_own_tables(one: Sender) -> None:
    answers = one.send(*(make(f"p{turn}") for turn, make in enumerate(PANEL)))
    assert codes(answers) == ["AA"] * len(PANEL)
    assert [answer["ERR"] for answer in answers] == [[]] * len(PANEL)
    stored = one.hospital.stored()
    types = {key.partition("/")[0] for key in stored}
    assert types == {"Patient", "ProcedureRequest", "Appointment", "Immunization", "MedicationRequest",
                     "MedicationDispense", "Observation", "Specimen", "Encounter"}  # fmt: skip
    assert faults(stored, "") == {}


@pytest.mark.usefixtures("official_packages")
def test_the_panel_meets_the_official_profiles(one: Sender, package_cache: Path) -> None:
    one.send(*(make(f"p{turn}") for turn, make in enumerate(PANEL)))
    assert faults(one.hospital.stored(), str(package_cache)) == {}


def faults(stored: dict[str, Any], cache: str) -> dict[str, list[tuple[str, str]]]:
    validator = shared_validator(FhirVersion.STU3, cache)
    return {
        key: wrong
        for key, body in stored.items()
        if (wrong := [(f.rule, f.expression) for f in validator.validate(body).findings if f.severity == "error"])
    }


def test_an_order_that_is_moved_and_cancelled(one: Sender) -> None:
    assert codes(one.send(surgery("1"), surgery("2", "XO", "202603050900"))) == ["AA", "AA"]
    order = one.hospital.stored()["ProcedureRequest/order-P1"]
    assert (order["status"], order["occurrenceDateTime"]) == ("active", "2026-03-05T09:00:00+01:00")
    assert (order["note"][0]["text"], order["reasonCode"][0]["text"]) == ("nuchter komen", "buikpijn")
    assert order["requester"]["agent"]["display"] == "Anna Dokter"
    assert codes(one.send(surgery("3", "CA"))) == ["AA"]
    assert one.hospital.stored()["ProcedureRequest/order-P1"]["status"] == "cancelled"


def test_the_life_of_an_appointment(one: Sender) -> None:
    def now() -> tuple[str, str]:
        found = one.hospital.stored()["Appointment/appointment-F1"]
        return found["status"], found["start"]

    assert codes(one.send(appointment("1", "S12"))) == ["AA"]
    made = one.hospital.stored()["Appointment/appointment-F1"]
    assert [made[name] for name in ("end", "minutesDuration")] == ["2026-03-01T10:20:00+01:00", 20]
    assert [who["actor"]["display"] for who in made["participant"]] == ["T van der Berg", "Anna Dokter", "POLI K1"]
    assert codes(one.send(appointment("2", "S13", "202603021100"))) == ["AA"]
    assert now() == ("booked", "2026-03-02T11:00:00+01:00")
    assert codes(one.send(appointment("3", "S15", services=False))) == ["AA"]
    assert now() == ("cancelled", "2026-03-02T11:00:00+01:00"), "a cancellation that says no time keeps the time"
    assert codes(one.send(appointment("4", "S26", services=False))) == ["AA"]
    assert now()[0] == "noshow"
    assert codes(one.send(appointment("5", "S17", services=False))) == ["AA"]
    assert "Appointment/appointment-F1" not in one.hospital.stored()


def test_a_vaccination_that_was_refused_and_one_that_is_taken_back(one: Sender) -> None:
    assert codes(one.send(vaccination("1", "RE"))) == ["AA"]
    assert one.hospital.stored()["Immunization/vaccination-V77"]["notGiven"] is True
    assert codes(one.send(vaccination("2", action="D"))) == ["AA"]
    assert "Immunization/vaccination-V77" not in one.hospital.stored()


def test_medication_is_agreed_administered_and_dispensed(one: Sender) -> None:
    assert codes(one.send(prescription("1"), delivery("2"))) == ["AA", "AA"]
    stored = one.hospital.stored()
    agreed = stored["MedicationRequest/prescription-R1"]
    assert agreed["dosageInstruction"][0]["text"] == "3 maal daags 1-2 stuk"
    assert agreed["extension"][0]["valuePeriod"] == {"start": "2026-02-01", "end": "2026-02-10"}
    codings = {
        key: one["category"]["coding"][0]["code"] for key, one in stored.items() if "category" in one and "Med" in key
    }
    assert codings == {"MedicationRequest/prescription-R1": "16076005", "MedicationDispense/agreement-R1": "422037009",
                       "MedicationDispense/dispense-R1-1": "373784005"}  # fmt: skip
    assert stored["MedicationDispense/dispense-R1-1"]["quantity"] == {"value": 30, "unit": "stuk"}
    assert codes(one.send(prescription("3", "DC"))) == ["AA"]
    assert one.hospital.stored()["MedicationRequest/prescription-R1"]["status"] == "stopped"


def test_the_laboratory_names_its_section_once_for_all(tmp_path: Path) -> None:
    for lab in listening("sqlite", tmp_path, source, options={"sector": "CH"}):
        assert codes(lab.send(adt(), oru())) == ["AA", "AA"]
        kinds = lab.hospital.stored()["Observation/lab-L-2026-1-2823-3-1"]["category"]
        assert kinds[1]["coding"][0]["code"] == "275711006"
