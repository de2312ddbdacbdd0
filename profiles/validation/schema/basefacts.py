"""The root of all profiles when no core package is installed: trees made from the base facts."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Literal

from profiles.fhir import basetypes
from profiles.fhir.version import FhirVersion
from profiles.rows import Row, read
from profiles.validation.schema.nodes import HL7, Binding, Constraint, Node, Tree, TypeRef

TABLES = ("invariants.toml", "invariants-stu3.toml")


class InvariantRow(Row, frozen=True):
    """``[[invariant]]`` of the tables."""

    key: str
    paths: tuple[str, ...]
    expression: str
    human: str
    fhir: tuple[Literal["stu3", "r4"], ...] = ("stu3", "r4")


class InvariantRows(Row, frozen=True):
    """One of the tables."""

    invariant: tuple[InvariantRow, ...]


@cache
def invariants(version: FhirVersion) -> dict[str, tuple[Constraint, ...]]:
    """The base invariants by path, from the tables that stand in for the core package."""
    rows: dict[str, list[Constraint]] = {}
    for name in TABLES:
        for row in read(Path(__file__).with_name(name), InvariantRows).invariant:
            if version.value in row.fhir:
                constraint = Constraint(row.key, "error", row.expression, row.human, base=True)
                for path in row.paths:
                    rows.setdefault(path, []).append(constraint)
    return {path: tuple(constraints) for path, constraints in rows.items()}


class BaseTrees:
    """Trees for the types of a release, from the base facts; called with a canonical URL."""

    def __init__(self, version: FhirVersion) -> None:
        self.version = version
        self.facts = basetypes.facts(version)

    def __call__(self, url: str) -> Tree | None:
        """The tree of a base type, or None when the URL is not one."""
        name = url.removeprefix(HL7)
        types = self.facts.types
        if name not in types or "." in name or name == url:
            return None
        kind = types[name].kind
        owner = object()
        root = Node(name, name, owner, url)
        root.constraints = self._constraints(name)
        root.children = self._children(name, owner, url)
        return Tree(
            url, name, {"primitive": "primitive-type", "complex": "complex-type"}.get(kind, kind), name, (url,), root
        )

    def _constraints(self, path: str) -> dict[str, Constraint]:
        rows = invariants(self.version).get(path, ())
        if self.facts.is_resource(path) and path not in ("Bundle", "Binary", "Parameters"):
            rows = (*rows, *invariants(self.version)["RESOURCE"])
        return {row.key: row for row in rows}

    def _lineage(self, name: str) -> Iterable[str]:
        chain = [name]
        while (base := self.facts.types[chain[-1]].base) and base in self.facts.types:
            chain.append(base)
        return reversed(chain)

    def _children(self, name: str, owner: object, url: str) -> dict[str, Node]:
        children: dict[str, Node] = {}
        for one in self._lineage(name):
            for element in self.facts.types[one].elements.values():
                label = element.name + ("[x]" if element.choice else "")
                children[label] = self._node(f"{name}.{label}", label, element, owner, url)
        return children

    def _node(self, path: str, label: str, element: Any, owner: object, url: str) -> Node:
        targets = tuple(HL7 + target for target in element.targets)
        node = Node(path, label, owner, url, element.min, element.max, element.max not in (0, 1))
        if element.content is not None:
            node.content = "#" + element.content
        elif len(element.types) == 1 and "." in element.types[0]:
            node.types = (TypeRef("BackboneElement"),)
            node.children = self._children(element.types[0], owner, url)
        else:
            node.types = tuple(TypeRef(code, (), targets if code == "Reference" else ()) for code in element.types)
        if element.codes is not None:
            node.binding = Binding("required", None, None, element.codes)
        node.constraints = self._constraints(path)
        return node
