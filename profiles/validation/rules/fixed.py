"""Rule: fixed values are equal, patterns are contained (https://hl7.org/fhir/R4/elementdefinition.html)."""

from typing import Any

from profiles.fhirpath.equality import same_data
from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.schema.nodes import Node


def contains(value: Any, pattern: Any) -> bool:
    """Whether a value holds everything that the pattern says; each listed item must be met by some item."""
    if type(pattern) is str:
        return type(value) is str and value == pattern
    if isinstance(pattern, dict):
        if not isinstance(value, dict):
            return False
        for key, wanted in pattern.items():  # noqa: SIM110 - asked of every item of a sliced element
            if key not in value or not contains(value[key], wanted):
                return False
        return True
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(contains(item, one) for item in value) for one in pattern)
    return same_data(value, pattern)


def fixed_check(fixed: Any, node: Node) -> Check:
    """A check that a value is exactly the fixed one."""
    if isinstance(fixed, str):

        def text(value: Any, context: Any) -> Hits | None:
            return None if value == fixed else [Hit("fixed.value", node, {"allowed": fixed, "value": value})]

        return text

    def check(value: Any, context: Any) -> Hits | None:
        return None if same_data(value, fixed) else [Hit("fixed.value", node, {"allowed": fixed, "value": value})]

    return check


def pattern_check(pattern: Any, node: Node) -> Check:
    """A check that a value contains the pattern."""

    def check(value: Any, context: Any) -> Hits | None:
        return None if contains(value, pattern) else [Hit("pattern.value", node, {"allowed": pattern, "value": value})]

    return check
