"""Merged trees as rows of JSON, and back: nodes by number, so that what trees share is shared again when they are read.

Values that a profile fixes are FHIR data; decimals (of our own tables) keep their digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Raw, Struct, field, json

from profiles.validation.schema.nodes import MISSING, Binding, Constraint, Node, Slicing, Tree, TypeRef, ZibElement

DECIMAL: Final = "\0decimal"
"""The key of a decimal among JSON; no name of FHIR holds such a character."""


class NodeRow(Struct, omit_defaults=True):
    """A `Node`; children, slices and constraints by number."""

    id: str
    name: str
    source: str = ""
    min: int = 0
    max: int | None = 1
    many: bool = False
    types: tuple[TypeRef, ...] = ()
    fixed: tuple[Any, ...] = ()
    pattern: tuple[Any, ...] = ()
    binding: Binding | None = None
    max_length: int | None = None
    min_length: int | None = None
    narrative: tuple[tuple[str, str], ...] = ()
    bounds: tuple[Any, Any] | None = None
    slicing: Slicing | None = None
    slices: dict[str, int] = field(default_factory=dict)
    children: dict[str, int] | None = None
    constraints: dict[str, int] = field(default_factory=dict)
    content: str | None = None
    zib: ZibElement | None = None
    short: str = ""
    expanded: str | None = None
    modifier: bool = False


READ: Final = json.Decoder(NodeRow).decode


class TreeRow(Struct, omit_defaults=True):
    """A `Tree`; its root by number."""

    url: str
    type: str
    kind: str
    title: str
    chain: tuple[str, ...]
    root: int
    abstract: bool = False
    zib: str = ""
    contexts: tuple[tuple[str, str], ...] = ()
    faults: list[str] = field(default_factory=list)


class TreeRows(Struct):
    """Everything of a set of trees. A node is read when a tree is asked for that has it."""

    trees: list[TreeRow]
    nodes: list[Raw]
    constraints: list[Constraint]


AS_THEY_ARE: Final = (
    *("id", "name", "source", "min", "max", "many", "types", "binding", "max_length", "min_length", "narrative"),
    *("slicing", "content", "zib", "short", "expanded", "modifier"),
)
"""What a row says as the node does."""


class _Writing:
    """Gives nodes and constraints their numbers."""

    def __init__(self) -> None:
        self.rows = TreeRows([], [], [])
        self._nodes: dict[int, int] = {}
        self._constraints: dict[int, int] = {}

    def node(self, node: Node) -> int:
        number = self._nodes.get(id(node))
        if number is None:
            number = self._nodes[id(node)] = len(self.rows.nodes)
            self.rows.nodes.append(Raw())
            row = NodeRow(**{name: getattr(node, name) for name in AS_THEY_ARE})
            row.fixed = () if node.fixed is MISSING else (_plain(node.fixed),)
            row.pattern = () if node.pattern is MISSING else (_plain(node.pattern),)
            row.bounds = None if node.bounds == (None, None) else (_plain(node.bounds[0]), _plain(node.bounds[1]))
            row.slices = {name: self.node(one) for name, one in node.slices.items()}
            row.children = _numbered(node.children, self.node)
            row.constraints = {key: self._constraint(one) for key, one in node.constraints.items()}
            self.rows.nodes[number] = Raw(json.encode(row))
        return number

    def _constraint(self, one: Constraint) -> int:
        number = self._constraints.get(id(one))
        if number is None:
            number = self._constraints[id(one)] = len(self.rows.constraints)
            self.rows.constraints.append(one)
        return number


def _numbered(nodes: Mapping[str, Node] | None, number: Any) -> dict[str, int] | None:
    return None if nodes is None else {name: number(one) for name, one in nodes.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return {DECIMAL: str(value)}
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        if DECIMAL in value:
            return Decimal(value[DECIMAL])
        return {key: _value(inner) for key, inner in value.items()}
    return [_value(inner) for inner in value] if isinstance(value, list) else value


def rows_of(trees: Mapping[str, Tree]) -> TreeRows:
    """The rows of trees by canonical URL."""
    writing = _Writing()
    for url, tree in trees.items():
        writing.rows.trees.append(
            TreeRow(
                url,
                tree.type,
                tree.kind,
                tree.title,
                tree.chain,
                writing.node(tree.root),
                tree.abstract,
                tree.zib,
                tree.contexts,
                tree.faults,
            )
        )
    return writing.rows


class KeptTrees:
    """Makes trees of rows when they are asked for."""

    def __init__(self, rows: TreeRows) -> None:
        self._rows = rows
        self._trees = {row.url: row for row in rows.trees}
        self._nodes: dict[int, Node] = {}
        self._owner = object()
        """Owns all nodes: who derives from one copies it first, as of any other tree."""

    def tree(self, url: str) -> Tree | None:
        """The tree of a canonical URL; None when it is not among the rows."""
        row = self._trees.get(url)
        if row is None:
            return None
        return Tree(
            url,
            row.type,
            row.kind,
            row.title,
            row.chain,
            self._node(row.root),
            row.abstract,
            row.zib,
            row.contexts,
            row.faults,
        )

    def urls(self) -> set[str]:
        """The canonical URLs of all trees."""
        return set(self._trees)

    def _node(self, number: int) -> Node:
        node = self._nodes.get(number)
        if node is None:
            row = READ(self._rows.nodes[number])
            node = self._nodes[number] = Node(owner=self._owner, **{name: getattr(row, name) for name in AS_THEY_ARE})
            if row.fixed:
                node.fixed = _value(row.fixed[0])
            if row.pattern:
                node.pattern = _value(row.pattern[0])
            if row.bounds is not None:
                node.bounds = (_value(row.bounds[0]), _value(row.bounds[1]))
            node.slices = {name: self._node(one) for name, one in row.slices.items()}
            if row.children is not None:
                node.children = {name: self._node(one) for name, one in row.children.items()}
            known = self._rows.constraints
            node.constraints = {key: known[one] for key, one in row.constraints.items()}
        return node
