"""FHIR values for reading: dates, quantities with their units, codes by display, references by display.

In Dutch, or in the language that is spoken now (`gateway.dossier.speech`).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from gateway.dossier.speech import in_dutch, label, said
from profiles.rows import read

_DATE = re.compile(r"(\d{4})(?:-(0[1-9]|1[0-2])(?:-(\d\d)(?:T(\d\d):(\d\d).*)?)?)?")
UNKNOWN = "niet ingevuld"
"""A label: `label` says it in the language that is spoken."""
SPACE = "\u00a0"
"""A space that does not break: a date stays on one line."""

Words = Mapping[str, str]
"""Dutch words for codes that have no display of their own."""


def text_of(value: Any, words: Words) -> str:
    """One value as a person reads it. The kind of a complex value is seen from its members."""
    if isinstance(value, bool):
        return said("yes") if value else said("no")
    if not isinstance(value, dict):
        text = str(value)
        return words.get(text) or moment(text) or text
    for members, write in _KINDS:
        if members & value.keys():
            return write(value, words) or label(UNKNOWN)
    return label(UNKNOWN)


def moment(text: str) -> str:
    """A FHIR date or instant in words, no more exact than it is; empty when it is none."""
    found = _DATE.fullmatch(text)
    if found is None:
        return ""
    year, month, day, hour, minute = found.groups()
    if month is None:
        return year
    written = SPACE.join([*([str(int(day))] if day else []), said("months").split()[int(month) - 1], year])
    clock = f"{hour}:{minute}" if hour and (hour, minute) != ("00", "00") else ""
    return said("at", day=written, clock=clock) if clock else written


def plural(count: int, one: str, more: str) -> str:
    """A number with its noun: 1 vraag, 2 vragen."""
    return f"{count} {one if count == 1 else more}"


@lru_cache(maxsize=1)
def _units() -> Mapping[str, Sequence[str]]:
    return read(Path(__file__).parent / "units.toml", dict[str, dict[str, tuple[str, ...]]])["words"]


def unit_of(value: Mapping[str, Any]) -> str:
    """The unit of a Quantity in words; what we have no words for is said as the source wrote it."""
    written, code = str(value.get("unit") or ""), str(value.get("code") or "")
    # The words of the source stand, unless they are only a code.
    words = _units().get(written) or (_units().get(code) if not written or written == code else None)
    if words is None:
        return written or code
    return label(words[0] if str(value.get("value")) in ("1", "1.0") else words[-1], "units")


def day(when: date) -> str:
    """A day in words: 3 maart 2026."""
    return moment(when.isoformat()[:10])


def _concept(value: Mapping[str, Any], words: Words) -> str:
    # Several codings of one concept say the same in other code systems: the first that says it in words will do.
    return next(filter(None, (_coding(coding, words) for coding in value["coding"])), "")


def _coding(value: Mapping[str, Any], words: Words) -> str:
    code = str(value.get("code", ""))
    return str(value.get("display") or words.get(code) or code)


def number(value: Mapping[str, Any]) -> str:
    """The number of a Quantity with its digits as they came; in Dutch with a comma: 79,0."""
    number = value.get("value", "")
    return number if isinstance(number, str) else decimal_text(number)


def decimal_text(number: object) -> str:
    """A number as the language that is spoken writes it, with its own digits."""
    return str(number).replace(".", ",") if in_dutch() else str(number)


def _quantity(value: Mapping[str, Any], _words: Words) -> str:
    return f"{value.get('comparator', '')} {number(value)} {unit_of(value)}".strip()


def _range(value: Mapping[str, Any], words: Words) -> str:
    low, high = value.get("low"), value.get("high")
    if low and high:
        return said("between", start=number(low), end=_quantity(high, words))
    return said("from_low", low=_quantity(low, words)) if low else said("until", end=_quantity(high or {}, words))


def _period(value: Mapping[str, Any], _words: Words) -> str:
    start, end = moment(str(value.get("start", ""))), moment(str(value.get("end", "")))
    if not end or start == end:
        return start if end else said("since", start=start)
    at = said("at", day="", clock="")
    same_day = start.partition(at)[0] == end.partition(at)[0]
    last = end.partition(at)[2] if same_day else end
    return said("between", start=start, end=last) if start else said("until", end=end)


def _name(value: Mapping[str, Any], _words: Words) -> str:
    return " ".join([*value.get("given", [])[:1], value.get("family", "")]).strip()


def _address(value: Mapping[str, Any], _words: Words) -> str:
    lines = [", ".join(value.get("line", [])), f"{value.get('postalCode', '')} {value.get('city', '')}".strip()]
    return ", ".join(line for line in lines if line)


_KINDS = (
    (frozenset({"text"}), lambda value, _words: str(value["text"])),
    (frozenset({"coding"}), _concept),
    (frozenset({"reference", "display"}), lambda value, _words: str(value.get("display", ""))),
    (frozenset({"start", "end"}), _period),
    (frozenset({"low", "high"}), _range),
    (frozenset({"family"}), _name),
    (frozenset({"postalCode", "city"}), _address),
    (frozenset({"value"}), _quantity),
    (frozenset({"code"}), _coding),
)
"""The kinds of complex values by a member that only they have, the most telling first (a Coding has its display)."""
