"""Who may collect at which age (AVL-04), as a table, and the arithmetic of birthdays."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from auth.ports import Representation

ZONE = ZoneInfo("Europe/Amsterdam")


@dataclass(frozen=True, slots=True)
class AgeRule:
    """For one way of acting: the ages of the person in years, both inclusive, at which collecting is allowed."""

    id: str
    acting: Representation | None
    lowest: int
    highest: int | None


AGE_RULES = (
    AgeRule("self-16", None, 16, None),
    AgeRule("voluntary-16", Representation.VOLUNTARY, 16, None),
    AgeRule("parent-0-11", Representation.PARENTAL, 0, 11),
)


def today(now: datetime) -> date:
    """The calendar day in the Netherlands."""
    return now.astimezone(ZONE).date()


def age(birth_date: date, day: date) -> int:
    """Full years on a day. Somebody born on 29 February turns on 1 March of other years."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def deciding_rule(birth_date: date, day: date, acting: Representation | None) -> AgeRule | None:
    """The rule that allows it, or None when no rule does."""
    years = age(birth_date, day)
    for rule in AGE_RULES:
        if rule.acting is acting and years >= rule.lowest and (rule.highest is None or years <= rule.highest):
            return rule
    return None
