"""Reading the query of a URL, and what is refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.fhir.search.search import SearchError, compile_search, parse_query, write_query
from profiles.fhir.version import FhirVersion

STU3, R4 = FhirVersion.STU3, FhirVersion.R4


@pytest.mark.parametrize(
    "raw",
    [
        "code=http://loinc.org|8302-2,http://loinc.org|8306-3",
        "code=http%3A%2F%2Floinc.org%7C8302-2%2Chttp%3A%2F%2Floinc.org%7C8306-3",
        "code=http://loinc.org|8302-2,%20http://loinc.org%7C8306-3",
        "code=http://loinc.org|8302-2+,+http://loinc.org|8306-3",
        "&code=http://loinc.org|8302-2,http://loinc.org|8306-3&",
    ],
)
def test_clients_may_escape_as_they_like_and_put_spaces_around_commas(raw: str) -> None:
    assert parse_query(raw) == [("code", "http://loinc.org|8302-2,http://loinc.org|8306-3")]


def test_order_and_repeated_parameters_are_kept() -> None:
    assert parse_query("date=ge2026-01-01&_id=a&date=le2026-02-01") == [
        ("date", "ge2026-01-01"),
        ("_id", "a"),
        ("date", "le2026-02-01"),
    ]


def test_a_plus_is_a_space_but_a_time_zone_keeps_it() -> None:
    assert parse_query("name=van+der+Berg") == [("name", "van der Berg")]
    assert parse_query("date=ge2026-01-05T10:00:00+01:00") == [("date", "ge2026-01-05T10:00:00+01:00")]
    assert parse_query("date=ge2026-01-05T10:00:00%2B01:00") == [("date", "ge2026-01-05T10:00:00+01:00")]


@pytest.mark.parametrize("raw", ["code=%zz", "code=%7", "code=%ff", "code=a%00b", "code=a%0Ab", "x=" + "a" * 9000])
def test_unreadable_values_are_refused_and_the_parameter_is_named(raw: str) -> None:
    with pytest.raises(SearchError) as refused:
        parse_query(raw)
    assert refused.value.parameter == raw.partition("=")[0]


def test_a_query_with_too_many_parameters_is_refused() -> None:
    with pytest.raises(SearchError, match="64 parameters"):
        parse_query("&".join(["_id=a"] * 65))


@given(st.lists(st.tuples(st.from_regex(r"[a-z_][a-z:.\-]{0,20}", fullmatch=True), st.text(max_size=40)), max_size=8))
def test_what_is_written_in_a_link_is_read_back(pairs: list[tuple[str, str]]) -> None:
    try:
        normal = parse_query(write_query(pairs))
    except SearchError:
        return  # control characters and lone surrogates are refused, see above
    except UnicodeEncodeError:
        return
    assert parse_query(write_query(normal)) == normal


@given(st.text(max_size=200))
def test_reading_a_query_never_fails_otherwise_than_by_a_search_error(raw: str) -> None:
    try:
        pairs = parse_query(raw)
        compile_search(STU3, "Observation", pairs)
    except SearchError as error:
        refused = error
    else:
        return
    assert refused.text
    assert refused.issue_code in {"value", "not-supported", "too-costly"}


@pytest.mark.parametrize(
    ("query", "code", "parameter"),
    [
        ("unknown=1", "not-supported", "unknown"),
        ("code:in=http://example.org/vs", "not-supported", "code:in"),
        ("code:text=x", "not-supported", "code:text"),
        ("date:above=2020", "not-supported", "date:above"),
        ("subject:Practitioner=1", "not-supported", "subject:Practitioner"),
        ("code=", "value", "code"),
        ("code=a,,b", "value", "code"),
        ("code=a|b|c", "value", "code"),
        ("code=|", "value", "code"),
        ("date=yesterday", "value", "date"),
        ("date=2026-13-01", "value", "date"),
        ("date=2026-02-30", "value", "date"),
        ("date=ap2026", "value", "date"),
        ("context=EpisodeOfCare/1/2", "value", "context"),
        ("context=a b", "value", "context"),
        ("code:missing=perhaps", "value", "code:missing"),
        ("value-quantity=tall", "value", "value-quantity"),
        ("_count=0", "value", "_count"),
        ("_count=1&_count=2", "value", "_count"),
        ("_sort=code", "not-supported", "_sort"),
        ("_sort=nothing", "not-supported", "_sort"),
        ("_include=Observation:nothing", "not-supported", "_include"),
        ("_include=Observation", "not-supported", "_include"),
        ("_include=Observation:specimen:Patient", "not-supported", "_include"),
        ("_include:iterate=Observation:specimen", "not-supported", "_include:iterate"),
        ("_revinclude=Provenance:nothing", "not-supported", "_revinclude"),
        ("_summary=true", "not-supported", "_summary"),
        ("_elements=id", "not-supported", "_elements"),
        ("_has:Observation:patient:code=1", "not-supported", "_has:Observation:patient:code"),
        ("_filter=x", "not-supported", "_filter"),
        ("_text=x", "not-supported", "_text"),
        ("context.nothing=1", "not-supported", "context.nothing"),
        ("context:Patient.identifier=1", "not-supported", "context:Patient.identifier"),
        ("context.episodeofcare.patient=1", "not-supported", "context.episodeofcare.patient"),
        ("max=3", "not-supported", "max"),
    ],
)
def test_what_is_not_supported_is_refused_by_name_and_never_widens_the_result(
    query: str, code: str, parameter: str
) -> None:
    """ERR-46."""
    with pytest.raises(SearchError) as refused:
        compile_search(STU3, "Observation", parse_query(query))
    assert (refused.value.issue_code, refused.value.parameter) == (code, parameter)


def test_a_refusal_never_repeats_a_value_nor_a_name_with_a_number_in_it() -> None:
    """RES-03: what a client put in a query by mistake does not come back in an answer or a log."""
    for query in ("patient=999990019x/y z", "999990019=1", "x999990019=1", "date=999990019", "_sort=999990019"):
        with pytest.raises(SearchError) as refused:
            compile_search(STU3, "Observation", parse_query(query))
        assert "999990019" not in refused.value.text + refused.value.parameter + repr(refused.value)


def test_recurse_is_spelled_per_release() -> None:
    assert (
        compile_search(STU3, "CarePlan", [("_include:recurse", "DeviceUseStatement:device:Device")]).includes[0].iterate
    )
    assert (
        compile_search(R4, "Immunization", [("_include:iterate", "PractitionerRole:organization")]).includes[0].iterate
    )
    with pytest.raises(SearchError):
        compile_search(R4, "Immunization", [("_include:recurse", "PractitionerRole:organization")])


def test_the_same_query_is_compiled_once() -> None:
    pairs = parse_query("code=http://loinc.org|8302-2")
    assert compile_search(STU3, "Observation", pairs) is compile_search(STU3, "Observation", list(pairs))


def test_a_type_that_is_not_known_is_refused() -> None:
    with pytest.raises(SearchError):
        compile_search(STU3, "Starship", [])
