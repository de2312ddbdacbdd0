"""Rule: resources inside resources (contained, Bundle entries, Parameters) are right themselves."""

from typing import Any, Final

from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.schema.nodes import Node

ANY: Final = frozenset({"Resource", "DomainResource"})


def nested_check(node: Node, allowed: dict[str, tuple[str, ...]]) -> Check:
    """A check for an element that holds a whole resource: of an allowed type, and right itself."""
    contained = node.name == "contained"
    anything = not allowed or any(code in ANY for code in allowed)
    everywhere = next((profiles for code, profiles in allowed.items() if code in ANY), ())

    def check(value: Any, context: Any) -> Hits | None:
        if type(value) is not dict:
            return [Hit("type.object", node, {"expected": "Resource", "value": value})]
        kind = str(value.get("resourceType"))
        if not anything and kind not in allowed:
            return [Hit("type.resource", node, {"allowed": ", ".join(sorted(allowed)), "value": str(kind)[:80]})]
        before = context.enter(value, contained=contained)
        try:
            found: Hits | None = context.check_resource(value, allowed.get(str(kind), everywhere), context)
        finally:
            context.leave(before)
        return found

    return check
