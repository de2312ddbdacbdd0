"""FHIR dates as intervals of time, for search, sorting and ``$lastn``.

A value covers all the time it can mean: ``2026-01-05`` covers that day from 00:00 to 24:00, ``2026`` the whole year.
Intervals are half open. A search value without a zone is a wall clock: it is compared with the wall clock of the
stored value, in the zone in which that was written (spec/datasets.md section 1). A search value with a zone is an
instant: stored values with a zone are compared as instants, stored values without one are read in the zone asked.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
OPEN_START = datetime.min  # noqa: DTZ901 - the wall clocks compared here have no zone by design
OPEN_END = datetime.max  # noqa: DTZ901


class Span(NamedTuple):
    """A half-open interval of wall-clock time and the zone in which it was written, when there is one."""

    low: datetime
    high: datetime
    zone: tzinfo | None


@lru_cache(maxsize=8192)
def span(text: str) -> Span | None:
    """The interval that a FHIR date, dateTime or instant covers; None when the text is none of these."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        if month is None:
            return Span(datetime(int(year), 1, 1), _next_month(int(year), 12), None)  # noqa: DTZ001
        if day is None:
            return Span(datetime(int(year), int(month), 1), _next_month(int(year), int(month)), None)  # noqa: DTZ001
        low = datetime(int(year), int(month), int(day))  # noqa: DTZ001
        if hour is None:
            return Span(low, _after(low, timedelta(days=1)), None)
        # A leap second counts as the second before it: datetime cannot hold it.
        low = low.replace(hour=int(hour), minute=int(minute), second=min(int(second or 0), 59))
        if fraction:
            low += timedelta(microseconds=int(fraction[1:7].ljust(6, "0")))
        width = timedelta(microseconds=1) if fraction else timedelta(seconds=1) if second else timedelta(minutes=1)
        return Span(low, _after(low, width), _zone(zone))
    except ValueError:
        return None


def _after(moment: datetime, width: timedelta) -> datetime:
    """9999-12-31 is how some systems write "no end": it may not overflow."""
    return moment + width if moment < OPEN_END - width else OPEN_END


def _next_month(year: int, month: int) -> datetime:
    if month < 12:
        return datetime(year, month + 1, 1)  # noqa: DTZ001
    return datetime(year + 1, 1, 1) if year < 9999 else OPEN_END  # noqa: DTZ001


def _zone(text: str | None) -> tzinfo | None:
    return datetime.fromisoformat(f"2000-01-01T00:00:00{text}").tzinfo if text else None


def in_utc(moment: datetime, zone: tzinfo | None) -> datetime:
    """A wall clock in a zone as UTC wall clock; without a zone, and at the ends of time, unchanged."""
    if zone is None:
        return moment
    try:
        return moment.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        return moment


def interval(value: Any, asked_zone: tzinfo | None = None) -> tuple[datetime, datetime] | None:
    """The interval of a stored dateTime or Period, on the clock that suits the value asked for.

    Without ``asked_zone`` the wall clock of the stored value; with it UTC, where a stored value without zone is read
    in the zone asked. None when there is no usable value. A Period that is open at a side reaches to the end of time.
    """
    if isinstance(value, str):
        low = high = span(value)
    elif isinstance(value, Mapping):
        start, end = value.get("start"), value.get("end")
        low = span(start) if isinstance(start, str) else None
        high = span(end) if isinstance(end, str) else None
        # An unreadable boundary is unknown, not open: it may not make a period endless.
        if (start is not None and low is None) or (end is not None and high is None):
            return None
    else:
        return None
    if low is None and high is None:
        return None
    begin = OPEN_START if low is None else _on_clock(low.low, low.zone, asked_zone)
    finish = OPEN_END if high is None else _on_clock(high.high, high.zone, asked_zone)
    return begin, finish


def _on_clock(moment: datetime, zone: tzinfo | None, asked_zone: tzinfo | None) -> datetime:
    return moment if asked_zone is None else in_utc(moment, zone or asked_zone)


def latest(value: Any) -> datetime | None:
    """The moment by which a dateTime or Period is ordered: its end when there is one, else its start, in UTC."""
    if isinstance(value, Mapping):
        value = value["end"] if isinstance(value.get("end"), str) else value.get("start")
    return _end_of(value) if isinstance(value, str) else None


@lru_cache(maxsize=8192)
def _end_of(text: str) -> datetime | None:
    found = interval(text, UTC)
    return None if found is None else found[1]
