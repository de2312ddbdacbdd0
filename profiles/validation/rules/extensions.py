"""Rule: an extension that is known here has the right value, and stands where it may; unknown ones are left alone.

A modifier extension that nobody here knows makes the resource not checkable: its meaning may change everything.
"""

from collections.abc import Callable
from typing import Any

from profiles.validation.merge import Node
from profiles.validation.schema import Check, Hit, Hits, Shape


def extension_check(node: Node, base: Check, lookup: Callable[[str], Shape | None]) -> Check:
    """A check for an extension that no slice names: by its own definition when that is here."""
    modifier = node.name == "modifierExtension"
    known: dict[str, Check | None] = {}

    def check(value: Any, context: Any) -> Hits | None:
        url = value.get("url") if type(value) is dict else None
        if type(url) is not str:
            return base(value, context)
        if url in known:
            own = known[url]
        else:
            shape = lookup(url) if ":" in url else None
            own = shape.check if shape is not None else None
            if len(known) < 4096:
                known[url] = own
        if own is not None:
            return own(value, context)
        hits = base(value, context)
        if modifier and ":" in url:
            hits = [*(hits or ()), Hit("extension.modifier", node, {"value": url[:200]}, "information")]
        return hits

    return check
