"""Numbers that keep the digits, and the spelling, in which they were received."""

import re
from decimal import Decimal
from typing import Any

from profiles.fhir.codec.limits import MAX_DIGITS, MAX_EXPONENT
from profiles.fhir.errors import FormatError

JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
JSON_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")


class Spelled(Decimal):
    """A Decimal whose own text would differ from the received one (``1e2``, ``0.00000001``): it keeps that text."""

    __slots__ = ("_spelling",)
    _spelling: str

    def __new__(cls, text: str) -> "Spelled":
        """Take the text of a JSON number."""
        number = super().__new__(cls, text)
        number._spelling = text
        return number

    def __str__(self) -> str:
        return self._spelling

    def __reduce__(self) -> tuple[Any, ...]:
        return Spelled, (self._spelling,)

    def __copy__(self) -> "Spelled":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Spelled":
        return self


def read_decimal(text: str) -> Decimal:
    """The Decimal of a JSON number text, digits and spelling kept; FormatError when it is out of bounds."""
    if len(text) > MAX_DIGITS:
        raise FormatError(f"a number has more than {MAX_DIGITS} characters")
    number = Decimal(text)
    if not -MAX_EXPONENT <= number.adjusted() <= MAX_EXPONENT:
        raise FormatError(f"the exponent of a number is outside -{MAX_EXPONENT} to {MAX_EXPONENT}")
    return number if str(number) == text else Spelled(text)


def read_integer(text: str) -> int:
    """The int of a JSON integer text; FormatError when it is too long."""
    if len(text) > MAX_DIGITS:
        raise FormatError(f"a number has more than {MAX_DIGITS} characters")
    return int(text)
