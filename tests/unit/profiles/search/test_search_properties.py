"""Laws of search that hold for every query: lists widen, repeats narrow, order and escaping do not matter."""

from datetime import date
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from profiles.fhir.search.search import compile_search, parse_query
from profiles.fhir.version import FhirVersion

SYSTEMS, CODES = ("urn:a", "urn:b"), ("x", "y", "z")
codings = st.builds(
    lambda system, code: ({"system": system} if system else {}) | {"code": code},
    st.sampled_from((None, *SYSTEMS)),
    st.sampled_from(CODES),
)
days = st.dates(min_value=date(2025, 12, 1), max_value=date(2026, 2, 1))
times = st.builds(
    lambda day, hour, zone: f"{day}T{hour:02}:15:00{zone}", days, st.integers(0, 23), st.sampled_from(["Z", "+01:00"])
)
observations = st.builds(
    lambda coding, effective, context: {
        "resourceType": "Observation",
        "code": {"coding": coding},
        "effectiveDateTime": effective,
        "context": {"reference": context},
    },
    st.lists(codings, max_size=3),
    st.one_of(days.map(str), times),
    st.sampled_from(["Encounter/1", "EpisodeOfCare/1", "EpisodeOfCare/2"]),
)
tokens = st.one_of(
    st.sampled_from(CODES),
    st.builds(lambda system, code: f"{system}|{code}", st.sampled_from(SYSTEMS), st.sampled_from(CODES)),
    st.sampled_from([f"{system}|" for system in SYSTEMS]),
    st.sampled_from([f"|{code}" for code in CODES]),
)
parameters = st.one_of(
    tokens.map(lambda value: ("code", value)),
    st.builds(
        lambda prefix, day: ("date", f"{prefix}{day}"),
        st.sampled_from(["", "ge", "le", "gt", "lt", "ne", "sa", "eb"]),
        days,
    ),
    st.sampled_from([("context", "1"), ("context", "EpisodeOfCare/1"), ("context", "EpisodeOfCare/2,Encounter/1")]),
)


def hits(store: list[dict[str, Any]], *pairs: tuple[str, str]) -> set[int]:
    search = compile_search(FhirVersion.STU3, "Observation", pairs)
    return {index for index, one in enumerate(store) if search.matches(one)}


STORES = st.lists(observations, max_size=6)


@given(STORES, parameters, parameters)
def test_two_parameters_match_what_both_match_in_any_order(
    store: list[dict[str, Any]], one: tuple[str, str], two: tuple[str, str]
) -> None:
    assert hits(store, one, two) == hits(store, two, one) == hits(store, one) & hits(store, two)


@given(STORES, st.lists(tokens, min_size=1, max_size=4))
def test_a_list_matches_what_any_of_its_values_matches(store: list[dict[str, Any]], values: list[str]) -> None:
    assert hits(store, ("code", ",".join(values))) == set().union(*(hits(store, ("code", value)) for value in values))


@given(STORES, tokens)
def test_not_matches_the_rest(store: list[dict[str, Any]], value: str) -> None:
    assert hits(store, ("code:not", value)) == set(range(len(store))) - hits(store, ("code", value))


@given(STORES, days)
def test_a_day_divides_all_moments_in_three(store: list[dict[str, Any]], day: object) -> None:
    before, on, after = (hits(store, ("date", f"{prefix}{day}")) for prefix in ("lt", "eq", "gt"))
    assert sorted([*before, *on, *after]) == list(range(len(store)))
    assert hits(store, ("date", f"ge{day}")) == on | after
    assert hits(store, ("date", f"le{day}")) == before | on


@given(STORES, parameters)
def test_escaping_makes_no_difference(store: list[dict[str, Any]], one: tuple[str, str]) -> None:
    name, value = one
    raw, escaped = parse_query(f"{name}={value}"), parse_query(f"{name}={quote(value, safe='')}")
    assert raw == escaped == [one]
