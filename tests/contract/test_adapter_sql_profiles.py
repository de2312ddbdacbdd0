"""What the sample mapping makes is right by the official profiles (the data of all people, every row of the BgZ)."""

import asyncio
import time
from pathlib import Path

from contract.test_adapter_sql import BGZ, BRAM, DOCUMENTS, JOKE, connect
from shared import shared
from timing import LONG

from adapters.port import AdapterQuery, Bsn, PatientKey
from adapters.sql.sample import fill_sqlite
from adapters.testing.contract import ContractRow
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.validation.run.evaluate import validator

SANNE = PatientKey(Bsn("999932561"))
BIRTH_CARE = (
    ContractRow("geboortezorg-1", "maternalRecord", "EpisodeOfCare"),
    ContractRow("geboortezorg-1", "prenatalVisits", "Encounter"),
    ContractRow("geboortezorg-1", "observationsOnRecord", "Observation"),
)
PACKAGES = ("zib2017-2.2.18", "bgz-1.1.1", "eafspraak-1.0.6", "geboortezorg-1.3.3")


async def everything(url: str) -> dict[tuple[str, str], Resource]:
    """All resources of three people, with what they refer to."""
    adapter = connect(url)
    found: dict[tuple[str, str], Resource] = {}
    try:
        for person in (JOKE, BRAM, SANNE):
            for row in (*(ContractRow("bgz-3", *one) for one in BGZ.items()), DOCUMENTS, *BIRTH_CARE):
                query = AdapterQuery(
                    "p",
                    person,
                    row.standard,
                    row.rule,
                    row.interaction,
                    row.type,
                    FhirVersion.STU3,
                    time.monotonic() + LONG,
                    (("_include", "*"),),
                )
                batch = await adapter.find(query)
                assert list(batch.gaps) == []
                found.update({(one["resourceType"], one["id"]): one for one in batch.resources})
    finally:
        await adapter.aclose()
    return found


def test_every_resource_of_the_sample_meets_its_profile(tmp_path: Path) -> None:
    """R17: the reference mapping is one to copy."""
    packages = [shared("packages", f"nictiz.fhir.nl.stu3.{name}.tgz") for name in PACKAGES]
    judge = validator(FhirVersion.STU3, packages)
    found = asyncio.run(everything(fill_sqlite(tmp_path / "ehr.db")))
    faults = [
        (key, finding.expression, finding.text_en)
        for key, resource in found.items()
        for finding in judge.validate(resource).findings
        if finding.severity in ("error", "warning")
    ]
    assert faults == []
    profiles = {one["meta"]["profile"][0].rpartition("/")[2] for one in found.values() if "meta" in one}
    assert len(found) > 70
    assert len([name for name in profiles if name.startswith(("zib-", "nl-core-"))]) >= 34
