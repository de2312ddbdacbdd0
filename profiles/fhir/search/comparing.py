"""Tests that compare: dates and quantities with a prefix. Made like those of ``matching``."""

import operator
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from profiles.fhir.search.dates import in_utc, interval, span
from profiles.fhir.search.matching import Test, split, unescape

_PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)

# Dates: FHIR STU3 search, section 3.1.1.4.7; the zone rule of spec/datasets.md section 1.

_Compare = Callable[[datetime, datetime, datetime, datetime], bool]
_COMPARISONS: dict[str, _Compare] = {
    # target low, target high, asked low, asked high; all half open
    "eq": lambda tl, th, pl, ph: pl <= tl and th <= ph,
    "ne": lambda tl, th, pl, ph: not (pl <= tl and th <= ph),
    "gt": lambda _tl, th, _pl, ph: th > ph,
    "lt": lambda tl, _th, pl, _ph: tl < pl,
    "ge": lambda _tl, th, pl, _ph: th > pl,
    "le": lambda tl, _th, _pl, ph: tl < ph,
    "sa": lambda tl, _th, _pl, ph: tl >= ph,
    "eb": lambda _tl, th, pl, _ph: th <= pl,
}


def date_test(alternatives: Sequence[str]) -> Test:
    """Match a date, dateTime, instant, Period or Timing against values with an optional prefix.

    ``ge`` and ``le`` match a period that has any part from, or up to and including, the time asked.
    """
    tests = [_one_date(alternative) for alternative in alternatives]

    def test(node: Any) -> bool:
        if isinstance(node, dict) and isinstance(node.get("event"), list):
            return any(single(moment) for moment in node["event"] for single in tests)
        return any(single(node) for single in tests)

    return test if len(tests) > 1 else tests[0]


def _one_date(alternative: str) -> Test:
    prefix, text = _prefixed(alternative)
    asked = span(text)
    if asked is None:
        raise ValueError("a date is written as YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a zone")
    compare = _COMPARISONS.get(prefix)
    if compare is None:
        raise ValueError(f"the prefix {prefix} is not supported; use eq, ne, gt, lt, ge, le, sa or eb")
    zone = asked.zone
    low, high = in_utc(asked.low, zone), in_utc(asked.high, zone)

    def test(node: Any) -> bool:
        found = interval(node, zone)
        return found is not None and compare(found[0], found[1], low, high)

    return test


def _prefixed(alternative: str) -> tuple[str, str]:
    found = _PREFIX.fullmatch(unescape(alternative))
    assert found is not None  # noqa: S101 - the pattern matches every text
    return found.group(1) or "eq", found.group(2)


# Quantities: FHIR STU3 search, section 3.1.1.4.12.

_NUMBERS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "gt": operator.gt,
    "lt": operator.lt,
    "ge": operator.ge,
    "le": operator.le,
}


def quantity_test(alternatives: Sequence[str]) -> Test:
    """Match ``[prefix]number``, ``[prefix]number|system|code`` and ``[prefix]number||code``.

    Without a prefix the number stands for the range that its digits leave open: 5.40 is 5.395 up to 5.405.
    """
    tests = [_one_quantity(alternative) for alternative in alternatives]
    return lambda node: any(test(node) for test in tests)


def _one_quantity(alternative: str) -> Test:
    parts = [unescape(part) for part in split(alternative, "|")]
    prefix, number = _prefixed(parts[0])
    if len(parts) not in (1, 3) or prefix not in (*_NUMBERS, "eq", "ne") or len(number) > 64:
        raise ValueError("a quantity is written as number or number|system|code, with prefix eq, ne, gt, lt, ge or le")
    try:
        asked = Decimal(number)
    except InvalidOperation as error:
        raise ValueError("a quantity starts with a number") from error
    exponent = asked.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > 64:
        raise ValueError("a quantity starts with a number")
    half = Decimal(5).scaleb(exponent - 1)
    system, code = (parts[1], parts[2]) if len(parts) == 3 else ("", "")

    def test(node: Any) -> bool:
        value = node.get("value") if isinstance(node, dict) else None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return False
        if (system and node.get("system") != system) or (code and code not in (node.get("code"), node.get("unit"))):
            return False
        if prefix in _NUMBERS:
            return _NUMBERS[prefix](Decimal(value), asked)
        return (asked - half <= value < asked + half) == (prefix == "eq")

    return test
