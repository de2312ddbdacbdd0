"""A laboratory that exports flat files: its mapping, and lines for it."""

from pathlib import Path

from world.intake_house import BSN

MAPPING = r"""
mapping: lab-export
version: stu3
systems: {lab: "https://lab.example/test", bsn: "http://fhir.nl/fhir/NamingSystem/bsn"}
files:
  people: {name: "patienten*.csv", columns: {patient_id: Patiëntnr, born: Geboortedatum}}
  results: {name: "uitslag*.csv", encoding: windows-1252}
  weights:
    name: "gewicht*.txt"
    format: fixed
    places: {number: [1, 6], patient_id: [7, 12], day: [13, 20], kg: [21, 26]}
    trailer: EINDE
sections:
  patient:
    type: Patient
    file: people
    zib: {name: Patient, elements: {Geboortedatum: birthDate}}
    resource:
      id: =key(patient_id)
      identifier: ["=identifier(bsn, 'bsn')"]
      name: [{family: =naam}]
      birthDate: =date(born, 'dd-mm-yyyy')
  result:
    type: Observation
    file: results
    gone: =equals(stand, 'vervallen')
    zib:
      name: LaboratoriumUitslag
      elements: {TestUitslag: valueQuantity, TestNaam: code, ResultaatDatumTijd: effectiveDateTime}
    resource:
      id: =key('uitslag', nummer)
      status: final
      code: "=coded(bepaling, 'lab', bepaling, bepaling)"
      subject: {reference: "=link('Patient', key(patient))"}
      effectiveDateTime: =date(datum, 'dd-mm-yyyy')
      valueQuantity: {value: "=decimal(uitslag, ',')", unit: =eenheid}
  weight:
    type: Observation
    file: weights
    resource:
      id: =key('gewicht', number)
      status: final
      code: {text: Lichaamsgewicht}
      subject: {reference: "=link('Patient', key(patient_id))"}
      effectiveDateTime: =date(day, 'yyyymmdd')
      valueQuantity: {value: "=decimal(kg, ',')", unit: kg}
"""
HEADS = "nummer;patient;bepaling;datum;uitslag;eenheid;stand"
PEOPLE = f"Patiëntnr;Geboortedatum;BSN;Naam\n4711;31-01-1970;{BSN};Testpersoon\n"


def lines(first: int, count: int, value: str = "4,10") -> str:
    """Results of the one patient."""
    return "".join(f"{one};4711;Kalium;01-02-2026;{value};mmol/L;\n" for one in range(first, first + count))


def lab(folder: Path) -> dict[str, object]:
    """The settings of the laboratory's folder, with its mapping beside it."""
    (folder / "in").mkdir(exist_ok=True)
    (folder / "lab.yaml").write_text(MAPPING, "utf-8")
    return {"path": str(folder / "in"), "mapping": str(folder / "lab.yaml"), "seconds": 0.05}
