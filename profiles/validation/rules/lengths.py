"""Rule: minimum and maximum length of text, and least and greatest value of numbers, dates and quantities."""

from typing import Any

from profiles.fhirpath.equality import order
from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.moments import moment
from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.schema.nodes import Node


def length_check(longest: int, node: Node) -> Check:
    """A check that text is not longer than allowed."""

    def check(value: Any, context: Any) -> Hits | None:
        if isinstance(value, str) and len(value) > longest:
            return [Hit("length.max", node, {"max": longest, "count": len(value)})]
        return None

    return check


def shortest_check(shortest: int, node: Node) -> Check:
    """A check that text is not shorter than allowed (extension ``minLength`` of an element definition)."""

    def check(value: Any, context: Any) -> Hits | None:
        if isinstance(value, str) and len(value) < shortest:
            return [Hit("length.min", node, {"min": shortest, "count": len(value)})]
        return None

    return check


def bounds_check(low: Any, high: Any, node: Node) -> Check:
    """A check that a value lies between the least and the greatest allowed; incomparable units are left alone."""

    def check(value: Any, context: Any) -> Hits | None:
        if low is not None and _order(value, low) == -1:
            return [Hit("bounds.min", node, {"allowed": low, "value": value})]
        if high is not None and _order(value, high) == 1:
            return [Hit("bounds.max", node, {"allowed": high, "value": value})]
        return None

    return check


def _order(value: Any, bound: Any) -> int | None:
    if isinstance(value, dict) and isinstance(bound, dict):
        if "value" not in value or "value" not in bound or value.get("code") != bound.get("code"):
            return None
        return _order(value["value"], bound["value"])
    left, right = ((moment(one) if isinstance(one, str) else None) or one for one in (value, bound))
    try:
        return order(left, right)
    except FhirPathError:
        return None
