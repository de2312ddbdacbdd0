"""From syntax tree to nested functions: each kind of node of the grammar has its builder."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhirpathpy.engine.nodes import FP_DateTime, FP_Quantity, FP_Time

from profiles.fhirpath import functions, values
from profiles.fhirpath.borrowed import borrowed
from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.grammar import Tree, unquote
from profiles.fhirpath.logic import LOGIC, SETTLED
from profiles.fhirpath.nodes import Node, member
from profiles.fhirpath.state import Evaluate, Items, Scope

_CONSTANTS = {"ucum": "http://unitsofmeasure.org", "sct": "http://snomed.info/sct", "loinc": "http://loinc.org"}
_TYPE_FUNCTIONS = ("is", "as", "ofType")


def build(tree: Tree) -> Evaluate:
    """The compiled form of a syntax tree; FhirPathError for what is not supported."""
    builder = _BUILDERS.get(tree["type"])
    if builder is None:
        raise FhirPathError(f"FHIRPath: {tree['type']} is not supported")
    return builder(tree)


def _inside(tree: Tree) -> Evaluate:
    return build(tree["children"][0])


def _constant(value: Items) -> Evaluate:
    return lambda scope, focus: value


def _literal(tree: Tree) -> Evaluate:
    children = tree.get("children")
    return build(children[0]) if children else _constant([])


def _number(tree: Tree) -> Evaluate:
    text = tree["text"]
    return _constant([Decimal(text) if "." in text else int(text)])


def _quantity(tree: Tree) -> Evaluate:
    value = tree["children"][0]
    unit = value["children"][0]
    words = unit["terminalNodeText"] or unit["children"][0]["terminalNodeText"]
    return _constant([FP_Quantity(Decimal(value["terminalNodeText"][0]), words[0])])


def _moment(kind: Callable[[str], Any], text: str) -> Evaluate:
    value = kind(text)
    if value is None:
        raise FhirPathError(f"FHIRPath: {text!r} is not a date or time")
    return _constant([value])


def _external(tree: Tree) -> Evaluate:
    constant = tree["children"][0]
    name = _name(constant["children"][0]) if constant.get("children") else unquote(constant["terminalNodeText"][-1])

    def look_up(scope: Scope, focus: Items) -> Items:
        state = scope.state
        if name in state.variables:
            value = state.variables[name]
            items = value if isinstance(value, list) else [] if value is None else [value]
            return [Node(item, None) if isinstance(item, dict) else item for item in items]
        if name in ("resource", "rootResource", "context"):
            return [state.root]
        if name in _CONSTANTS:
            return [_CONSTANTS[name]]
        raise FhirPathError(f"FHIRPath: %{name} is not known")

    return look_up


def _name(identifier: Tree) -> str:
    text: str = identifier["text"]
    return unquote(text) if text[:1] in ("`", '"') else text


def _member(tree: Tree) -> Evaluate:
    name = _name(tree["children"][0])
    capital = name[:1].isupper()

    def step(scope: Scope, focus: Items) -> Items:
        state = scope.state
        types = state.types
        state.spend(len(focus))
        found: Items = []
        for item in focus:
            if not isinstance(item, Node):
                continue
            if capital and item.path is not None and name in types.lineage(item.path):
                found.append(item)
            elif not capital:
                found.extend(member(item, name, types))
        return found

    return step


def _invocation(tree: Tree) -> Evaluate:
    left, right = (build(child) for child in tree["children"])
    return lambda scope, focus: right(scope, left(scope, focus))


def _function(tree: Tree) -> Evaluate:
    call = tree["children"][0]["children"]
    name = _name(call[0])
    arguments = call[1]["children"] if len(call) > 1 else []
    if name in _TYPE_FUNCTIONS and len(arguments) == 1:
        return _typed(name, _type_text(arguments[0]))
    args = [build(argument) for argument in arguments]
    if name not in functions.OWN:
        return borrowed(name, args)
    low, high, builder = functions.OWN[name]
    if not low <= len(args) <= high:
        raise FhirPathError(f"FHIRPath: {name}() does not take {len(args)} arguments")
    return builder(args)


def _type_text(tree: Tree) -> str:
    """``Coding`` in ``is(Coding)``, which the grammar reads as an expression."""
    text = (tree.get("text") or "").replace("`", "")
    if not all(part.isidentifier() for part in text.split(".")):
        raise FhirPathError("FHIRPath: a type name is expected")
    return str(text)


def _typed(name: str, wanted: str) -> Evaluate:
    def test(scope: Scope, focus: Items) -> Items:
        if not focus:
            return []
        if len(focus) > 1:
            raise FhirPathError("FHIRPath: is() needs a single item")
        return [functions.is_type(scope, focus[0], wanted)]

    def keep(scope: Scope, focus: Items) -> Items:
        return [item for item in focus if functions.is_type(scope, item, wanted)]

    return test if name == "is" else keep


def _type_operator(tree: Tree) -> Evaluate:
    left, specifier = tree["children"]
    subject, narrow = build(left), _typed(tree["terminalNodeText"][0], _type_text(specifier))
    return lambda scope, focus: narrow(scope, subject(scope, focus))


def _indexer(tree: Tree) -> Evaluate:
    collection, index = (build(child) for child in tree["children"])

    def pick(scope: Scope, focus: Items) -> Items:
        number = index(scope, scope.this)
        if len(number) != 1 or not values.is_number(values.plain(number[0])):
            return []
        position = int(values.plain(number[0]))
        return collection(scope, focus)[position : position + 1] if position >= 0 else []

    return pick


def _polarity(tree: Tree) -> Evaluate:
    operand, negative = _inside(tree), tree["terminalNodeText"][0] == "-"

    def sign(scope: Scope, focus: Items) -> Items:
        numbers = [values.plain(item) for item in operand(scope, focus)]
        if len(numbers) > 1 or not all(values.is_number(number) for number in numbers):
            raise FhirPathError("FHIRPath: a sign needs a single number")
        return [-number for number in numbers] if negative else numbers

    return sign


def _answer(value: bool | None) -> Items:
    return [] if value is None else [value]


def _equality(sign: str, a: Items, b: Items) -> Items:
    if sign in ("~", "!~"):
        return [values.equivalent(a, b) == (sign == "~")]
    equal = values.equal(a, b)
    return _answer(equal if sign == "=" or equal is None else not equal)


def _membership(sign: str, a: Items, b: Items) -> Items:
    one, many = (a, b) if sign == "in" else (b, a)
    if not one:
        return []
    if len(one) > 1:
        raise FhirPathError(f"FHIRPath: {sign} needs a single item")
    return [any(values.same(one[0], other) for other in many)]


def _operator(apply: Callable[[str, Items, Items], Items]) -> Callable[[Tree], Evaluate]:
    def builder(tree: Tree) -> Evaluate:
        sign = tree["terminalNodeText"][0]
        left, right = (build(child) for child in tree["children"])
        return lambda scope, focus: apply(sign, left(scope, focus), right(scope, focus))

    return builder


def _logic(tree: Tree) -> Evaluate:
    left, right = (build(child) for child in tree["children"])
    decide = LOGIC[tree["terminalNodeText"][0]]
    settled = SETTLED.get(tree["terminalNodeText"][0])

    def combine(scope: Scope, focus: Items) -> Items:
        first = values.logical(left(scope, focus))
        if settled is not None and first is settled[0]:
            return [settled[1]]
        return _answer(decide(first, values.logical(right(scope, focus))))

    return combine


_BUILDERS: dict[str, Callable[[Tree], Evaluate]] = {
    "TermExpression": _inside,
    "InvocationTerm": _inside,
    "ParenthesizedTerm": _inside,
    "LiteralTerm": _literal,
    "NullLiteral": lambda tree: _constant([]),
    "BooleanLiteral": lambda tree: _constant([tree["text"] == "true"]),
    "StringLiteral": lambda tree: _constant([unquote(tree["text"])]),
    "NumberLiteral": _number,
    "QuantityLiteral": _quantity,
    "DateTimeLiteral": lambda tree: _moment(FP_DateTime, tree["text"][1:].removesuffix("T")),
    "TimeLiteral": lambda tree: _moment(FP_Time, tree["text"][2:]),
    "ExternalConstantTerm": _external,
    "MemberInvocation": _member,
    "FunctionInvocation": _function,
    "InvocationExpression": _invocation,
    "IndexerExpression": _indexer,
    "ThisInvocation": lambda tree: lambda scope, focus: scope.this,
    "IndexInvocation": lambda tree: lambda scope, focus: _answer_index(scope),
    "TotalInvocation": lambda tree: lambda scope, focus: scope.total,
    "PolarityExpression": _polarity,
    "TypeExpression": _type_operator,
    "EqualityExpression": _operator(_equality),
    "InequalityExpression": _operator(lambda sign, a, b: _answer(values.compare(sign, a, b))),
    "MembershipExpression": _operator(_membership),
    "AdditiveExpression": _operator(values.arithmetic),
    "MultiplicativeExpression": _operator(values.arithmetic),
    "UnionExpression": _operator(lambda sign, a, b: functions.distinct(a + b)),
    "OrExpression": _logic,
    "XorExpression": _logic,
    "AndExpression": _logic,
    "ImpliesExpression": _logic,
}


def _answer_index(scope: Scope) -> Items:
    return [] if scope.index is None else [scope.index]
