"""From chains of differentials to one tree of element definitions per structure.

Elements are found by **element id**, not by path: published profiles write paths such as ``Observation.valueQuantity``
where the id says ``Observation.value[x]:valueQuantity``. Trees share unchanged nodes with the structure that they
derive from (copy on write), so that what a profile leaves alone is compiled once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from profiles.validation.schema.definitions import Definitions, plain
from profiles.validation.schema.differential import amend, contexts, inherit, segments
from profiles.validation.schema.kept import KeptDefinitions
from profiles.validation.schema.nodes import HL7, BrokenDefinition, Node, Tree, TypeRef, choice_of, own, slice_of

MAX_DEPTH: Final = 24


class Merger:
    """Builds trees by canonical URL and keeps them; safe on circular and broken definitions."""

    def __init__(self, definitions: Definitions, base: Any = None, kept: KeptDefinitions | None = None) -> None:
        """``base`` makes the trees of base types that no package holds; ``kept`` has trees of an earlier process."""
        self.definitions = definitions
        self._base = base
        self._kept = kept
        self._trees: dict[str, Tree | BrokenDefinition] = {}
        self._busy: set[str] = set()

    def tree(self, canonical: str) -> Tree:
        """The merged tree of a structure; BrokenDefinition when there is none to be had."""
        url = plain(canonical)
        merged = self._trees.get(url)
        if merged is None:
            if url in self._busy:
                raise BrokenDefinition(f"{url} rests on itself")
            self._busy.add(url)
            try:
                merged = (self._kept.tree(canonical) if self._kept is not None else None) or self._build(canonical)
            except BrokenDefinition as problem:
                merged = problem
            except (TypeError, ValueError, AttributeError, KeyError, RecursionError) as problem:
                merged = BrokenDefinition(f"{url} cannot be read as a StructureDefinition ({type(problem).__name__})")
            finally:
                self._busy.discard(url)
            self._trees[url] = merged
        if isinstance(merged, BrokenDefinition):
            raise merged
        return merged

    def keep(self) -> bool:
        """Keep the trees on disk for the next process, where there are new ones; whether that was done."""
        if self._kept is None:
            return False
        return self._kept.keep(tree for tree in self._trees.values() if isinstance(tree, Tree))

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
            contexts(data),
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
            contexts(data),
        )
        for element in elements:
            if isinstance(element, dict):
                self._apply(tree, element, owner)
        return tree

    def _apply(self, tree: Tree, element: Mapping[str, Any], owner: object) -> None:
        text = str(element.get("id") or element.get("path") or "")
        path_parts = str(element.get("path") or "").split(".")
        parts = segments(text)
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
            inherit(other, before, first, bounds=id(other) not in own_slices)

    def _step(self, node: Node, name: str, slice_name: str | None, owner: object) -> Iterator[Node]:
        """The child (or slice of it) that a segment names, ready to be changed; then the same below existing slices."""
        children = self.expand(node, owner)
        if children is None:
            return
        if name not in children:
            found = choice_of(children, name)
            if found is None:
                return
            choice, code = found
            name, slice_name = choice, slice_name or name
            slice_type: str | None = code
        else:
            slice_type = None
        child = own(children, name, owner)
        if slice_name is None:
            yield child
            if child.slices:
                for one in list(child.slices):
                    yield own(child.slices, one, owner)
            return
        yield slice_of(child, slice_name, slice_type, owner)

    def expand(self, node: Node, owner: object | None = None) -> dict[str, Node] | None:
        """The children of a node; those of its type (or of the profile on its type) when it has none of its own."""
        if node.children is not None:
            return node.children
        tree, inner = self._below(node)
        profiles = node.types[0].profiles if len(node.types) == 1 else ()
        if tree is not None and profiles and tree.url == plain(profiles[0]):
            node.expanded = tree.url
        if inner is None or inner.children is None:
            return None
        node.children = dict(inner.children)
        if tree is not None and node.expanded:
            node.constraints = {**inner.constraints, **node.constraints}
        return node.children

    def _below(self, node: Node) -> tuple[Tree | None, Node | None]:
        """The tree of the type of a node (or of the profile on it), and the node whose children it has."""
        if node.content is not None:
            return None, self.content(node.content)
        if not node.types:
            return None, None
        ref = node.types[0] if len(node.types) == 1 else TypeRef("Element")
        try:
            tree = self.tree(ref.profiles[0]) if len(ref.profiles) == 1 else self.type_tree(ref.code)
        except BrokenDefinition:
            try:
                tree = self.type_tree(ref.code)
            except BrokenDefinition:
                return None, None
        return tree, tree.root

    def view(self, node: Node) -> Mapping[str, Node]:
        """The children of a node, its own or those of its type, without changing the node."""
        if node.children is not None:
            return node.children
        _, inner = self._below(node)
        return (inner.children if inner is not None else None) or {}

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
