"""The age rules as a table (AVL-04, CT-51, SC-G3)."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.ages import AGE_RULES, age, deciding_rule, today
from auth.ports import Representation

PARENT, MANDATE = Representation.PARENTAL, Representation.VOLUNTARY


@pytest.mark.parametrize(
    ("years", "acting", "rule"),
    [(0, None, None), (11, None, None), (12, None, None), (15, None, None), (16, None, "self-16"),
     (90, None, "self-16"),
     (0, PARENT, "parent-0-11"), (11, PARENT, "parent-0-11"), (12, PARENT, None), (15, PARENT, None),
     (16, PARENT, None),
     (11, MANDATE, None), (15, MANDATE, None), (16, MANDATE, "voluntary-16")],
)  # fmt: skip
def test_who_may_at_which_age(years: int, acting: Representation | None, rule: str | None) -> None:
    """AVL-04: 16 and older themselves, 0 to 11 through a parent, 12 to 15 not at all."""
    found = deciding_rule(date(2026 - years, 6, 1), date(2026, 6, 1), acting)
    assert (found.id if found else None) == rule


def test_the_birthday_itself_and_29_february() -> None:
    """CT-51: the sixteenth birthday passes; born on 29 February turns on 1 March."""
    assert age(date(2010, 6, 1), date(2026, 5, 31)) == 15
    assert age(date(2010, 6, 1), date(2026, 6, 1)) == 16
    assert age(date(2008, 2, 29), date(2024, 2, 28)) == 15
    assert age(date(2008, 2, 29), date(2024, 2, 29)) == 16
    assert age(date(2008, 2, 29), date(2025, 2, 28)) == 16
    assert age(date(2008, 2, 29), date(2025, 3, 1)) == 17


def test_the_day_is_the_dutch_day() -> None:
    """AVL-04: half past eleven at night in London is tomorrow here."""
    assert today(datetime(2026, 6, 30, 22, 30, tzinfo=UTC)) == date(2026, 7, 1)
    assert today(datetime(2026, 1, 31, 23, 30, tzinfo=UTC)) == date(2026, 2, 1)


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_rules_of_one_way_of_acting_never_overlap(born: date, day: date) -> None:
    """At most one rule decides, so the rule that decided can be named."""
    for acting in (None, *Representation):
        fitting = [
            rule for rule in AGE_RULES
            if rule.acting is acting and rule.lowest <= age(born, day) <= (rule.highest or 10**6)
        ]  # fmt: skip
        assert len(fitting) <= 1
