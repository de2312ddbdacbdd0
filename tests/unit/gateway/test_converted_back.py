"""A standard of STU3 that converts one of R4: a row is put to the source in R4, and what it finds goes back."""

import asyncio
import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.collect.answer import search
from gateway.collect.converted import ConvertedCollector, ConvertedRecord
from gateway.collect.held import Held
from gateway.collect.pipeline import Collected
from gateway.collect.record import RecordOwner
from profiles.fhir.interactions import FhirRequest
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.standards.admit import admit
from profiles.standards.load import StandardError, catalogue

STANDARD = """
id = "vaccinations-2017"
title = "Vaccinations with zibs of 2017, converted"
nl = "Inentingen (zib 2017)"
en = "Vaccinations (zib 2017)"
fhir = "STU3"
ring = 3
patient = "token"
draft = true
converts = "immunization-2"
testsets = []

[[service]]
id = "vaccinations-2017"
function = "collect"
name = "Inentingen"
about = "De inentingen die u heeft gekregen."
en = "Vaccinations"
roles = []
usecases = ["serve"]
"""
ROWS = """
[[request]]
id = "immunizations"
nl = "Inentingen"
en = "Vaccinations"
zibs = ["Vaccination"]
get = "Immunization"
profiles = ["N:zib-Vaccination"]
"""
GIVEN: Resource = {
    "resourceType": "Immunization",
    "id": "i",
    "meta": {"profile": ["http://nictiz.nl/fhir/StructureDefinition/nl-core-Vaccination-event"]},
    "status": "completed",
    "vaccineCode": {"text": "BMR"},
    "patient": {"reference": "Patient/p"},
    "occurrenceDateTime": "2020-05-01",
    "primarySource": True,
}


def folder(base: Path, rows: str = ROWS) -> Path:
    made = base / "vaccinations-2017"
    made.mkdir()
    (made / "standard.toml").write_text(STANDARD, encoding="utf-8")
    (made / "requests.toml").write_text(rows, encoding="utf-8")
    return made


@dataclass
class SourceOfR4:
    """Stands for the collector of the source standard."""

    asked: list[FhirVersion] = field(default_factory=list)

    async def collect(self, whose: RecordOwner, _grant: Any, standard: Any, request: FhirRequest, *_: Any) -> Collected:
        self.asked += [whose.version, standard.fhir, request.version]
        record = ConvertedRecord(whose, "json")
        record.add([Held("Immunization", "i", FhirVersion.R4, source="ehr", patient_id="p", data=dict(GIVEN))])
        return Collected(record)


def test_a_row_of_stu3_is_answered_from_a_source_of_r4(tmp_path: Path) -> None:
    known = catalogue([folder(tmp_path)])
    standard = known.standards["vaccinations-2017"]
    source = SourceOfR4()
    right = SimpleNamespace(verdict="right", valid=True, findings=())
    versions: list[FhirVersion] = []

    def report(version: FhirVersion, _resource: Resource, _data: bytes) -> Any:
        versions.append(version)
        return right

    converting = ConvertedCollector(cast(Any, source), known, report, lambda: dt.date(2026, 1, 15))
    request = FhirRequest(FhirVersion.STU3, "search-type", "Immunization")
    admitted = admit(standard, request)
    whose = RecordOwner("ziekenhuis", FhirVersion.STU3, "somebody")

    async def asked() -> list[Resource]:
        collected = await converting.collect(whose, cast(Any, None), standard, request, admitted, ("a", "b"))
        assert admitted.search is not None
        return [held.whole for held in (await search(collected.record, admitted.search)).matches]

    (made,) = asyncio.run(asked())
    assert (made["date"], made["notGiven"]) == ("2020-05-01", False)
    assert made["meta"]["profile"] == ["http://nictiz.nl/fhir/StructureDefinition/zib-Vaccination"]
    assert set(source.asked) == {FhirVersion.R4}, "the source is asked in its own release"
    assert versions == [FhirVersion.STU3], "and the verdict is on what leaves"


def test_a_summary_is_of_r4_only(tmp_path: Path) -> None:
    row = ROWS.replace('get = "Immunization"', 'get = "Patient/$summary"').replace('"immunizations"', '"summary"')
    with pytest.raises(StandardError, match="of R4 only"):
        catalogue([folder(tmp_path, row)])
