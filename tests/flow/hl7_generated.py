"""Messages of twelve trigger events, made by chance from a seed, with what must be found of each afterwards."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flow.hl7_sender import msh, segment

Facts = dict[str, dict[str, Any]]
"""By Type/id: paths in the resource (``name.0.family``) and the values that must be there."""

WORDS = (
    "geen groei",
    "licht verhoogd",
    "koorts & hoest",
    "40 µmol",
    "één tablet",
    "a|b",
    "x^y",
    "pijn~druk",
    "C:\\temp",
)


@dataclass
class Generated:
    """One message. ``told`` are the places that must be named in the answer, because nothing is made of them."""

    number: str
    event: str
    text: str
    facts: Facts
    told: set[str] = field(default_factory=set)


def escaped(text: str) -> str:
    marks = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\"}
    return "".join(marks.get(char, char) for char in text)


def generate(seed: int, count: int) -> list[Generated]:
    """``count`` messages; each is about a patient and an order of its own, so that what comes later changes nothing."""
    chance = random.Random(seed)
    kinds = tuple(KINDS)
    return [
        KINDS[kinds[turn % len(kinds)]](chance, f"m{seed}x{turn}", kinds[turn % len(kinds)]) for turn in range(count)
    ]


def _patient(chance: random.Random, number: str) -> tuple[str, Facts, set[str]]:
    family, given = (
        chance.choice(("Jansen", "de Vries", "O'Neil", "Żółć", "van 't Hof")),
        chance.choice(("Anna", "Bob")),
    )
    year, told = chance.randint(1920, 2020), set()
    fields = {"f1": "1", "f3": f"{number}^^^ZKH^PI", "f5": f"{family}^{given}^^^^^L", "f7": f"{year}0203",
              "f8": chance.choice("MF"), "f11": f"Straat&Straat&{chance.randint(1, 99)}^^Stad^^1234AB^^H",
              "f13": "010-1^PRN^PH~06-2^PRN^CP"}  # fmt: skip
    if chance.random() < 0.2:
        fields["f22"] = "X"
        told.add("PID-22 not taken")
    facts = {"name.0.family": family, "name.0.given.0": given, "name.0.use": "official", "birthDate": f"{year}-02-03",
             "gender": {"M": "male", "F": "female"}[fields["f8"]], "address.0.city": "Stad",
             "address.0.line.0": "Straat " + fields["f11"].partition("^")[0].rpartition("&")[2],
             "address.0.postalCode": "1234AB", "address.0.use": "home", "telecom.0.value": "010-1",
             "telecom.0.use": "home", "telecom.1.value": "06-2", "telecom.1.use": "mobile"}  # fmt: skip
    return segment("PID", **fields), {f"Patient/{number}": facts}, told


def _made(
    chance: random.Random, number: str, kind: str, rest: list[str], facts: Facts, *, first: bool = False
) -> Generated:
    pid, about, told = _patient(chance, number)
    if chance.random() < 0.15:
        rest = [*rest, "ZPI|1|iets eigens"]
        told.add("ZPI not taken")
    lines = [msh(kind, number), *([rest[0], pid, *rest[1:]] if first else [pid, *rest])]
    return Generated(number, kind, chance.choice(("\r", "\r\n", "\n")).join(lines) + "\r", about | facts, told)


def visit(chance: random.Random, number: str, kind: str) -> Generated:
    state = {"ADT^A01": "in-progress", "ADT^A03": "finished", "ADT^A04": "in-progress"}[kind]
    where = f"K{chance.randint(1, 9)}"
    pv1 = segment("PV1", f1="1", f2="I", f3=where, f19=f"V{number}", f44="202602010900", f45="202602021000")
    facts = {f"Encounter/visit-V{number}": {"status": state, "location.0.location.display": where, "class.code": "IMP",
                                            "subject.reference": f"Patient/{number}",
                                            "period.start": "2026-02-01T09:00:00+01:00",
                                            "period.end": "2026-02-02T10:00:00+01:00"}}  # fmt: skip
    rows, more = _known(chance, number, f"V{number}", allergies=kind != "ADT^A03")
    return _made(chance, number, kind, [pv1, *rows], facts | more)


def _known(chance: random.Random, number: str, visit: str, *, allergies: bool) -> tuple[list[str], Facts]:
    """Allergies and diagnoses beside a visit, now and then."""
    rows, facts = [], {}
    if allergies and chance.random() < 0.5:
        word, kind = chance.choice(WORDS), chance.choice(("SV", "MO", "MI"))
        rows.append(segment("AL1", f1="1", f2="DA", f3="A1^stof^L", f4=kind, f5=escaped(word), f6="20200315"))
        facts[f"AllergyIntolerance/allergy-{number}-A1"] = {
            "code.text": "stof", "category.0": "medication", "onsetDateTime": "2020-03-15",
            "reaction.0.manifestation.0.text": word, "patient.reference": f"Patient/{number}",
            "reaction.0.severity": {"SV": "severe", "MO": "moderate", "MI": "mild"}[kind],
        }  # fmt: skip
    if chance.random() < 0.5:
        rows.append(segment("DG1", f1="1", f3="I48^AF^I10", f5="20260105", f6="F", f16="1^Dokter^Anna"))
        facts[f"Condition/diagnosis-{number}-{visit}-I48"] = {
            "code.coding.0.code": "I48", "code.text": "AF", "assertedDate": "2026-01-05",
            "verificationStatus": "confirmed", "asserter.display": "Anna Dokter",
            "context.reference": f"Encounter/visit-{visit}", "subject.reference": f"Patient/{number}",
        }  # fmt: skip
    return rows, facts


def person(chance: random.Random, number: str, kind: str) -> Generated:
    made = _made(chance, number, kind, ["NK1|1|Contact^Els|MTH^Moeder^HL70063||020-5^PRN^PH"], {})
    made.facts[f"Patient/{number}"] |= {
        "contact.0.name.family": "Contact", "contact.0.name.given.0": "Els", "contact.0.telecom.0.value": "020-5",
        "contact.0.relationship.0.coding.0.code": "MTH", "contact.0.relationship.0.text": "Moeder",
    }  # fmt: skip
    return made


def results(chance: random.Random, number: str, kind: str) -> Generated:
    rows, facts, lost = [segment("OBR", f1="1", f3=number, f4="P", f7="20260201090000", f24="CH")], {}, set()
    for turn in range(1, chance.randint(2, 6)):
        word, place = chance.choice(WORDS), f"Observation/lab-{number}-c{turn}-1"
        value = f"{chance.randint(0, 900) / 100:.2f}"
        shape = chance.choice(("NM", "TX", "CWE", "SN", "TS"))
        sent, expected = {
            "NM": (value, {"valueQuantity.value": value}),
            "TX": (escaped(word), {"valueString": word}),
            "CWE": (f"A^{escaped(word)}^L", {"valueCodeableConcept.text": word}),
            "SN": (f">^{value}", {"valueQuantity.comparator": ">", "valueQuantity.value": value}),
            "TS": ("20260131", {"valueDateTime": "2026-01-31"}),
        }[shape]
        extra = {"f9": "0.5"} if chance.random() < 0.1 else {}
        if extra:
            lost.add("OBX-9 not taken")
        rows.append(segment("OBX", f1=str(turn), f2=shape, f3=f"c{turn}^C^L", f5=sent, f11="F", **extra))
        facts[place] = expected | {"status": "final", "subject.reference": f"Patient/{number}"}
        if chance.random() < 0.3:
            rows.append(f"NTE|1|L|{escaped(word)}")
            facts[place]["comment"] = word
    made = _made(chance, number, kind, rows, facts)
    counted = sum("|0.5||F" in row for row in rows)
    made.told |= {f"OBX-9 not taken ({counted} times)" if counted > 1 else one for one in lost}
    return made


def letter(chance: random.Random, number: str, kind: str) -> Generated:
    word = chance.choice(WORDS)
    rows = [segment("TXA", f1="1", f2="DS^Brief", f3="TX", f4="20260201", f12=number, f19="AV"),
            segment("OBX", f1="1", f2="TX", f3="1^Brief^L", f5=escaped(word), f11="F")]  # fmt: skip
    facts = {f"DocumentReference/document-{number}-text": {"content.0.attachment.size": str(len(word.encode())),
                                                           "type.text": "Brief", "status": "current",
                                                           "subject.reference": f"Patient/{number}"}}  # fmt: skip
    return _made(chance, number, kind, rows, facts)


def order(chance: random.Random, number: str, kind: str) -> Generated:
    control, state = chance.choice((("NW", "active"), ("CA", "cancelled"), ("HD", "suspended")))
    rows = [segment("ORC", f1=control, f2=number),
            segment("OBR", f1="1", f2=number, f4="80146002^operatie^SCT", f36="202603010900")]  # fmt: skip
    facts = {f"ProcedureRequest/order-{number}": {"status": state, "code.coding.0.code": "80146002",
                                                  "code.text": "operatie",
                                                  "subject.reference": f"Patient/{number}",
                                                  "occurrenceDateTime": "2026-03-01T09:00:00+01:00"}}  # fmt: skip
    return _made(chance, number, kind, rows, facts)


def appointment(chance: random.Random, number: str, kind: str) -> Generated:
    minutes = chance.choice(("15", "30", "45"))
    rows = [segment("SCH", f2=number, f7="^controle", f9=minutes, f10="MIN"), "RGS|1",
            "AIS|1|A|C^Consult^L|202603011000", "AIP|1|A|1^Dokter^Anna"]  # fmt: skip
    facts = {f"Appointment/appointment-{number}": {
        "status": "booked", "start": "2026-03-01T10:00:00+01:00", "end": f"2026-03-01T10:{minutes}:00+01:00",
        "minutesDuration": minutes, "participant.1.actor.display": "Anna Dokter",
        "participant.0.actor.reference": f"Patient/{number}", "serviceType.0.text": "Consult",
        "reason.0.text": "controle",
    }}  # fmt: skip
    return _made(chance, number, kind, rows, facts, first=True)


def vaccination(chance: random.Random, number: str, kind: str) -> Generated:
    dose = chance.choice(("0.5", "1", "999"))
    rows = [f"ORC|RE||{number}", segment("RXA", f1="0", f2="1", f3="20260105", f5="J07AH08^prik^ATC", f6=dose, f7="mL",
                                         f20="CP", f21="A")]  # fmt: skip
    facts = {"date": "2026-01-05", "vaccineCode.coding.0.code": "J07AH08", "vaccineCode.text": "prik",
             "status": "completed", "notGiven": "False", "patient.reference": f"Patient/{number}"}  # fmt: skip
    if dose != "999":
        facts |= {"doseQuantity.value": dose, "doseQuantity.unit": "mL"}
    made = _made(chance, number, kind, rows, {f"Immunization/vaccination-{number}": facts})
    made.told |= {"RXA-7 not taken"} if dose == "999" else set()
    return made


def medication(chance: random.Random, number: str, kind: str) -> Generated:
    code, word = str(chance.randint(10_000_000, 99_999_999)), chance.choice(("bij pijn", "'s avonds"))
    rxe = segment("RXE", f2=f"{code}^pil^HPK", f3="1", f5="stuk^stuk", f7=f"^{word}", f15=number)
    facts: Facts = {}
    rows = [segment("ORC", f1="NW", f2=number, f9="202602010900"), rxe]
    what = {"medicationCodeableConcept.coding.0.code": code, "medicationCodeableConcept.text": "pil",
            "dosageInstruction.0.text": f"{word} 1 stuk", "subject.reference": f"Patient/{number}"}  # fmt: skip
    if kind == "RDE^O11":
        facts[f"MedicationRequest/prescription-{number}"] = what | {"authoredOn": "2026-02-01T09:00:00+01:00"}
    else:
        rows.append(segment("RXD", f1="1", f2=f"{code}^pil^HPK", f3="202602011200", f4="30", f5="stuk", f7=number))
        facts[f"MedicationDispense/agreement-{number}"] = what
        facts[f"MedicationDispense/dispense-{number}-1"] = {
            "quantity.value": "30", "quantity.unit": "stuk", "whenHandedOver": "2026-02-01T12:00:00+01:00",
            "medicationCodeableConcept.coding.0.code": code, "subject.reference": f"Patient/{number}",
        }  # fmt: skip
    return _made(chance, number, kind, rows, facts)


KINDS: dict[str, Callable[[random.Random, str, str], Generated]] = {
    "ADT^A01": visit, "ADT^A03": visit, "ADT^A04": visit, "ADT^A08": person, "ADT^A28": person, "ORU^R01": results,
    "MDM^T02": letter, "ORM^O01": order, "SIU^S12": appointment, "VXU^V04": vaccination, "RDE^O11": medication,
    "RDS^O13": medication,
}  # fmt: skip


def found(resource: Any, path: str) -> Any:
    """What stands at a path of a resource; None when nothing does."""
    for part in path.split("."):
        if isinstance(resource, list):
            resource = resource[int(part)] if int(part) < len(resource) else None
        else:
            resource = resource.get(part) if isinstance(resource, dict) else None
    return resource


def missing(made: Generated, stored: dict[str, Any]) -> list[str]:
    """What of a message is not in the store as it was sent: places, with what stands there."""
    return [
        f"{key} {path}: {found(stored.get(key), path)!r}, not {value!r}"
        for key, facts in made.facts.items()
        for path, value in facts.items()
        if str(found(stored.get(key), path)) != value
    ]
