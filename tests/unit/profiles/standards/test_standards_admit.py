"""Which requests a data service answers, and how it refuses the others."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.fhir.interactions import FhirRequest, UnknownRoute, route
from profiles.fhir.search.search import SearchError, parse_query
from profiles.standards.admit import Admitted, Refused, admit
from profiles.standards.checks import example
from profiles.standards.load import catalogue
from profiles.standards.model import RequestRule, Standard

CATALOGUE = catalogue()
NHG = "https://referentiemodel.nhg.org/tabellen/nhg-tabel-45-diagnostische-bepalingen"
SCT, LOINC = "http://snomed.info/sct", "http://loinc.org"
BSN = "http://fhir.nl/fhir/NamingSystem/bsn"


def ask(standard: str, url: str, method: str = "GET", service: str | None = None) -> Admitted:
    path, _, query = url.partition("?")
    one = CATALOGUE.standards[standard]
    way = route(method, path)
    request = FhirRequest(one.fhir, way.interaction, way.type, way.id, way.operation, tuple(parse_query(query)))
    return admit(one, request, CATALOGUE.service(service)[1] if service else None)


def refusal(standard: str, url: str, method: str = "GET", service: str | None = None) -> Refused:
    with pytest.raises(Refused) as refused:
        ask(standard, url, method, service)
    return refused.value


@pytest.mark.parametrize(
    ("standard", "url", "rule"),
    [
        ("bgz-3", "Condition", "problem"),
        ("bgz-3", "Condition?_format=xml&_pretty=true", "problem"),
        ("bgz-3", "Condition?_id=a,b&_lastUpdated=ge2026-01-01&_sort=-onset-date", "problem"),
        ("bgz-3", f"Observation?code={SCT}|228366006", "drugUse"),
        ("bgz-3", f"Observation/$lastn?code={LOINC}|8309-9,{LOINC}|8302-2".replace("8309-9", "8306-3"), "bodyHeight"),
        ("bgz-3", f"Observation/$lastn?code={LOINC}|8308-9, {LOINC}|8302-2,{LOINC}|8306-3", "bodyHeight"),
        ("bgz-3", "Patient", "patient"),
        ("bgz-3", "Coverage?_include=Coverage:payor:Patient", "payer"),
        ("bgz-3", "Appointment?status=proposed,booked", "plannedAppointment"),
        ("bgz-3", "Practitioner/1", "read-Practitioner"),
        ("bgz-3", "metadata", "capabilities"),
        ("gp-2", f"Observation?code={NHG}|&date=ge2025-01-01", "results"),
        ("gp-2", f"Observation?code={NHG}|&date=ge2025-01-01&date=lt2026-01-01", "results"),
        ("gp-2", f"MedicationRequest?periodofuse=ge2026-01-01&category={SCT}|16076005", "currentMedication"),
        ("geboortezorg-1", "Observation?context=EpisodeOfCare/1,EpisodeOfCare/2", "observationsOnRecord"),
        ("geboortezorg-1", "Observation?context:Encounter.episodeofcare=EpisodeOfCare/1", "observationsOnVisits"),
        (
            "geboortezorg-1",
            "Encounter?episodeofcare=1,EpisodeOfCare/2&_include=Encounter:practitioner",
            "prenatalVisits",
        ),
        ("geboortezorg-1", f"EpisodeOfCare?type={SCT}|364320009&status=active,finished", "maternalRecord"),
        ("pdfa-3", "DocumentReference?status=current&indexed=ge2020-01-01&indexed=le2021-01-01", "documentReference"),
        ("pdfa-3", "Binary/1", "binary"),
        ("pdfa-3", "DocumentReference/1", "documentReferenceRead"),
        ("selfmeasurements-2", "Observation?category=vital-signs", "allVitalSigns"),
        ("selfmeasurements-2", f"Observation?code={LOINC}|8302-2&date=ge2020-01-01", "byCode"),
        ("immunization-2", "Medication/1", "product"),
        ("immunization-2", "Immunization", "immunizations"),
        ("immunization-2", "Immunization?status=completed", "immunizations"),
        ("gp-2", f"Observation?code={NHG}|&_include=Observation:related-target", "results"),
        ("gp-2", f"Observation?code={NHG}|&date=le2025-01-01", "results"),
        ("pdfa-3", "DocumentReference", "documentReference"),
        ("pdfa-3", "DocumentReference?indexed=ge2020-01-01", "documentReference"),
        ("questionnaires-2", "Questionnaire/1", "read-Questionnaire"),
        ("eoverdracht-4", "Composition/1/$document", "document"),
        (
            "medication-9.0.7",
            f"MedicationRequest?category={SCT}|16076005&medication.code=urn:g|1",
            "medicationAgreement",
        ),
    ],
)
def test_what_the_rows_offer_is_admitted(standard: str, url: str, rule: str) -> None:
    assert ask(standard, url).rule.id == rule


@pytest.mark.parametrize(
    ("standard", "url", "status", "code", "parameter"),
    [
        ("bgz-3", "Observation", 400, "required", "code"),
        ("bgz-3", "Observation/$lastn", 400, "required", None),
        ("bgz-3", "Encounter", 400, "required", "class"),
        ("bgz-3", f"Observation?code={LOINC}|1234-5", 400, "value", "code"),
        ("bgz-3", f"Observation?code={SCT}|228366006,{LOINC}|1234-5", 400, "value", "code"),
        ("bgz-3", f"Observation?code={SCT}|", 400, "value", "code"),
        ("bgz-3", "Observation?code=228366006", 400, "value", "code"),
        ("bgz-3", "Appointment?status=cancelled", 400, "value", "status"),
        ("bgz-3", "Condition?code=x", 400, "not-supported", "code"),
        ("bgz-3", "Condition?foo=x", 400, "not-supported", "foo"),
        ("bgz-3", f"Observation?code:not={SCT}|228366006", 400, "not-supported", "code:not"),
        ("bgz-3", "Condition?_summary=true", 400, "not-supported", "_summary"),
        ("bgz-3", "Condition?_sort=code", 400, "not-supported", "_sort"),
        ("bgz-3", "Condition?_include=Condition:subject", 400, "not-supported", "_include"),
        ("bgz-3", "Coverage?_include=Coverage:payor", 400, "not-supported", "_include"),
        ("bgz-3", "Patient?_include:recurse=Patient:general-practitioner", 400, "not-supported", "_include"),
        ("bgz-3", "Condition?_revinclude=Provenance:target", 400, "not-supported", "_revinclude"),
        ("bgz-3", "Observation/$lastn?code=http://loinc.org|85354-9&max=5", 400, "not-supported", "max"),
        ("bgz-3", "Practitioner/1?foo=1", 400, "not-supported", "foo"),
        ("bgz-3", "Starship", 404, "not-supported", None),
        ("bgz-3", "Starship/1", 404, "not-supported", None),
        ("bgz-3", "Practitioner", 404, "not-supported", None),
        ("bgz-3", "Observation/$everything", 404, "not-supported", None),
        ("gp-2", f"Observation?code={LOINC}|8302-2&date=ge2025-01-01", 400, "value", "code"),
        ("gp-2", f"Observation?code={NHG}|&date=gerubbish", 400, "value", "date"),
        ("gp-2", f"MedicationRequest?category={SCT}|16076005", 400, "required", "periodofuse"),
        ("pdfa-3", "DocumentReference?status=superseded", 400, "value", "status"),
        ("geboortezorg-1", "Observation?context=Encounter/1", 400, "value", "context"),
        ("geboortezorg-1", "Observation?context=EpisodeOfCare/1,Encounter/1", 400, "value", "context"),
        ("selfmeasurements-2", f"Observation?code={LOINC}|1234-5", 400, "value", "code"),
        ("lab-2", "Observation?category=vital-signs", 400, "value", "category"),
        ("bgz-msz-2", f"Condition?patient.identifier={BSN}|12", 400, "value", "patient.identifier"),
        (
            "bgz-msz-2",
            f"Condition?patient.identifier={BSN}|123456789,{BSN}|123456790",
            400,
            "value",
            "patient.identifier",
        ),
        ("bgz-msz-2", "Condition", 400, "required", "patient.identifier"),
    ],
)
def test_what_they_do_not_offer_is_refused_and_named(
    standard: str, url: str, status: int, code: str, parameter: str | None
) -> None:
    """ERR-45, ERR-46: never a silently wider result."""
    refused = refusal(standard, url)
    assert (refused.status, refused.issue_code) == (status, code)
    if parameter is not None:
        assert refused.parameter == parameter
        assert parameter in refused.text


def test_what_is_expected_and_left_out_holds_all_the_same() -> None:
    """A client that leaves out ``status=current`` gets no document that was replaced, and the self link says so."""
    bare = ask("pdfa-3", "DocumentReference")
    assert bare.query == (("status", "current"),)
    assert bare.search is not None
    documents = [{"resourceType": "DocumentReference", "status": status} for status in ("current", "superseded")]
    assert [bare.search.matches(one) for one in documents] == [True, False]
    assert ask("pdfa-3", "DocumentReference?status=current").query == (("status", "current"),)


def test_every_expectation_says_why() -> None:
    """A parameter that may be left out against the words of a standard names its source in the row."""
    rows = [(one.id, rule) for one in CATALOGUE.standards.values() for rule in one.rules if rule.expected]
    assert {(name, rule.id) for name, rule in rows} >= {("pdfa-3", "documentReference"), ("gp-2", "results")}
    assert [rule.id for _, rule in rows for why in rule.expected.values() if len(why) < 30] == []


def test_a_bare_search_is_told_which_searches_there_are() -> None:
    text = refusal("bgz-3", "Observation").text
    assert f"Observation?code={SCT}|228366006" in text
    assert f"Observation?code={SCT}|365980008" in text


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_writing_where_nothing_is_written_is_405(method: str) -> None:
    assert refusal("bgz-3", "Observation/1" if method == "PUT" else "Observation", method).status == 405


def test_a_service_admits_its_own_use_cases_only() -> None:
    """A token for collecting documents does not let a client send them."""
    assert ask("pdfa-3", "", "POST", "9004").rule.id == "provideDocument"
    assert refusal("pdfa-3", "", "POST", "51").status == 405
    assert refusal("pdfa-3", "DocumentReference?status=current", service="9004").status == 404
    assert refusal("pdfa-3", "DocumentReference/1", service="9004").status == 404


@pytest.mark.parametrize(
    "query",
    [
        "patient=999990019",
        "subject=Patient/999990019",
        "patient:Patient=999990019",
        f"patient.identifier={BSN}|999990019",
        f"subject:Patient.identifier={BSN}|999990019",
        "beneficiary=999990019",
    ],
)
@pytest.mark.parametrize(
    "standard", [one for one in CATALOGUE.standards.values() if one.patient_from == "token"], ids=str
)
def test_the_token_says_who_the_patient_is_and_nothing_in_the_query_does(standard: Standard, query: str) -> None:
    """RES-03, IDN-06: 400, and the value is not in the text."""
    for rule in standard.rules:
        if rule.interaction != "search-type" or rule.answer == "refused":
            continue
        pairs = (*(example(one) for one in rule.required), *parse_query(query))
        with pytest.raises(Refused) as refused:
            admit(standard, FhirRequest(standard.fhir, "search-type", rule.type, query=pairs))
        assert refused.value.status == 400
        assert "999990019" not in refused.value.text + repr(refused.value)


def test_a_patient_is_not_found_by_identifier() -> None:
    refused = refusal("bgz-3", f"Patient?identifier={BSN}|999990019")
    assert refused.status == 400
    assert "999990019" not in refused.text


def test_the_citizen_number_of_an_institution_is_kept_apart_from_search_and_link() -> None:
    """IDN-04: the search, the link and the printed form of what is admitted do not hold it."""
    admitted = ask("bgz-msz-2", f"Condition?patient.identifier={BSN}|999990019&_revinclude=Provenance:target")
    assert admitted.person is not None
    assert (admitted.person.system, admitted.person.value) == (BSN, "999990019")
    assert admitted.query == (("_revinclude", "Provenance:target"),)
    assert "999990019" not in repr(admitted)


def test_two_patients_in_one_request_are_refused() -> None:
    two = f"Condition?patient.identifier={BSN}|999990019&patient.identifier={BSN}|999990020"
    refused = refusal("bgz-msz-2", two)
    assert (refused.status, refused.issue_code, refused.parameter) == (400, "value", "patient.identifier")


def test_count_limits_only_where_the_row_says_so() -> None:
    everything = ask("bgz-3", "Condition?_count=5").search
    assert everything is not None
    assert everything.count is None
    row = f"Observation?patient.identifier={BSN}|999990019&code={LOINC}|29463-7&_sort=-date&_count=1"
    newest = ask("bgz-msz-2", row)
    assert newest.search is not None
    assert (newest.rule.id, newest.search.count) == ("bodyWeight-2", 1)


def test_lastn_is_compiled_as_such() -> None:
    search = ask("bgz-3", f"Observation/$lastn?code={LOINC}|85354-9").search
    assert search is not None
    assert search.last == 1


def rows() -> Iterator[Any]:
    for standard in CATALOGUE.standards.values():
        for rule in standard.rules:
            if rule.answer != "refused" and (rule.interaction == "search-type" or rule.operation == "lastn"):
                yield pytest.param(standard, rule, id=f"{standard.id}-{rule.id}")


@pytest.mark.parametrize(("standard", "rule"), list(rows()))
def test_every_row_admits_itself_with_and_without_what_is_optional(standard: Standard, rule: RequestRule) -> None:
    required = tuple(example(one) for one in rule.required)
    for optional in [(), *((example(one),) for one in rule.optional)]:
        request = FhirRequest(standard.fhir, rule.interaction, rule.type, None, rule.operation, required + optional)
        found = admit(standard, request)
        # Two rows may offer the same filters (with and without an include): then either will do.
        assert (found.rule.type, found.rule.query) == (rule.type, rule.query)
    filters = tuple(pair for one, pair in zip(rule.required, required, strict=True) if not one.is_include)
    admit(standard, FhirRequest(standard.fhir, rule.interaction, rule.type, None, rule.operation, filters))


SEARCHES = [
    rule for standard in CATALOGUE.standards.values() for rule in standard.rules if rule.interaction == "search-type"
]


@given(st.data())
def test_leaving_out_a_required_filter_never_widens_what_a_service_gives(data: st.DataObject) -> None:
    """Property: without one of its required filters a search is refused, unless another row offers just that."""
    standard = data.draw(st.sampled_from(list(CATALOGUE.standards.values())))
    searches = [rule for rule in standard.rules if rule.interaction == "search-type" and rule.answer != "refused"]
    if not searches:
        return
    rule = data.draw(st.sampled_from(searches))
    filters = [one for one in rule.required if not one.is_include]
    kept = data.draw(st.lists(st.sampled_from(filters), unique=True) if filters else st.just([]))
    request = FhirRequest(standard.fhir, "search-type", rule.type, query=tuple(example(one) for one in kept))
    try:
        found = admit(standard, request).rule
    except Refused as refused:
        status = refused.status
    else:
        # What a row only expects may be missing; a fixed value among it holds all the same.
        needed = {one.name for one in found.required if not one.is_include and one.name not in found.expected}
        assert needed <= {one.name for one in kept}
        return
    assert status == 400
    assert len(kept) < len(filters)


@given(st.sampled_from(SEARCHES), st.text(max_size=60))
def test_whatever_a_client_sends_is_admitted_or_refused_with_a_public_text(rule: RequestRule, raw: str) -> None:
    standard = CATALOGUE.standards["bgz-3"]
    try:
        admit(standard, FhirRequest(standard.fhir, "search-type", rule.type, query=tuple(parse_query(raw))))
    except (Refused, SearchError) as error:
        refused: Refused | SearchError = error
    else:
        return
    assert refused.text


def test_a_request_without_an_operation_name_is_400() -> None:
    """PDF/A: `GET DocumentReference/$`."""
    with pytest.raises(UnknownRoute) as wrong:
        route("GET", "DocumentReference/$")
    assert wrong.value.status == 400
    standard = CATALOGUE.standards["pdfa-3"]
    with pytest.raises(Refused) as refused:
        admit(standard, FhirRequest(standard.fhir, "operation", "DocumentReference", operation=""))
    assert refused.value.status == 400
