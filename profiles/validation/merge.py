"""From chains of differentials to one tree of element definitions per structure.

Elements are found by **element id**, not by path: published profiles write paths such as ``Observation.valueQuantity``
where the id says ``Observation.value[x]:valueQuantity``. Trees share unchanged nodes with the structure that they
derive from (copy on write), so that what a profile leaves alone is compiled once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from profiles.validation.definitions import Definitions, plain

MISSING: Final = object()
HL7: Final = "http://hl7.org/fhir/StructureDefinition/"
MAX_DEPTH: Final = 24


class BrokenDefinition(Exception):
    """A structure that cannot be compiled: absent, circular, or without usable elements."""


@dataclass(frozen=True)
class TypeRef:
    """One allowed type of an element."""

    code: str
    profiles: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Binding:
    """Where the codes of an element come from."""

    strength: str
    value_set: str | None
    maximum: str | None = None
    codes: frozenset[str] | None = None


@dataclass(frozen=True)
class Slicing:
    """How a repeating or choice element is divided."""

    discriminators: tuple[tuple[str, str], ...]
    rules: str = "open"
    ordered: bool = False


@dataclass(frozen=True)
class Constraint:
    """An invariant, as published."""

    key: str
    severity: str
    expression: str | None
    human: str
    best_practice: bool = False
    base: bool = False


@dataclass(frozen=True)
class ZibElement:
    """The zib element behind an element: concept id, Dutch and English name."""

    concept: str
    name_nl: str
    name_en: str


@dataclass(slots=True)
class Node:
    """An element definition in the merged tree; ``owner`` is the structure that may still change it."""

    id: str
    name: str
    owner: object = None
    source: str = ""
    min: int = 0
    max: int | None = 1
    many: bool = False
    types: tuple[TypeRef, ...] = ()
    fixed: Any = MISSING
    pattern: Any = MISSING
    binding: Binding | None = None
    max_length: int | None = None
    bounds: tuple[Any, Any] = (None, None)
    slicing: Slicing | None = None
    slices: dict[str, Node] = field(default_factory=dict)
    children: dict[str, Node] | None = None
    constraints: dict[str, Constraint] = field(default_factory=dict)
    content: str | None = None
    zib: ZibElement | None = None
    short: str = ""
    expanded: str | None = None
    modifier: bool = False

    @property
    def choice(self) -> bool:
        """Whether the element is a choice of types (``value[x]``)."""
        return self.name.endswith("[x]")

    def clone(self, owner: object) -> Node:
        """A copy that the owner may change; what lies below stays shared until it is touched."""
        copy = replace(self, owner=owner)
        copy.slices = dict(self.slices)
        copy.constraints = dict(self.constraints)
        copy.children = None if self.children is None else dict(self.children)
        return copy


@dataclass(slots=True)
class Tree:
    """A merged structure: its root, its type, and the chain of structures that it rests on (itself first)."""

    url: str
    type: str
    kind: str
    title: str
    chain: tuple[str, ...]
    root: Node
    abstract: bool = False
    zib: str = ""
    contexts: tuple[tuple[str, str], ...] = ()
    faults: list[str] = field(default_factory=list)


def _value(element: Mapping[str, Any], prefix: str) -> Any:
    for key, value in element.items():
        if key.startswith(prefix) and len(key) > len(prefix) and key[len(prefix)].isupper():
            return value
    return MISSING


def _types(element: Mapping[str, Any]) -> tuple[TypeRef, ...]:
    merged: dict[str, tuple[list[str], list[str]]] = {}
    for row in element.get("type") or ():
        code = row.get("code")
        if not isinstance(code, str):
            code = "string" if "_code" in row else None
        if code is None:
            continue
        if code.startswith("http://hl7.org/fhirpath/System."):
            code = next(
                (
                    str(x.get("valueUrl") or x.get("valueUri"))
                    for x in row.get("extension", ())
                    if "fhir-type" in x["url"]
                ),
                code.rpartition(".")[2].lower(),
            )
        profiles, targets = merged.setdefault(code, ([], []))
        profiles.extend(_listed(row.get("profile")))
        targets.extend(_listed(row.get("targetProfile")))
    return tuple(TypeRef(code, tuple(profiles), tuple(targets)) for code, (profiles, targets) in merged.items())


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _binding(data: Mapping[str, Any]) -> Binding:
    maximum = None
    for extension in data.get("extension", ()):
        if extension.get("url", "").endswith("elementdefinition-maxValueSet"):
            found = extension.get("valueReference", {}).get("reference") or extension.get("valueUri")
            maximum = found or extension.get("valueCanonical")
    reference = data.get("valueSetReference")
    url = reference.get("reference") if isinstance(reference, dict) else None
    return Binding(
        str(data.get("strength", "example")), url or data.get("valueSetUri") or data.get("valueSet"), maximum
    )


def _slicing(data: Mapping[str, Any]) -> Slicing:
    rows = tuple(
        (str(row.get("type", "value")), str(row.get("path", "$this"))) for row in data.get("discriminator") or ()
    )
    return Slicing(rows, str(data.get("rules", "open")), bool(data.get("ordered", False)))


def _constraints(rows: Any, source: str) -> dict[str, Constraint]:
    found = {}
    for row in rows:
        best = any("bestpractice" in str(x.get("url")) for x in row.get("extension", ()))
        found[str(row.get("key"))] = Constraint(
            str(row.get("key")),
            str(row.get("severity", "error")),
            row.get("expression"),
            str(row.get("human", "")),
            best,
            source.startswith(HL7),
        )
    return found


def _zib(element: Mapping[str, Any]) -> ZibElement | None:
    concepts = [
        (str(row.get("identity", "")), row)
        for row in element.get("mapping") or ()
        if isinstance(row.get("map"), str) and "NL-CM:" in row["map"]
    ]
    if not concepts:
        return None
    newest = max(concepts, key=lambda pair: ("basicelements" not in pair[0], pair[0][-6:]))[1]
    concept = newest["map"].partition("NL-CM:")[2].split()[0].rstrip(",;.")
    english = str(newest.get("comment", "")).split(".")[0].split("(")[0].strip()
    if not english or len(english) > 60 or " " in english:
        english = str(element.get("short", "")).split(" / ")[0]
    alias = element.get("alias") or [english]
    return ZibElement(concept, str(alias[-1]), english or str(alias[-1]))


def _max(text: Any) -> int | None:
    return int(text) if isinstance(text, str) and text.isdigit() else None


def amend(node: Node, element: Mapping[str, Any], source: str) -> None:
    """Write what a differential says onto a node."""
    node.source = source
    node.id = str(element.get("id") or element.get("path") or node.id)
    if isinstance(element.get("min"), int):
        node.min = element["min"]
    if isinstance(element.get("max"), str):
        node.max = _max(element["max"])
    types = _types(element)
    if types:
        node.types = _narrowed(node.types, types)
    fixed, pattern = _value(element, "fixed"), _value(element, "pattern")
    node.fixed = fixed if fixed is not MISSING else node.fixed
    node.pattern = pattern if pattern is not MISSING else node.pattern
    if isinstance(element.get("binding"), dict):
        binding = _binding(element["binding"])
        if binding.value_set is None and node.binding is not None:
            binding = replace(binding, value_set=node.binding.value_set)
        node.binding = binding
    if isinstance(element.get("maxLength"), int):
        node.max_length = element["maxLength"]
    low, high = _value(element, "minValue"), _value(element, "maxValue")
    if low is not MISSING or high is not MISSING:
        node.bounds = (node.bounds[0] if low is MISSING else low, node.bounds[1] if high is MISSING else high)
    if isinstance(element.get("slicing"), dict):
        slicing = _slicing(element["slicing"])
        if not slicing.discriminators and node.slicing is not None:
            slicing = replace(slicing, discriminators=node.slicing.discriminators)
        node.slicing = slicing
    if element.get("constraint"):
        node.constraints.update(_constraints(element["constraint"], source))
    if isinstance(element.get("contentReference"), str):
        node.content = element["contentReference"]
    node.zib = _zib(element) or node.zib
    node.short = str(element.get("short") or node.short)
    node.modifier = bool(element.get("isModifier", node.modifier))


def _narrowed(old: tuple[TypeRef, ...], new: tuple[TypeRef, ...]) -> tuple[TypeRef, ...]:
    """The new types; a type that says nothing about targets keeps those that it had."""
    before = {ref.code: ref for ref in old}
    return tuple(
        replace(ref, targets=before[ref.code].targets) if not ref.targets and ref.code in before else ref for ref in new
    )


def _inherit(slice_node: Node, before: Node, after: Node, *, bounds: bool) -> None:
    """Pass a change of the unsliced element on to a slice that has not said otherwise itself.

    ``bounds`` is for elements below a slice; how often the slice itself occurs is its own affair.
    """
    if bounds and slice_node.min == before.min:
        slice_node.min = after.min
    if bounds and slice_node.max == before.max:
        slice_node.max = after.max
    for name in ("binding", "types", "fixed", "pattern", "max_length", "bounds"):
        if getattr(slice_node, name) == getattr(before, name):
            setattr(slice_node, name, getattr(after, name))
    slice_node.constraints = {**after.constraints, **slice_node.constraints}
    slice_node.zib = slice_node.zib or after.zib


class Merger:
    """Builds trees by canonical URL and keeps them; safe on circular and broken definitions."""

    def __init__(self, definitions: Definitions, base: Any = None) -> None:
        self.definitions = definitions
        self._base = base
        self._trees: dict[str, Tree | BrokenDefinition] = {}
        self._busy: set[str] = set()

    def tree(self, canonical: str) -> Tree:
        """The merged tree of a structure; BrokenDefinition when there is none to be had."""
        url = plain(canonical)
        found = self._trees.get(url)
        if found is None:
            if url in self._busy:
                raise BrokenDefinition(f"{url} rests on itself")
            self._busy.add(url)
            try:
                found = self._build(canonical)
            except BrokenDefinition as problem:
                found = problem
            except (TypeError, ValueError, AttributeError, KeyError, RecursionError) as problem:
                found = BrokenDefinition(f"{url} cannot be read as a StructureDefinition ({type(problem).__name__})")
            finally:
                self._busy.discard(url)
            self._trees[url] = found
        if isinstance(found, BrokenDefinition):
            raise found
        return found

    def type_tree(self, code: str) -> Tree:
        """The tree of a type by its code."""
        return self.tree(code if ":" in code else HL7 + code)

    def _build(self, canonical: str) -> Tree:
        data = self.definitions.structure(canonical)
        url = plain(canonical)
        if data is None:
            tree = self._base(url) if self._base is not None else None
            if tree is None:
                raise BrokenDefinition(f"{url} is not known here")
            return tree  # type: ignore[no-any-return]
        if data.get("derivation") == "constraint" and data.get("baseDefinition"):
            tree = self._derived(data, url)
        else:
            tree = self._root(data, url)
        self.definitions.forget("StructureDefinition", url)
        return tree

    def _root(self, data: dict[str, Any], url: str) -> Tree:
        view = data.get("snapshot") or data.get("differential") or {}
        elements = view.get("element")
        if not isinstance(elements, list) or not elements:
            raise BrokenDefinition(f"{url} has no elements")
        owner = object()
        name = str(data.get("type") or data.get("name") or data.get("id"))
        root = Node(name, name, owner, url)
        if data.get("baseDefinition") and "snapshot" not in data:
            root = self.tree(str(data["baseDefinition"])).root.clone(owner)
            root.id = root.name = name
        for element in elements:
            parts = str(element["path"]).split(".")
            parent = root
            for part in parts[1:-1]:
                parent = (parent.children or {})[part]
            node = root if len(parts) == 1 else Node(str(element["path"]), parts[-1], owner, url)
            amend(node, element, url)
            if len(parts) > 1:
                node.many = str(element.get("max")) not in ("0", "1")
                node.slicing = None
                if parent.children is None:
                    parent.children = {}
                parent.children[parts[-1]] = node
        return Tree(
            url,
            name,
            str(data.get("kind", "resource")),
            name,
            (url,),
            root,
            bool(data.get("abstract")),
            "",
            _contexts(data),
        )

    def _derived(self, data: dict[str, Any], url: str) -> Tree:
        differential = (data.get("differential") or {}).get("element")
        snapshot = (data.get("snapshot") or {}).get("element")
        try:
            parent = self.tree(str(data["baseDefinition"]))
            elements = differential or snapshot or []
        except BrokenDefinition:
            if not snapshot or not data.get("type"):
                raise
            parent = self.type_tree(str(data["type"]))
            elements = snapshot
        if not isinstance(elements, list):
            raise BrokenDefinition(f"{url} has no elements")
        owner = object()
        root = parent.root.clone(owner)
        zib = next((str(row.get("name", "")) for row in data.get("mapping", ()) if "HCIM" in str(row.get("name"))), "")
        tree = Tree(
            url,
            str(data.get("type") or parent.type),
            parent.kind,
            str(data.get("title") or data.get("name") or url),
            (url, *parent.chain),
            root,
            False,
            zib or parent.zib,
            _contexts(data),
        )
        for element in elements:
            if isinstance(element, dict):
                self._apply(tree, element, owner)
        return tree

    def _apply(self, tree: Tree, element: Mapping[str, Any], owner: object) -> None:
        text = str(element.get("id") or element.get("path") or "")
        path_parts = str(element.get("path") or "").split(".")
        parts = _segments(text)
        if not parts or len(parts) > MAX_DEPTH:
            return
        if len(parts) != len(path_parts):
            parts = [(name, None) for name in path_parts]
        if parts[-1][1] is None and element.get("sliceName"):
            parts[-1] = (parts[-1][0], str(element["sliceName"]))
        nodes = [tree.root]
        for name, slice_name in parts[1:]:
            stepped = [found for node in nodes for found in self._step(node, name, slice_name, owner)]
            if not stepped:
                tree.faults.append(text)
                return
            nodes = stepped[:1] + [node for node in stepped[1:] if node is not stepped[0]]
        first = nodes[0]
        before = first.clone(None)
        amend(first, element, tree.url)
        own_slices = [id(one) for one in first.slices.values()]
        for other in nodes[1:]:
            _inherit(other, before, first, bounds=id(other) not in own_slices)

    def _step(self, node: Node, name: str, slice_name: str | None, owner: object) -> Iterator[Node]:
        """The child (or slice of it) that a segment names, ready to be changed; then the same below existing slices."""
        children = self.expand(node, owner)
        if children is None:
            return
        if name not in children:
            found = _choice(children, name)
            if found is None:
                return
            choice, code = found
            name, slice_name = choice, slice_name or name
            slice_type: str | None = code
        else:
            slice_type = None
        child = _own(children, name, owner)
        if slice_name is None:
            yield child
            if child.slices:
                for one in list(child.slices):
                    yield _own(child.slices, one, owner)
            return
        yield _slice(child, slice_name, slice_type, owner)

    def expand(self, node: Node, owner: object | None = None) -> dict[str, Node] | None:
        """The children of a node; those of its type (or of the profile on its type) when it has none of its own."""
        if node.children is not None:
            return node.children
        tree: Tree | None = None
        inner: Node | None = None
        if node.content is not None:
            inner = self.content(node.content)
        elif node.types:
            ref = node.types[0] if len(node.types) == 1 else TypeRef("Element")
            try:
                tree = self.tree(ref.profiles[0]) if len(ref.profiles) == 1 else self.type_tree(ref.code)
            except BrokenDefinition:
                try:
                    tree = self.type_tree(ref.code)
                except BrokenDefinition:
                    return None
            if ref.profiles and tree.url == plain(ref.profiles[0]):
                node.expanded = tree.url
            inner = tree.root
        if inner is None or inner.children is None:
            return None
        node.children = dict(inner.children)
        if tree is not None and node.expanded:
            node.constraints = {**inner.constraints, **node.constraints}
        return node.children

    def view(self, node: Node) -> Mapping[str, Node]:
        """The children of a node, its own or those of its type, without changing the node."""
        if node.children is not None:
            return node.children
        return self.expand(node.clone(None)) or {}

    def kind_of(self, canonical: str) -> str | None:
        """The type that a structure constrains (``Patient`` for nl-core-patient); None when it is not known here."""
        try:
            return self.tree(canonical).type
        except BrokenDefinition:
            return None

    def content(self, reference: str) -> Node | None:
        """The element that a content reference (``#Questionnaire.item``) points at."""
        path = reference.rpartition("#")[2].split(".")
        try:
            node = self.type_tree(path[0]).root
        except BrokenDefinition:
            return None
        for part in path[1:]:
            children = self.expand(node.clone(None)) if node.children is None else node.children
            if not children or part not in children:
                return None
            node = children[part]
        return node


def _contexts(data: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    rows = []
    for row in data.get("context") or ():
        if isinstance(row, str):
            rows.append((str(data.get("contextType", "resource")), row))
        elif isinstance(row, dict):
            rows.append((str(row.get("type", "element")), str(row.get("expression", ""))))
    return tuple(rows)


def _segments(text: str) -> list[tuple[str, str | None]]:
    """Split an element id; a slice name may hold dots when it was made from a profile's name, which we do not meet."""
    parts: list[tuple[str, str | None]] = []
    for part in text.split("."):
        name, colon, slice_name = part.partition(":")
        parts.append((name, slice_name if colon else None))
    return parts


def _choice(children: Mapping[str, Node], name: str) -> tuple[str, str] | None:
    """``valueQuantity`` -> ``("value[x]", "Quantity")`` when the children hold such a choice."""
    for key, node in children.items():
        if key.endswith("[x]") and name.startswith(key[:-3]):
            wanted = name[len(key) - 3 :]
            for ref in node.types:
                if ref.code[:1].upper() + ref.code[1:] == wanted:
                    return key, ref.code
    return None


def _own(nodes: dict[str, Node], name: str, owner: object) -> Node:
    node = nodes[name]
    if node.owner is not owner:
        node = nodes[name] = node.clone(owner)
    return node


def _slice(node: Node, name: str, code: str | None, owner: object) -> Node:
    """The slice of a node by name (``a/b`` re-slices ``a``), made when it is not there yet."""
    head, _, rest = name.partition("/")
    if rest and head in node.slices:
        return _slice(_own(node.slices, head, owner), rest, code, owner)
    if name in node.slices:
        return _own(node.slices, name, owner)
    if node.choice:
        code = code or next(
            (r.code for r in node.types if node.name[:-3] + r.code[:1].upper() + r.code[1:] == name), None
        )
        if code is not None:
            for key, one in node.slices.items():
                if len(one.types) == 1 and one.types[0].code == code:
                    return _own(node.slices, key, owner)
    made = node.clone(owner)
    made.slices = {}
    made.slicing = None
    made.min = 0
    made.id = f"{node.id}:{name}"
    if code is not None:
        made.types = tuple(ref for ref in node.types if ref.code == code)
    if node.choice and len(node.types) != 1:
        made.children = None
    node.slices[name] = made
    return made
