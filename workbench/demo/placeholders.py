"""Relative dates and attached files in the data of the demo world, filled in on the day of loading.

``{{today}}``, ``{{today-14d}}``, ``{{today-58y-3m}}``: a day. Steps are ``+`` or ``-``, a number and ``d``, ``w``,
``m`` or ``y``, taken in the order written; a month that is too short gives its last day.
``{{today-14d@08:30}}``: that day at that time in Amsterdam, with its offset. ``{{year-9y}}``: a year only.
``{{base64:F}}``, ``{{sha1:F}}`` and ``{{size:F}}``: the bytes of the file F of the world, their SHA-1 (both in base64)
and their number; the last is a number when it is the whole text.
"""

import base64
import calendar
import hashlib
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

_DATE = re.compile(r"\{\{(today|year)((?:[+-]\d+[dwmy])*)(?:@(\d\d):(\d\d))?\}\}")
_STEP = re.compile(r"([+-]\d+)([dwmy])")
_FILE = re.compile(r"\{\{(base64|sha1|size):([\w./-]+)\}\}")
_AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def moved(day: date, steps: str) -> date:
    """The day that lies the written steps away: ``moved(date(2026, 3, 31), "-1m+2d")`` is 2 March 2026."""
    for amount, unit in _STEP.findall(steps):
        count = int(amount)
        if unit in "dw":
            day += timedelta(days=count * (7 if unit == "w" else 1))
            continue
        months = day.year * 12 + day.month - 1 + count * (12 if unit == "y" else 1)
        year, month = divmod(months, 12)
        day = date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
    return day


def filled(node: Any, day: date, read: Callable[[str], bytes]) -> Any:
    """A copy of JSON-like data with every placeholder filled in.

    :raises ValueError: a placeholder that is not one of ours is left, a typing error in the data.
    """
    if isinstance(node, dict):
        return {key: filled(value, day, read) for key, value in node.items()}
    if isinstance(node, list):
        return [filled(value, day, read) for value in node]
    if not isinstance(node, str) or "{{" not in node:
        return node
    size = _FILE.fullmatch(node)
    if size and size[1] == "size":
        return len(read(size[2]))
    text = _FILE.sub(lambda match: _file(match, read), _DATE.sub(lambda match: _date(match, day), node))
    if "{{" in text:
        raise ValueError(f"unknown placeholder in {node[:60]!r}")
    return text


def _date(match: re.Match[str], day: date) -> str:
    base, steps, hours, minutes = match.groups()
    then = moved(day, steps)
    if base == "year":
        return str(then.year)
    if hours is None:
        return then.isoformat()
    return datetime.combine(then, time(int(hours), int(minutes)), _AMSTERDAM).isoformat()


def _file(match: re.Match[str], read: Callable[[str], bytes]) -> str:
    content = read(match[2])
    if match[1] == "size":
        return str(len(content))
    # FHIR states the hash of an attachment as SHA-1; it identifies the file and protects nothing.
    data = content if match[1] == "base64" else hashlib.sha1(content, usedforsecurity=False).digest()
    return base64.b64encode(data).decode()
