"""The official STU3 examples and the BgZ test person, converted: right by the official packages of R4."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from functools import cache

from conformance.validation_data import official, read
from shared import shared

from profiles.conversion import Converted, convert
from profiles.conversion.convert import zib_of
from profiles.conversion.judge import judge
from profiles.conversion.losses import texts
from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.record.walk import references
from profiles.summary import summary
from profiles.validation import Validator

DAY = dt.date(2026, 1, 15)
MOMENT = dt.datetime(2022, 12, 1, 12, tzinfo=dt.UTC)
"""When the data of the test person are of today."""
INSTITUTION = {"resourceType": "Organization", "id": "huis", "name": "Ziekenhuis Zandoord"}
PACKAGES = (
    "nictiz.fhir.nl.r4.medicationprocess9@2.0.0-rc.7",
    "nictiz.fhir.nl.r4.nl-core@0.12.1-beta.1",
    "nictiz.fhir.nl.r4.zib2020@0.12.1-beta.1",
)
EXAMPLES = ("examples/zib2017/json", "*.json")
PERSON = ("qualification/STU3/BgZ-3-0/MedMij/Test/_reference/resources", "*.xml")


def resources(folder: str, pattern: str) -> Iterator[Resource]:
    for path in sorted(shared(*folder.split("/")).glob(pattern)):
        resource = read(path, FhirVersion.STU3)
        if isinstance(resource, dict):
            yield resource


@cache
def r4() -> Validator:
    return official(FhirVersion.R4, PACKAGES)


def wrong(result: Converted) -> list[tuple[str, str]]:
    """What is wrong with the resources as they would be delivered."""
    return [
        (str(one.resource["id"]), found.text("en"))
        for one in judge(result, r4().validate)
        for found in one.report.findings
        if found.severity == "error"
    ]


def test_every_official_example_of_a_bgz_zib_is_right_in_r4_and_keeps_its_claim() -> None:
    """Of 139 examples those of zibs in our tables: not one loses its profile, and none is wrong."""
    sources = [one for one in resources(*EXAMPLES) if zib_of(one) is not None]
    assert len(sources) > 65
    result = convert(sources, DAY)
    assert wrong(result) == []
    assert [loss for loss in result.losses if loss.kind in ("code-outside", "profile-outside")] == []
    unclaimed = Counter(one["resourceType"] for one in result.resources if "profile" not in one.get("meta", {}))
    assert unclaimed == {"DeviceRequest": 1}, "2020 has no zib for it"


def test_the_whole_bgz_of_the_test_person() -> None:
    """ZC-C01, ZC-C40: each resource is right, every loss has a known name, and a second run gives the same bytes."""
    sources = list(resources(*PERSON))
    result, again = convert(sources, DAY), convert(sources, DAY)
    assert len(sources) == 60
    assert [jsonio.dump(one) for one in result.resources] == [jsonio.dump(one) for one in again.resources]
    for one in result.resources:
        assert xmlio.parse(xmlio.dump(one, FhirVersion.R4), FhirVersion.R4)["resourceType"] == one["resourceType"]
    assert wrong(result) == []
    assert {loss.id for loss in result.losses} <= {"", *texts().loss}
    unmapped = {loss.path for loss in result.losses if loss.kind == "unmapped"}
    assert unmapped == {"Appointment.meta.profile", "Condition.abatementDateTime"}


def test_the_summary_of_the_test_person_is_a_right_document_in_which_every_reference_resolves() -> None:
    """IP-C01, as far as base R4 goes: the IPS package is not among the shared ones."""
    sources = [one for one in resources(*PERSON) if "patB" not in one["id"]]
    converted = convert(sources, MOMENT.date())
    assert wrong(converted) == []
    made = summary(converted.resources, INSTITUTION, MOMENT)
    report = r4().validate(made.bundle)
    assert [found for found in report.findings if found.severity == "error"] == []
    urls = {entry["fullUrl"] for entry in made.bundle["entry"]}
    assert {row["reference"] for row in references(made.bundle)} <= urls
    assert len(urls) > 35
    titles = [section["title"] for section in made.bundle["entry"][0]["resource"]["section"]]
    assert titles[:4] == ["Problemen", "Allergieën en intoleranties", "Medicatie", "Vaccinaties"]


def test_a_code_outside_the_list_of_2020_stays_and_the_claim_goes() -> None:
    """ZC-C09"""
    concept = {"coding": [{"system": "urn:oid:2.16.840.1.113883.2.4.4.30.45", "code": "1", "display": "x"}]}
    claim = {"profile": ["http://nictiz.nl/fhir/StructureDefinition/zib-AllergyIntolerance"]}
    patient = {"reference": "Patient/p"}
    source = {
        "resourceType": "AllergyIntolerance", "id": "a", "meta": claim, "clinicalStatus": "active", "code": concept,
        "verificationStatus": "confirmed", "patient": patient,
    }  # fmt: skip
    result = convert([source], DAY)
    assert wrong(result) == []
    assert "meta" not in result.resources[0]
    assert result.resources[0]["code"] == concept
    assert [(loss.kind, loss.id) for loss in result.losses] == [("code-outside", "LL-19")]
