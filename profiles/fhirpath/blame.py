"""Which elements make an expression false, for the shapes in which rules about every element are written.

``X.all(rule)``: those of X for which the rule does not hold. ``X.empty()``, ``X.exists().not()``, ``X.count() = 0``:
what is in X. Other shapes have no single culprit.
"""

from collections.abc import Iterator
from typing import Any

from profiles.fhirpath.compiler import build
from profiles.fhirpath.grammar import Tree
from profiles.fhirpath.nodes import Node
from profiles.fhirpath.state import Evaluate, Items, Scope
from profiles.fhirpath.values import truth

_WRAPPERS = frozenset({"TermExpression", "InvocationTerm", "ParenthesizedTerm"})


def culprits(tree: Tree) -> Evaluate | None:
    """A compiled search for the elements to blame; None when the expression has none of the shapes."""
    tree = _bare(tree)
    if tree["type"] == "EqualityExpression":
        left, right = map(_bare, tree["children"])
        counted = _call(left)
        is_zero = right.get("text") == "0" and tree["terminalNodeText"] == ["="]
        return build(counted[0]) if counted and counted[1] == "count" and is_zero else None
    call = _call(tree)
    if call is None:
        return None
    subject, name, arguments = call
    if name == "all":
        return _failing(build(subject), build(arguments[0]))
    if name == "empty":
        return build(subject)
    inner = _call(_bare(subject)) if name == "not" else None
    return build(inner[0]) if inner and inner[1] == "exists" and not inner[2] else None


def _failing(subject: Evaluate, rule: Evaluate) -> Evaluate:
    def search(scope: Scope, focus: Items) -> Items:
        items = subject(scope, focus)
        found = enumerate(items)
        return [item for index, item in found if not truth(rule(Scope(scope.state, [item], index), [item]))]

    return search


def _bare(tree: Tree) -> Tree:
    while tree["type"] in _WRAPPERS and len(tree.get("children", ())) == 1:
        tree = tree["children"][0]
    return tree


def _call(tree: Tree) -> tuple[Tree, str, list[Tree]] | None:
    """Subject, function name and arguments of ``subject.name(arguments)``."""
    if tree["type"] != "InvocationExpression" or tree["children"][1]["type"] != "FunctionInvocation":
        return None
    parts = tree["children"][1]["children"][0]["children"]
    return tree["children"][0], parts[0]["text"], parts[1]["children"] if len(parts) > 1 else []


def place(root: Any, item: Any) -> str | None:
    """Where an element is in a resource, as ``Bundle.entry[0].resource.subject``; None when it is not found."""
    data = item.data if isinstance(item, Node) else item
    if not isinstance(data, dict):
        return None
    name = root.get("resourceType", "$this") if isinstance(root, dict) else "$this"
    return next((path for path, value in _walk(root, str(name)) if value is data), None)


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    stack = [(path, value)]
    while stack:
        path, value = stack.pop()
        yield path, value
        if isinstance(value, dict):
            stack.extend((f"{path}.{name}", child) for name, child in value.items() if isinstance(child, dict | list))
        elif isinstance(value, list):
            stack.extend((f"{path}[{index}]", child) for index, child in enumerate(value))
