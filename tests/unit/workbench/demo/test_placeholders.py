"""Dates relative to the day of loading, and files, in the data of the demo world."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.demo.placeholders import filled, moved

DAY = date(2026, 3, 31)


def fill(node: Any) -> Any:
    return filled(node, DAY, lambda name: b"%PDF" if name == "a/b.pdf" else b"")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{{today}}", "2026-03-31"),
        ("{{today-14d}}", "2026-03-17"),
        ("{{today+2w}}", "2026-04-14"),
        ("{{today-1m}}", "2026-02-28"),
        ("{{today-1m+1d}}", "2026-03-01"),
        ("{{today-58y-3m}}", "1967-12-31"),
        ("{{year-9y}}", "2017"),
        ("{{today-1d@08:30}}", "2026-03-30T08:30:00+02:00"),
        ("{{today-1m@08:30}}", "2026-02-28T08:30:00+01:00"),
        ("van {{today}} tot {{today+1d}}", "van 2026-03-31 tot 2026-04-01"),
        ("{{size:a/b.pdf}}", 4),
        ("{{base64:a/b.pdf}}", "JVBERg=="),
        ("geen datum", "geen datum"),
    ],
)
def test_what_is_written_and_what_it_means(written: str, meant: object) -> None:
    assert fill({"a": [written]}) == {"a": [meant]}


@pytest.mark.parametrize("typo", ["{{tody}}", "{{today-14}}", "{{today-14 d}}", "{{sha256:x}}"])
def test_a_typing_error_is_not_served_to_anyone(typo: str) -> None:
    with pytest.raises(ValueError, match="unknown placeholder"):
        fill(typo)


@given(st.dates(date(1950, 1, 1), date(2100, 1, 1)), st.integers(-600, 600))
def test_moving_by_months_keeps_the_day_or_gives_the_last_of_the_month(day: date, months: int) -> None:
    there = moved(day, f"{months:+d}m")
    assert (there.year * 12 + there.month) - (day.year * 12 + day.month) == months
    assert there.day == day.day or (there.day < day.day and moved(there, "+1d").day == 1)
