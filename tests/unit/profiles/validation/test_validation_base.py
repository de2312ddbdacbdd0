"""What base facts alone already tell about a resource."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from unit.profiles.validation.small_definitions import knowing, observation, rules

from profiles.fhir.version import FhirVersion

R4 = knowing()
STU3 = knowing(version=FhirVersion.STU3)


def test_a_right_resource_is_right() -> None:
    assert R4.validate(observation(valueQuantity={"value": Decimal("1.50")})).verdict == "ok"


@pytest.mark.parametrize(
    ("change", "rule", "place"),
    [
        ({"onbekend": 1}, "unknown", "Observation.onbekend"),
        ({"status": None}, "type", "Observation.status"),
        ({"status": "afgerond"}, "binding", "Observation.status"),
        ({"status": ["final"]}, "type", "Observation.status"),
        ({"category": {"text": "x"}}, "type", "Observation.category"),
        ({"category": []}, "type", "Observation.category"),
        ({"category": [{}]}, "type", "Observation.category[0]"),
        ({"effectiveDateTime": "2020-02-30"}, "format", "Observation.effective"),
        ({"effectiveDateTime": "2020-02-28T10:00:00"}, "format", "Observation.effective"),
        ({"effectiveDateTime": 2020}, "format", "Observation.effective"),
        ({"issued": "2020-02-28"}, "format", "Observation.issued"),
        ({"valueQuantity": {"value": "1.5"}}, "format", "Observation.value.value"),
        ({"valueString": "x", "valueBoolean": True}, "type", "Observation"),
        ({"valueAddress": {"city": "Zandoord"}}, "type", "Observation.value"),
        ({"subject": {"reference": "Medication/1"}}, "reference", "Observation.subject"),
        ({"dataAbsentReason": {"text": "?"}, "valueString": "x"}, "invariant:obs-6", "Observation"),
        ({"effectivePeriod": {"start": "2021", "end": "2020"}}, "invariant:per-1", "Observation.effective"),
        ({"referenceRange": [{"age": {"low": {"value": 1}}}]}, "invariant:obs-3", "Observation.referenceRange[0]"),
        ({"extension": [{"url": "urn:x"}]}, "invariant:ext-1", "Observation.extension[0]"),
        ({"subject": {"reference": "#p"}}, "invariant:ref-1", "Observation.subject"),
        ({"contained": [{"resourceType": "Patient", "id": "p"}]}, "invariant:dom-3", "Observation"),
        ({"contained": [{"resourceType": "Wat"}]}, "resource", "Observation.contained[0]"),
        ({"text": {"status": "generated", "div": "geen html"}}, "format", "Observation.text.div"),
        ({"_status": {"foo": 1}}, "unknown", "Observation.status.foo"),
    ],
)
def test_one_fault_gives_one_error_at_its_place(change: dict[str, object], rule: str, place: str) -> None:
    assert (rule, place) in rules(R4.validate(observation(**change)))


def test_what_is_missing_is_named() -> None:
    report = R4.validate({"resourceType": "Observation"})
    assert rules(report) == [("cardinality", "Observation.status"), ("cardinality", "Observation.code")]
    assert {finding.code for finding in report.findings} == {"required"}


def test_a_primitive_may_be_an_extension_only() -> None:
    absent = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
    }
    whole = observation(_status=absent)
    del whole["status"]
    assert R4.validate(whole).verdict == "ok"


def test_a_null_in_a_list_needs_its_counterpart() -> None:
    name = {"given": ["Jan", None], "_given": [None, {"extension": [{"url": "urn:x", "valueCode": "x"}]}]}
    assert R4.validate({"resourceType": "Patient", "name": [name]}).verdict == "ok"
    name["_given"] = [None]
    assert ("type", "Patient.name[0].given[1]") in rules(R4.validate({"resourceType": "Patient", "name": [name]}))


def test_releases_differ_by_their_facts_only() -> None:
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}}
    old = condition | {"clinicalStatus": "active"}
    assert STU3.validate(old).verdict == "ok"
    assert ("type", "Condition.clinicalStatus") in rules(R4.validate(old))


@pytest.mark.parametrize("value", [None, 1, "tekst", [], {}, {"resourceType": 1}, {"resourceType": "Zib"}])
def test_what_is_no_resource_gets_a_finding(value: object) -> None:
    report = R4.validate(value)
    assert report.verdict == "wrong"
    assert [finding.rule for finding in report.findings] == ["resource"]


def test_a_bsn_passes_the_eleven_test_and_is_never_repeated() -> None:
    patient = {"resourceType": "Patient", "identifier": [{"system": "http://fhir.nl/fhir/NamingSystem/bsn"}]}
    patient["identifier"][0]["value"] = "999990019"
    assert R4.validate(patient).verdict == "ok"
    patient["identifier"][0]["value"] = "999990018"
    report = R4.validate(patient)
    assert rules(report) == [("system", "Patient.identifier[0].value")]
    assert "999990018" not in str(report)


def test_an_unknown_profile_that_is_asked_for_is_not_checkable_and_base_rules_still_run() -> None:
    """Nothing is known to be wrong with a resource whose profile is not here: R4 without packages is no false alarm."""
    report = R4.validate(observation(status="x"), ["http://example.org/none"])
    assert {(one.rule, one.severity) for one in report.findings} == {("profile", "information"), ("binding", "error")}
    assert "http://example.org/none" in report.findings[-1].text("en")
    assert R4.validate(observation(), ["http://example.org/none"]).verdict == "unchecked"


def test_an_unknown_profile_that_is_claimed_is_not_checkable() -> None:
    report = R4.validate(observation(meta={"profile": ["http://example.org/none"]}))
    assert report.verdict == "unchecked"
    assert report.findings[0].expression == "Observation.meta.profile"


def test_bundle_entries_are_resources_with_references_between_them() -> None:
    entry = {"fullUrl": "http://example.org/Observation/o", "resource": observation(subject={"reference": "Patient/p"})}
    patient = {"fullUrl": "http://example.org/Patient/p", "resource": {"resourceType": "Patient", "id": "p"}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry, patient]}
    assert R4.validate(bundle).verdict == "ok"
    patient["fullUrl"] = "http://example.org/Patient/q"
    entry["resource"] = observation(status="x")
    assert rules(R4.validate(bundle)) == [
        ("binding", "Bundle.entry[0].resource.status"),
        ("bundle", "Bundle.entry[1].fullUrl"),
    ]


def test_resources_in_resources_end_somewhere() -> None:
    inner: dict[str, object] = observation()
    for _ in range(400):
        inner = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inner}]}
    assert "resource" in {finding.rule for finding in R4.validate(inner).findings}


def test_a_huge_resource_is_bounded() -> None:
    report = R4.validate(observation(component=[{"onbekend": index} for index in range(20_000)]))
    assert report.verdict == "wrong"
    assert len(report.findings) == 500


def test_verdicts_are_cached_by_content_and_profile() -> None:
    validator = knowing()
    one = validator.validate_cached(b"a", observation())
    assert validator.validate_cached(b"a", "never looked at") is one
    assert validator.validate_cached(b"a", observation(), ["http://example.org/none"]).verdict == "unchecked"


def test_threads_may_share_a_validator() -> None:
    """Everything is compiled while ten threads ask at once; all get the same verdicts."""
    validator = knowing(version=FhirVersion.STU3)
    patient = {"resourceType": "Patient", "contact": [{"relationship": [{"text": "x"}]}], "birthDate": "x"}
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda _: rules(validator.validate(patient)), range(40)))
    assert found == [[("invariant:pat-1", "Patient.contact[0]"), ("format", "Patient.birthDate")]] * 40
