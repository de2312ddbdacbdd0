"""What a compiled search matches, kind by kind."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.fhir.search.search import SearchError, compile_search, parse_query
from profiles.fhir.version import FhirVersion

STU3, R4 = FhirVersion.STU3, FhirVersion.R4
LOINC = "http://loinc.org"


def matches(resource: dict[str, Any], query: str, *others: dict[str, Any], version: FhirVersion = STU3) -> bool:
    """Whether a resource fits a query; the others can be pointed at."""
    held = {(one["resourceType"], one["id"]): one for one in others}
    search = compile_search(version, resource["resourceType"], parse_query(query))
    return search.matches(resource, lambda kind, key: held.get((kind, key)))


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": "o1", "status": "final", **elements}


HEIGHT = observation(
    code={"coding": [{"system": LOINC, "code": "8302-2"}, {"system": LOINC, "code": "8306-3"}, {"code": "local"}]},
    category=[{"coding": [{"system": "http://hl7.org/fhir/observation-category", "code": "vital-signs"}]}],
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("code=http://loinc.org|8302-2", True),
        ("code=8302-2", True),
        ("code=http://loinc.org|", True),
        ("code=|local", True),
        ("code=|8302-2", False),
        ("code=http://loinc.org|local", False),
        ("code=http://snomed.info/sct|8302-2", False),
        ("code=http://snomed.info/sct|", False),
        ("code=x,http://loinc.org|8306-3", True),
        ("code=8302-2&code=8306-3", True),
        ("code=8302-2&code=x", False),
        ("code:not=8302-2", False),
        ("code:not=x", True),
        ("category=vital-signs", True),
        ("category=http://hl7.org/fhir/observation-category|vital-signs", True),
        ("status=final", True),
        ("status=Final", False),
        ("status:not=final", False),
        ("code:missing=false", True),
        ("code:missing=true", False),
        ("specimen:missing=true", True),
        ("_id=o1", True),
        ("_id=a,o1", True),
        ("_id=o2", False),
        ("code=8302-2&_format=xml&_pretty=true", True),
    ],
)
def test_tokens(query: str, expected: bool) -> None:
    assert matches(HEIGHT, query) is expected


def test_a_missing_value_matches_nothing_but_not_and_missing() -> None:
    bare = observation()
    assert not matches(bare, "code=x")
    assert matches(bare, "code:not=x")
    assert matches(bare, "code:missing=true")


def test_tokens_on_identifiers_booleans_contact_points_and_single_codings() -> None:
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "active": True,
        "identifier": [{"system": "urn:x", "value": "a|b,c"}, {"system": "urn:masked", "_value": {"extension": []}}],
        "telecom": [{"system": "phone", "value": "0201234567"}],
    }
    assert matches(patient, r"identifier=urn:x|a\|b\,c")
    assert not matches(patient, "identifier=urn:y|a")
    assert matches(patient, "identifier=urn:masked|")
    assert not matches(patient, "identifier=urn:masked|1")
    assert matches(patient, "active=true")
    assert not matches(patient, "active=false")
    assert matches(patient, "telecom=0201234567")
    encounter = {
        "resourceType": "Encounter",
        "id": "e",
        "class": {"system": "http://hl7.org/fhir/v3/ActCode", "code": "IMP"},
    }
    assert matches(encounter, "class=http://hl7.org/fhir/v3/ActCode|IMP,http://hl7.org/fhir/v3/ActCode|ACUTE")
    assert not matches(encounter, "class=AMB")


@pytest.mark.parametrize(
    ("stored", "asked", "expected"),
    [
        ("EpisodeOfCare/1", "EpisodeOfCare/1", True),
        ("EpisodeOfCare/1", "1", True),
        ("EpisodeOfCare/1", "2,1", True),
        ("EpisodeOfCare/1", "Encounter/1", False),
        ("EpisodeOfCare/1", "https://example.org/fhir/EpisodeOfCare/1", True),
        ("https://example.org/fhir/EpisodeOfCare/1", "EpisodeOfCare/1", True),
        ("https://example.org/fhir/EpisodeOfCare/1", "https://example.org/fhir/EpisodeOfCare/1", True),
        ("https://example.org/fhir/EpisodeOfCare/1", "https://other.org/fhir/EpisodeOfCare/1", False),
        ("https://example.org/fhir/EpisodeOfCare/1", "https://other.org/fhir/EpisodeOfCare/1,EpisodeOfCare/1", True),
        ("EpisodeOfCare/1/_history/3", "EpisodeOfCare/1", True),
        ("urn:uuid:0b2b", "urn:uuid:0b2b", True),
        ("#c1", "c1", False),
        ("Patient/1", "1", False),
    ],
)
def test_references(stored: str, asked: str, expected: bool) -> None:
    assert matches(observation(context={"reference": stored}), f"context={asked}") is expected


def test_a_reference_may_name_its_type_in_the_modifier() -> None:
    resource = observation(context={"reference": "EpisodeOfCare/1"})
    assert matches(resource, "context:EpisodeOfCare=1")
    assert not matches(resource, "context:Encounter=1")


def test_a_narrow_parameter_looks_at_its_own_types_only() -> None:
    encounter = {
        "resourceType": "Encounter",
        "id": "e",
        "participant": [{"individual": {"reference": "RelatedPerson/1"}}],
    }
    assert matches(encounter, "participant=1")
    assert not matches(encounter, "practitioner=1")


def test_a_chain_with_a_type_goes_through_the_visit_to_the_record() -> None:
    visit = {"resourceType": "Encounter", "id": "v", "episodeOfCare": [{"reference": "EpisodeOfCare/1"}]}
    at_visit = observation(context={"reference": "Encounter/v"})
    at_record = observation(context={"reference": "EpisodeOfCare/1"})
    assert matches(at_visit, "context:Encounter.episodeofcare=EpisodeOfCare/2,EpisodeOfCare/1", visit)
    assert not matches(at_visit, "context:Encounter.episodeofcare=EpisodeOfCare/2", visit)
    assert not matches(at_record, "context:Encounter.episodeofcare=EpisodeOfCare/1", visit)
    assert not matches(at_visit, "context:Encounter.episodeofcare=EpisodeOfCare/1")


def test_a_chained_token_finds_the_product_also_when_it_is_contained() -> None:
    product = {"resourceType": "Medication", "id": "m", "code": {"coding": [{"system": "urn:g", "code": "3956"}]}}
    outside = {"resourceType": "MedicationRequest", "id": "r", "medicationReference": {"reference": "Medication/m"}}
    inside = outside | {"medicationReference": {"reference": "#m"}, "contained": [product]}
    for version in (STU3, R4):
        assert matches(outside, "medication.code=urn:g|3956", product, version=version)
        assert matches(inside, "medication.code=urn:g|3956", version=version)
        assert not matches(outside, "medication.code=urn:g|1", product, version=version)


def test_a_chained_identifier_finds_the_patient() -> None:
    patient = {"resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:s", "value": "1"}]}
    condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p"}}
    assert matches(condition, "patient.identifier=urn:s|1", patient)
    assert not matches(condition, "patient.identifier=urn:s|2", patient)


def test_strings_start_with_are_the_same_or_contain() -> None:
    patient = {"resourceType": "Patient", "id": "p", "name": [{"family": "Ölström", "given": ["Zoë"]}]}
    assert matches(patient, "name=olst")
    assert matches(patient, "name=ZOE")
    assert not matches(patient, "name=strom")
    assert matches(patient, "name:contains=strom")
    assert matches(patient, "family:exact=%C3%96lstr%C3%B6m")
    assert not matches(patient, "family:exact=Olstrom")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("5.40", True),
        ("5.4", True),
        ("5.41", False),
        ("5", True),
        ("ne5.4", False),
        ("gt5.3", True),
        ("gt5.4", False),
        ("le5.4||mmol/L", True),
        ("ge5.4|http://unitsofmeasure.org|mmol/L", True),
        ("ge5.4|http://unitsofmeasure.org|mg", False),
    ],
)
def test_quantities(query: str, expected: bool) -> None:
    value = {"value": Decimal("5.40"), "system": "http://unitsofmeasure.org", "code": "mmol/L"}
    assert matches(observation(valueQuantity=value), f"value-quantity={query}") is expected


def test_a_uri_matches_as_a_whole() -> None:
    manifest = {"resourceType": "DocumentManifest", "id": "d", "source": "urn:oid:1.2"}
    assert matches(manifest, "source=urn:oid:1.2")
    assert not matches(manifest, "source=urn:oid:1")


def test_the_nictiz_parameters_look_into_their_extensions() -> None:
    nictiz = "http://nictiz.nl/fhir/StructureDefinition/"
    treatment = {
        "url": nictiz + "ext-PharmaceuticalTreatment.Identifier",
        "valueIdentifier": {"system": "urn:t", "value": "1"},
    }
    request = {"resourceType": "MedicationRequest", "id": "r", "extension": [treatment]}
    assert matches(request, "pharmaceutical-treatment-identifier=urn:t|1", version=R4)
    assert not matches(request, "pharmaceutical-treatment-identifier=urn:t|2", version=R4)
    old = {"url": nictiz + "zib-Medication-MedicationTreatment", "valueIdentifier": {"system": "urn:t", "value": "1"}}
    assert matches({"resourceType": "MedicationDispense", "id": "d", "extension": [old]}, "medicationtreatment=urn:t|1")
    when = {"url": nictiz + "zib-Dispense-RequestDate", "valueDateTime": "2026-01-05"}
    dispense = {"resourceType": "MedicationDispense", "id": "d", "extension": [when], "whenPrepared": "2026-01-07"}
    assert matches(dispense, "requestdate=lt2026-01-06")
    assert matches(dispense, "whendispensed=2026-01-07")
    assert not matches(dispense | {"whenHandedOver": "2026-01-08"}, "whendispensed=2026-01-07")


def test_the_latest_stop_is_refused_by_name() -> None:
    with pytest.raises(SearchError, match="is-latest-stop"):
        compile_search(R4, "MedicationRequest", [("is-latest-stop", "true")])


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["coding", "code", "system", "value", "reference", "start", "end", "x"]), inner
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["code", "status", "context", "effectiveDateTime", "effectivePeriod", "valueQuantity", "meta"]),
        json_like,
    )
)
def test_no_resource_however_odd_breaks_a_search(elements: dict[str, Any]) -> None:
    query = "code=a|b&status=final&context=1&date=ge2026&value-quantity=1&_lastUpdated=ge2026"
    for one in query.split("&"):
        assert matches({"resourceType": "Observation", **elements}, one) in (True, False)
