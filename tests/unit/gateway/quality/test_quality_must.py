"""What must be there whenever the source has it: the tables, the counts, and a source that never fills one."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from databases import KINDS, database
from rich.console import Console
from shared import shared
from sqlalchemy import Engine

from gateway.cli.db import upgrade
from gateway.quality.elements import CountPlans
from gateway.quality.store import save
from gateway.quality.tally import Subject, Tally
from gateway.report.document import Share
from gateway.report.figures import Choice, Figures
from gateway.report.must import must_figures
from gateway.report.quality import QualityReport, Request
from gateway.report.render import to_console
from gateway.store.engine import open_engine
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue
from profiles.standards.must import must_elements, needed_by
from profiles.zibs import validator

DAY = date(2026, 3, 31)
VALIDATOR = validator(FhirVersion.R4, ())
PLANS = CountPlans(VALIDATOR, (), needed_by(catalogue().standards.values()))
M = "http://medmij.nl/fhir/StructureDefinition/"
CARE = {"system": "urn:oid:2.16.840.1.113883.2.4.6.7", "code": "1200"}
ROLE_OF = {"performer", "author", "orderer", "participant"}
"""On STU3 the role behind these must be there as well."""
SAME_PLACE = {
    "effectiveDateTime": "effective", "effective[x]": "effective", "valueCodeableConcept": "value",
    "valueString": "value", "valueQuantity": "value", "performedPeriod": "performed", "performedDateTime": "performed",
    "participant.individual": "participant", "performer.actor": "performerActor", "location.location": "locationPlace",
    "description.text": "descriptionText", "timingPeriod": "timing", "diagnosis.condition": "diagnosis",
    "meta.tag": "careType", "extension:treatmentObjective": "goal", "extension:reasonReference": "reasonObservation",
    "component:SystolicBP": "systolic", "component:DiastolicBP": "diastolic", "component:FluidTotalIn": "fluidIn",
    "component:FluidTotalOut": "fluidOut", "component:BreathingFrequency": "breathingFrequency",
}  # fmt: skip
"""What the pages write, and the element of our table."""


def risk(id_: str, **more: Any) -> dict[str, Any]:
    """A caries risk as a dental system gives it."""
    return {
        "resourceType": "Observation",
        "id": id_,
        "meta": {"profile": [f"{M}mz-CariesRisk"], "tag": [CARE]},
        "identifier": [{"system": "urn:oid:2.16.840.1.113883.2.4.3.11.999.1", "value": id_}],
        "status": "final",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "74024006"}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-01-05",
        "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "62482003"}]},
        **more,
    }


def counted(*given: tuple[str, dict[str, Any]]) -> Tally:
    made = Tally()
    for source, one in given:
        subject = Subject("tandarts", source, "R4", one["resourceType"], one["id"])
        made.add(DAY, subject, one, VALIDATOR.validate(one), PLANS)
    return made


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with database(request.param, tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        yield engine
        engine.dispose()


DENTIST = [{"reference": "Practitioner/t", "display": "T. Andarts"}]


def test_a_source_that_never_fills_an_element_is_named(store: Engine) -> None:
    """The practice's system knows the performer of some, the kiosk of none; what only looks filled does not count."""
    absent = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    tally = counted(
        ("praktijk", risk("1", performer=DENTIST)),
        ("praktijk", risk("2", meta={"profile": [f"{M}mz-CariesRisk|1.0"], "tag": [{"system": "x", "code": "y"}]})),
        ("kiosk", risk("3", performer=[{"extension": [absent]}])),
        ("kiosk", risk("4")),
    )
    with store.begin() as connection:
        save(connection, tally)
        standards = {"tandarts": [catalogue().standards["dental-care-1"]]}
        rows = must_figures(Figures(connection, Choice()), standards, "nl")
        shown = {(one.source, one.element): (one.filled, one.told) for one in rows}
        assert shown["praktijk", "Uitvoerder"] == (Share(1, 2), "sometimes")
        assert shown["praktijk", "Soort zorg (COD016)"] == (Share(1, 2), "sometimes")
        assert shown["kiosk", "Uitvoerder"] == (Share(0, 2), "never")
        assert shown["kiosk", "Uitslag"] == (Share(2, 2), "always")
        assert rows[0].told == "never", "what asks for something comes first"
        assert {one.part for one in rows} == {"Kans op gaatjes"}, "nothing of what was never delivered"


def test_the_report_tells_it_in_words(store: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    with store.begin() as connection:
        save(connection, counted(("kiosk", risk("3")), ("kiosk", risk("4"))))
        offered = {"tandarts": ["dental-care-1"]}
        made = {
            language: QualityReport(
                Figures(connection, Choice()), Request("nu", language), catalogue(), offered
            ).document()
            for language in ("nl", "en")
        }
        sections = {one.key: one for one in made["nl"].sections}
        must = sections["must"]
        assert must.population.startswith("1 van 6 elementen")
        assert must.short is not None
        (line,) = must.short
        assert [str(cell) for cell in line[3:5]] == ["Kans op gaatjes", "Uitvoerder"]
        assert str(line[6]).startswith("Nooit gevuld")
        assert not any("must:" in str(cell) for row in sections["elements"].rows for cell in row)
        english = next(one for one in made["en"].sections if one.key == "must")
        assert str(english.rows[0][6]).startswith("Never filled")
        to_console(made["nl"], Console(width=160))
    assert "Nooit gevuld" in capsys.readouterr().out


def test_what_is_asked_of_another_set_is_not_asked_of_everybody(store: Engine) -> None:
    with store.begin() as connection:
        save(connection, counted(("kiosk", risk("3"))))
        assert must_figures(Figures(connection, Choice()), {"tandarts": [catalogue().standards["bgz-3"]]}, "nl") == []


def test_the_rows_hold_what_the_pages_list() -> None:
    """Every row of the granular sets, against the description of the new sets."""
    described = yaml.safe_load(shared("spec", "new-sets.yaml").read_text())["standards"]
    tried = 0
    for name, one in described.items():
        for usecase in one["usecases"].values():
            for row in usecase["interactions"]:
                if "must_support" in row:
                    must = catalogue().standards[name].rule(row["id"]).must
                    expected = {}
                    for number, (type_, elements) in enumerate(row["must_support"].items()):
                        wanted = {SAME_PLACE.get(element, element) for element in elements}
                        if one["fhir"].startswith("STU3"):
                            wanted |= {f"{element}Role" for element in wanted & ROLE_OF}
                        for profile in row["profiles"] if not number else [row["secondary"][type_]]:
                            expected[profile] = wanted
                    assert {profile: set(names) for profile, names in must.items()} == expected, row["id"]
                    tried += 1
    assert tried == 24
    used = {
        name
        for one in catalogue().standards.values()
        for rule in one.rules
        for row in rule.must.values()
        for name in row
    }
    assert used == set(must_elements()), "elements.toml holds nothing that no row names"
