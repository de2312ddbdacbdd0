"""Tests for membership of a slice, made from the definitions that its discriminators point at.

A discriminator may be a fixed value below the path that is named, a pattern above it, or a required binding at it
(https://hl7.org/fhir/R4/profiling.html#discriminator). A test that cannot be decided for an item gives None.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from profiles import fhirpath
from profiles.fhirpath.equality import same_data
from profiles.fhirpath.expression import Judge
from profiles.fhirpath.items import bare, walk_to
from profiles.validation.context import Context
from profiles.validation.rules.fixed import contains
from profiles.validation.schema.merge import Merger
from profiles.validation.schema.nodes import MISSING, Node
from profiles.validation.schema.terminology import Terminology

Test = Callable[[Any, Context], bool | None]


@dataclass(frozen=True)
class Discriminator:
    """One test for membership of a slice, and how to say what it looks at."""

    path: str
    test: Test
    wanted: str


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
        except fhirpath.FhirPathError:
            test = _maybe
        return Discriminator(path, test, wanted)

    def _steps(self, path: str) -> list[str]:
        steps, rest = [], path.removeprefix("$this.")
        if rest in ("$this", ""):
            return []
        while rest:
            if rest.startswith("extension("):
                head, _, rest = rest.partition(")")
                steps.append(head + ")")
                rest = rest.removeprefix(".")
            else:
                head, _, rest = rest.partition(".")
                steps.append(head)
        return steps

    def _walk(self, path: str, node: Node) -> tuple[Node | None, list[str], Node | None, list[str]]:
        """The definition at a path below a slice; and the first definition above it with a value, with its path."""
        steps = self._steps(path)
        current: Node | None = node
        above: Node | None = node if _has_value(node) and steps else None
        above_steps: list[str] = []
        for index, step in enumerate(steps):
            if current is None:
                break
            if step == "resolve()" or step.startswith("ofType("):
                continue
            children = self.merger.view(current)
            if step.startswith("extension("):
                url = step[10:-1].strip("'\"")
                rows = children["extension"].slices.values() if "extension" in children else ()
                current = next((row for row in rows if row.types and url in row.types[0].profiles), None)
            else:
                current = children.get(step) or children.get(step + "[x]")
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
        if current.max == 0:
            extract = _extractor(steps)
            return (lambda value, context: not extract(value, context.env)), "absent"
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
            return (lambda value, context: not extract(value, context.env)), "absent"
        if current is not None and current.min > 0:
            return (lambda value, context: bool(extract(value, context.env))), "present"
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
            found = extract(value, context.env)
            kinds = [_kind(bare(one)) for one in found if isinstance(bare(one), dict)]
            if not kinds or None in kinds:
                return None
            return any(kind in types for kind in kinds) if types else None

        return test, ", ".join(sorted(types))

    def _target_types(self, node: Node) -> set[str]:
        kinds = set()
        for ref in node.types:
            for target in ref.targets:
                kind = self.merger.kind_of(target)
                if kind is not None:
                    kinds.add(kind)
        return kinds

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
            for item in extract(value, context.env):
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
        return lambda value, context: same_data(bare(value), fixed)
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


def _extractor(steps: list[str]) -> Judge:
    if not steps:
        return lambda value, env: [value]
    if len(steps) == 1 and "(" not in steps[0]:
        walk = walk_to(steps[0])
        return lambda value, env: walk([value])
    return fhirpath.compile(".".join(steps)).judge()


def _somewhere(extract: Judge, test: Test) -> Test:
    def run(value: Any, context: Context) -> bool | None:
        answer: bool | None = False
        for item in extract(value, context.env):
            found = test(item, context)
            if found is True:
                return True
            if found is None:
                answer = None
        return answer

    return run
