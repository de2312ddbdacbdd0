"""The syntax tree of an expression: what the parser makes and the compiler turns into closures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ConstantTerm:
    """A literal: one value, or none for ``{}``."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ListTerm:
    """``{'a', 'b'}``: not in the language, but two published zib2020 constraints use it."""

    parts: tuple[SyntaxTree, ...]


@dataclass(frozen=True, slots=True)
class VariableTerm:
    """``%name``."""

    name: str


@dataclass(frozen=True, slots=True)
class SpecialTerm:
    """``$this``, ``$index`` or ``$total``."""

    name: str


@dataclass(frozen=True, slots=True)
class NameStep:
    """``subject.name``, or ``name`` alone."""

    subject: SyntaxTree | None
    name: str


@dataclass(frozen=True, slots=True)
class FunctionStep:
    """``subject.name(arguments)``, or without subject."""

    subject: SyntaxTree | None
    name: str
    arguments: tuple[SyntaxTree, ...]
    position: int


@dataclass(frozen=True, slots=True)
class IndexStep:
    """``subject[index]``."""

    subject: SyntaxTree
    index: SyntaxTree


@dataclass(frozen=True, slots=True)
class SignTerm:
    """``-operand`` or ``+operand``."""

    negative: bool
    operand: SyntaxTree


@dataclass(frozen=True, slots=True)
class TypeStep:
    """``subject is Type``, ``subject as Type`` and the functions is(), as(), ofType()."""

    subject: SyntaxTree | None
    how: str
    type_name: str


@dataclass(frozen=True, slots=True)
class BinaryStep:
    """``left operator right``."""

    operator: str
    left: SyntaxTree
    right: SyntaxTree


SyntaxTree = (
    ConstantTerm
    | ListTerm
    | VariableTerm
    | SpecialTerm
    | NameStep
    | FunctionStep
    | IndexStep
    | SignTerm
    | TypeStep
    | BinaryStep
)


def parts_of(tree: SyntaxTree) -> Iterator[SyntaxTree]:
    """The trees directly below one."""
    match tree:
        case ListTerm(parts):
            yield from parts
        case FunctionStep(subject, _, arguments, _):
            if subject is not None:
                yield subject
            yield from arguments
        case NameStep(subject) | TypeStep(subject):
            if subject is not None:
                yield subject
        case IndexStep(subject, index):
            yield subject
            yield index
        case SignTerm(_, operand):
            yield operand
        case BinaryStep(_, left, right):
            yield left
            yield right
        case _:
            return


def whole(tree: SyntaxTree) -> Iterator[SyntaxTree]:
    """A tree and everything below it."""
    stack = [tree]
    while stack:
        one = stack.pop()
        yield one
        stack.extend(parts_of(one))
