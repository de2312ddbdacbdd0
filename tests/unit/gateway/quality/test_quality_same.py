"""Facts that two sources tell: counted for the steward by rule and source, never across persons, nothing changed."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from databases import KINDS, database
from sqlalchemy import select

from gateway.cli.db import upgrade
from gateway.collect.held import Held
from gateway.collect.judged import PullGate
from gateway.quality.gate import Counting, Gate
from gateway.quality.recorder import Recorder
from gateway.quality.settings import QualitySettings
from gateway.quality.verdicts import Verdicts
from gateway.report.figures import Choice, Figures
from gateway.store.engine import open_engine
from gateway.store.schema import quality_finding
from profiles.fhir.codec import jsonio
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue

DAY = date(2026, 3, 31)


def problem(id_: str, whose: str, **change: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": id_,
        "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-Problem"]},
        "clinicalStatus": "active",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "195967001"}]},
        "onsetDateTime": "2010",
        "subject": {"reference": f"Patient/{whose}"},
        **change,
    }


def live(source: str, whose: str, **change: Any) -> Held:
    data = problem(f"{source}-c", f"{source}-{whose}", **change)
    return Held("Condition", data["id"], FhirVersion.STU3, source=source, patient_id=whose, data=data)


def stored(source: str, whose: str, owner: str = "") -> Held:
    data = problem("c", whose)
    held = Held("Condition", "c", FhirVersion.STU3, source=source, patient_id=owner or whose, digest=b"d", number=1)
    held.put("json", jsonio.dump(data))
    return held


@pytest.mark.parametrize("kind", KINDS)
def test_what_store_and_source_tell_the_same_is_counted_once_a_day(kind: str, tmp_path: Path) -> None:
    """R1: by rule and source, so that a steward sees which copy is delivered beside its original."""
    with database(kind, tmp_path) as url:
        engine = open_engine(url)
        upgrade(engine)
        counting = Counting(Verdicts(tmp_path), today=lambda: DAY)
        settings = QualitySettings()
        recorder = Recorder(engine, Gate(settings, catalogue(), counting), settings)
        gate = PullGate(recorder)
        original, copy = stored("epd", "p"), live("lab", "7")
        before = jsonio.dump(copy.whole)
        for found in (
            [original, copy],
            [original, copy],
            [original],
            [original, live("lab", "7", onsetDateTime="2011")],
        ):
            gate.told("hospital", FhirVersion.STU3, found)
        gate.told("hospital", FhirVersion.STU3, [stored("epd", "child", owner="mother"), copy])
        recorder.close()
        assert jsonio.dump(copy.whole) == before
        with engine.connect() as connection:
            rows = connection.execute(select(quality_finding)).all()
            assert [(row.source, row.rule, row.severity, row.found) for row in rows] == [
                ("lab", "same-problem", "same", 1)
            ]
            figures = Figures(connection, Choice())
            assert [(rule, found) for _, _, rule, found in figures.findings("same")] == [("same-problem", 1)]
            assert figures.findings("error") == []
        engine.dispose()
