"""Visits from events: each case of the specification, one by one (RP-C)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.store.rows import milliseconds
from gateway.usage.events import STEPS, UsageEvent
from gateway.usage.figures import UseFigures, UsePeriod, add, days, month
from gateway.usage.visits import CountedVisit, visits

START = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def event(step: str, seconds: float, outcome: str = "ok", **more: Any) -> UsageEvent:
    at = milliseconds(START + timedelta(seconds=seconds))
    known: dict[str, Any] = {"person": "p", "age": "16+"} if STEPS.index(step) > 0 else {}
    exchange = {"interaction": "search-type"} if step == "exchange" else {}
    common = {"flow": "f", "started": milliseconds(START), "provider": "z", "client": "c", "use": "collect"}
    return UsageEvent(at=at, step=step, outcome=outcome, **{**common, "services": ("48",), **known, **exchange, **more})


def until(step: str) -> list[UsageEvent]:
    return [event(name, index) for index, name in enumerate(STEPS[: STEPS.index(step) + 1])]


def told(*events: UsageEvent, now: datetime = NOW) -> list[CountedVisit]:
    return list(visits(events, milliseconds(now)))


def test_a_visit_is_one_collection_however_many_searches_it_makes() -> None:
    """RP-C01, RP-06."""
    (visit,) = told(*until("token"), *(event("exchange", 10 + number) for number in range(28)))
    assert (visit.outcome, visit.completed, visit.person) == ("completed", {"48"}, "p")


def test_a_second_flow_of_the_same_day_is_a_second_use_of_one_person() -> None:
    """RP-C02."""
    again = [event(one.step, 900, flow="g") for one in until("exchange")]
    figures = UsePeriod()
    add(figures, [*until("exchange"), *again], month("2026-03"), NOW)
    assert (figures.real.completed, figures.real.persons, figures.real.buckets()["2-5"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([*until("authenticated"), event("available", 9, "refused", reason="no-relation")],
         ("refused", "available", "no-relation")),
        ([*until("available"), event("consented", 9, "refused", reason="consent-refused")],
         ("refused", "consented", "consent-refused")),
        (until("token"), ("abandoned", "token", "")),
        ([*until("token"), *(event("exchange", n, "failed", reason="exception") for n in (8, 9))],
         ("failed", "exchange", "exception")),
        ([event("asked", 0), event("authenticated", 5, "failed", reason="login-down"), event("authenticated", 9)],
         ("abandoned", "authenticated", "")),
        ([event("asked", 0, "refused", reason="ERR-09")], ("refused", "asked", "ERR-09")),
    ],
)  # fmt: skip
def test_a_visit_that_is_not_completed_ends_at_a_step_with_a_reason(
    events: list[UsageEvent], expected: tuple[str, str, str]
) -> None:
    """RP-C03, RP-C04, RP-C05, RP-C08, RP-08."""
    (visit,) = told(*events)
    assert (visit.outcome, visit.ended, visit.reason) == expected
    assert visit.completed == frozenset()


def test_a_visit_is_open_for_an_hour() -> None:
    """RP-C05, RP-08."""
    last = START + timedelta(seconds=4)
    (early,) = told(*until("token"), now=last + timedelta(minutes=59, seconds=59))
    (late,) = told(*until("token"), now=last + timedelta(minutes=60))
    assert (early.outcome, late.outcome) == ("open", "abandoned")


def test_nothing_found_is_completed_and_so_is_one_answer_beside_faults() -> None:
    """RP-C06, RP-C07: the faults stay among the figures of requests."""
    events = [*until("token"), event("exchange", 9, resources=0), event("exchange", 10, "failed", reason="exception")]
    period = UsePeriod()
    add(period, events, month("2026-03"), NOW)
    assert period.real.completed == 1
    assert period.real.errors == {("failed", "exception"): 1}
    assert period.real.requests == {"ok": 1, "failed": 1}


def test_a_lasting_consent_is_a_collection_of_its_own_after_half_an_hour() -> None:
    """RP-C09, RP-07: 30 minutes of silence are none yet; a refresh alone is no collection."""
    later = {"started": 0, "lasting": True}
    first = event("exchange", 5, lasting=True)
    same = event("exchange", 5 + 1800, **later)
    refresh = event("token", 50_000, **later)
    second = event("exchange", 90_000, **later)
    found = told(*until("token"), first, same, refresh, second)
    assert [visit.outcome for visit in found] == ["completed", "completed"]
    assert found[1].start == second.at


def test_a_share_is_completed_when_it_was_stored() -> None:
    """RP-C10."""
    for status, outcome in (("ok", "completed"), ("refused", "refused")):
        events = [event(one.step, 0, use="share") for one in until("token")]
        (visit,) = told(*events, event("exchange", 9, status, use="share", interaction="create"))
        assert visit.outcome == outcome


def test_a_flow_over_midnight_counts_in_the_month_in_which_it_began() -> None:
    """RP-C11: 31 March 23:50 to 1 April 00:10, local."""
    began = datetime(2026, 3, 31, 21, 50, tzinfo=UTC)
    flow = [
        event(step, (began - START).total_seconds() + index * 240, started=milliseconds(began))
        for index, step in enumerate(STEPS)
    ]
    counted = {}
    for text in ("2026-03", "2026-04"):
        period = UsePeriod()
        add(period, flow, month(text), NOW)
        counted[text] = (period.real.completed, period.real.requests["ok"])
    assert counted == {"2026-03": (1, 0), "2026-04": (0, 1)}


def test_borders_are_where_clocks_have_midnight() -> None:
    """RP-C12: no moment is in two months, or in none."""
    march, april = month("2026-03"), month("2026-04")
    assert march.end == april.start == datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert (march.end - march.start) == timedelta(days=31) - timedelta(hours=1)
    day = days(date(2026, 10, 25), date(2026, 10, 25))
    assert day.end - day.start == timedelta(hours=25)


def test_tests_count_apart() -> None:
    """RP-C13, RP-02: what is known to be a test after the login makes the whole visit one."""
    period = UsePeriod()
    add(period, [event("asked", 0), *(event(one.step, 1, test=True) for one in until("exchange")[1:])],
        month("2026-03"), NOW)  # fmt: skip
    assert (period.real.visits, period.test.completed, period.real.requests.total()) == (0, 1, 0)


def test_a_child_counts_and_not_who_collects_for_it() -> None:
    """RP-C24."""
    figures = UseFigures()
    (visit,) = told(*(event(one.step, 1, age="0-11", acting="parent") for one in until("exchange")))
    figures.add_visit(visit)
    assert (figures.ages, figures.acting) == ({"0-11": 1}, {"parent": 1})


@given(st.sets(st.sampled_from(STEPS[:-1])))
def test_a_later_step_implies_the_earlier_ones(lost: set[str]) -> None:
    """RP-C29, RP-05: whichever events are lost."""
    figures = UseFigures()
    for visit in told(*(one for one in until("exchange") if one.step not in lost)):
        figures.add_visit(visit)
    assert [figures.reached[step] for step in STEPS] == [1] * len(STEPS)


def test_no_pseudonym_leaves_with_the_figures() -> None:
    """RP-C25."""
    figures = UseFigures()
    (visit,) = told(*(event(one.step, 1, person="ab" * 16) for one in until("exchange")))
    figures.add_visit(visit)
    assert "ab" * 16 not in str(figures.as_data())
