"""Rule: resources inside resources (contained, Bundle entries, Parameters) are right themselves."""

from typing import Any, Final

from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.schema.nodes import Node

ANY: Final = frozenset({"Resource", "DomainResource"})


def _nearest(resource: Any, profiles: tuple[str, ...], context: Any) -> Hits | None:
    """What is wrong with a resource; of several profiles it has to meet one, the one that it comes nearest to."""
    if len(profiles) < 2:
        found: Hits | None = context.check_resource(resource, profiles, context)
        return found
    best: Hits | None = None
    for profile in profiles:
        hits: Hits = context.check_resource(resource, (profile,), context) or []
        wrong = sum(hit.severity == "error" for hit in hits)
        if best is None or wrong < sum(hit.severity == "error" for hit in best):
            best = hits
        if not wrong:
            break
    return best


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
            hits = _nearest(value, allowed.get(kind, everywhere), context)
        finally:
            context.leave(before)
        return hits

    return check
