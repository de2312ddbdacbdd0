"""Rule: text holds no markup, and addresses are no examples, where the strictness of the run asks for that."""

import re
from collections.abc import Iterator
from typing import Any, Final

from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.schema.nodes import Node
from profiles.validation.strictness import Strictness

TEXT: Final = frozenset({"string", "markdown"})
ADDRESS: Final = frozenset({"uri", "url", "canonical"})
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9]*(?:\s[^<>]*)?/?>").search
_EXAMPLE = re.compile(r"[a-z]+://(?:[^/?#]*\.)?(?:example\.(?:org|com|net)|[^/?#.]+\.example)(?=[:/?#]|$)", re.I).match
"""RFC 2606, sections 2 and 3."""


def plain_checks(code: str, node: Node, strictness: Strictness) -> Iterator[Check]:
    """The checks for a primitive that this strictness asks for."""
    if strictness.markup and code in TEXT:
        yield _never(_TAG, "text.markup", node)
    if strictness.examples and code in ADDRESS and node.id != "Extension.url":
        yield _never(_EXAMPLE, "text.example", node)


def _never(pattern: Any, key: str, node: Node) -> Check:
    def check(value: Any, context: Any) -> Hits | None:
        return [Hit(key, node, {"value": value})] if type(value) is str and pattern(value) is not None else None

    return check
