"""Checks made of other checks: in a row, for the list beside a list of primitives, for a type that is not wanted."""

from typing import Any

from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.schema.nodes import Node


def sibling_list(inner: Check, node: Node) -> Check:
    """A check for the list that stands beside a list of primitives (``_given``): ids and extensions, or null."""

    def check(value: Any, context: Any) -> Hits | None:
        if type(value) is not list:
            return [Hit("type.array", node, {"value": value})]
        hits: Hits = []
        for index, item in enumerate(value):
            found = inner(item, context) if item is not None else [Hit("type.null", node)]
            for hit in found or ():
                hit.path.append(index)
                hits.append(hit)
        return hits or None

    return check


def other_type(node: Node) -> Check:
    """A check for a choice of which the profile demands another type."""
    wanted = node.types[0].code
    return lambda value, context: [Hit("type.wanted", node, {"allowed": wanted})]


def sequence(checks: list[Check], *, stop: bool = False) -> Check:
    """One check that runs several; with ``stop`` the rest is left out when the first finds something."""
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        one, two = checks

        def both(value: Any, context: Any) -> Hits | None:
            first = one(value, context)
            if first and stop:
                return first
            second = two(value, context)
            return second if not first else (first + second if second else first)

        return both
    every = tuple(checks)

    def run(value: Any, context: Any) -> Hits | None:
        hits: Hits | None = None
        for check in every:
            found = check(value, context)
            if found:
                hits = found if hits is None else hits + found
                if stop and hits is found and check is every[0]:
                    return hits
        return hits

    return run
