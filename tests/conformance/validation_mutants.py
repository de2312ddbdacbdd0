"""Breaks valid instances in every kind of rule, guided by the definitions themselves.

Each mutant breaks one thing that the merged definitions of its profile demand: something required is left out, a
limit passed, a form, a fixed value, a code, a reference, a type or a slice spoilt.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from profiles.fhir.tree import Resource
from profiles.validation import Validator
from profiles.validation.context import Context
from profiles.validation.rules.formats import FORMATS
from profiles.validation.schema.nodes import MISSING, Node, TypeRef

WRONG = {
    "boolean": "ja",
    "integer": "1",
    "unsignedInt": -1,
    "positiveInt": 0,
    "decimal": "1.0",
    "date": "2020-02-30",
    "dateTime": "2020-01-01T25:00:00Z",
    "instant": "2020-01-01",
    "time": "25:00:00",
    "code": " dubbele  spatie ",
    "id": "met spatie",
    "uri": "met spatie",
    "url": "met spatie",
    "canonical": "met spatie",
    "oid": "urn:oid:9.9",
    "uuid": "urn:uuid:1",
    "base64Binary": "@@@",
    "xhtml": "geen xhtml",
    "string": 12,
    "markdown": Decimal("1.5"),
}
Pointer = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutant:
    """A broken instance: which kind of rule, where, and the instance."""

    kind: str
    where: str
    resource: Resource
    harmless: bool = False


def at(resource: Any, pointer: Pointer) -> Any:
    """The value at a pointer."""
    for step in pointer:
        resource = resource[step]
    return resource


def changed(resource: Resource, pointer: Pointer, value: Any) -> Resource:
    """A copy with another value at a pointer; MISSING takes it away."""
    copied: Resource = copy.deepcopy(resource)
    holder = at(copied, pointer[:-1])
    if value is MISSING:
        del holder[pointer[-1]]
        if isinstance(pointer[-1], str):
            holder.pop("_" + pointer[-1], None)
    else:
        holder[pointer[-1]] = value
    return copied


class Mutations:
    """All mutants of one instance against one profile."""

    def __init__(self, validator: Validator, resource: Resource, profile: str) -> None:
        self.validator = validator
        self.compiler = validator.compiler
        self.merger = validator.merger
        self.resource = resource
        self.root = self.merger.tree(profile).root
        self.slices: list[tuple[Pointer, Any, int, bool]] = []
        self.context = Context(
            validator.version, resource, validator._check_resource, validator._shape, validator.terminology.member, None
        )

    def all(self) -> Iterator[Mutant]:
        """Every mutant that breaks a rule, in the order of the instance."""
        return (mutant for mutant in self._object((), self.resource, self.root) if not mutant.harmless)

    def _make(self, kind: str, node: Node, pointer: Pointer, value: Any) -> Mutant:
        where = ".".join(map(str, pointer))
        return Mutant(
            kind, f"{node.id} @ {where}", changed(self.resource, pointer, value), self._harmless(pointer, value)
        )

    def _harmless(self, pointer: Pointer, value: Any) -> bool:
        """Whether the change only takes an item out of an optional slice of an open slicing: no rule is broken then."""
        for place, slicer, slot, spare in self.slices:
            if pointer[: len(place)] == place and len(pointer) >= len(place) and spare and slicer.rules == "open":
                item = at(changed(self.resource, pointer, value), place)
                if slicer.classify(item, self.context)[0] != slot:
                    return True
        return False

    def _object(self, pointer: Pointer, value: Any, node: Node) -> Iterator[Mutant]:
        if not isinstance(value, dict):
            return
        yield self._make("unknown", node, (*pointer, "onbekendElement"), 1)
        for name, child in self.merger.view(node).items():
            bare = name.removesuffix("[x]")
            if not child.choice:
                if bare in value:
                    yield from self._property(pointer, bare, value, child, child.types[0] if child.types else None)
                continue
            typed = {one.types[0].code: one for one in child.slices.values() if len(one.types) == 1}
            for ref in child.types:
                key = bare + ref.code[:1].upper() + ref.code[1:]
                if key in value:
                    one = typed.get(ref.code, child)
                    if one is not child and (one.min > 0 or child.min > 0):
                        yield self._make("required", one, (*pointer, key), MISSING)
                    yield from self._property(pointer, key, value, one, one.types[0] if one is not child else ref)
                    yield from self._other_choice(pointer, key, bare, value, child)

    def _other_choice(
        self, pointer: Pointer, key: str, bare: str, value: dict[str, Any], node: Node
    ) -> Iterator[Mutant]:
        allowed = {ref.code for ref in node.types}
        if node.id.endswith("Extension.value[x]") and node.slices:
            allowed = {ref.code for one in node.slices.values() for ref in one.types}
        if pointer and pointer[-2:-1] == ("extension",) and "integer" not in allowed:
            copied = copy.deepcopy(self.resource)
            holder = at(copied, pointer)
            del holder[key]
            holder.pop("_" + key, None)
            holder["valueInteger"] = 7
            yield Mutant("extension-type", f"{node.id} @ {'.'.join(map(str, pointer))}", copied)
        if "Address" not in allowed:
            copied = copy.deepcopy(self.resource)
            holder = at(copied, pointer)
            del holder[key]
            holder.pop("_" + key, None)
            holder[bare + "Address"] = {"city": "Zandoord"}
            yield Mutant("choice", f"{node.id} @ {'.'.join(map(str, pointer))}", copied)
        other = next((ref.code for ref in node.types if bare + ref.code[:1].upper() + ref.code[1:] != key), None)
        if other is not None:
            twin = bare + other[:1].upper() + other[1:]
            yield self._make("choice", node, (*pointer, twin), copy.deepcopy(value[key]))

    def _property(
        self, pointer: Pointer, key: str, holder: dict[str, Any], node: Node, ref: TypeRef | None
    ) -> Iterator[Mutant]:
        value = holder[key]
        here = (*pointer, key)
        if node.min > 0:
            yield self._make("required", node, here, MISSING)
        ref = ref or TypeRef("Element")
        if node.many != isinstance(value, list):
            return
        if not isinstance(value, list):
            yield self._make("list", node, here, [value])
            yield self._make("null", node, here, None)
            yield from self._single(here, value, node, ref)
            return
        yield self._make("list", node, here, value[0])
        yield self._make("null", node, here, [*value, None])
        yield self._make("empty", node, here, [])
        if node.max is not None and value:
            yield self._make("maximum", node, here, [value[0]] * (node.max + 1))
        if node.min > 1:
            yield self._make("minimum", node, here, value[: node.min - 1])
        slicer = self.compiler.slicers.of(node, ref)
        for index, item in enumerate(value):
            one, inner = node, ref
            if slicer is not None:
                slot, _ = slicer.classify(item, self.context)
                if slot >= 0:
                    found = slicer.slices[slot]
                    one, inner = found.node, found.node.types[0] if found.node.types else ref
                    yield from self._slice(here, value, index, slot, slicer)
                    count = sum(slicer.classify(other, self.context)[0] == slot for other in value)
                    self.slices.append(((*here, index), slicer, slot, count > one.min))
                    yield from self._single((*here, index), item, one, inner)
                    self.slices.pop()
                    continue
            yield from self._single((*here, index), item, one, inner)

    def _slice(self, here: Pointer, value: list[Any], index: int, slot: int, slicer: Any) -> Iterator[Mutant]:
        one = slicer.slices[slot]
        members = [item for item in value if slicer.classify(item, self.context)[0] == slot]
        if one.node.min and len(members) == one.node.min:
            if rest := value[:index] + value[index + 1 :]:
                yield self._make("slice-minimum", one.node, here, rest)
            elif slicer.node.min == 0:
                yield self._make("slice-absent", one.node, here, MISSING)
        if one.node.max is not None and one.node.max > 0:
            more = [copy.deepcopy(members[0]) for _ in range(one.node.max + 1 - len(members))]
            yield self._make("slice-maximum", one.node, here, [*value, *more])
        if slicer.rules == "closed" and slicer.by_url is None and isinstance(value[index], dict):
            yield self._make("slice-closed", one.node, here, [*value, {"id": "vreemd", **_strange(value[index])}])

    def _single(self, here: Pointer, value: Any, node: Node, ref: TypeRef) -> Iterator[Mutant]:
        code = ref.code
        if value is None:
            return
        if code in FORMATS:
            yield self._make("format", node, here, WRONG[code])
            yield self._make("type", node, here, {"value": "object"})
            if node.max_length is not None and isinstance(value, str):
                yield self._make("length", node, here, "x" * (node.max_length + 1))
        elif code not in ("Resource", "DomainResource") and not self.compiler._is_resource(code):
            yield self._make("type", node, here, "tekst")
            yield self._make("empty", node, here, {})
            if code == "Extension" and "url" in value:
                yield self._make("extension-empty", node, here, {"url": value["url"]})
        yield from self._values(here, value, node, ref)
        if self.compiler._is_resource(code):
            kind = value.get("resourceType") if isinstance(value, dict) else None
            if isinstance(kind, str):
                yield self._make("nested", node, (*here, "resourceType"), "Onbekend")
                inner = self.validator.compiler.type_shape(kind).node
                yield from self._object(here, value, inner)
            return
        if isinstance(value, dict):
            inner_node = self._inner(value, node, ref)
            if inner_node is not None:
                yield from self._object(here, value, inner_node)

    def _inner(self, value: dict[str, Any], node: Node, ref: TypeRef) -> Node | None:
        if code := (ref.code.startswith("#") or node.content is not None):
            return self.merger.content(node.content or ref.code) if code else None
        if ref.code == "Extension" and not ref.profiles and node.children is None:
            shape = self.compiler._extension_shape(str(value.get("url")))
            if shape is not None:
                return shape.node
        shape = self.compiler._shape_for(node, ref)
        return shape.node

    def _values(self, here: Pointer, value: Any, node: Node, ref: TypeRef) -> Iterator[Mutant]:
        if node.fixed is not MISSING:
            yield self._make("fixed", node, here, _spoilt(value))
        if node.pattern is not MISSING:
            yield self._make("pattern", node, here, _spoilt(value))
        binding = node.binding
        if binding is not None and binding.strength == "required" and binding.value_set is not None:
            found = self.validator.terminology.value_set(binding.value_set)
            if found is not None and not any(extent.open for extent in found.extents.values()):
                yield from self._unbound(here, value, node, ref.code)
        if ref.code == "Reference" and ref.targets and isinstance(value.get("reference"), str):
            kinds = {self.merger.kind_of(target) for target in ref.targets}
            if not kinds & {"Resource", None} and "Substance" not in kinds:
                yield self._make("reference", node, (*here, "reference"), "Substance/1")

    def _unbound(self, here: Pointer, value: Any, node: Node, code: str) -> Iterator[Mutant]:
        if code in ("code", "string", "uri"):
            yield self._make("binding", node, here, "bestaat-niet")
        elif code == "CodeableConcept" and isinstance(value.get("coding"), list):
            spoilt = [{**one, "code": "bestaat-niet"} for one in value["coding"] if "code" in one]
            if spoilt:
                yield self._make("binding", node, (*here, "coding"), spoilt)
        elif "code" in value:
            yield self._make("binding", node, (*here, "code"), "bestaat-niet")


def _spoilt(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x" if not value.endswith("x") else value + "y"
    if isinstance(value, int | Decimal):
        return value + 1
    if isinstance(value, list):
        return [_spoilt(item) for item in value]
    if isinstance(value, dict):
        return {key: _spoilt(item) if key not in ("id", "extension") else item for key, item in value.items()}
    return "anders"


def _strange(value: dict[str, Any]) -> dict[str, Any]:
    return {key: _spoilt(item) for key, item in value.items()}
