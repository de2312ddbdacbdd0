"""Formulas: the small language behind a leading ``=``, parsed to a tree and compiled to a closure.

formula    = text | number | "true" | "false" | column | name "(" [formula {"," formula}] ")"
text       = "'" any "'"            two quotes inside for one
column     = a letter or _, then letters, digits and _
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]
Compute = Callable[[Row], Any]

DEPTH = 20

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>[(),]))"
)


class FormulaError(ValueError):
    """A formula that cannot be read; the text says what is wrong, for who writes the mapping."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A fixed value."""

    value: Any


@dataclass(frozen=True, slots=True)
class ColumnReference:
    """A column of the row."""

    name: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function with its arguments."""

    name: str
    arguments: tuple["Node", ...]


Node = Literal | ColumnReference | FunctionCall


def parse(source: str) -> Node:
    """Read a formula (without its ``=``). Raises `FormulaError`."""
    tokens = list(_tokens(source))
    node, rest = _node(tokens, 0, 0)
    if rest != len(tokens):
        raise FormulaError(f"unexpected {tokens[rest][1]!r}")
    return node


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(source.rstrip()):
        match = _TOKEN.match(source, at)
        if match is None:
            raise FormulaError(f"cannot read {source[at:].strip()[:20]!r}")
        yield str(match.lastgroup), match[str(match.lastgroup)]
        at = match.end()


def _node(tokens: Sequence[tuple[str, str]], at: int, depth: int) -> tuple[Node, int]:
    if at >= len(tokens):
        raise FormulaError("something is missing at the end")
    if depth > DEPTH:
        raise FormulaError("nested too deep")
    kind, text = tokens[at]
    if kind == "text":
        return Literal(text[1:-1].replace("''", "'")), at + 1
    if kind == "number":
        return Literal(Decimal(text) if "." in text else int(text)), at + 1
    if kind == "mark":
        raise FormulaError(f"unexpected {text!r}")
    if at + 1 < len(tokens) and tokens[at + 1][1] == "(" and tokens[at + 1][0] == "mark":
        arguments, following = _arguments(tokens, at + 2, depth)
        return FunctionCall(text, arguments), following
    if text in ("true", "false"):
        return Literal(text == "true"), at + 1
    return ColumnReference(text), at + 1


def _arguments(tokens: Sequence[tuple[str, str]], at: int, depth: int) -> tuple[tuple[Node, ...], int]:
    arguments: list[Node] = []
    if at < len(tokens) and tokens[at] == ("mark", ")"):
        return (), at + 1
    while True:
        node, at = _node(tokens, at, depth + 1)
        arguments.append(node)
        if at >= len(tokens) or tokens[at] not in (("mark", ","), ("mark", ")")):
            raise FormulaError("a comma or ) is missing")
        closing = tokens[at] == ("mark", ")")
        at += 1
        if closing:
            return tuple(arguments), at


def columns(node: Node) -> Iterator[str]:
    """The columns that a formula reads."""
    if isinstance(node, ColumnReference):
        yield node.name
    elif isinstance(node, FunctionCall):
        for argument in node.arguments:
            yield from columns(argument)
