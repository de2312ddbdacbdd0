"""Templates: a resource in YAML with formulas in it, compiled to closures.

*   A text that starts with ``=`` is a formula; every other value is a constant.
*   An object or list in which every formula gives nothing is left out, its constants with it.
*   ``$if``: a formula; the object is left out when it is not true.
*   ``$each``: the name of child rows; the object is repeated for each of them, and sees their columns first.
*   ``$value``: a formula that gives the whole object (beside ``$if`` and ``$each`` only).
"""

from collections import ChainMap
from collections.abc import Callable, Container, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, cast

from adapters.mapping import formula
from adapters.mapping.formula import ColumnReference, Compute, FormulaError, FunctionCall, Literal, Node, Row
from adapters.mapping.functions import LanguageFunction, present

CHILDREN = "$children"
"""The key in a row under which its child rows are, by name; no column can be called so."""


class TemplateError(ValueError):
    """A template that cannot be compiled: the place and what is wrong there."""

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}")
        self.place = place
        self.text = text


class RecordError(ValueError):
    """A record that cannot be mapped: the place and what is wrong, without the value."""

    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}")
        self.place = place
        self.text = text


@dataclass(frozen=True, slots=True)
class Part:
    """A compiled node. ``dynamic`` when there is a formula in it, ``many`` when it gives a list to be spliced in."""

    compute: Compute
    dynamic: bool
    many: bool = False


Watch = Callable[[str, str, Row, Any], None]
"""Told of every formula that was worked out: its place, the formula, the row and what it gave."""

NOTHING = Part(lambda _row: None, dynamic=True)


@dataclass(frozen=True, slots=True)
class TemplateCompiler:
    """Compiles the templates of one mapping. ``children`` are the names that ``$each`` may use.

    With ``faults``, a mistake is added to them and compiling goes on, so that all are told at once; else it is raised.
    With ``systems``, a code system that is neither one of these short names nor a URI is a mistake too.
    """

    functions: Mapping[str, LanguageFunction]
    maps: frozenset[str]
    children: Container[str] = frozenset()
    systems: Container[str] | None = None
    faults: list[TemplateError] | None = None
    watch: Watch | None = None

    def part(self, node: Any, place: str) -> Part:
        """Compile a node. Raises `TemplateError`."""
        if isinstance(node, str) and node.startswith("="):
            return self.formula(node[1:], place)
        if isinstance(node, dict):
            return self._object(node, place)
        if isinstance(node, list):
            return self._list([self.part(item, f"{place}[{index}]") for index, item in enumerate(node)])
        value = Decimal(repr(node)) if isinstance(node, float) else node
        return Part(lambda _row: value, dynamic=False)

    def formula(self, source: str, place: str) -> Part:
        """Compile a formula. Raises `TemplateError`."""
        try:
            compute = self._compute(formula.parse(source))
        except FormulaError as error:
            return self._fault(place, str(error))

        def guarded(row: Row) -> Any:
            try:
                value = _element(compute(row))
            except ValueError as error:
                raise RecordError(place, str(error)) from None
            except (TypeError, AttributeError, LookupError, ArithmeticError):
                raise RecordError(place, "a value of an unexpected kind") from None
            if self.watch is not None:
                self.watch(place, source, row, value)
            return value

        return Part(guarded, dynamic=True)

    def _compute(self, node: Node) -> Compute:
        if isinstance(node, Literal):
            value = node.value
            return lambda _row: value
        if isinstance(node, ColumnReference):
            name = node.name
            return lambda row: row[name]
        function = self.functions.get(node.name)
        if function is None:
            raise FormulaError(f"there is no function {node.name}()")
        self._check(node, function)
        arguments = tuple(self._compute(argument) for argument in node.arguments)
        return _LAZY[node.name](arguments) if node.name in _LAZY else _bind(function, arguments)

    def _check(self, node: FunctionCall, function: LanguageFunction) -> None:
        count = len(node.arguments)
        if count < function.least or (function.most is not None and count > function.most):
            raise FormulaError(f"{node.name}() cannot take {count} values")
        if function.maps is not None:
            named = node.arguments[function.maps]
            if not isinstance(named, Literal) or named.value not in self.maps:
                raise FormulaError(f"{node.name}() needs the name of a terminology map")
        if function.systems is not None:
            named = node.arguments[function.systems]
            if not isinstance(named, Literal):
                raise FormulaError(f"{node.name}() needs a code system as a fixed text")
            if self.systems is not None and ":" not in str(named.value) and named.value not in self.systems:
                raise FormulaError(f"{node.name}(): there is no system called {named.value!r}")

    def _object(self, node: Mapping[str, Any], place: str) -> Part:
        plain = {name: item for name, item in node.items() if name not in ("$if", "$each", "$value")}
        odd = next((name for name in plain if not isinstance(name, str) or name.startswith("$")), None)
        if odd is not None:
            return self._fault(place, f"unknown instruction {odd}")
        if "$value" in node:
            if plain:
                return self._fault(place, "$value gives the whole object: nothing can stand beside it")
            made = self.part(node["$value"], place)
        else:
            made = _make_object([(name, self.part(item, f"{place}.{name}")) for name, item in plain.items()])
        if "$if" in node:
            made = _conditional(self.part(node["$if"], f"{place}.$if").compute, made)
        if "$each" in node:
            if node["$each"] not in self.children:
                return self._fault(place, f"there are no child rows called {node['$each']!r}")
            return Part(_repeat(str(node["$each"]), made.compute), dynamic=True, many=True)
        return made

    def _fault(self, place: str, text: str) -> Part:
        if self.faults is None:
            raise TemplateError(place, text) from None
        self.faults.append(TemplateError(place, text))
        return NOTHING

    def _list(self, parts: Sequence[Part]) -> Part:
        def compute(row: Row) -> Any:
            made: list[Any] = []
            alive = False
            for part in parts:
                value = part.compute(row)
                if value is None:
                    continue
                alive = alive or part.dynamic
                made.extend(value if part.many else [value])
            return made if made and (alive or not dynamic) else None

        dynamic = any(part.dynamic for part in parts)
        return Part(compute, dynamic=dynamic)


def _make_object(parts: Sequence[tuple[str, Part]]) -> Part:
    dynamic = any(part.dynamic for _, part in parts)

    def compute(row: Row) -> Any:
        made: dict[str, Any] = {}
        alive = not dynamic
        for name, part in parts:
            value = part.compute(row)
            if value is not None:
                made[name] = value
                alive = alive or part.dynamic
        return made if alive and made else None

    return Part(compute, dynamic=dynamic)


def _conditional(condition: Compute, then: Part) -> Part:
    """The object when the condition is true; it then stands, formulas or not."""
    return Part(lambda row: then.compute(row) if condition(row) is True else None, dynamic=True)


def _repeat(name: str, compute: Compute) -> Compute:
    def repeated(row: Row) -> Any:
        children = cast("Sequence[MutableMapping[str, Any]]", row.get(CHILDREN, {}).get(name, ()))
        # Not copied together: the columns of a row may be read only when they are asked for.
        seen = cast("MutableMapping[str, Any]", row)
        made = [compute(ChainMap(child, seen)) for child in children]
        return [item for item in made if item is not None] or None

    return repeated


def _bind(function: LanguageFunction, arguments: tuple[Compute, ...]) -> Compute:
    call: Callable[..., Any] = function.call
    if function.keen:
        return lambda row: call(*[argument(row) for argument in arguments])
    first, rest = arguments[0], arguments[1:]

    def compute(row: Row) -> Any:
        value = first(row)
        return None if value is None else call(value, *[argument(row) for argument in rest])

    return compute


def _if(arguments: Sequence[Compute]) -> Compute:
    condition, then = arguments[:2]
    otherwise = arguments[2] if len(arguments) > 2 else None

    def compute(row: Row) -> Any:
        if condition(row) is True:
            return then(row)
        return None if otherwise is None else otherwise(row)

    return compute


def _default(arguments: Sequence[Compute]) -> Compute:
    return lambda row: next((value for one in arguments if present(value := one(row))), None)


def _all(arguments: Sequence[Compute]) -> Compute:
    return lambda row: all(one(row) is True for one in arguments)


def _any(arguments: Sequence[Compute]) -> Compute:
    return lambda row: any(one(row) is True for one in arguments)


_LAZY: Mapping[str, Callable[[Sequence[Compute]], Compute]] = {
    "if": _if, "default": _default, "all": _all, "any": _any,
}  # fmt: skip
"""Functions that work out a value only when it is needed: a branch that is not taken cannot fail."""


def _element(value: Any) -> Any:
    """A value as a FHIR element: plain JSON-like data, no float, no empty text."""
    if value is None or isinstance(value, bool | int | Decimal | dict):
        return value
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, date):
        raise ValueError("a date or moment needs date() or datetime()")
    if isinstance(value, float):
        raise ValueError("a number needs decimal()")
    raise ValueError("a value of an unexpected kind")
