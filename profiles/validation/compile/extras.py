"""What an element demands on top of its type: fixed values, bounds, bindings, targets, invariants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from profiles.validation.hits import Check
from profiles.validation.rules.bindings import binding_check
from profiles.validation.rules.fixed import fixed_check, pattern_check
from profiles.validation.rules.invariants import invariant_check
from profiles.validation.rules.lengths import bounds_check, length_check, shortest_check
from profiles.validation.rules.narrative import narrative_check
from profiles.validation.rules.narrativecontrol import narrative_control_check
from profiles.validation.rules.references import consistent_check, reference_check
from profiles.validation.schema.merge import Merger
from profiles.validation.schema.nodes import MISSING, BrokenDefinition, Node, TypeRef
from profiles.validation.schema.terminology import Terminology
from profiles.validation.shapes import Shape

ELEMENTS: Final = frozenset({"Element", "BackboneElement"})
"""Types whose children stand in the structure that uses them."""


class Extras:
    """Makes the checks of an element that its type does not have."""

    def __init__(self, merger: Merger, terminology: Terminology, is_resource: Callable[[str], bool]) -> None:
        self._merger = merger
        self._terminology = terminology
        self._is_resource = is_resource

    def of(self, node: Node, ref: TypeRef, shape: Shape | None) -> list[Check]:
        """What an element demands on top of its type."""
        code = ref.code
        checks: list[Check | None] = []
        if node.fixed is not MISSING:
            checks.append(fixed_check(node.fixed, node))
        if node.pattern is not MISSING:
            checks.append(pattern_check(node.pattern, node))
        if node.max_length is not None:
            checks.append(length_check(node.max_length, node))
        if node.min_length is not None:
            checks.append(shortest_check(node.min_length, node))
        if node.bounds != (None, None):
            checks.append(bounds_check(*node.bounds, node))
        if code == "xhtml":
            checks.append(narrative_check(node))
        if code == "Narrative" and node.narrative:
            checks.append(narrative_control_check(node))
        checks.append(binding_check(node, code, self._terminology))
        if code == "Reference":
            checks.append(consistent_check(node, self._is_resource))
        if code == "Reference" and ref.targets:
            checks.append(reference_check(node, ref.targets, self._merger.kind_of, self._is_resource))
        done = shape.node.constraints if shape is not None else {}
        root = self._type_constraints(ref)
        for key, one in node.constraints.items():
            if key not in root and (shape is None or shape.node is node or key not in done):
                if shape is not None and shape.node is node and key in self._root_constraints(node, ref):
                    continue
                checks.append(invariant_check(one, node, code))
        return [check for check in checks if check is not None]

    def _type_constraints(self, ref: TypeRef) -> Mapping[str, Any]:
        if ref.code.startswith("#"):
            return {}
        try:
            return self._merger.type_tree(ref.code).root.constraints
        except BrokenDefinition:
            return {}

    def _root_constraints(self, node: Node, ref: TypeRef) -> Mapping[str, Any]:
        if ref.code in ELEMENTS or ref.code.startswith("#"):
            return node.constraints
        try:
            return self._merger.tree(node.expanded).root.constraints if node.expanded else {}
        except BrokenDefinition:
            return {}
