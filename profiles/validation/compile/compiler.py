"""From merged trees to shapes and checks: lazily, one structure at a time, shared where trees share nodes."""

from __future__ import annotations

from typing import Any, Final

from profiles.fhir import basetypes
from profiles.fhir.version import FhirVersion
from profiles.validation.compile.combine import other_type, sequence, sibling_list
from profiles.validation.compile.extras import ELEMENTS, Extras
from profiles.validation.compile.slicers import Slicers, demanded_slices, type_of
from profiles.validation.hits import Check, Hits, Segment
from profiles.validation.rules.cardinality import list_check, prohibited, single_check
from profiles.validation.rules.claims import missing_check
from profiles.validation.rules.codesystems import code_check
from profiles.validation.rules.extensions import extension_check
from profiles.validation.rules.formats import FORMATS, format_check
from profiles.validation.rules.invariants import invariant_check
from profiles.validation.rules.nested import nested_check
from profiles.validation.rules.plaintext import plain_checks
from profiles.validation.rules.slicing import sliced_list, sliced_single
from profiles.validation.rules.systems import system_check
from profiles.validation.rules.ucum import MEASURED, unit_check
from profiles.validation.schema.definitions import plain
from profiles.validation.schema.merge import Merger
from profiles.validation.schema.nodes import HL7, BrokenDefinition, Node, TypeRef
from profiles.validation.schema.terminology import Terminology
from profiles.validation.shapes import Shape
from profiles.validation.strictness import LENIENT, Strictness

SYSTEMS: Final = {"Identifier": "identifier", "Coding": "code"}


class Compiler:
    """Compiles structures of one set of definitions; keeps what it made."""

    def __init__(
        self, version: FhirVersion, merger: Merger, terminology: Terminology, strictness: Strictness = LENIENT
    ) -> None:
        self.version = version
        self.merger = merger
        self.terminology = terminology
        self._strictness = strictness
        self._facts = basetypes.facts(version)
        self.slicers = Slicers(merger, terminology, self.single)
        self._extras = Extras(merger, terminology, self._facts.is_resource)
        self._structures: dict[str, Shape] = {}
        self._nodes: dict[int, tuple[Node, Shape]] = {}
        self._singles: dict[tuple[int, int], tuple[Node, Check]] = {}

    def structure(self, url: str) -> Shape:
        """The shape of a structure by canonical URL; BrokenDefinition when it cannot be had."""
        url = plain(url)
        shape = self._structures.get(url)
        if shape is None:
            tree = self.merger.tree(url)
            resource = self._facts.is_resource(tree.type)
            shape = self._structures[url] = Shape(tree.type, url, tree.root, resource=resource)
            self._fill(shape, tree.root, tree.root)
        return shape

    def type_shape(self, code: str) -> Shape:
        """The shape of a type by its code."""
        return self.structure(code if ":" in code else HL7 + code)

    def _fill(self, shape: Shape, root: Node, node: Node) -> None:
        """Compile the children and the invariants of a node into a shape that was made (and registered) before.

        ``root`` holds the invariants: those of the type are its own, those of the element are made with `Extras`.
        """
        bit = 1
        required: list[tuple[int, Node, str]] = []
        for name, child in self.merger.view(node).items():
            needed = self._properties(shape, name, child, bit)
            demands = [(needed, "")] if needed is not None else demanded_slices(child)
            required.extend((bit, *one) for one in demands)
            bit <<= 1
        shape.require(required)
        checks = [invariant_check(one, node) for one in root.constraints.values()]
        if shape.name in SYSTEMS:
            checks.append(system_check(node, SYSTEMS[shape.name]))
        if shape.name == "Coding":
            checks.append(code_check(node, self.terminology))
        if shape.name in MEASURED:
            checks.append(unit_check(node))
        shape.invariants = tuple(check for check in checks if check is not None)

    def _properties(self, shape: Shape, name: str, node: Node, bit: int) -> Node | None:
        """Enter the JSON properties of an element; gives the definition that demands it, if one does.

        A type slice leaves other types allowed, except in extensions: there it is how published definitions say
        which type the value has (``Extension.valueString``, ``Extension.value[x]:valueString``).
        """
        bare = name.removesuffix("[x]")
        required = node if node.min > 0 and node.max != 0 else None
        if not node.choice:
            self._enter(shape, bare, bare, node, type_of(node), bit, 0)
            return required
        shape.choices = (*shape.choices, node)
        typed = {slice_.types[0].code: slice_ for slice_ in node.slices.values() if len(slice_.types) == 1}
        closed = bool(typed) and (shape.name == "Extension" or bool(node.slicing and node.slicing.rules == "closed"))
        for ref in node.types:
            key = bare + ref.code[:1].upper() + ref.code[1:]
            slice_ = typed.get(ref.code)
            if slice_ is None and closed:
                wanted = next(iter(typed.values()))
                shape.props[key] = (other_type(wanted), bit, Segment(key, bare, node), bit)
                continue
            chosen = node if slice_ is None else slice_
            inner = ref if slice_ is None else slice_.types[0]
            self._enter(shape, key, bare, chosen, inner, bit, bit)
        needed = next((slice_ for slice_ in typed.values() if slice_.min > 0), None)
        if needed is not None:
            for ref in node.types:
                if ref.code != needed.types[0].code:
                    key = bare + ref.code[:1].upper() + ref.code[1:]
                    shape.props[key] = (other_type(needed), bit, Segment(key, bare, node), bit)
        return needed or required

    def _enter(self, shape: Shape, key: str, name: str, node: Node, ref: TypeRef, bit: int, group: int) -> None:
        segment = Segment(key, name, node)
        if shape.resource and key == "id":
            ref = TypeRef("id")  # The core package of R4 says that the id of a resource is any text.
        primitive = ref.code in FORMATS
        if node.max == 0:
            check = prohibited(node)
            shape.props[key] = (check, bit, segment, group)
            if primitive:
                shape.props["_" + key] = (check, bit, segment, group)
            return
        check_one = self.single(node, ref)
        if node.many:
            slicer = self.slicers.of(node, ref)
            check = list_check(check_one, node) if slicer is None else sliced_list(check_one, node, slicer)
        else:
            slicer = self.slicers.of(node, ref)
            check_one = check_one if slicer is None else sliced_single(check_one, slicer)
            check = check_one if primitive else single_check(check_one, node)
        shape.props[key] = (check, bit, segment, group)
        if primitive and ref.code != "xhtml":
            shape.props["_" + key] = (self._sibling(node, ref), bit, segment, group)
            if (inner := self._primitive_shape(node, ref)).required:
                shape.beside = (*shape.beside, (key, segment, inner))

    def _sibling(self, node: Node, ref: TypeRef) -> Check:
        """A check for what stands beside a primitive: an id and extensions."""
        inner = self._primitive_shape(node, ref).check
        return sibling_list(inner, node) if node.many else inner

    def _primitive_shape(self, node: Node, ref: TypeRef) -> Shape:
        """The shape of ``_name``: the children of the primitive without its value."""
        children = self.merger.view(node)
        if node.children is None or "extension" not in children:
            return self._element()
        known = self._nodes.get(id(node))
        if known is not None:
            return known[1]
        shape = Shape("Element", "", node)
        self._nodes[id(node)] = (node, shape)
        bit = 1
        required: list[tuple[int, Node, str]] = []
        for name in ("id", "extension"):
            if name in children:
                needed = self._properties(shape, name, children[name], bit)
                demands = [(needed, "")] if needed is not None else demanded_slices(children[name])
                required.extend((bit, *one) for one in demands)
                bit <<= 1
        shape.require(required)
        return shape

    def _element(self) -> Shape:
        return self.type_shape("Element")

    def single(self, node: Node, ref: TypeRef) -> Check:
        """A check for one value of an element, of one of its types."""
        key = (id(node), hash(ref))
        known = self._singles.get(key)
        if known is None:
            known = self._singles[key] = (node, self._single(node, ref))
        return known[1]

    def _single(self, node: Node, ref: TypeRef) -> Check:
        code = ref.code
        if code in FORMATS:
            plain_text = plain_checks(code, node, self._strictness)
            return sequence([format_check(code, node), *plain_text, *self._extras.of(node, ref, None)], stop=True)
        if self._is_resource(code):
            return nested_check(node, {one.code: one.profiles for one in node.types})
        shape = self._shape_for(node, ref)
        checks: list[Check] = [shape.check]
        others = [url for url in ref.profiles if plain(url) not in (shape.url, node.expanded)]
        if code == "Extension" and not ref.profiles:
            return sequence(
                [
                    extension_check(
                        node, shape.check, self._extension, self._facts.is_resource, strict=self._strictness.unknown
                    ),
                    *self._extras.of(node, ref, shape),
                ]
            )
        if self._strictness.unknown:
            checks.extend(missing_check(node, url) for url in ref.profiles if not self._known(url))
        if others:
            checks.append(self._any_of(node, others))
        return sequence([*checks, *self._extras.of(node, ref, shape)])

    def _is_resource(self, code: str) -> bool:
        return code in ("Resource", "DomainResource") or self._facts.is_resource(code)

    def _shape_for(self, node: Node, ref: TypeRef) -> Shape:
        if ref.code.startswith("#"):
            return self._content_shape(ref.code)
        if node.children is not None and (len(node.types) == 1 or not node.choice):
            return self._own_shape(node, ref)
        if len(ref.profiles) == 1:
            try:
                return self.structure(ref.profiles[0])
            except BrokenDefinition:
                pass
        return self.type_shape(ref.code)

    def _own_shape(self, node: Node, ref: TypeRef) -> Shape:
        known = self._nodes.get(id(node))
        if known is not None:
            return known[1]
        name = node.id.rpartition(":")[0] or node.id if ref.code in ELEMENTS else ref.code
        shape = Shape(ref.code if ref.code not in ELEMENTS else name.partition(":")[0], node.expanded or "", node)
        self._nodes[id(node)] = (node, shape)
        root = node
        if ref.code not in ELEMENTS:
            try:
                root = self.merger.tree(node.expanded).root if node.expanded else self.merger.type_tree(ref.code).root
            except BrokenDefinition:
                root = node
        self._fill(shape, root, node)
        return shape

    def _content_shape(self, reference: str) -> Shape:
        known = self._structures.get(reference)
        if known is None:
            node = self.merger.content(reference)
            if node is None:
                return self._element()
            known = self._structures[reference] = Shape(reference.rpartition("#")[2], "", node)
            self._fill(known, node, node)
        return known

    def _any_of(self, node: Node, urls: list[str]) -> Check:
        known = [url for url in urls if self._known(url)]

        def check(value: Any, context: Any) -> Hits | None:
            if not known:
                return None
            if len(known) == 1:
                return self.structure(known[0]).check(value, context)
            best: Hits | None = None
            for url in known:
                found = self.structure(url).check(value, context)
                if not any(hit.severity == "error" for hit in found or ()):
                    return found
                best = found if best is None or len(found or ()) < len(best) else best
            return best

        return check

    def _known(self, url: str) -> bool:
        try:
            self.structure(url)
        except BrokenDefinition:
            return False
        return True

    def _extension(self, url: str) -> tuple[Shape, tuple[tuple[str, str], ...]] | None:
        shape = self._extension_shape(url)
        return None if shape is None else (shape, self.merger.tree(url).contexts)

    def _extension_shape(self, url: str) -> Shape | None:
        try:
            tree = self.merger.tree(url)
        except BrokenDefinition:
            return None
        return self.structure(url) if tree.type == "Extension" else None
