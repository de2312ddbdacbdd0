"""From syntax tree to nested closures."""

from decimal import Decimal
from typing import Any, Final

from profiles.fhirpath.arithmetic import negated
from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.evaluation import Closure, Evaluation
from profiles.fhirpath.functions import call
from profiles.fhirpath.items import ElementNode, Items, Walk, bare, single, walk_to, weight
from profiles.fhirpath.operators import LOGIC, OPERATORS
from profiles.fhirpath.syntax import (
    BinaryStep,
    ConstantTerm,
    FunctionStep,
    IndexStep,
    ListTerm,
    NameStep,
    SignTerm,
    SpecialTerm,
    SyntaxTree,
    TypeStep,
    VariableTerm,
    whole,
)
from profiles.fhirpath.typesystem import ABSTRACT, resource_names
from profiles.fhirpath.values import type_of

CONSTANTS: Final = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
_NUMBERS: Final = frozenset({int, Decimal, bool})
_LIGHT: Final = _NUMBERS | {str}
"""Types of values that cost nothing to compare."""
_ORDER: Final = frozenset({"<", ">", "<=", ">=", "+", "-"})
_EQUALITY: Final = frozenset({"=", "!=", "~", "!~", "in", "contains"})
_ASKS_TYPES: Final = frozenset(
    {"resolve", "type", "min", "max", "sum", "avg", "toString", "convertsToString", "toQuantity", "convertsToQuantity"}
)
_GIVES_SYSTEM_TYPES: Final = frozenset({"count", "length", "exists", "empty", "not", "hasValue", "all", "toInteger"})


def asks_types(tree: SyntaxTree) -> bool:
    """Whether an expression must know the types of elements: it tests them, or compares what only types tell apart.

    Text beside a literal is equal to it or not, whatever its type; two elements may be dates of other precision.
    """
    return any(_asks(one) for one in whole(tree))


def _asks(tree: SyntaxTree) -> bool:
    match tree:
        case TypeStep():
            return True
        case FunctionStep(_, name):
            return name in _ASKS_TYPES
        case NameStep(_, name):
            return name[:1].isupper() and name not in ABSTRACT and name not in resource_names()
        case BinaryStep(sign, left, right) if sign in _ORDER:
            return not any(_is_known(side, (bool, str)) for side in (left, right))
        case BinaryStep(sign, left, right) if sign in _EQUALITY:
            return not any(_is_known(side, ()) for side in (left, right))
    return False


def _is_known(tree: SyntaxTree, never: tuple[type, ...]) -> bool:
    """Whether a side of a comparison is sure to be a value of the language: a literal, or a function that gives one."""
    match tree:
        case ConstantTerm(values):
            return not any(isinstance(value, never) for value in values)
        case ListTerm(parts):
            return all(_is_known(part, never) for part in parts)
        case VariableTerm(name):
            return name in CONSTANTS
        case BinaryStep("|", left, right):
            return _is_known(left, never) and _is_known(right, never)
        case BinaryStep("&"):
            return not never
        case FunctionStep(_, name):
            return name in _GIVES_SYSTEM_TYPES
        case SignTerm(_, operand):
            return _is_known(operand, never)
    return False


def build(tree: SyntaxTree, *, typed: bool) -> Closure:
    """The closure for a tree; ``typed`` when the items it works on know their types. FhirPathError when it has none."""
    match tree:
        case ConstantTerm(values):
            return _constant(list(values))
        case ListTerm(parts):
            return _listed([build(one, typed=typed) for one in parts])
        case VariableTerm(name):
            return _variable(name, typed)
        case SpecialTerm(name):
            return _SPECIAL[name]
        case NameStep():
            return _path(tree, typed)
        case FunctionStep(subject, name, arguments, position):
            left = _subject(subject, typed)
            return call(name, left, [build(one, typed=typed) for one in arguments], position)
        case IndexStep(subject, index):
            return _indexed(build(subject, typed=typed), build(index, typed=typed))
        case SignTerm(negative, operand):
            inner = build(operand, typed=typed)
            return lambda focus, env: negated(inner(focus, env), negative=negative)
        case TypeStep(subject, how, name):
            return _type_test(_subject(subject, typed), how, name)
        case BinaryStep(("=" | "!=") as operator, left_tree, ConstantTerm((str() as text,))):
            return _is_text(operator, build(left_tree, typed=typed), text)
        case BinaryStep(operator, left_tree, right_tree):
            return _binary(operator, build(left_tree, typed=typed), build(right_tree, typed=typed))


def _subject(tree: SyntaxTree | None, typed: bool) -> Closure:
    return _this if tree is None else build(tree, typed=typed)


def _this(focus: Items, env: Evaluation) -> Items:
    return focus


_SPECIAL: Final[dict[str, Closure]] = {
    "$this": _this,
    "$index": lambda focus, env: [] if env.index is None else [env.index],
    "$total": lambda focus, env: env.total,
}


def _constant(items: Items) -> Closure:
    return lambda focus, env: items


def _listed(parts: list[Closure]) -> Closure:
    return lambda focus, env: [value for part in parts for value in part(focus, env)]


def _is_text(operator: str, left: Closure, text: str) -> Closure:
    """``left = 'text'`` and ``left != 'text'``, of which published rules are full: without the detour of equality."""
    run, constant = OPERATORS[operator], [text]
    if_same, if_not = ([True], [False]) if operator == "=" else ([False], [True])

    def compare(focus: Items, env: Evaluation) -> Items:
        items = left(focus, env)
        if len(items) == 1 and type(items[0]) is str:
            return if_same if items[0] == text else if_not
        return run(items, constant)

    return compare


def _binary(operator: str, left: Closure, right: Closure) -> Closure:
    if operator in LOGIC:
        return LOGIC[operator](left, right)
    run = OPERATORS[operator]
    loosely = operator in ("~", "!~")
    light = _NUMBERS if operator in ("&", "+") else _LIGHT

    def binary(focus: Items, env: Evaluation) -> Items:
        items, others = left(focus, env), right(focus, env)
        if len(items) != 1 or len(others) != 1 or type(items[0]) not in light or type(others[0]) not in light:
            env.spend(weight(items) * (len(others) if loosely else 1) + weight(others))
        return run(items, others)

    return binary


def _path(tree: NameStep, typed: bool) -> Closure:
    """A chain of names as one closure."""
    names: list[str] = []
    at: SyntaxTree | None = tree
    while isinstance(at, NameStep):
        names.append(at.name)
        at = at.subject
    walks: list[Walk] = [_named(name) for name in reversed(names)]
    if at is None and len(walks) == 1:
        only = walks[0]
        return lambda focus, env: only(focus)
    left = _subject(at, typed)

    def run(focus: Items, env: Evaluation) -> Items:
        items = left(focus, env)
        for walk in walks:
            if not items:
                return items
            env.steps -= len(items)
            items = walk(items)
        if env.steps < 0:
            env.spend(0)
        return items

    return run


def _named(name: str) -> Walk:
    """The step to a child, or (a name with a capital) a filter on the type, as in ``Patient.name``."""
    if not name[:1].isupper():
        return walk_to(name)

    def of_type(items: Items) -> Items:
        return [item for item in items if _is_a(item, name)]

    return of_type


def _is_a(item: Any, name: str) -> bool:
    if type(item) is ElementNode and item.types is not None:
        return item.path is not None and name in item.types.lineage(item.path)
    kind = item.get("resourceType") if isinstance(item, dict) else None
    return kind == name or (isinstance(kind, str) and name in ABSTRACT)


def _indexed(left: Closure, index: Closure) -> Closure:
    def run(focus: Items, env: Evaluation) -> Items:
        at = single(index(focus, env), "an index")
        if at is None:
            return []
        if type(at) is not int:
            raise FhirPathError("FHIRPath: an index is a whole number")
        return left(focus, env)[at : at + 1] if at >= 0 else []

    return run


def _variable(name: str, typed: bool) -> Closure:
    if name in ("resource", "rootResource", "context"):
        return _reserved("root" if name == "rootResource" else name, typed)

    def look_up(focus: Items, env: Evaluation) -> Items:
        if name not in env.variables:
            if name in CONSTANTS:
                return [CONSTANTS[name]]
            raise FhirPathError(f"FHIRPath: %{name} is not known")
        value = env.variables[name]
        items = value if isinstance(value, list) else [] if value is None else [value]
        return [env.typed(item) if typed and isinstance(item, dict) else item for item in items]

    return look_up


def _reserved(slot: str, typed: bool) -> Closure:
    def look_up(focus: Items, env: Evaluation) -> Items:
        value = getattr(env, slot)
        if value is None:
            return []
        return [env.typed(value)] if typed else [bare(value)]

    return look_up


def _type_test(left: Closure, how: str, name: str) -> Closure:
    wanted = name.rpartition(".")[2] if name.startswith(("FHIR.", "System.")) else name
    namespace = name[: -len(wanted) - 1] if wanted != name else ""

    def asked(focus: Items, env: Evaluation) -> Items:
        items = left(focus, env)
        if len(items) > 1:
            raise FhirPathError("FHIRPath: is() needs a single item")
        return [is_of_type(item, wanted, namespace, env) for item in items]

    def picked(focus: Items, env: Evaluation) -> Items:
        items = left(focus, env)
        env.spend(len(items))
        return [item for item in items if is_of_type(item, wanted, namespace, env)]

    return asked if how == "is" else picked


def is_of_type(item: Any, name: str, namespace: str, env: Evaluation) -> bool:
    """Whether an item is of a type or of a kind of it; without namespace the type may be FHIR's or the language's."""
    own, kind = type_of(item)
    if own == "System":
        return namespace != "FHIR" and kind.lower() == name.lower()
    return namespace != "System" and env.types.named(name) in env.types.lineage(kind)
