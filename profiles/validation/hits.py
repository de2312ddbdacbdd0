"""What checks find: hits, and the steps of the path that leads to each.

A check is a function ``check(value, context)`` that returns None, or a list of `Hit`s whose paths are relative to the
value; every level adds its own step while the hits travel up. A right resource therefore costs no path at all.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from profiles.validation.schema.nodes import Node

MAX_HITS = 500
"""An object or a list with more hits than this is not looked at any further: a report shows no more."""


class Segment(NamedTuple):
    """A step in a path: the JSON key, the element name that FHIRPath uses for it, and the element's definition."""

    key: str
    name: str
    node: Node | None = None


class Hit:
    """Something found, before it has words: which rule, where, about which element definition, and its particulars."""

    __slots__ = ("key", "node", "params", "path", "severity")

    def __init__(
        self, key: str, node: Node | None, params: dict[str, Any] | None = None, severity: str = "error"
    ) -> None:
        self.key = key
        self.node = node
        self.params = params or {}
        self.severity = severity
        self.path: list[Segment | int] = []


Hits = list[Hit]
Check = Callable[[Any, Any], Hits | None]
"""From a value and the `Context` of the validation to what is wrong with the value."""
