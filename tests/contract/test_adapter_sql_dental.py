"""The sample mapping of a dental system: each row of dental care and MedMij Core that it has, by the profiles."""

import asyncio
import time
from pathlib import Path

from contract.test_adapter_sql import connect
from shared import shared
from timing import LONG

from adapters.port import AdapterQuery, Bsn, PatientKey
from adapters.sql.dental import MAPPING, fill_sqlite
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue
from profiles.validation.run.evaluate import validator

LIEKE = PatientKey(Bsn("999948131"))
PACKAGES = (
    "medmij.fhir.nl.r4.dentalcare-1.0.0-beta.3",
    "medmij.fhir.nl.r4.core-1.0.1",
    "nictiz.fhir.nl.r4.nl-core-0.12.0-beta.4",
    "nictiz.fhir.nl.r4.zib2020-0.12.0-beta.4",
)


def answers(url: str) -> dict[str, list[Resource]]:
    """What the system answers to each row, with all that comes along."""

    async def go() -> dict[str, list[Resource]]:
        adapter, found = connect(url, MAPPING), {}
        try:
            for name in ("medmij-core-r4", "dental-care-1"):
                for rule in catalogue().standards[name].rules:
                    search = (*((one.name, one.value) for one in rule.required), ("_include", "*"))
                    query = AdapterQuery(
                        "p",
                        LIEKE,
                        name,
                        rule.id,
                        rule.interaction,
                        rule.type or "",
                        FhirVersion.R4,
                        time.monotonic() + LONG,
                        search,
                    )
                    found[rule.id] = list((await adapter.find(query)).resources)
        finally:
            await adapter.aclose()
        return found

    return asyncio.run(go())


def test_every_row_but_dental_fitness_is_answered_and_right(tmp_path: Path) -> None:
    """R17: the reference mapping is one to copy."""
    judge = validator(FhirVersion.R4, [shared("packages", f"{name}.tgz") for name in PACKAGES])
    found = answers(fill_sqlite(tmp_path / "dental.db"))
    assert {row for row, resources in found.items() if not resources} == {"dentalFitness"}
    faults = [
        (one["id"], finding.expression, finding.text_en)
        for resources in found.values()
        for one in resources
        for finding in judge.validate(one).findings
        if finding.severity == "error"
    ]
    assert faults == []
    own = [one for resources in found.values() for one in resources if one["resourceType"] != "Patient"]
    assert all(one["meta"]["tag"][0]["code"] == "1200" for one in own), "the kind of care is told where it is known"
