"""The one table of functions: name, least and most arguments, maker."""

from typing import Final

from profiles.fhirpath.collections import COLLECTIONS
from profiles.fhirpath.conversions import CONVERSIONS
from profiles.fhirpath.elements import ELEMENTS
from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.evaluation import Closure
from profiles.fhirpath.makers import FunctionRow
from profiles.fhirpath.mathematics import MATHEMATICS
from profiles.fhirpath.texts import TEXTS

FUNCTIONS: Final[dict[str, FunctionRow]] = {**COLLECTIONS, **TEXTS, **CONVERSIONS, **MATHEMATICS, **ELEMENTS}
"""Every function of the language; is(), as() and ofType() take a type and are made by the compiler."""


def call(name: str, left: Closure, arguments: list[Closure], position: int) -> Closure:
    """A closure for ``left.name(arguments)``; FhirPathError for an unknown function or a wrong number of arguments."""
    row = FUNCTIONS.get(name)
    if row is None:
        raise FhirPathError(f"FHIRPath: the function {name}() is not known", position)
    if not row.least <= len(arguments) <= row.most:
        raise FhirPathError(f"FHIRPath: {name}() does not take {len(arguments)} arguments", position)
    return row.make(left, arguments)
