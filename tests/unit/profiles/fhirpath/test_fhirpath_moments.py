"""Dates and times: one order, whatever the machine thinks of time zones."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import fhirpath
from profiles.fhirpath.moments import Moment, moment, order_of

BEFORE, SAME, AFTER, OPEN = -1, 0, 1, None


def order(left: str, right: str) -> int | None:
    a, b = moment(left), moment(right)
    assert isinstance(a, Moment)
    assert isinstance(b, Moment)
    found = order_of(a, b)
    assert order_of(b, a) == (None if found is None else -found), "the other way round it is the opposite"
    return found


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("2025", "2026", BEFORE),
        ("2026", "2026", SAME),
        ("2025", "2026-01", BEFORE),
        ("2026", "2026-01", OPEN),
        ("2026-01-31", "2026-02", BEFORE),
        ("2026-01-31", "2026-01-31T00:00:00Z", OPEN),
        ("2026-01-31", "2026-02-01T00:00:00+01:00", BEFORE),
        ("2026-02-01", "2026-01-31T23:59:59-05:00", AFTER),
        ("2026-01-31T10:00:00", "2026-01-31T10:00:00.000", SAME),
        ("2026-01-31T10:00:00.1", "2026-01-31T10:00:00.12", BEFORE),
        ("2026-01-31T10:00:00+01:00", "2026-01-31T09:00:00Z", SAME),
        ("2026-01-31T10:00:00+01:00", "2026-01-31T09:00:01Z", BEFORE),
        ("2026-01-31T10:00Z", "2026-01-31T10:00:30Z", OPEN),
        ("2026-01-31T10:00Z", "2026-01-31T10:01:00Z", BEFORE),
        ("2026-01-31T10:00Z", "2026-01-31T10:00:00Z", OPEN),
        ("2026-01-31T10:00:00", "2026-01-31T10:00:00Z", OPEN),
        ("2026-01-31T10:00:00", "2026-01-31T22:00:00Z", OPEN),
        ("2026-01-31T10:00:00", "2026-01-31T22:00:01Z", BEFORE),
        ("2026-01-31T10:00:00", "2026-01-30T19:59:59Z", AFTER),
        ("2026-01-31T10:00:00", "2026-01-30T20:00:00Z", OPEN),
        ("10:30", "10:31:00", BEFORE),
        ("10:30", "10:30:59", OPEN),
        ("0001-01-01", "9999-12-31", BEFORE),
        ("9999", "9999-12", OPEN),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", SAME),
    ],
)
def test_two_moments_are_ordered_when_all_they_can_mean_is(left: str, right: str, expected: int | None) -> None:
    assert order(left, right) == expected


@pytest.mark.parametrize(
    "text",
    ["2026-02-29", "2026-00", "2026-1", "0000", "26", "2026-01-01T24:00:00Z", "2026-01-01T10:60", "25:00", "10:30:61",
     "2026-01T10:00", "2026-01-01T10:00:00+14:30", "2026-01-01T", "T10:00", "x", "", "2026-01-01 10:00", "٢٠٢٦"],
)  # fmt: skip
def test_what_is_no_moment_is_none(text: str) -> None:
    assert moment(text) is None


PROGRAM = """
from profiles import fhirpath
for text in (
    "@2026-03-01T10:00:00 < @2026-03-01T12:00:00Z", "@2026-03-01T10:00:00 = @2026-03-01T10:00:00+01:00",
    "@2026-03-01T10:00:00 < @2026-03-03T10:00:00Z", "@2026-03-01 < @2026-03-02T00:30:00+01:00",
    "@2026-03-29T02:30:00 + 1 hour", "@2026-03-01T10:00:00 ~ @2026-03-01T10:00:00", "now() > @2020-01-01T00:00:00Z",
    "now().toString().substring(23).length()",
):
    print(text, [str(one) for one in fhirpath.compile(text).evaluate({})])
"""


def test_no_answer_depends_on_the_time_zone_of_the_machine() -> None:
    root = Path(__file__).parents[4]
    answers = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=root,
            env={**os.environ, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for zone in ("UTC", "Pacific/Kiritimati", "America/Los_Angeles", "Europe/Amsterdam")
    }
    assert len(answers) == 1
    found = dict(line.rsplit(" ", 1) for line in answers.pop().splitlines())
    assert found["@2026-03-01T10:00:00 < @2026-03-01T12:00:00Z"] == "[]"
    assert found["@2026-03-01T10:00:00 < @2026-03-03T10:00:00Z"] == "['True']"


def test_today_is_today_in_the_netherlands() -> None:
    (today,) = fhirpath.compile("today()").evaluate({})
    utc = datetime.now(UTC)
    assert str(today) in {(utc + timedelta(hours=hours)).date().isoformat() for hours in (0, 1, 2)}


MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda one: one.replace(microsecond=0))  # noqa: DTZ001
ZONES = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, ZONES, MOMENTS, ZONES)
def test_moments_with_zones_are_ordered_as_instants(
    left: datetime, left_zone: timezone, right: datetime, right_zone: timezone
) -> None:
    a, b = left.replace(tzinfo=left_zone), right.replace(tzinfo=right_zone)
    utc = [one.replace(tzinfo=None) - zone.utcoffset(None) for one, zone in ((left, left_zone), (right, right_zone))]
    assert order(a.isoformat(), b.isoformat()) == (utc[0] > utc[1]) - (utc[0] < utc[1])


@given(MOMENTS, MOMENTS, ZONES)
def test_an_order_with_an_unzoned_time_holds_in_every_zone(left: datetime, right: datetime, zone: timezone) -> None:
    found = order(left.isoformat(), right.replace(tzinfo=zone).isoformat())
    instant = right - zone.utcoffset(None)
    for hours in (-12, -5, 0, 1, 14):
        read = left - timedelta(hours=hours) if left.year > 1 and left.year < 9999 else left
        if found is not None and read is not left:
            assert (read > instant) - (read < instant) == found


@given(MOMENTS, st.integers(-500, 500), st.sampled_from(["days", "hours", "minutes", "seconds"]))
def test_adding_and_taking_away_the_same_time_comes_back(start: datetime, count: int, unit: str) -> None:
    if not 2 <= start.year <= 9997:
        return
    text = f"@{start.isoformat()}Z + {abs(count)} {unit} - {abs(count)} {unit}"
    assert [str(one) for one in fhirpath.compile(text).evaluate({})] == [f"{start.isoformat()}Z"]
    moved = fhirpath.compile(f"@{start.isoformat()}Z + {abs(count)} {unit}").evaluate({})
    assert str(moved[0]) == f"{(start + timedelta(**{unit: abs(count)})).isoformat()}Z"
