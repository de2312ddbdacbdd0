"""Whatever a partner asks: no search outside the grant, no other person, nothing after the end."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange.grants import BSN_SYSTEM, AnotherPerson, OpenGrant
from gateway.exchange.inputs import TYPES, NoSearch, search_in
from gateway.exchange.parts import DATA_SETS, chosen, parts, rows_of, search_of
from gateway.exchange.states import ENDED, NotFollowing, step, steps
from gateway.problems import Problem
from profiles.fhir.interactions import FhirRequest
from profiles.fhir.search.search import parse_query
from profiles.fhir.version import FhirVersion
from profiles.standards.load import catalogue

OWN, OTHER = "999990019", "999990020"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
STANDARDS = [catalogue().standards[name] for name in DATA_SETS]
NAMES = [
    *("patient", "patient.identifier", "subject", "identifier", "beneficiary.identifier", "subject:not"),
    *("patient:Patient.identifier", "code", "category", "status", "_id", "_include", "_revinclude", "_elements"),
    *("date", "_has:x:y:z"),
]
names = st.sampled_from(NAMES)
PERSONS = [f"{BSN_SYSTEM}|{OWN}", f"{BSN_SYSTEM}|{OTHER}", f"{BSN_SYSTEM}|{OWN},{BSN_SYSTEM}|{OTHER}", OWN, OTHER]
OTHERS = ["Patient/p2", "active", "p2", "Provenance:target", "http://loinc.org|85354-9", ""]
values = st.sampled_from([*PERSONS, *OTHERS]) | st.text(max_size=12)
queries = st.lists(st.tuples(names, values), max_size=4)


def request(type_: str, query: object, operation: str | None = None) -> FhirRequest:
    kind = "operation" if operation else "search-type"
    return FhirRequest(FhirVersion.STU3, kind, type_, None, operation, tuple(query), "json", "https://z")  # type: ignore[arg-type]


def grant(standard: object, ids: list[str], ends: datetime = NOW + timedelta(days=14)) -> OpenGrant:
    rows = [rule.id for part in parts() if part.id in ids for rule in rows_of(part, standard)]  # type: ignore[arg-type]
    return OpenGrant("r", standard, frozenset(rows), frozenset(), frozenset(), OWN, ends)  # type: ignore[arg-type]


@given(
    st.sampled_from(STANDARDS),
    st.lists(st.sampled_from([part.id for part in parts()]), max_size=4),
    st.sampled_from(sorted(TYPES)),
    queries,
    st.sampled_from([None, "lastn", "everything"]),
)
def test_what_is_admitted_is_a_row_of_the_grant_about_its_person(
    standard: object, ids: list[str], type_: str, query: list[tuple[str, str]], operation: str | None
) -> None:
    """NP-21, NP-23, GF-C36, GF-C38: an answer is a granted row, about the person of the grant, or there is none."""
    opened = grant(standard, ids)
    try:
        admitted = opened.admitted(request(type_, query, operation), NOW)
    except AnotherPerson:
        return
    except Problem as fault:
        refused = fault.status
    else:
        refused = 0
    if refused:
        assert refused in (400, 403)
        return
    assert admitted.rule.id in opened.rows
    assert admitted.person is None or admitted.person.value == OWN
    # Every filter of the row is in the search: what was left out is never filled in, nor answered without.
    asked = {name for name, _ in query}
    assert {one.name for one in admitted.rule.required if not one.is_person and not one.is_include} <= asked
    assert all(OTHER not in value for name, value in admitted.query if "identifier" in name)


@pytest.mark.parametrize("standard", STANDARDS, ids=DATA_SETS)
def test_every_search_that_a_task_names_is_what_its_grant_opens(standard: object) -> None:
    """NPW-02, NPW-03: the text of the Task, sent as it stands, is admitted by its own row alone."""
    for part in chosen((), standard):  # type: ignore[arg-type]
        rule = next(iter(rows_of(part, standard)))  # type: ignore[arg-type]
        text = search_in(search_of(rule), "https://z")
        path, _, query = text.partition("?")
        type_, _, operation = path.partition("/$")
        asked = request(type_, parse_query(query), operation or None)
        assert grant(standard, [part.id]).admitted(asked, NOW).rule.id in part.rows
        with pytest.raises(Problem):
            grant(standard, []).admitted(asked, NOW)


@given(queries, st.integers(0, 10**9))
def test_nothing_is_open_at_or_after_the_end(query: list[tuple[str, str]], seconds: int) -> None:
    """NP-44: whatever is asked; and withdrawn is the same as ended."""
    every = [part.id for part in parts()]
    late = NOW + timedelta(seconds=seconds)
    with pytest.raises(Problem) as told:
        grant(STANDARDS[0], every, ends=NOW).admitted(request("Condition", query), late)
    assert told.value.status == 403
    assert not grant(STANDARDS[0], every, ends=NOW).may_read("DocumentReference", "b1", late)


@given(
    st.sampled_from(["bgz", "eoverdracht"]), st.lists(st.sampled_from(sorted({row.to for row in steps()})), max_size=8)
)
def test_no_walk_through_the_states_leaves_an_end(flow: str, walk: list[str]) -> None:
    """NP-38: what has ended stays so, and every end takes the data with it."""
    state, withdrawn = "requested", False
    for wanted in walk:
        for side in ("receiver", "sender"):
            try:
                row = step(flow, state, wanted, side)  # type: ignore[arg-type]
            except NotFollowing:
                continue
            if row is not None:
                assert state not in ENDED
                state, withdrawn = wanted, withdrawn or row.withdraws
    assert withdrawn == (state in ENDED)


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/Condition",
        "//evil.example/Condition",
        "../Condition",
        "Condition/../Patient",
        "Patient/$everything",
        "Patient/p1",
        "Binary?_id=1",
        "Binary/1",
        "Condition#x",
        "Condition?patient.identifier=1",
        "Condition?subject=Patient/1",
        "%2e%2e/Condition",
        "Condition\r\nHost: x",
        "https://sender.example/fhirX/Condition",
        "user@host/Condition",
        "",
        7,
        None,
        "Condition?" + "a" * 2_000,
    ],
)
def test_an_input_that_leads_elsewhere_is_not_followed(text: object) -> None:
    """NP-49, NP-50."""
    with pytest.raises(NoSearch):
        search_in(text, "https://sender.example/fhir")


@given(st.text(max_size=60) | st.sampled_from(["Condition", "Patient?", "https://sender.example/fhir/Flag"]))
def test_an_input_stays_below_the_base_of_the_sender(text: str) -> None:
    """RX-01: whatever stands there, it is a search of a type of the data set, or nothing."""
    try:
        path = search_in(text, "https://sender.example/fhir")
    except NoSearch:
        return
    assert path.split("?")[0].split("/")[0] in TYPES
