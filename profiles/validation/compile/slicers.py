"""From the slices of a definition to a slicer: who belongs to which slice, and which slices must be there."""

from collections.abc import Callable

from profiles.validation.hits import Check
from profiles.validation.rules.discriminators import Discriminators
from profiles.validation.rules.slicing import Slice, Slicer
from profiles.validation.schema.definitions import plain
from profiles.validation.schema.merge import Merger
from profiles.validation.schema.nodes import BrokenDefinition, Node, TypeRef
from profiles.validation.schema.terminology import Terminology


class Slicers:
    """Makes slicers; ``single`` gives the check for one value of an element, of one of its types."""

    def __init__(self, merger: Merger, terminology: Terminology, single: Callable[[Node, TypeRef], Check]) -> None:
        self._merger = merger
        self._discriminators = Discriminators(merger, terminology)
        self._single = single

    def of(self, node: Node, ref: TypeRef) -> Slicer | None:
        """The slicer of an element; None when it has no slices that items are sorted into (choices have none)."""
        if not node.slices or node.choice:
            return None
        slicing = node.slicing
        rows = slicing.discriminators if slicing else ()
        if ref.code == "Extension":
            urls: dict[str, int] = {}
            slices: list[Slice] = []
            for name, member in node.slices.items():
                url = self._extension_url(member)
                if url is not None:
                    urls[url] = len(slices)
                    slices.append(Slice(name, member, (), self._member(member)))
            return Slicer(node, tuple(slices), urls) if slices else None
        found = []
        for name, member in node.slices.items():
            tests = tuple(self._discriminators.make(kind, path, member) for kind, path in rows)
            found.append(Slice(name, member, tests, self._member(member), self.of(member, type_of(member))))
        return Slicer(node, tuple(found))

    def _member(self, node: Node) -> Check:
        if node.max == 0:
            return lambda value, context: None
        return self._single(node, type_of(node))

    def _extension_url(self, node: Node) -> str | None:
        for ref in node.types:
            if ref.profiles:
                url = plain(ref.profiles[0])
                try:
                    fixed = self._merger.tree(url).root.children or {}
                    value = fixed["url"].fixed
                    return value if isinstance(value, str) else url
                except (BrokenDefinition, KeyError):
                    return url
        url_node = (node.children or {}).get("url")
        return url_node.fixed if url_node is not None and isinstance(url_node.fixed, str) else None


def type_of(node: Node) -> TypeRef:
    """The type of an element that is no choice: of a content reference, its first, or Element."""
    if node.content is not None:
        return TypeRef(node.content)
    return node.types[0] if node.types else TypeRef("Element")


def demanded_slices(node: Node) -> list[tuple[Node, str]]:
    """The slices that must be there although their element as a whole may be absent, by name."""
    if node.choice or node.max == 0:
        return []
    return [(one, name) for name, one in node.slices.items() if one.min > 0 and one.max != 0]
