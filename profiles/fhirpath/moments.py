"""Dates, moments and times of day of any precision: one order, which no setting of the machine changes.

A moment covers all the time that it can mean: ``2026`` a whole year, ``10:30`` a minute, a time with seconds one point
(fractions of a second are part of the seconds). Two moments are ordered when what they cover does not overlap, or when
they are of the same precision; else the order is not known (FHIRPath N1, sections 6.1.1 and 6.2).

A time without a zone may be meant in any zone, from 14 hours ahead of UTC to 12 behind. Against a time with a zone its
order is known only when all of these agree; a date against a moment is compared with the date as it is written there.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.quantities import Quantity

YEAR, MONTH, DAY, HOUR, MINUTE, SECOND = range(6)
_DAY_SECONDS: Final = 86_400
_AHEAD, _BEHIND = 14 * 3600, 12 * 3600
_MOMENT = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?"
    r"(?P<mark>T(?:(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d(?:\.\d{1,40})?))?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?)?",
    re.ASCII,
)
_TIME = re.compile(r"(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d(?:\.\d{1,40})?))?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Moment:
    """A date (``kind`` Date), moment (DateTime) or time of day (Time), with its text as it was written.

    ``low`` counts seconds, from the first day of year 1 or from midnight, on the clock on which it was written;
    ``width`` is how much time it covers; ``zone`` the offset of that clock in seconds.
    """

    kind: str
    text: str
    precision: int
    low: Decimal
    width: int
    zone: int | None

    def __str__(self) -> str:
        return self.text


def moment(text: str, *, literal: bool = False) -> Moment | None:
    """The moment that a text means; None when it is none, or no day or time that exists.

    ``literal``: as behind the ``@`` of an expression, where a time of day begins with ``T`` and ``2026T`` is a moment
    of which only the year is known. Otherwise as values of elements are written.
    """
    return _read(text, literal)


@lru_cache(maxsize=8192)
def _read(text: str, literal: bool) -> Moment | None:
    clock = text[1:] if literal and text.startswith("T") else text
    if (clock is not text or not literal) and (match := _TIME.fullmatch(clock)) is not None:
        if len(clock) < 5 and not literal:
            return None
        low = _seconds(match)
        precision = HOUR + sum(match[name] is not None for name in ("minute", "second"))
        return None if low is None else Moment("Time", clock, precision, low, _WIDTHS[precision], None)
    match = _MOMENT.fullmatch(text)
    if match is None or clock is not text:
        return None
    return _dated(match, text.removesuffix("T"), literal)


_WIDTHS: Final = {HOUR: 3600, MINUTE: 60, SECOND: 0}


def _dated(match: re.Match[str], text: str, literal: bool) -> Moment | None:
    try:
        first = date(int(match["year"]), int(match["month"] or 1), int(match["day"] or 1))
    except ValueError:
        return None
    low = Decimal(first.toordinal() * _DAY_SECONDS)
    if match["hour"] is None:
        if match["mark"] and (not literal or match["zone"]):
            return None
        precision = DAY if match["day"] else MONTH if match["month"] else YEAR
        width = (_after(first, precision) - first.toordinal()) * _DAY_SECONDS
        return Moment("DateTime" if match["mark"] else "Date", text, precision, low, width, None)
    clock = _seconds(match)
    if clock is None or not match["day"]:
        return None
    zone = match["zone"]
    if zone is None or zone == "Z":
        offset = None if zone is None else 0
    else:
        offset = (int(zone[1:3]) * 60 + int(zone[4:])) * (-60 if zone[0] == "-" else 60)
        if abs(offset) > _AHEAD or zone[4:] > "59":
            return None
    precision = SECOND if match["second"] else MINUTE if match["minute"] else HOUR
    return Moment("DateTime", text, precision, low + clock, _WIDTHS[precision], offset)


def _after(first: date, precision: int) -> int:
    """The day after all of a year, month or day."""
    if precision == DAY:
        return first.toordinal() + 1
    if precision == MONTH and first.month < 12:
        return first.replace(month=first.month + 1).toordinal()
    return first.toordinal() + 31 if first.year == 9999 and precision == MONTH else _new_year(first.year + 1)


def _new_year(year: int) -> int:
    return date(year, 1, 1).toordinal() if year <= 9999 else date.max.toordinal() + 1


def _seconds(found: re.Match[str]) -> Decimal | None:
    hour, minute, second = int(found["hour"]), int(found["minute"] or 0), Decimal(found["second"] or 0)
    # A leap second (60) is one second after 59.
    return None if hour > 23 or minute > 59 or second >= 61 else hour * 3600 + minute * 60 + second


def order_of(a: Moment, b: Moment) -> int | None:
    """-1, 0 or 1; None when precision or zone leave it open. FhirPathError for a time of day against a date."""
    if (a.kind == "Time") != (b.kind == "Time"):
        raise FhirPathError("FHIRPath: a time of day has no order among dates")
    early_a, late_a = Decimal(0), Decimal(0)
    early_b, late_b = Decimal(0), Decimal(0)
    if a.precision >= HOUR and b.precision >= HOUR and a.kind != "Time":
        if a.zone is not None and b.zone is not None:
            early_a = late_a = Decimal(-a.zone)
            early_b = late_b = Decimal(-b.zone)
        elif a.zone is not None:
            early_a = late_a = Decimal(-a.zone)
            early_b, late_b = Decimal(-_AHEAD), Decimal(_BEHIND)
        elif b.zone is not None:
            early_b = late_b = Decimal(-b.zone)
            early_a, late_a = Decimal(-_AHEAD), Decimal(_BEHIND)
    exact = a.precision == b.precision and early_a == late_a and early_b == late_b
    low_a, low_b = a.low + early_a, b.low + early_b
    if exact:
        return (low_a > low_b) - (low_a < low_b)
    high_a, high_b = a.low + a.width + late_a, b.low + b.width + late_b
    if high_a < low_b or (high_a == low_b and a.width):
        return -1
    if high_b < low_a or (high_b == low_a and b.width):
        return 1
    return None


_MONTHS: Final = {"year": 12, "month": 1}
_SECONDS: Final = {"week": 604_800, "day": 86_400, "hour": 3600, "minute": 60, "second": 1, "millisecond": 1}
_COARSER: Final = {YEAR: ("year", 365), MONTH: ("month", 30)}


def moved(start: Moment, amount: Quantity, sign: int) -> Moment | None:
    """A moment plus or minus a length of time (section 6.6.7), of the precision that it had.

    None when it leaves the years 1 to 9999. FhirPathError for a unit that is no length of calendar time: of the
    definite units only seconds and milliseconds can be added to a date.
    """
    unit = amount.unit if amount.calendar else {"s": "second", "ms": "millisecond"}.get(amount.unit, "")
    number = amount.value * sign
    if unit in _MONTHS:
        months = int(number) * _MONTHS[unit]
        return None if start.kind == "Time" else _moved_months(start, months)
    if unit not in _SECONDS:
        raise FhirPathError(f"FHIRPath: {amount.unit!r} cannot be added to a date or time")
    seconds = (number / 1000 if unit == "millisecond" else number if unit == "second" else int(number)) * _SECONDS[unit]
    if start.precision in _COARSER:
        _, days = _COARSER[start.precision]
        units = int(seconds / (_DAY_SECONDS * days))
        return _moved_months(start, units * 12 if start.precision == YEAR else units)
    step = {DAY: _DAY_SECONDS, HOUR: 3600, MINUTE: 60, SECOND: 0}[start.precision]
    if step:
        seconds = Decimal(int(Decimal(seconds) / step) * step)
    low = start.low + Decimal(seconds)
    return _written(start, low % _DAY_SECONDS if start.kind == "Time" else low)


def _moved_months(start: Moment, months: int) -> Moment | None:
    whole, clock = divmod(start.low, _DAY_SECONDS)
    day = date.fromordinal(int(whole))
    if abs(months) > 12 * 10_000:
        return None
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        return None
    moved_day = date(year, month + 1, min(day.day, _month_length(year, month + 1)))
    return _written(start, Decimal(moved_day.toordinal() * _DAY_SECONDS) + clock)


def _month_length(year: int, month: int) -> int:
    first = date(year, month, 1)
    return _after(first, MONTH) - first.toordinal()


def _written(start: Moment, low: Decimal) -> Moment | None:
    """The moment at another point of the same clock, in the same precision and form."""
    clock = low % _DAY_SECONDS
    hours = f"{int(clock) // 3600:02}"
    if start.precision >= MINUTE:
        hours += f":{int(clock) // 60 % 60:02}"
    if start.precision == SECOND:
        second = clock % 60
        hours += f":{int(second):02}" + (f"{second % 1:f}"[1:] if second % 1 else "")
    if start.kind == "Time":
        return moment("T" + hours, literal=True)
    whole = int(low // _DAY_SECONDS)
    if not 1 <= whole <= date.max.toordinal():
        return None
    day = (date.min + timedelta(days=whole - 1)).isoformat()
    text = day[: {YEAR: 4, MONTH: 7}.get(start.precision, 10)]
    if start.precision < HOUR:
        return moment(text + ("T" if start.kind == "DateTime" else ""), literal=True)
    zone = start.zone
    shown = "" if zone is None else "Z" if start.text.endswith("Z") else start.text[-6:]
    return moment(f"{text}T{hours}{shown}")
