"""Numbers of the language: integers and decimals that keep their digits, within bounds."""

from decimal import Context as DecimalContext
from decimal import Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any, Final

from profiles.fhirpath.errors import FhirPathError

DIGITS: Final = 60
"""More than any value of FHIR has, so that sums and products keep theirs."""
_LARGEST: Final = 10**DIGITS
EXACT: Final = DecimalContext(prec=DIGITS, traps=[DivisionByZero, InvalidOperation, Overflow])
ROUNDING: Final = DecimalContext(prec=1_000, traps=[InvalidOperation])
QUOTIENT: Final = DecimalContext(prec=28, traps=[DivisionByZero, InvalidOperation, Overflow])


def is_number(value: Any) -> bool:
    """Whether a value is an integer or a decimal; a boolean is none, nor is what is not finite."""
    kind = type(value)
    return kind is int or (kind is Decimal and value.is_finite()) or (kind is float and value - value == 0)


def as_decimal(value: Any) -> Any:
    """A number as it can be compared and calculated with exactly: int or Decimal. FhirPathError out of all bounds."""
    if type(value) is int:
        return value
    number = Decimal(repr(value)) if type(value) is float else value
    if abs(number.adjusted()) > 400 and number:
        raise FhirPathError("FHIRPath: a number is too large or too small to calculate with")
    return number


def exact(value: Any) -> Decimal:
    """A number as a Decimal, within the same bounds."""
    number = as_decimal(value)
    if type(number) is int and abs(number) >= 10**400:
        raise FhirPathError("FHIRPath: a number is too large or too small to calculate with")
    return Decimal(number)


def kept(value: Any) -> list[Any]:
    """The result of a calculation; empty when it has become too large (section 6.6: overflow is empty)."""
    return [] if abs(value) >= _LARGEST else [value]
