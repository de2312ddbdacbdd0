"""OperationOutcomes and searchsets, in both formats and both releases."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.profiles.fhir_codec.fhir_data import TEXT, resources

from profiles.fhir.codec import jsonio, xmlio
from profiles.fhir.codec.bundle import BundleEntry, searchset
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.outcome import Issue, operation_outcome
from profiles.fhir.version import FhirVersion

STU3 = FhirVersion.STU3
URL = 'https://host/fhir/Observation?code=http://loinc.org|8480-6&date=ge2020-01-01&_x="<é>"'


def written(resource: dict[str, Any], fmt: Format, version: FhirVersion) -> bytes:
    return jsonio.dump(resource) if fmt is Format.JSON else xmlio.fragment(resource, version)


def read(data: bytes, fmt: Format, version: FhirVersion) -> dict[str, Any]:
    return jsonio.parse(data) if fmt is Format.JSON else xmlio.parse(data, version)


@pytest.mark.parametrize("version", list(FhirVersion))
@pytest.mark.parametrize("fmt", list(Format))
def test_a_searchset_of_ready_bytes(fmt: Format, version: FhirVersion) -> None:
    one = {"resourceType": "Patient", "id": "1", "name": [{"text": "A & B"}]}
    two = {"resourceType": "Practitioner", "id": "2"}
    gap = operation_outcome([Issue("warning", "incomplete", "a source did not answer")])
    entries = [
        BundleEntry("https://host/fhir/Patient/1?a&b", "match", written(one, fmt, version)),
        BundleEntry("https://host/fhir/Practitioner/2", "include", written(two, fmt, version)),
        BundleEntry(None, "outcome", written(gap, fmt, version)),
    ]
    data = searchset(fmt, version, URL, entries, bundle_id="b1", last_updated="2026-01-01T00:00:00Z")
    assert read(data, fmt, version) == {
        "resourceType": "Bundle",
        "id": "b1",
        "meta": {"lastUpdated": "2026-01-01T00:00:00Z"},
        "type": "searchset",
        "total": 1,
        "link": [{"relation": "self", "url": URL}],
        "entry": [
            {"fullUrl": "https://host/fhir/Patient/1?a&b", "resource": one, "search": {"mode": "match"}},
            {"fullUrl": "https://host/fhir/Practitioner/2", "resource": two, "search": {"mode": "include"}},
            {"resource": gap, "search": {"mode": "outcome"}},
        ],
    }


@pytest.mark.parametrize("fmt", list(Format))
def test_nothing_found_is_a_searchset_without_entries(fmt: Format) -> None:
    assert read(searchset(fmt, STU3, URL, []), fmt, STU3) == {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 0,
        "link": [{"relation": "self", "url": URL}],
    }


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), url=TEXT, fmt=st.sampled_from(list(Format)), version=st.sampled_from(list(FhirVersion)))
def test_any_resources_and_urls(data: st.DataObject, url: str, fmt: Format, version: FhirVersion) -> None:
    found = data.draw(st.lists(resources(version, depth=1), max_size=3))
    entries = [BundleEntry(url, "match", written(one, fmt, version)) for one in found]
    bundle = read(searchset(fmt, version, url, entries), fmt, version)
    assert bundle["total"] == len(found)
    assert bundle["link"] == [{"relation": "self", "url": url}]
    assert [entry["resource"] for entry in bundle.get("entry", [])] == found
    if fmt is Format.XML:
        whole = xmlio.parse(xmlio.dump(bundle, version), version)
        assert whole == bundle


@pytest.mark.parametrize("version", list(FhirVersion))
def test_res_11_an_outcome_in_both_formats(version: FhirVersion) -> None:
    outcome = operation_outcome(
        [
            Issue("error", "security", "Geen toegang", "detail", "Patient.name"),
            Issue("information", "informational", "x"),
        ]
    )
    assert outcome["issue"][0] == {
        "severity": "error",
        "code": "security",
        "details": {"text": "Geen toegang"},
        "diagnostics": "detail",
        "expression": ["Patient.name"],
    }
    assert outcome["issue"][1] == {
        "severity": "information",
        "code": "informational",
        "details": {"text": "x"},
    }
    assert xmlio.parse(xmlio.dump(outcome, version), version) == outcome


def test_an_outcome_without_issues_does_not_exist() -> None:
    with pytest.raises(ValueError, match="at least one issue"):
        operation_outcome([])
