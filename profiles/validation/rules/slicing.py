"""Rule: the items of a sliced element belong to slices, each with its own bounds and its own rules.

An item belongs to a slice when every discriminator says so. A discriminator that cannot be decided here (a reference
that does not resolve, a value set that is not here) says "maybe": the item is then held against the unsliced element
only, and the minimum of that slice is not enforced (https://hl7.org/fhir/R4/profiling.html#discriminator).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from profiles.validation.expressions import Closure, Unsupported, bare, compile_expression, same, step
from profiles.validation.merge import MISSING, Merger, Node
from profiles.validation.rules.fixed import contains
from profiles.validation.schema import MAX_HITS, Check, Hit, Hits
from profiles.validation.terminology import Terminology

if TYPE_CHECKING:
    from profiles.validation.context import Context

Test = Callable[[Any, "Context"], "bool | None"]
MAYBE: Final = -2
NONE: Final = -1


@dataclass(frozen=True)
class Discriminator:
    """One test for membership of a slice, and how to say what it looks at."""

    path: str
    test: Test
    wanted: str


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
        self.demanding = any(one.node.min for one in slices)

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
        found: Hits | None = None
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
                found = hits if found is None else found + hits
                if len(found) > MAX_HITS:
                    return found
        more = self._bounds(items, placed, unsure, context, indexes)
        if more:
            found = more if found is None else found + more
        return found

    def _bounds(
        self, items: list[Any], placed: list[int], unsure: set[int], context: Context, indexes: list[int] | None
    ) -> Hits:
        hits: Hits = []
        for index, one in enumerate(self.slices):
            count = placed.count(index)
            if count < one.node.min and index not in unsure:
                hits.append(self._too_few(one, count, items, placed, context, indexes))
            if one.node.max is not None and count > one.node.max:
                hits.append(Hit("slicing.max", one.node, {"slice": one.name, "max": one.node.max, "count": count}))
            if one.inner is not None and count:
                members = [position for position, slot in enumerate(placed) if slot == index]
                inner = one.inner.hits(
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
        self, one: Slice, count: int, items: list[Any], placed: list[int], context: Context, indexes: list[int] | None
    ) -> Hit:
        near = None
        for position, slot in enumerate(placed):
            if slot == NONE:
                reasons = [test for test in one.tests if test.test(items[position], context) is False]
                if near is None or len(reasons) < near[1]:
                    at = position if indexes is None else indexes[position]
                    near = (
                        (
                            {"item": at, "slice": one.name, "path": reasons[0].path, "wanted": reasons[0].wanted},
                            len(reasons),
                        )
                        if reasons
                        else near
                    )
        params = {"slice": one.name, "min": one.node.min, "count": count, "near": near[0] if near else None}
        return Hit("slicing.min", one.node, params)

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


class Discriminators:
    """Makes the tests of slices from the definitions that their discriminators point at."""

    def __init__(self, merger: Merger, terminology: Terminology) -> None:
        self.merger = merger
        self.terminology = terminology

    def make(self, kind: str, path: str, node: Node) -> Discriminator:
        """The test for one discriminator of one slice."""
        wanted = ""
        try:
            if kind in ("value", "pattern"):
                test, wanted = self._value(path, node)
            elif kind == "exists":
                test, wanted = self._exists(path, node)
            elif kind == "type":
                test, wanted = self._type(path, node)
            elif kind == "profile":
                test, wanted = self._profile(path, node)
            else:
                test = _maybe
        except Unsupported:
            test = _maybe
        return Discriminator(path, test, wanted)

    def _steps(self, path: str) -> list[str]:
        found, rest = [], path.removeprefix("$this.")
        if rest in ("$this", ""):
            return []
        while rest:
            if rest.startswith("extension("):
                head, _, rest = rest.partition(")")
                found.append(head + ")")
                rest = rest.removeprefix(".")
            else:
                head, _, rest = rest.partition(".")
                found.append(head)
        return found

    def _walk(self, path: str, node: Node) -> tuple[Node | None, list[str], Node | None, list[str]]:
        """The definition at a path below a slice; and the first definition above it with a value, with its path."""
        steps = self._steps(path)
        current: Node | None = node
        above: Node | None = node if _has_value(node) and steps else None
        above_steps: list[str] = []
        for index, one in enumerate(steps):
            if current is None:
                break
            if one == "resolve()" or one.startswith("ofType("):
                continue
            children = self.merger.view(current)
            if one.startswith("extension("):
                url = one[10:-1].strip("'\"")
                rows = children["extension"].slices.values() if "extension" in children else ()
                current = next((row for row in rows if row.types and url in row.types[0].profiles), None)
            else:
                current = children.get(one) or children.get(one + "[x]")
                if current is not None and current.choice and len(current.slices) == 1:
                    current = next(iter(current.slices.values()))
            if current is not None and _has_value(current) and index < len(steps) - 1 and above is None:
                above, above_steps = current, steps[: index + 1]
        return current, steps, above, above_steps

    def _value(self, path: str, node: Node) -> tuple[Test, str]:
        current, steps, above, above_steps = self._walk(path, node)
        if above is not None:
            return _somewhere(_extractor(above_steps), _value_test(above)), _shown(above)
        if current is None:
            return _maybe, ""
        test, wanted = self._demands(current, 0)
        if test is None:
            return _maybe, ""
        return _somewhere(_extractor(steps), test), wanted

    def _demands(self, node: Node, depth: int) -> tuple[Test | None, str]:
        """What a definition and those below it demand of a value, by fixed value, pattern or required binding."""
        if _has_value(node):
            return _value_test(node), _shown(node)
        tests: list[Test] = []
        wanted: list[str] = []
        for name, child in (node.children or {}).items() if depth < 5 else ():
            for one in (child, *(row for row in child.slices.values() if row.min)):
                test, text = self._demands(one, depth + 1)
                if test is not None:
                    tests.append(_somewhere(_extractor([name.removesuffix("[x]")]), test))
                    wanted.append(text)
        if not tests:
            return self._bound(node)
        if len(tests) == 1:
            return tests[0], wanted[0]

        def every(value: Any, context: Context) -> bool | None:
            answers = [test(value, context) for test in tests]
            return False if False in answers else (None if None in answers else True)

        return every, " + ".join(dict.fromkeys(wanted))

    def _bound(self, node: Node) -> tuple[Test | None, str]:
        binding = node.binding
        if binding is None or binding.strength != "required" or binding.value_set is None:
            return None, ""
        url = binding.value_set
        terminology = self.terminology

        def test(value: Any, context: Context) -> bool | None:
            return terminology.member(bare(value), url)

        return test, url

    def _exists(self, path: str, node: Node) -> tuple[Test, str]:
        current, steps, _, _ = self._walk(path, node)
        extract = _extractor(steps)
        if current is not None and current.max == 0:
            return (lambda value, context: not extract([value], context.env)), "absent"
        if current is not None and current.min > 0:
            return (lambda value, context: bool(extract([value], context.env))), "present"
        return _maybe, ""

    def _type(self, path: str, node: Node) -> tuple[Test, str]:
        current, steps, _, _ = self._walk(path, node)
        if current is None:
            return _maybe, ""
        follow = "resolve()" in steps
        types = self._target_types(current) if follow else {ref.code for ref in current.types}
        types -= {"Reference"} if follow else set()
        extract = _extractor(steps)

        def test(value: Any, context: Context) -> bool | None:
            found = extract([value], context.env)
            kinds = [_kind(bare(one)) for one in found if isinstance(bare(one), dict)]
            if not kinds or None in kinds:
                return None
            return any(kind in types for kind in kinds) if types else None

        return test, ", ".join(sorted(types))

    def _target_types(self, node: Node) -> set[str]:
        found = set()
        for ref in node.types:
            for target in ref.targets:
                kind = self.merger.kind_of(target)
                if kind is not None:
                    found.add(kind)
        return found

    def _profile(self, path: str, node: Node) -> tuple[Test, str]:
        current, steps, _, _ = self._walk(path, node)
        if current is None:
            return _maybe, ""
        if "resolve()" in steps:
            profiles = {target for ref in current.types for target in ref.targets}
        else:
            profiles = {profile for ref in current.types for profile in ref.profiles}
        kinds = {kind for kind in map(self.merger.kind_of, profiles) if kind is not None}
        extract = _extractor(steps)
        if not profiles or "Resource" in kinds:
            return _maybe, ""

        def test(value: Any, context: Context) -> bool | None:
            answer: bool | None = None
            for item in extract([value], context.env):
                resource = bare(item)
                if not isinstance(resource, dict):
                    continue
                kind = _kind(resource)
                if kind is not None and kind not in kinds:
                    answer = False
                    continue
                if kind is not None and len(resource) == 1:
                    return None
                if any(context.conforms(resource, profile) for profile in profiles):
                    return True
                answer = False
            return answer

        return test, ", ".join(sorted(profiles))


def _kind(resource: dict[str, Any]) -> str | None:
    kind = resource.get("resourceType")
    return kind if isinstance(kind, str) else None


def _maybe(value: Any, context: Context) -> bool | None:
    return None


def _has_value(node: Node) -> bool:
    return node.fixed is not MISSING or node.pattern is not MISSING


def _value_test(node: Node) -> Test:
    if node.fixed is not MISSING:
        fixed = node.fixed
        return lambda value, context: same(bare(value), fixed)
    pattern = node.pattern
    return lambda value, context: contains(bare(value), pattern)


def _shown(node: Node) -> str:
    value = node.fixed if node.fixed is not MISSING else node.pattern
    if isinstance(value, dict):
        codings = value.get("coding")
        if isinstance(codings, list):
            return ", ".join(
                f"{row.get('system', '')}|{row.get('code', '')}" for row in codings if isinstance(row, dict)
            )
    return str(value)


def _extractor(steps: list[str]) -> Closure:
    if not steps:
        return lambda items, env: items
    if len(steps) == 1 and "(" not in steps[0]:
        name = steps[0]
        return lambda items, env: step(items, name)
    return compile_expression(".".join(steps))


def _somewhere(extract: Closure, test: Test) -> Test:
    def run(value: Any, context: Context) -> bool | None:
        answer: bool | None = False
        for item in extract([value], context.env):
            found = test(item, context)
            if found is True:
                return True
            if found is None:
                answer = None
        return answer

    return run
