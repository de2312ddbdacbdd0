"""Which elements make an expression false, for the shapes in which rules about every element are written.

``X.all(rule)``: those of X for which the rule does not hold. ``X.empty()``, ``X.exists().not()``, ``X.count() = 0``:
what is in X. Other shapes have no single culprit.
"""

from collections.abc import Iterator
from typing import Any

from profiles.fhirpath.collections import each
from profiles.fhirpath.compiler import build
from profiles.fhirpath.evaluation import Closure, Evaluation
from profiles.fhirpath.items import Items, bare, truth
from profiles.fhirpath.syntax import BinaryStep, ConstantTerm, FunctionStep, SyntaxTree


def culprits(tree: SyntaxTree, *, typed: bool) -> Closure | None:
    """A compiled search for the elements to blame; None when the expression has none of the shapes."""
    match tree:
        case FunctionStep(subject, "all", (rule,)) if subject is not None:
            return _failing(build(subject, typed=typed), build(rule, typed=typed))
        case (
            FunctionStep(subject, "empty", ())
            | FunctionStep(FunctionStep(subject, "exists", ()), "not", ())
            | BinaryStep("=", FunctionStep(subject, "count", ()), ConstantTerm((0,)))
        ) if subject is not None:
            return build(subject, typed=typed)
    return None


def _failing(subject: Closure, rule: Closure) -> Closure:
    def search(focus: Items, env: Evaluation) -> Items:
        items = subject(focus, env)
        answers = each(items, env, rule)
        return [item for item, answer in zip(items, answers, strict=True) if truth(answer) is not True]

    return search


def place(root: Any, item: Any) -> str | None:
    """Where an element is in a resource, as ``Bundle.entry[0].resource.subject``; None when it is not found."""
    data = bare(item)
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
