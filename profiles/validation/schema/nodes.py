"""What merged definitions are made of: elements with their types, bindings, slices and children.

Nodes are shared between the trees of a structure and of those that derive from it; ``owner`` says who may change one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MISSING: Final = object()


HL7: Final = "http://hl7.org/fhir/StructureDefinition/"


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
    """The zib element behind an element: concept id, Dutch and English name.

    Where there is none, the concept of a data set (``peri32-dataelement-9983``), which has a Dutch name only.
    """

    concept: str
    name_nl: str
    name_en: str

    @property
    def of_zib(self) -> bool:
        """Whether the concept is one of a zib."""
        return self.concept[:1].isdigit()

    @property
    def label(self) -> str:
        """The concept as findings show it: ``NL-CM 5.1.4``."""
        return f"NL-CM {self.concept}" if self.of_zib else self.concept


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
    min_length: int | None = None
    narrative: tuple[tuple[str, str], ...] = ()
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
        copy = Node.__new__(Node)
        for name in Node.__slots__:
            setattr(copy, name, getattr(self, name))
        copy.owner = owner
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


def choice_of(children: Mapping[str, Node], name: str) -> tuple[str, str] | None:
    """``valueQuantity`` -> ``("value[x]", "Quantity")`` when the children hold such a choice."""
    for key, node in children.items():
        if key.endswith("[x]") and name.startswith(key[:-3]):
            wanted = name[len(key) - 3 :]
            for ref in node.types:
                if ref.code[:1].upper() + ref.code[1:] == wanted:
                    return key, ref.code
    return None


def own(nodes: dict[str, Node], name: str, owner: object) -> Node:
    """The node of that name, copied first when it belongs to somebody else."""
    node = nodes[name]
    if node.owner is not owner:
        node = nodes[name] = node.clone(owner)
    return node


def slice_of(node: Node, name: str, code: str | None, owner: object) -> Node:
    """The slice of a node by name (``a/b`` re-slices ``a``), made when it is not there yet."""
    head, _, rest = name.partition("/")
    if rest and head in node.slices:
        return slice_of(own(node.slices, head, owner), rest, code, owner)
    if name in node.slices:
        return own(node.slices, name, owner)
    if node.choice:
        code = code or next(
            (r.code for r in node.types if node.name[:-3] + r.code[:1].upper() + r.code[1:] == name), None
        )
        if code is not None:
            for key, one in node.slices.items():
                if len(one.types) == 1 and one.types[0].code == code:
                    return own(node.slices, key, owner)
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
