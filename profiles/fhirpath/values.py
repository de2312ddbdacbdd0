"""Values as text and as plain data, for those who use the result of an expression."""

from decimal import Decimal
from typing import Any

from profiles.fhirpath.items import bare
from profiles.fhirpath.moments import Moment
from profiles.fhirpath.numbers import exact, is_number
from profiles.fhirpath.quantities import Quantity


def as_text(item: Any) -> str:
    """A value as toString() gives it: true, 1.50, a date as written."""
    value = bare(item)
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(exact(value), "f") if isinstance(value, Decimal) and is_number(value) else str(value)


def type_of(item: Any) -> tuple[str, str]:
    """Namespace and name of an item's type, as type() and is() see it; an element of no known type is an Element."""
    path = getattr(item, "path", None)
    value = bare(item)
    if path is not None:
        return "FHIR", path
    if value is not item:
        return "FHIR", "Element"
    if isinstance(value, dict):
        kind = value.get("resourceType")
        return "FHIR", kind if isinstance(kind, str) else "Element"
    if isinstance(value, bool):
        return "System", "Boolean"
    if isinstance(value, int):
        return "System", "Integer"
    if isinstance(value, Moment):
        return "System", value.kind
    return "System", "String" if isinstance(value, str) else "Quantity" if isinstance(value, Quantity) else "Decimal"
