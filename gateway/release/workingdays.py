"""Working days in the Netherlands (RP-32): Monday to Friday, without the general holidays, which are computed."""

from datetime import date, timedelta
from functools import cache
from pathlib import Path

from profiles.rows import Row, RowError, read

SATURDAY, SUNDAY = 5, 6


class Holiday(Row, frozen=True):
    """``[[holiday]]`` of holidays.toml."""

    name: str
    easter: int | None = None
    month: int = 0
    day: int = 0
    not_on_sunday: bool = False

    def on(self, year: int) -> date:
        """The day in a year."""
        if self.easter is not None:
            return easter(year) + timedelta(days=self.easter)
        fixed = date(year, self.month, self.day)
        return fixed - timedelta(days=1) if self.not_on_sunday and fixed.weekday() == SUNDAY else fixed


class Holidays(Row, frozen=True):
    """holidays.toml."""

    holiday: tuple[Holiday, ...]


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous rule of 1876)."""
    golden, century, rest = year % 19, year // 100, year % 100
    moon = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    week = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (golden + 11 * moon + 22 * week) // 451
    month, day = divmod(moon + week - 7 * late + 114, 31)
    return date(year, month, day + 1)


@cache
def holidays(year: int) -> frozenset[date]:
    """The holidays of a year. Raises RowError when the table is no table."""
    rows = read(Path(__file__).with_name("holidays.toml"), Holidays).holiday
    try:
        return frozenset(one.on(year) for one in rows)
    except ValueError as fault:
        raise RowError(f"holidays.toml: {fault}") from fault


def is_working_day(day: date) -> bool:
    """Whether people work on a day."""
    return day.weekday() < SATURDAY and day not in holidays(day.year)


def after(day: date, count: int) -> date:
    """The ``count``-th working day after a day; the day itself for 0."""
    while count > 0:
        day += timedelta(days=1)
        count -= is_working_day(day)
    return day


def between(day: date, last: date) -> int:
    """How many working days there are after ``day``, up to and including ``last``; 0 when it is not later."""
    return sum(is_working_day(day + timedelta(days=one)) for one in range(1, (last - day).days + 1))
