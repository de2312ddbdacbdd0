"""Membership by the Expression Constraint Language of SNOMED CT, as far as value sets use it.

``<`` and ``<<`` (below, below or itself), ``^`` (member of a refset), ``*``, ``AND``, ``OR``, ``MINUS`` and brackets
(https://docs.snomed.org/snomed-ct-specifications/snomed-ct-expression-constraint-language). Refinements are not read.
"""

import re
from collections.abc import Callable

from profiles.validation.schema.codestore import CodeStore

Rule = Callable[[str], "bool | None"]
_TOKEN = re.compile(r"\s*(?:(<<|<|\^|\*|\(|\))|(\d{6,18})|(AND|OR|MINUS)\b|\|[^|]*\|)")
MAX_DEPTH = 40


class EclError(ValueError):
    """An expression that is none, or uses what is not read here."""


def compile_ecl(text: str, url: str, store: CodeStore) -> Rule:
    """The rule that says of a code whether an expression selects it. EclError when it cannot be read."""
    tokens = _tokens(text)
    rule = _expression(tokens, url, store, 0)
    if tokens:
        raise EclError(text)
    return rule


def below(url: str, store: CodeStore, top: str, *, itself: bool) -> Rule:
    """Whether a code stands below another one."""
    return lambda code: (itself and code == top and store.has(url, code)) or top in store.above(url, code)


def member(url: str, store: CodeStore, refset: str) -> Rule:
    """Whether a code is a member of a refset; not to be told of a refset that was not read."""
    there = store.has_refset(url, refset)
    return lambda code: store.within(url, code, refset) if there else None


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise EclError(text)
        tokens.extend(part for part in found.groups() if part)
        at = found.end()
    return tokens


def _expression(tokens: list[str], url: str, store: CodeStore, depth: int) -> Rule:
    rule = _operand(tokens, url, store, depth)
    while tokens and tokens[0] in ("AND", "OR", "MINUS"):
        rule = _joined(tokens.pop(0), rule, _operand(tokens, url, store, depth))
    return rule


def _operand(tokens: list[str], url: str, store: CodeStore, depth: int) -> Rule:
    if not tokens or depth > MAX_DEPTH:
        raise EclError("the expression ends too early")
    first = tokens.pop(0)
    if first == "(":
        rule = _expression(tokens, url, store, depth + 1)
        if not tokens or tokens.pop(0) != ")":
            raise EclError("a bracket is not closed")
        return rule
    if first == "*":
        return lambda code: store.has(url, code)
    if first.isdigit():
        return lambda code: code == first
    if first not in ("<", "<<", "^") or not tokens or not tokens[0].isdigit():
        raise EclError(first)
    name = tokens.pop(0)
    return member(url, store, name) if first == "^" else below(url, store, name, itself=first == "<<")


def _joined(operator: str, left: Rule, right: Rule) -> Rule:
    def both(code: str) -> bool | None:
        answers = (left(code), right(code))
        return False if False in answers else None if None in answers else True

    def either(code: str) -> bool | None:
        answers = (left(code), right(code))
        return True if True in answers else None if None in answers else False

    def without(code: str) -> bool | None:
        first, second = left(code), right(code)
        return False if first is False or second is True else None if None in (first, second) else True

    return {"AND": both, "OR": either, "MINUS": without}[operator]
