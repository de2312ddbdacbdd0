"""Rule: how often an element occurs, and whether it is a list where the standard has a list."""

from typing import Any

from profiles.validation.hits import MAX_HITS, Check, Hit, Hits
from profiles.validation.schema.nodes import Node


def list_check(check_item: Check, node: Node) -> Check:
    """A check for a repeating element: a JSON array, not empty, within bounds, every item right."""
    low, high = node.min, node.max

    def check(value: Any, context: Any) -> Hits | None:
        if type(value) is not list:
            return [Hit("type.array", node, {"value": value})]
        count = len(value)
        hits: Hits | None = None
        if count == 0:
            return [Hit("type.empty", node)]
        if count < low:
            hits = [Hit("cardinality.min", node, {"min": low, "count": count})]
        if high is not None and count > high:
            hits = [*(hits or ()), Hit("cardinality.max", node, {"max": high, "count": count})]
        for index, item in enumerate(value):
            found = check_item(item, context)
            if found is not None:
                for hit in found:
                    hit.path.append(index)
                hits = found if hits is None else hits + found
                if len(hits) > MAX_HITS:
                    break
        return hits

    return check


def single_check(check_item: Check, node: Node) -> Check:
    """A check for an element that occurs at most once: never a JSON array."""

    def check(value: Any, context: Any) -> Hits | None:
        if type(value) is list:
            return [Hit("type.single", node, {"count": len(value)})]
        return check_item(value, context)

    return check


def prohibited(node: Node) -> Check:
    """A check for an element that the profile rules out."""

    def check(value: Any, context: Any) -> Hits | None:
        return [Hit("cardinality.max", node, {"max": 0, "count": len(value) if isinstance(value, list) else 1})]

    return check
