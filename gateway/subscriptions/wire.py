"""The JSON of the subscription interface, in both forms: what a PGO asks, and what it is answered.

The form of framework 1.1 has ``id``, ``end`` (a moment) and ``status``; 2.x has ``subscription_id`` and ``end_date`` (a
day). Both are read; one is written (setting). Source: spec/subscriptions.md section 3.
"""

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Literal

from auth.ages import ZONE

LARGEST = 8_192
"""Bytes of a body."""
OLD = frozenset({"id", "end", "status"})
KNOWN = OLD | {"subscription_id", "end_date"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
Form = Literal["2.x", "1.1"]


class Malformed(ValueError):
    """A body that cannot be meant; the text is public and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a PGO asks: an end, or that it ends now."""

    end: date | None = None
    off: bool = False
    id: str = ""


def read(body: bytes, form: Form) -> Wish:
    """The wish in a body; an empty one asks for the most. Raises Malformed."""
    if not body.strip():
        return Wish()
    try:
        parsed = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Malformed("the body is no JSON object with every name once") from None
    if not isinstance(parsed, dict) or not all(isinstance(value, str) for value in parsed.values()):
        raise Malformed("the body is an object of texts")
    if form == "1.1" and parsed.keys() - KNOWN:
        raise Malformed("the body has a name that is not known")
    if "status" in parsed and parsed["status"] != "off":
        raise Malformed("status can be off")
    return Wish(_end(parsed), parsed.get("status") == "off", parsed.get("subscription_id") or parsed.get("id") or "")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _end(told: dict[str, str]) -> date | None:
    try:
        if "end" in told:
            if _MOMENT.fullmatch(told["end"]) is None:
                raise Malformed("end is a moment with seconds and a time zone")
            return datetime.fromisoformat(told["end"]).astimezone(ZONE).date()
        if "end_date" in told:
            text = told["end_date"]
            if _DAY.fullmatch(text) is None and _MOMENT.fullmatch(text) is None:
                raise Malformed("end_date is a day")
            return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text).astimezone(ZONE).date()
    except (ValueError, OverflowError) as fault:
        if isinstance(fault, Malformed):
            raise
        raise Malformed("the end is no day of the calendar") from None
    return None


def answer(id_: str, end: date, form: Form, *, active: bool = True) -> dict[str, str]:
    """What a subscription is, for the PGO."""
    if form == "1.1":
        moment = datetime.combine(end, time(23, 59, 59), ZONE)
        return {"id": id_, "end": moment.isoformat()} | ({} if active else {"status": "off"})
    return {"subscription_id": id_, "end_date": end.isoformat()}


def resource_notice(id_: str) -> dict[str, str]:
    """There is something new: two fields and no more (AB-30)."""
    return {"subscription_id": id_, "notification_type": "resource"}


def subscription_notice(id_: str, end: date) -> dict[str, str]:
    """The provider changed or ended it (SUB-06)."""
    return {"subscription_id": id_, "notification_type": "subscription", "end_date": end.isoformat()}
