"""Rule: the value of a primitive has the form of its type (https://hl7.org/fhir/R4/datatypes.html#primitive)."""

import math
import re
from calendar import monthrange
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.schema.nodes import Node

_ZONE = r"(?:Z|[+-](?:0\d|1[0-3]):[0-5]\d|[+-]14:00)"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
_YEAR = r"(?:[1-9]\d\d\d|0(?!000)\d\d\d)"
_DAY = r"(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"

_DATE = re.compile(rf"{_YEAR}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?").fullmatch
_DATETIME = re.compile(rf"{_YEAR}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01])(?:T{_CLOCK}{_ZONE})?)?)?").fullmatch
_INSTANT = re.compile(rf"{_YEAR}-{_DAY}T{_CLOCK}{_ZONE}").fullmatch
_TIME = re.compile(_CLOCK).fullmatch
_CODE = re.compile(r"[^\s]+(?: [^\s]+)*").fullmatch
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9]\d*))+").fullmatch
_UUID = re.compile(r"urn:uuid:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_LETTERS64 = bytes(code for code in range(128) if chr(code).isalnum() or chr(code).isspace() or chr(code) in "+/")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]*={0,2}\s*").fullmatch
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]").search

MAX_CODE: Final = 4_000
REMEMBERED: Final = 200
"""Addresses that are longer are not kept in memory; resources name the same few again and again."""
MAX_STRING: Final = 1_048_576
"""https://hl7.org/fhir/R4/datatypes.html#string: strings SHALL NOT exceed 1 MB."""


def _day_exists(text: str) -> bool:
    if len(text) >= 10 and text[8:10] > "28":
        return int(text[8:10]) <= monthrange(int(text[:4]), int(text[5:7]))[1]
    return True


def is_string(value: Any) -> bool:
    """Text that is not empty or blank, not over 1 MB, and holds no control characters."""
    return (
        type(value) is str
        and value != ""
        and not value.isspace()
        and (value.isprintable() or not _CONTROL(value))
        and len(value) <= MAX_STRING
    )


def is_code(value: Any) -> bool:
    """A code: no leading, trailing or doubled white space."""
    return type(value) is str and 0 < len(value) <= MAX_CODE and _CODE(value) is not None


def is_uri(value: Any) -> bool:
    """A URI, as loosely as the standard has it: text without white space; a urn:oid or urn:uuid must be well-formed."""
    if type(value) is not str:
        return False
    return _remembered(value) if len(value) < REMEMBERED else _uri(value)


def _uri(value: str) -> bool:
    if not value or " " in value or not value.isprintable():
        return False
    if value.startswith("urn:oid:"):
        return _OID(value) is not None
    return not value.startswith("urn:uuid:") or _UUID(value) is not None


_remembered = lru_cache(maxsize=8192)(_uri)


def is_date(value: Any) -> bool:
    """A year, month or day that exists."""
    return type(value) is str and _DATE(value) is not None and _day_exists(value)


def is_datetime(value: Any) -> bool:
    """A year, month, day, or moment with seconds and time zone."""
    return type(value) is str and _DATETIME(value) is not None and _day_exists(value)


def is_instant(value: Any) -> bool:
    """A moment with seconds and time zone."""
    return type(value) is str and _INSTANT(value) is not None and _day_exists(value)


def is_decimal(value: Any) -> bool:
    """A JSON number."""
    if type(value) is int:
        return True
    return math.isfinite(value) if isinstance(value, Decimal | float) else False


def _integer(low: int, high: int = 2_147_483_647) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def is_base64(value: Any) -> bool:
    """Base64, white space allowed."""
    if type(value) is not str or not value:
        return False
    body = value.rstrip().rstrip("=")
    # What is left of a large attachment when its letters are taken out: a tenth of the time of the expression.
    if (not body.isascii() or body.encode().translate(None, _LETTERS64)) and _BASE64(value) is None:
        return False
    if len(value.rstrip()) - len(body) > 2:
        return False
    return sum(map(len, value.split())) % 4 == 0


def is_xhtml(value: Any) -> bool:
    """Text; what a narrative must be beyond that is looked at by its own rule."""
    return type(value) is str


FORMATS: Final[dict[str, Callable[[Any], bool]]] = {
    "boolean": lambda value: type(value) is bool,
    "integer": _integer(-2_147_483_648),
    "unsignedInt": _integer(0),
    "positiveInt": _integer(1),
    "decimal": is_decimal,
    "string": is_string,
    "markdown": is_string,
    "code": is_code,
    "id": lambda value: type(value) is str and _ID(value) is not None,
    "uri": is_uri,
    "url": is_uri,
    "canonical": is_uri,
    "oid": lambda value: type(value) is str and _OID(value) is not None,
    "uuid": lambda value: type(value) is str and _UUID(value) is not None,
    "date": is_date,
    "dateTime": is_datetime,
    "instant": is_instant,
    "time": lambda value: type(value) is str and _TIME(value) is not None,
    "base64Binary": is_base64,
    "xhtml": is_xhtml,
}


def format_check(code: str, node: Node) -> Check:
    """A check that a value has the form of a primitive type."""
    good = FORMATS[code]

    def check(value: Any, context: Any) -> Hits | None:
        if good(value):
            return None
        if value is None:
            return [Hit("type.null", node)]
        if type(value) is list:
            return [Hit("type.single", node, {"count": len(value)})]
        return [Hit(f"format.{code}", node, {"type": code, "value": value})]

    return check
