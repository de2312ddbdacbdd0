"""The elements of a profile that a steward counts: zib elements with their concept, and which of them are filled.

What the elements are follows from the definitions; nothing is listed by hand. An element whose zib concept is not known
is counted under its place in FHIR (``Observation.status``).
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion
from profiles.fhirpath import FhirPathError
from profiles.standards.must import MustElement, Needed
from profiles.validation import Finding, Validator
from profiles.validation.context import Context
from profiles.validation.rules.discriminators import Discriminator, Discriminators
from profiles.validation.schema.nodes import BrokenDefinition, Node

DEEPEST = 10
HL7 = "http://hl7.org/fhir/StructureDefinition/"
PASSED_OVER = frozenset({"id", "meta", "implicitRules", "language", "text", "contained", "extension"})
"""What every resource has and nobody registers."""
CODED_TYPES = frozenset({"CodeableConcept", "Coding", "code"})
PLACE = re.compile(r"[A-Za-z0-9_.:()/'\[\]-]*")
INDEX = re.compile(r"\[\d+\]")
Seen = tuple[tuple[int, bool], ...]
"""Numbers of elements that are filled, each with whether it holds a code."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step down: a name (of a choice: the part before the type), and what makes an item belong to a slice."""

    name: str
    types: tuple[str, ...] = ()
    tests: tuple[Discriminator, ...] = ()
    names: tuple[str, ...] = field(init=False)
    """The properties that hold it."""

    def __post_init__(self) -> None:
        chosen = tuple(f"{self.name}{one[:1].upper()}{one[1:]}" for one in self.types)
        object.__setattr__(self, "names", chosen or (self.name,))

    def values(self, items: Iterable[Any], context: Context) -> list[Any]:
        """The values below items."""
        below: list[Any] = []
        for item in items:
            if not isinstance(item, dict):
                continue
            for name in self.names:
                value = item.get(name)
                if isinstance(value, list):
                    below += value
                elif value is not None:
                    below.append(value)
        for test in self.tests:
            below = [value for value in below if value is not None and test.test(value, context) is True]
        return below


@dataclass(frozen=True, slots=True)
class ElementPlace:
    """Where an element stands; ``code`` when what stands there is a code by its type."""

    steps: tuple[Step, ...]
    code: bool = False

    def values(self, resource: Resource, context: Context) -> list[Any]:
        """Everything that stands there and says something."""
        items: list[Any] = [resource]
        for step in self.steps:
            items = step.values(items, context)
            if not items:
                return items
        return [item for item in items if item is not None and has_content(item)]


@dataclass(frozen=True, slots=True)
class Element:
    """An element that is counted. ``key`` is its concept, or its place when it has none; ``places`` where it stands."""

    key: str
    concept: str
    name_nl: str
    name_en: str
    codable: bool
    ids: tuple[str, ...]
    places: tuple["ElementPlace", ...]


@dataclass(frozen=True)
class CountPlan:
    """What is counted of the resources of one profile."""

    profile: str
    zib_nl: str
    zib_en: str
    type: str
    elements: tuple[Element, ...]

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of the elements."""
        return frozenset(element.key for element in self.elements)

    @cached_property
    def _beginning(self) -> Mapping[str, Sequence[tuple[int, bool, ElementPlace]]]:
        """By the name of a property of the resource: what may stand in it, with the number of its element."""
        made: dict[str, list[tuple[int, bool, ElementPlace]]] = {}
        for number, element in enumerate(self.elements):
            for place in element.places:
                for name in place.steps[0].names:
                    made.setdefault(name, []).append((number, element.codable, place))
        return made

    def look(self, resource: Resource, context: Context) -> Seen:
        """Which elements are filled in a resource: the number of each, with whether it holds a code.

        Only what may stand in the properties that are there is looked at: most elements of a zib are not filled.
        """
        seen: dict[int, bool] = {}
        for name in resource:
            for number, codable, place in self._beginning.get(name, ()):
                if number in seen and (seen[number] or not codable):
                    continue  # Nothing more to learn.
                if values := place.values(resource, context):
                    seen[number] = codable and (place.code or any(map(is_coded, values)))
        return tuple(sorted(seen.items()))

    def element_of(self, finding: Finding) -> str:
        """The key of the element that a finding is about: its concept, what lies in its slice, or its place."""
        if finding.concept in self.keys:
            return finding.concept
        above = finding.definition
        while ":" in above:
            inside = {e.key for e in self.elements if any(i == above or i.startswith(f"{above}.") for i in e.ids)}
            if len(inside) == 1:
                return inside.pop()
            above = above.rpartition(".")[0]
        return ".".join(INDEX.sub("", place_of(finding)).split(".")[:2]) or self.type


def place_of(finding: Finding) -> str:
    """Where a finding stands; of an unknown element what holds it, for its name is no more than what somebody wrote."""
    place = finding.expression.rpartition(".")[0] if finding.rule == "unknown" else finding.expression
    return place if PLACE.fullmatch(place) else ""


def has_content(value: Any) -> bool:
    """Whether a value says something: an object with nothing but a reason why it is absent does not."""
    if not isinstance(value, dict):
        return bool(value != "")
    for name in value:
        if name not in ("id", "extension", "url"):
            return True
    return "url" in value and bool(value.get("extension"))


def is_coded(value: Any) -> bool:
    """Whether a value holds a code: a Coding, a concept with one, or an extension with either."""
    if not isinstance(value, dict):
        return False
    if value.get("code"):
        return True
    codings = value.get("coding")
    if isinstance(codings, list):
        return any(isinstance(one, dict) and one.get("code") for one in codings)
    return any(is_coded(inner) for name, inner in value.items() if name.startswith("value") and isinstance(inner, dict))


class CountPlans:
    """The plans of one validator, made when they are first asked for.

    ``named`` are the profiles that standards use: one that has no definition here is counted under its own name all
    the same, by the elements of its type. ``needed`` is what must be there whenever a source has it.
    """

    def __init__(
        self,
        validator: Validator,
        named: Container[str] = (),
        needed: Needed = MappingProxyType({}),
    ) -> None:
        self._validator = validator
        self._needed = needed
        self._named = named
        self._tests = Discriminators(validator.merger, validator.terminology)
        self._plans: dict[str, CountPlan] = {}

    def context(self, resource: Resource) -> Context:
        """What the tests of slices need to look at a resource."""
        return Context(
            self._validator.version, resource, lambda *_: None, lambda _url: None, self._validator.terminology.member
        )

    def of(self, profiles: Iterable[str], type_: str) -> CountPlan:
        """The plan of the first profile that is known, else that of the resource type."""
        for profile in (*profiles, HL7 + type_):
            url = profile.partition("|")[0]
            if url not in self._plans and (made := self._made(url, type_)) is not None:
                self._plans[url] = made
            elif url not in self._plans and url in self._named:
                last = url.rpartition("/")[2]
                self._plans[url] = replace(self.of((), type_), profile=url, zib_nl=last, zib_en=last)
            if url in self._plans and self._plans[url].type == type_:
                return self._plans[url]
        return CountPlan(HL7 + type_, "", "", type_, ())

    def musts(self, profiles: Iterable[str], resource: Resource) -> Iterator[tuple[str, str, bool]]:
        """Profile, element and whether it is filled, for all that must be there by the profiles of a resource."""
        version = self._validator.version
        for url in dict.fromkeys(profile.partition("|")[0] for profile in profiles):
            for element in self._needed.get((version, url), ()):
                yield url, element.name, _filled(element, resource, version)

    def _made(self, url: str, type_: str) -> CountPlan | None:
        try:
            tree = self._validator.merger.tree(url)
        except BrokenDefinition:
            return None
        if tree.type != type_:
            return None
        elements: dict[str, Element] = {}
        for node, steps in self._zib_nodes(tree.root, (), 0):
            _add(elements, node, steps, self._codable(node))
        top = {place.steps[0].name for element in elements.values() for place in element.places}
        for name, child in (tree.root.children or {}).items():
            bare = name.removesuffix("[x]")
            if bare not in top and bare not in PASSED_OVER:
                _add(elements, replace(child, zib=None), (_step(child),), self._codable(child))
        zib = tree.root.zib
        last = url.rpartition("/")[2]
        return CountPlan(
            url, zib.name_nl if zib else last, zib.name_en if zib else last, type_, tuple(elements.values())
        )

    def _zib_nodes(self, node: Node, steps: tuple[Step, ...], depth: int) -> Iterator[tuple[Node, tuple[Step, ...]]]:
        if node.zib is not None and steps:
            yield node, steps
        if depth > DEEPEST:
            return
        for child in self._children(node).values():
            yield from self._zib_nodes(child, (*steps, _step(child)), depth + 1)
            for one in child.slices.values():
                step = _step(one) if child.choice else Step(child.name, tests=self._members(child, one))
                yield from self._zib_nodes(one, (*steps, step), depth + 1)

    def _children(self, node: Node) -> Mapping[str, Node]:
        if node.children is None and not any(ref.profiles for ref in node.types):
            return {}
        return self._validator.merger.view(node)

    def _members(self, node: Node, one: Node) -> tuple[Discriminator, ...]:
        slicing = node.slicing
        return tuple(self._tests.make(kind, path, one) for kind, path in slicing.discriminators) if slicing else ()

    def _codable(self, node: Node) -> bool:
        codes = {ref.code for ref in node.types}
        if "Extension" in codes and (inner := self._validator.merger.view(node).get("value[x]")) is not None:
            # A profile that wants one type says so by a slice; without any, every type is allowed.
            allowed = list(inner.slices.values()) or ([inner] if len(inner.types) < 5 else [])
            codes = {ref.code for one in allowed for ref in one.types}
        return bool(codes & CODED_TYPES)


def _filled(element: MustElement, resource: Resource, version: FhirVersion) -> bool:
    try:
        return any(has_content(value) for value in element.where.evaluate(resource, version))
    except FhirPathError:
        return False  # A resource of another shape: its findings say what is wrong with it.


def _step(node: Node) -> Step:
    if node.choice:
        return Step(node.name.removesuffix("[x]"), tuple(ref.code for ref in node.types))
    return Step(node.name)


def _add(elements: dict[str, Element], node: Node, steps: tuple[Step, ...], codable: bool) -> None:
    zib = node.zib
    bare = node.id.removesuffix("[x]")
    key, names = (zib.concept, (zib.name_nl, zib.name_en)) if zib else (bare, (bare, bare))
    known = elements.get(key) or Element(key, zib.concept if zib else "", *names, False, (), ())
    place = ElementPlace(steps, code=bool(node.types) and all(ref.code == "code" for ref in node.types))
    ids, places = (*known.ids, node.id), (*known.places, place)
    elements[key] = replace(known, codable=known.codable or codable, ids=ids, places=places)
