"""The functions of the mapping language. Each docstring is its documentation: docs/mapping.md holds them word for word.

A function takes ready values and returns one, or None for "nothing". Unless it says otherwise, it gives nothing when
its first argument is nothing. ValueError means that a record cannot be mapped; its text must not hold the value.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adapters.mapping.terms import TermMap, Terms

UCUM = "http://unitsofmeasure.org"

_PATTERNS = {"dd-mm-yyyy": "%d-%m-%Y", "yyyymmdd": "%Y%m%d", "yyyy-mm-dd": "%Y-%m-%d", "dd/mm/yyyy": "%d/%m/%Y"}
_TIMES = {**_PATTERNS, "yyyymmddhhmmss": "%Y%m%d%H%M%S", "dd-mm-yyyy hh:mm": "%d-%m-%Y %H:%M"}
_PARTIAL = re.compile(r"\d{4}(-(0[1-9]|1[0-2]))?", re.ASCII)
_FRACTION = re.compile(r"(?<=:\d\d)\.\d{1,9}", re.ASCII)
_NOT_ID = re.compile(r"[^A-Za-z0-9.\-]", re.ASCII)


def text(value: Any) -> str | None:
    """The value as text, without spaces around it; nothing when that leaves nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    stripped = (value.isoformat() if isinstance(value, date) else str(value)).strip()
    return stripped or None


def concat(*values: Any) -> str | None:
    """The texts one after the other, without those that are nothing; nothing when the first is nothing."""
    return "".join(part for part in (text(value) for value in values if value is not None) if part) or None


def join(separator: Any, *values: Any) -> str | None:
    """The texts with a separator between them; those that are nothing are passed over."""
    return str(separator).join(part for part in (text(v) for v in values if v is not None) if part) or None


def default(*values: Any) -> Any:
    """The first value that is something; those behind it are not worked out."""
    return next((value for value in values if present(value)), None)


def if_(condition: Any, then: Any, otherwise: Any = None) -> Any:
    """The second value when the condition is true, else the third (or nothing). Only that one is worked out."""
    return then if condition is True else otherwise


def equals(value: Any, *others: Any) -> bool:
    """True when the value is one of the others; texts are compared without spaces around them."""
    return any(_plain(value) == _plain(other) for other in others)


def present(value: Any) -> bool:
    """True when the value is something."""
    return value is not None and text(value) is not None


def not_(condition: Any) -> bool:
    """True when the condition is not true."""
    return condition is not True


def all_(*conditions: Any) -> bool:
    """True when every condition is true."""
    return all(condition is True for condition in conditions)


def any_(*conditions: Any) -> bool:
    """True when one of the conditions is true."""
    return any(condition is True for condition in conditions)


def before(value: Any, other: Any) -> bool:
    """True when the first date, time or number is before the second; false when one of them is nothing."""
    if other is None:
        return False
    if isinstance(value, int | Decimal) or isinstance(other, int | Decimal):
        return Decimal(str(value)) < Decimal(str(other))
    return _moment_text(value) < _moment_text(other)


def today() -> str:
    """The date of today in the Netherlands."""
    return datetime.now(ZoneInfo("Europe/Amsterdam")).date().isoformat()


def date_(value: Any, pattern: str = "yyyy-mm-dd") -> str | None:
    """A FHIR date. A text is read by a pattern: 'yyyy-mm-dd' (also a year, or year and month, alone), 'dd-mm-yyyy',
    'dd/mm/yyyy' or 'yyyymmdd'. The time of a moment is left off."""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    stripped = str(value).strip()
    if not stripped:
        return None
    if pattern == "yyyy-mm-dd" and _PARTIAL.fullmatch(stripped):
        return stripped
    whole = stripped[:10] if pattern == "yyyy-mm-dd" else stripped
    return _read_time(whole, _PATTERNS, pattern, "date").date().isoformat()


def datetime_(value: Any, zone: str = "Europe/Amsterdam", pattern: str = "iso") -> str | None:
    """A FHIR dateTime with seconds and offset. A moment without a zone is taken to be in the zone that is named. A
    text is read by a pattern: 'iso', 'yyyymmddhhmmss', 'dd-mm-yyyy hh:mm', or a pattern of date(). A date stays a
    date; the fraction of a second in an ISO text stays as it is."""
    fraction = ""
    if isinstance(value, str):
        stripped = value.strip()
        if not stripped:
            return None
        if pattern == "iso" and len(stripped) <= 10:
            return date_(stripped)
        if pattern == "iso" and (matched := _FRACTION.search(stripped)):
            fraction = matched[0]
            stripped = stripped.replace(fraction, "", 1)
        moment = _iso(stripped) if pattern == "iso" else _read_time(stripped, _TIMES, pattern, "moment")
    elif isinstance(value, datetime):
        moment = value
    else:
        return date_(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_zone(zone))
    elif moment.utcoffset() is not None:
        moment = moment.astimezone(_zone(zone))
    text_ = moment.replace(microsecond=0).isoformat()
    return text_[:19] + fraction + text_[19:]


def decimal(value: Any, comma: str = ".") -> Decimal | None:
    """A number with the digits that the source has: 1.50 stays 1.50. The second argument is the decimal mark (',')."""
    if isinstance(value, bool):
        raise ValueError("not a number")
    stripped = repr(value) if isinstance(value, float) else str(value).strip()
    if comma == ",":
        stripped = stripped.replace(".", "").replace(",", ".")
    if not stripped:
        return None
    try:
        number = Decimal(stripped)
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > 40:
        raise ValueError("not a number")
    return Decimal(f"{number:f}")


def integer(value: Any) -> int | None:
    """A whole number."""
    number = decimal(value)
    if number is None:
        return None
    if number != number.to_integral_value():
        raise ValueError("not a whole number")
    return int(number)


def times(value: Any, factor: Any) -> int | None:
    """A whole number of units: the product of two numbers, rounded up; nothing when one of them is nothing."""
    number, by = decimal(value), decimal(factor) if factor is not None else None
    return None if number is None or by is None else int((number * by).to_integral_value(ROUND_CEILING))


def later(value: Any, amount: Any, factor: Any) -> str | None:
    """A moment a number of minutes later: amount times factor; nothing when one of them is nothing or it is a date."""
    if amount is None or factor is None or not isinstance(value, str | datetime) or len(str(value)) <= 10:
        return None
    moment = value if isinstance(value, datetime) else _iso(value)
    return (moment + timedelta(minutes=times(amount, factor) or 0)).isoformat()


def boolean(value: Any, yes: Any = True, no: Any = False) -> bool | None:
    """True or false: the values that mean yes and no are given (``boolean(smokes, 'J', 'N')``); another value fails."""
    if _plain(value) == _plain(yes) or (yes is True and value == 1):
        return True
    if _plain(value) == _plain(no) or (no is False and value == 0):
        return False
    if not present(value):
        return None
    raise ValueError("neither yes nor no")


def quantity(value: Any, unit: Any, code: Any = None) -> dict[str, Any] | None:
    """A Quantity: number, unit as people write it, and the UCUM code (left out: the unit is the UCUM code)."""
    number = value if isinstance(value, Decimal) else decimal(value)
    if number is None:
        return None
    shown = text(unit) if unit is not None else None
    ucum = text(code) if code is not None else shown
    found = {"value": number, "unit": shown, "system": UCUM if ucum else None, "code": ucum}
    return {name: item for name, item in found.items() if item is not None}


def reference(kind: str, key: Any, display: Any = None) -> dict[str, Any] | None:
    """A Reference to another resource of this source: its type, its id, and the text that people see."""
    given = id_(key)
    if given is None:
        return None
    shown = text(display) if display is not None else None
    return {"reference": f"{kind}/{given}", **({"display": shown} if shown else {})}


def link(kind: str, key: Any) -> str | None:
    """The text of a reference, ``Type/id``, for an element ``reference`` that has other elements beside it."""
    given = id_(key)
    return None if given is None else f"{kind}/{given}"


def id_(*values: Any) -> str | None:
    """A FHIR id: the texts with '-' between them; other characters than letters, digits, '-' and '.' become '-'.
    Nothing when one of them is nothing; longer than 64 fails."""
    parts = [text(one) if one is not None else None for one in values]
    if any(part is None for part in parts):
        return None
    made = _NOT_ID.sub("-", "-".join(str(part) for part in parts))
    if len(made) > 64:
        raise ValueError("an id of more than 64 characters")
    return made


def key(*values: Any) -> str | None:
    """As id(), for numbers of which nobody knows the form: where id() would change a character, or fail for its length,
    the end is a hash of the texts, so that two different numbers never give one id."""
    parts = [text(one) if one is not None else None for one in values]
    if any(part is None for part in parts):
        return None
    made = "-".join(map(str, parts))
    if len(made) <= 64 and not _NOT_ID.search(made):
        return made
    return f"{_NOT_ID.sub('-', made)[:47]}-{sha256(chr(31).join(map(str, parts)).encode()).hexdigest()[:16]}"


def base64_(value: Any) -> str | None:
    """Bytes in base64."""
    data = value.encode() if isinstance(value, str) else bytes(value)
    return base64.b64encode(data).decode() or None


@dataclass(frozen=True, slots=True)
class Library:
    """The functions that need the terminology maps and systems of the mapping they are used in."""

    terms: Terms

    def code(self, value: Any, name: str) -> str | None:
        """The plain code that a terminology map has for the value; for elements of type code."""
        coding = self._map(name).coding(str(text(value)))
        return str(coding["code"]) if coding else None

    def coding(self, value: Any, name: str) -> dict[str, Any] | None:
        """The Coding that a terminology map has for the value."""
        return self._map(name).coding(str(text(value)))

    def concept(self, value: Any, name: str, shown: Any = None) -> dict[str, Any] | None:
        """A CodeableConcept: the Coding of a terminology map and, when given, the text of the source. A map that says
        ``otherwise: text`` leaves the text alone for a value that it does not have."""
        found = self._map(name)
        coding = found.coding(str(text(value)))
        words = text(shown) if shown is not None else None
        if words is None and coding is None and found.keeps_text:
            words = text(value)
        made = {"coding": [coding] if coding else None, "text": words}
        return {key: item for key, item in made.items() if item} or None

    def coded(self, value: Any, system: str, display: Any = None, words: Any = None) -> dict[str, Any] | None:
        """A CodeableConcept for a value that is a code already: the code, the short name or URL of its system, the
        display, and a text."""
        coding = self.plain_coding(value, system, display)
        shown = text(words) if words is not None else None
        if coding is None:
            return {"text": shown} if shown else None
        return {"coding": [coding], **({"text": shown} if shown else {})}

    def plain_coding(self, value: Any, system: str, display: Any = None) -> dict[str, Any] | None:
        """A Coding for a value that is a code already."""
        key = text(value) if value is not None else None
        if key is None:
            return None
        shown = text(display) if display is not None else None
        return {"system": self._system(system), "code": key, **({"display": shown} if shown else {})}

    def concepts(self, *found: Any) -> dict[str, Any] | None:
        """One CodeableConcept of several: all their codings, and the first text."""
        codings = [coding for one in found if one for coding in one.get("coding", ())]
        words = next((one["text"] for one in found if one and one.get("text")), None)
        made = {"coding": codings, "text": words}
        return {key: item for key, item in made.items() if item} or None

    def identifier(self, value: Any, system: str) -> dict[str, Any] | None:
        """An Identifier: the value and the short name or URL of its system."""
        key = text(value) if value is not None else None
        return {"system": self._system(system), "value": key} if key else None

    def _map(self, name: str) -> TermMap:
        return self.terms.maps[name]

    def _system(self, name: str) -> str:
        return self.terms.systems.get(name, name)


@dataclass(frozen=True, slots=True)
class LanguageFunction:
    """A function of the language: how it is called, and with how many values.

    ``keen`` functions are called also when the first value is nothing. ``maps`` and ``systems`` give the place of the
    argument that names a terminology map or a system: a fixed text, checked when the mapping is compiled.
    """

    call: Callable[..., Any]
    least: int
    most: int | None
    keen: bool = False
    maps: int | None = None
    systems: int | None = None


def functions(terms: Terms) -> dict[str, LanguageFunction]:
    """All functions by name, for one mapping."""
    library = Library(terms)
    return {
        "all": LanguageFunction(all_, 1, None, keen=True),
        "any": LanguageFunction(any_, 1, None, keen=True),
        "base64": LanguageFunction(base64_, 1, 1),
        "before": LanguageFunction(before, 2, 2),
        "boolean": LanguageFunction(boolean, 1, 3),
        "code": LanguageFunction(library.code, 2, 2, maps=1),
        "coded": LanguageFunction(library.coded, 2, 4, keen=True, systems=1),
        "coding": LanguageFunction(library.coding, 2, 2, maps=1),
        "concat": LanguageFunction(concat, 1, None),
        "concept": LanguageFunction(library.concept, 2, 3, maps=1),
        "concepts": LanguageFunction(library.concepts, 1, None, keen=True),
        "date": LanguageFunction(date_, 1, 2),
        "datetime": LanguageFunction(datetime_, 1, 3),
        "decimal": LanguageFunction(decimal, 1, 2),
        "default": LanguageFunction(default, 1, None, keen=True),
        "equals": LanguageFunction(equals, 2, None, keen=True),
        "id": LanguageFunction(id_, 1, None),
        "identifier": LanguageFunction(library.identifier, 2, 2, systems=1),
        "if": LanguageFunction(if_, 2, 3, keen=True),
        "integer": LanguageFunction(integer, 1, 1),
        "join": LanguageFunction(join, 2, None),
        "key": LanguageFunction(key, 1, None),
        "later": LanguageFunction(later, 3, 3),
        "link": LanguageFunction(link, 2, 2),
        "not": LanguageFunction(not_, 1, 1, keen=True),
        "plaincoding": LanguageFunction(library.plain_coding, 2, 3, systems=1),
        "present": LanguageFunction(present, 1, 1, keen=True),
        "quantity": LanguageFunction(quantity, 2, 3),
        "reference": LanguageFunction(reference, 2, 3),
        "text": LanguageFunction(text, 1, 1),
        "times": LanguageFunction(times, 2, 2),
        "today": LanguageFunction(today, 0, 0, keen=True),
    }


def _plain(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _moment_text(value: Any) -> str:
    """A date or moment as text that sorts by time."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=_zone("Europe/Amsterdam"))).astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


def _iso(value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("not a moment") from None


def _read_time(value: str, patterns: dict[str, str], pattern: str, what: str) -> datetime:
    try:
        return datetime.strptime(value, patterns[pattern])  # noqa: DTZ007 - the zone is added by who calls
    except (ValueError, KeyError):
        raise ValueError(f"not a {what}") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("not a time zone") from None
