"""What a structure compiles to: shapes of objects, with the checks of their properties and their invariants."""

from collections.abc import Iterable
from typing import Any

from profiles.validation.context import Context
from profiles.validation.hits import MAX_HITS, Check, Hit, Hits, Segment
from profiles.validation.schema.nodes import Node

Prop = tuple[Check, int, Segment, int]
"""A property: its check, the bit that says it was seen, its segment, and the number of its choice group (or 0)."""


def errors(hits: Hits | None) -> bool:
    """Whether the hits hold an error."""
    return hits is not None and any(hit.severity == "error" for hit in hits)


class Shape:
    """An object of a known type or profile: its properties, which of them must be there, and its invariants."""

    __slots__ = (
        "beside",
        "choices",
        "invariants",
        "name",
        "node",
        "props",
        "required",
        "required_nodes",
        "resource",
        "url",
    )

    def __init__(self, name: str, url: str, node: Node, *, resource: bool = False) -> None:
        self.name = name
        self.url = url
        self.node = node
        self.resource = resource
        self.props: dict[str, Prop] = {}
        self.required = 0
        self.required_nodes: tuple[tuple[int, Node, str], ...] = ()
        self.invariants: tuple[Check, ...] = ()
        self.choices: tuple[Node, ...] = ()
        self.beside: tuple[tuple[str, Segment, Shape], ...] = ()
        """Primitives that need something beside their value (an extension): key, segment, and shape of that."""

    def require(self, demands: Iterable[tuple[int, Node, str]]) -> None:
        """Note what must be there: the bit of the property, the definition that says so, and the slice it is about."""
        self.required_nodes = tuple(demands)
        for bit, _, _ in self.required_nodes:
            self.required |= bit

    def check(self, value: Any, context: Context) -> Hits | None:  # noqa: PLR0912 - every object comes here: no calls
        """What is wrong with a value that should have this shape."""
        if type(value) is not dict:
            return [Hit("type.object", self.node, {"expected": self.name, "value": value})]
        hits: Hits | None = None
        seen = chosen = 0
        props = self.props
        for key, item in value.items():
            prop = props.get(key)
            if prop is None:
                more: Hits | None = self._unknown(key, context)
            else:
                check, bit, segment, group = prop
                if group:
                    if chosen & bit:
                        hits = self._chosen_twice(key, value, hits)
                    chosen |= bit
                seen |= bit
                more = check(item, context)
                if more is not None:
                    more = _without_null(more, key, value)
                    for hit in more:
                        hit.path.append(segment)
            if more:
                hits = more if hits is None else hits + more
                if len(hits) > MAX_HITS:
                    return hits
        missing = self.required & ~seen
        if missing:
            hits = (hits or []) + self._missing(missing)
        if not value or (len(value) == 1 and not self.resource and "id" in value):
            hits = [*(hits or ()), Hit("type.empty", self.node)]
        # What is about more than one property: primitives and what stands beside them, and invariants.
        if self.beside:
            hits = self._bare(value, hits)
        for invariant in self.invariants:
            found = invariant(value, context)
            if found:
                hits = found if hits is None else hits + found
        return hits

    def _bare(self, value: dict[str, Any], hits: Hits | None) -> Hits | None:
        """What primitives lack that have nothing beside their value; where something is, its own check tells."""
        for key, segment, inner in self.beside:
            item, sibling = value.get(key), value.get("_" + key)
            items = item if isinstance(item, list) else [item]
            siblings = sibling if isinstance(sibling, list) else [sibling]
            for index, one in enumerate(items):
                if one is None or (index < len(siblings) and siblings[index] is not None):
                    continue
                for hit in inner._missing(inner.required):
                    if isinstance(item, list):
                        hit.path.append(index)
                    hit.path.append(segment)
                    hits = [*(hits or ()), hit]
        return hits

    def _missing(self, missing: int) -> Hits:
        """What is required and absent: an element, or (with its name) a slice of an element that may be absent."""
        hits = []
        for bit, node, slice_name in self.required_nodes:
            if missing & bit:
                params: dict[str, Any] = {"min": node.min, "count": 0}
                if slice_name:
                    hit = Hit("slicing.min", node, {"slice": slice_name, **params})
                else:
                    hit = Hit("cardinality.min", node, params)
                name = node.name.removesuffix("[x]")
                hit.path.append(Segment(name, name))
                hits.append(hit)
        return hits

    def _unknown(self, key: Any, context: Context) -> Hits | None:
        if (key == "resourceType" and self.resource) or key == "fhir_comments":
            return None
        text = str(key)
        for node in self.choices:
            name = node.name.removesuffix("[x]")
            kind = text.removeprefix("_").removeprefix(name)
            if text.startswith((name, "_" + name)) and kind[:1].isupper() and context.is_type(kind):
                hit = Hit("type.wanted", node, {"allowed": ", ".join(ref.code for ref in node.types)})
                hit.path.append(Segment(text, name, node))
                return [hit]
        hit = Hit("unknown.element", self.node, {"element": text[:80], "type": self.name})
        hit.path.append(Segment(text, text))
        return [hit]

    def _chosen_twice(self, key: str, value: dict[str, Any], hits: Hits | None) -> Hits | None:
        """Complain about a second type, unless it is only ``_valueString`` beside ``valueString``."""
        _, bit, segment, _ = self.props[key]
        bare = key.lstrip("_")
        if all(other.lstrip("_") == bare for other in value if other in self.props and self.props[other][1] == bit):
            return hits
        return [*(hits or ()), Hit("type.choice", self.node, {"element": segment.name, "value": key})]


def _without_null(hits: Hits, key: str, value: dict[str, Any]) -> Hits:
    """Drop complaints about what the other half of a primitive makes good: a null in ``given`` or ``_given``, and an
    ``_given`` with nothing but an id."""
    sibling = value.get(key[1:] if key[0] == "_" else "_" + key)
    return hits if sibling is None else [hit for hit in hits if not _made_good(hit, value[key], sibling)]


def _made_good(hit: Hit, item: Any, sibling: Any) -> bool:
    index = hit.path[0] if len(hit.path) == 1 else None
    if isinstance(index, int) and isinstance(sibling, list):
        there = index < len(sibling) and sibling[index] is not None
        return there and (hit.key == "type.null" or (hit.key == "type.empty" and bool(item[index])))
    return hit.key == "type.empty" and not hit.path and bool(item)
