"""Rule: invariants of the base types and of profiles hold.

Expressions are compiled by `profiles.fhirpath`; what is none, or does not end within its bounds, is "not checkable". A
handful that sit on every element or need the container are written
by hand, because the published expressions are slow (dom-3 is quadratic) or say less than the standard's text.

An invariant that comes to nothing (empty) fails in a profile; in the base specification it holds, because several
published base expressions (obs-7, con-4) come to nothing on instances that the text of the rule allows.
"""

from collections.abc import Callable
from typing import Any, Final

from profiles import fhirpath
from profiles.fhirpath.items import ElementNode
from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.rules.narrative import references_in
from profiles.validation.schema.nodes import Constraint, Node

Predicate = Callable[[Any, Any], bool]

SKIP: Final = frozenset({"ele-1", "dom-1", "dom-6", "txt-1", "txt-2", "txt-3"})
"""Checked by structure (ele-1), by the rule for narratives (txt-*), withdrawn in practice (dom-1: text in contained
resources is only advised against since R4), or advice about narrative (dom-6)."""


def _rows(value: Any) -> list[dict[str, Any]]:
    rows = value.get("contained") if isinstance(value, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _dom2(value: Any, context: Any) -> bool:
    return all("contained" not in row for row in _rows(value))


def _dom3(value: Any, context: Any) -> bool:
    rows = _rows(value)
    if not rows:
        return True
    used: set[str] = set()
    back = False
    stack: list[Any] = [(value, False)]
    while stack:
        item, nested = stack.pop()
        if isinstance(item, dict):
            for key, child in item.items():
                if isinstance(child, str):
                    if key == "div":
                        used |= references_in(child)
                    elif child.startswith("#"):
                        used.add(child[1:])
                        back = back or (nested and child == "#")
                else:
                    stack.append((child, nested or key == "contained"))
        elif isinstance(item, list):
            stack.extend((child, nested) for child in item)
    return back or all(row.get("id") in used for row in rows if isinstance(row.get("id", ""), str))


def _meta(value: Any, *names: str) -> bool:
    return not any(isinstance(row.get("meta"), dict) and name in row["meta"] for row in _rows(value) for name in names)


def _ref1(value: Any, context: Any) -> bool:
    reference = value.get("reference") if type(value) is dict else None
    if not isinstance(reference, str) or not reference.startswith("#") or reference == "#":
        return True
    return context.contained(reference[1:]) is not None


def _ext1(value: Any, context: Any) -> bool:
    if type(value) is not dict:
        return True
    for key in value:
        if type(key) is str and key.startswith(("value", "_value")):
            return "extension" not in value
    return "extension" in value


BY_HAND: Final[dict[str, Predicate]] = {
    "ext-1": _ext1,
    "dom-2": _dom2,
    "dom-3": _dom3,
    "dom-4": lambda value, _: _meta(value, "versionId", "lastUpdated"),
    "dom-5": lambda value, _: _meta(value, "security"),
    "ref-1": _ref1,
}


def type_name(node: Node, code: str | None = None) -> str | None:
    """The type of the values of an element ("CodeableConcept", "Patient.contact"): of a choice, the one at hand.

    A node without types is the root of a structure: its id is the name of the type.
    """
    if node.content is not None:
        return node.content.rpartition("#")[2]
    if len(node.types) > 1:
        return code
    if not node.types or node.types[0].code in ("Element", "BackboneElement"):
        return ".".join(step.partition(":")[0] for step in node.id.split("."))
    return node.types[0].code


def invariant_check(constraint: Constraint, node: Node, code: str | None = None) -> Check | None:
    """A check for one invariant; None when it is checked elsewhere or is mere best practice.

    ``code`` is the type of the value, when the element has a choice of types.
    """
    key = constraint.key
    if key in SKIP or constraint.best_practice or not constraint.expression:
        return None
    severity = "error" if constraint.severity == "error" else "warning"
    params = {"constraint": key, "human": constraint.human}
    if key in BY_HAND:
        predicate = BY_HAND[key]

        def by_hand(value: Any, context: Any) -> Hits | None:
            return None if predicate(value, context) else [Hit("invariant.failed", node, params, severity)]

        return by_hand
    try:
        rule = fhirpath.compile(constraint.expression).rule(kind := type_name(node, code))
    except fhirpath.FhirPathError:
        return lambda value, context: [Hit("invariant.unchecked", node, params, "information")]
    lenient, knows_itself = constraint.base, "%context" in constraint.expression

    def check(value: Any, context: Any) -> Hits | None:
        env = context.env
        env.context = ElementNode(value, kind, None, env.resource, env.types) if knows_itself else value
        try:
            answer = rule(value, context.env)
        except fhirpath.FhirPathError:
            return None if severity == "warning" else [Hit("invariant.unchecked", node, params, "information")]
        if answer is True or (answer is None and lenient):
            return None
        return [Hit("invariant.failed", node, params, severity)]

    return check
