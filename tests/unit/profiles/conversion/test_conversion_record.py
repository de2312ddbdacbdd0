"""Resources of one record, converted together: parts keep apart, neighbours are known, nobody elsewhere is."""

import datetime as dt
from typing import Any

from profiles.conversion import convert
from profiles.fhir.tree import Resource

DAY = dt.date(2026, 1, 15)
NICTIZ = "http://nictiz.nl/fhir/StructureDefinition/"
HOME = {"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}


def zib(kind: str, name: str, **elements: Any) -> Resource:
    return {"resourceType": kind, "meta": {"profile": [NICTIZ + name]}, **elements}


def home(said: str, **elements: Any) -> Resource:
    return zib("Observation", "zib-LivingSituation", valueCodeableConcept={**HOME, "text": said}, **elements)


def addresses(resources: list[Resource]) -> list[str]:
    return [f"{one['resourceType']}/{one['id']}" for one in resources if "id" in one]


def test_parts_of_sources_without_an_id_are_kept_apart_and_always_have_the_same_ids() -> None:
    """ZC-05"""
    sources = [home("flat"), home("boot"), home("boot")]
    made = convert(sources, DAY).resources
    houses = made[3:]
    assert [one["valueCodeableConcept"]["text"] for one in houses] == ["flat", "boot", "boot"]
    assert [one["hasMember"][0]["reference"] for one in made[:3]] == addresses(houses)
    assert len(set(addresses(houses))) == 3
    assert addresses(convert(sources, DAY).resources) == addresses(houses)
    assert addresses(convert(sources[1:2], DAY).resources) == addresses(houses)[1:2], (
        "nor does it matter what is beside"
    )


def test_a_part_never_takes_the_id_of_a_source() -> None:
    """ZC-05"""
    whole, house, other = convert([home("flat", id="a"), home("boot", id="a.house")], DAY).resources[:3]
    assert other["valueCodeableConcept"]["text"] == "flat"
    assert whole["hasMember"][0]["reference"] == f"Observation/{other['id']}" != f"Observation/{house['id']}"


def test_parts_of_a_contained_resource_belong_to_its_container() -> None:
    alerts = [zib("Flag", "zib-Alert", id=ident, contained=[home(ident, id="c1")]) for ident in ("a", "b")]
    made = convert(alerts, DAY).resources
    assert addresses(made) == ["Flag/a", "Flag/b", "Observation/a.c1.house", "Observation/b.c1.house"]


def test_what_is_split_off_claims_a_profile_of_2020() -> None:
    """ZC-C22: a result of a panel is one of 2020 itself, not one of 2017."""
    rows = [{"code": {"text": "Na"}, "valueString": "1"}]
    meta = {"profile": [NICTIZ + "zib-LaboratoryTestResult-Observation"], "versionId": "7"}
    panel = {**zib("Observation", "", id="p", status="final", component=rows), "meta": meta}
    _, member = convert([panel], DAY).resources
    assert member["meta"] == {"profile": [NICTIZ + "nl-core-LaboratoryTestResult"]}


def test_a_step_may_claim_another_profile_than_the_zib() -> None:
    """ZC-C35: a coverage that a contact person pays is one of a person too."""
    payor = [{"reference": "RelatedPerson/r"}]
    (made,) = convert([zib("Coverage", "zib-Payer", id="c", payor=payor)], DAY).resources
    assert made["meta"]["profile"] == [NICTIZ + "nl-core-Payer.PayerPerson"]


def test_who_is_elsewhere_gets_no_role_here() -> None:
    """ZC-09: the same id on another server is of somebody else."""
    elsewhere = {"reference": "https://elsewhere.example/fhir/Practitioner/g"}
    meta = {"profile": ["http://fhir.nl/fhir/StructureDefinition/nl-core-patient"]}
    patient = {"resourceType": "Patient", "id": "p", "meta": meta, "generalPractitioner": [elsewhere]}
    (made,) = convert([patient], DAY).resources
    assert made["generalPractitioner"] == [elsewhere]


def will(url: str) -> Resource:
    return zib("Consent", "zib-AdvanceDirective", id="w", status="active", sourceAttachment={"url": url})


def test_the_document_of_a_living_will_stands_in_it() -> None:
    """ZC-C17"""
    binary = {"resourceType": "Binary", "id": "d", "contentType": "application/pdf", "content": "JVBERg=="}
    result = convert([will("Binary/d"), binary], DAY)
    assert result.resources[0]["sourceAttachment"] == {"contentType": "application/pdf", "data": "JVBERg=="}
    assert result.losses == []


def test_the_document_of_a_living_will_that_is_not_there_keeps_its_address() -> None:
    """ZC-C17"""
    for url in ("Binary/gone", "https://elsewhere.example/fhir/Binary/d"):
        result = convert([will(url)], DAY)
        assert result.resources[0]["sourceAttachment"] == {"url": url}
        assert [(loss.kind, loss.value) for loss in result.losses] == [("unmapped", url)]


def test_the_use_of_a_device_points_at_the_procedure_that_handled_it() -> None:
    """ZC-C37"""
    focal = [{"manipulated": {"reference": "Device/d"}}]
    procedure = zib("Procedure", "zib-Procedure", id="o", status="completed", focalDevice=focal)
    use = zib("DeviceUseStatement", "zib-MedicalDevice", id="u", status="active", device={"reference": "Device/d"})
    result = convert([use, procedure], DAY)
    assert result.resources[0]["derivedFrom"] == [{"reference": "Procedure/o"}]
    assert result.resources[1]["focalDevice"] == focal
    assert result.losses == []
