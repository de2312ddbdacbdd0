"""The calendar day by which the gateway decides: that of the Netherlands."""

from collections.abc import Callable
from datetime import UTC, date, datetime

from auth.ages import today

Today = Callable[[], date]
"""Tells the day; tests bring one of their own."""


def utc(moment: datetime) -> datetime:
    """A moment of the store with its zone: SQLite keeps none, and what is kept is UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def today_here() -> date:
    """Today in the Netherlands, wherever the machine stands."""
    return today(datetime.now(UTC))
