"""What the other parts ask of the base facts."""

import time

import pytest

from profiles.fhir.basetypes import facts, script_facts
from profiles.fhir.version import FhirVersion

STU3, R4 = facts(FhirVersion.STU3), facts(FhirVersion.R4)


def test_a_property_of_a_choice_leads_to_its_element_and_type() -> None:
    found = STU3.property("Observation", "valueQuantity")
    assert found
    element, type_name = found
    assert (element.name, element.choice, type_name) == ("value", True, "Quantity")
    assert STU3.property("Observation", "value") is None
    assert STU3.property("Observation", "valueAddress") is None
    assert STU3.property("Nothing", "value") is None


def test_backbone_elements_are_types_named_by_path() -> None:
    contact = STU3.types["Patient"].elements["contact"]
    assert contact.types == ("Patient.contact",)
    assert contact.many
    assert (STU3.types["Patient.contact"].kind, STU3.types["Patient.contact"].base) == ("backbone", "BackboneElement")
    assert STU3.types["Timing.repeat"].base == "Element"


def test_a_content_reference_leads_to_the_type_it_repeats() -> None:
    link = R4.types["Bundle.entry"].elements["link"]
    assert (link.content, link.types) == ("Bundle.link", ("Bundle.link",))


def test_limits_targets_and_codes() -> None:
    status = STU3.types["Observation"].elements["status"]
    assert (status.min, status.max) == (1, 1)
    assert status.codes
    assert {"final", "entered-in-error"} <= status.codes
    assert STU3.types["Patient"].elements["language"].codes is None
    assert STU3.types["Observation"].elements["subject"].targets == ("Patient", "Group", "Device", "Location")
    assert R4.types["Observation"].elements["focus"].targets == ()
    assert STU3.types["Patient"].elements["name"].max is None


def test_an_extension_can_have_every_open_type() -> None:
    assert STU3.types["Extension"].elements["value"].types == STU3.open_types
    assert "canonical" in R4.open_types
    assert "canonical" not in STU3.open_types


def test_the_releases_differ_where_the_specification_does() -> None:
    assert "context" in STU3.types["Observation"].elements
    assert "encounter" in R4.types["Observation"].elements
    assert "ProcedureRequest" in STU3.types
    assert "ServiceRequest" in R4.types
    assert "Citation" not in R4.types, "R4B only"
    assert "EffectEvidenceSynthesis" in R4.types, "not in R4B"


def test_abstract_types_are_no_resource_types() -> None:
    assert STU3.is_resource("Patient")
    assert not any(STU3.is_resource(name) for name in ("Resource", "DomainResource", "HumanName", "nothing", None))
    assert (len(STU3.resource_types()), len(R4.resource_types())) == (117, 146)


def test_what_xml_writes_as_an_attribute() -> None:
    assert STU3.types["Extension"].attributes() == ("id", "url")
    assert STU3.types["HumanName"].attributes() == ("id",)
    assert STU3.types["Patient"].attributes() == ()


def test_scripts_borrow_from_r5_without_touching_r4() -> None:
    assert script_facts().types["TestScript"].elements["profile"].types == ("canonical",)
    assert R4.types["TestScript"].elements["profile"].types == ("Reference",)
    assert "stopTestOnFail" in script_facts().types["TestScript.setup.action.assert"].elements


@pytest.mark.parametrize("version", list(FhirVersion))
def test_loading_is_cheap(version: FhirVersion) -> None:
    best = 1.0
    for _ in range(5):
        started = time.thread_time()
        facts.__wrapped__(version).types["Observation"]
        best = min(best, time.thread_time() - started)
    assert best < 0.03
