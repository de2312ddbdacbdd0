"""Rule: the items of a sliced element belong to slices, each with its own bounds and its own rules.

An item belongs to a slice when every discriminator says so. A discriminator that cannot be decided here (a reference
that does not resolve, a value set that is not here) says "maybe": the item is then held against the unsliced element
only, and the minimum of that slice is not enforced (https://hl7.org/fhir/R4/profiling.html#discriminator).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from profiles.validation.context import Context
from profiles.validation.hits import MAX_HITS, Check, Hit, Hits
from profiles.validation.rules.discriminators import Discriminator
from profiles.validation.schema.nodes import Node

MAYBE: Final = -2


NONE: Final = -1


@dataclass(frozen=True)
class Slice:
    """A compiled slice: who belongs to it, what its members must be, and its own slices."""

    name: str
    node: Node
    tests: tuple[Discriminator, ...]
    check: Check
    inner: Slicer | None = None

    def member(self, item: Any, context: Context) -> bool | None:
        """Whether an item belongs here; None when that cannot be decided."""
        answer: bool | None = True
        for one in self.tests:
            found = one.test(item, context)
            if found is False:
                return False
            if found is None:
                answer = None
        return answer if self.tests else None


class Slicer:
    """The slices of one element, applied to its items."""

    def __init__(self, node: Node, slices: tuple[Slice, ...], by_url: Mapping[str, int] | None = None) -> None:
        self.node = node
        self.slices = slices
        self.by_url = by_url
        slicing = node.slicing
        self.rules = slicing.rules if slicing else "open"
        self.ordered = bool(slicing and slicing.ordered)

    def classify(self, item: Any, context: Context) -> tuple[int, list[int]]:
        """The slice of an item (NONE or MAYBE when there is none), and the slices that it may belong to."""
        if self.by_url is not None and type(item) is dict:
            return self.by_url.get(str(item.get("url")), NONE), []
        unsure: list[int] = []
        for index, one in enumerate(self.slices):
            found = one.member(item, context)
            if found is True:
                return index, []
            if found is None:
                unsure.append(index)
        return (MAYBE if unsure else NONE), unsure

    def hits(self, items: list[Any], base: Check, context: Context, indexes: list[int] | None = None) -> Hits | None:
        """Check every item by its slice (or by the unsliced element), and the slices by their bounds."""
        hits_so_far: Hits | None = None
        placed: list[int] = []
        unsure: set[int] = set()
        for position, item in enumerate(items):
            slot, maybe = self.classify(item, context)
            placed.append(slot)
            unsure.update(maybe)
            one = self.slices[slot].check if slot >= 0 else base
            hits = one(item, context)
            if hits:
                for hit in hits:
                    hit.path.append(position if indexes is None else indexes[position])
                hits_so_far = hits if hits_so_far is None else hits_so_far + hits
                if len(hits_so_far) > MAX_HITS:
                    return hits_so_far
        more = self._bounds(items, placed, unsure, context, indexes)
        if more:
            hits_so_far = more if hits_so_far is None else hits_so_far + more
        return hits_so_far

    def _bounds(
        self, items: list[Any], placed: list[int], unsure: set[int], context: Context, indexes: list[int] | None
    ) -> Hits:
        hits: Hits = []
        for index, slice_ in enumerate(self.slices):
            count = placed.count(index)
            if count < slice_.node.min and index not in unsure:
                hits.append(self._too_few(slice_, count, items, placed, context, indexes))
            if slice_.node.max is not None and count > slice_.node.max:
                hits.append(
                    Hit("slicing.max", slice_.node, {"slice": slice_.name, "max": slice_.node.max, "count": count})
                )
            if slice_.inner is not None and count:
                members = [position for position, slot in enumerate(placed) if slot == index]
                inner = slice_.inner.hits(
                    [items[position] for position in members],
                    lambda item, context: None,
                    context,
                    members if indexes is None else [indexes[position] for position in members],
                )
                hits.extend(inner or ())
        if self.rules == "closed":
            hits.extend(self._stray(items, placed, context, indexes))
        if self.ordered or self.rules == "openAtEnd":
            hits.extend(self._order(placed))
        return hits

    def _stray(self, items: list[Any], placed: list[int], context: Context, indexes: list[int] | None) -> Hits:
        hits = []
        for position, slot in enumerate(placed):
            if slot == NONE:
                near = self.nearest(items[position], context)
                names = ", ".join(one.name for one in self.slices)
                hit = Hit("slicing.closed", self.node, {"allowed": names, "near": near})
                hit.path.append(position if indexes is None else indexes[position])
                hits.append(hit)
        return hits

    def _order(self, placed: list[int]) -> Hits:
        known = [slot for slot in placed if slot >= 0]
        if self.ordered and known != sorted(known):
            return [Hit("slicing.order", self.node, {"allowed": ", ".join(one.name for one in self.slices)})]
        stray = [position for position, slot in enumerate(placed) if slot == NONE]
        last = max((position for position, slot in enumerate(placed) if slot >= 0), default=-1)
        if self.rules == "openAtEnd" and stray and stray[0] < last:
            return [Hit("slicing.order", self.node, {"allowed": ", ".join(one.name for one in self.slices)})]
        return []

    def _too_few(
        self,
        slice_: Slice,
        count: int,
        items: list[Any],
        placed: list[int],
        context: Context,
        indexes: list[int] | None,
    ) -> Hit:
        near = None
        for position, slot in enumerate(placed):
            if slot == NONE:
                reasons = [test for test in slice_.tests if test.test(items[position], context) is False]
                if near is None or len(reasons) < near[1]:
                    at = position if indexes is None else indexes[position]
                    near = (
                        (
                            {"item": at, "slice": slice_.name, "path": reasons[0].path, "wanted": reasons[0].wanted},
                            len(reasons),
                        )
                        if reasons
                        else near
                    )
        params = {"slice": slice_.name, "min": slice_.node.min, "count": count, "near": near[0] if near else None}
        return Hit("slicing.min", slice_.node, params)

    def nearest(self, item: Any, context: Context) -> dict[str, Any] | None:
        """The slice that an item comes nearest to, and the discriminator that keeps it out."""
        best: tuple[int, dict[str, Any]] | None = None
        for one in self.slices:
            reasons = [test for test in one.tests if test.test(item, context) is False]
            if reasons and (best is None or len(reasons) < best[0]):
                best = (len(reasons), {"slice": one.name, "path": reasons[0].path, "wanted": reasons[0].wanted})
        return best[1] if best else None


def sliced_list(base: Check, node: Node, slicer: Slicer) -> Check:
    """A check for a repeating element with slices."""
    low, high = node.min, node.max

    def check(value: Any, context: Any) -> Hits | None:
        if type(value) is not list:
            return [Hit("type.array", node, {"value": value})]
        count = len(value)
        if count == 0:
            return [Hit("type.empty", node)]
        hits = slicer.hits(value, base, context)
        if count < low:
            hits = [*(hits or ()), Hit("cardinality.min", node, {"min": low, "count": count})]
        if high is not None and count > high:
            hits = [*(hits or ()), Hit("cardinality.max", node, {"max": high, "count": count})]
        return hits

    return check


def sliced_single(base: Check, slicer: Slicer) -> Check:
    """A check for an element that occurs once and is sliced all the same."""

    def check(value: Any, context: Any) -> Hits | None:
        hits = slicer.hits([value], base, context)
        for hit in hits or ():
            if hit.path and hit.path[-1] == 0:
                hit.path.pop()
        return hits

    return check
