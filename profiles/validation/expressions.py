"""Invariants as closures: the part of FHIRPath that published constraints use, compiled once, run on plain data.

A general engine needs 30 to 120 microseconds for a simple invariant; a closure needs one or two, which is what makes it
possible to run all of them on every resource. What is not covered here raises `Unsupported` at compile time, and the
general engine (`profiles.fhirpath`) takes over. Semantics: http://hl7.org/fhirpath/N1, singleton evaluation and
three-valued logic included; collections are Python lists.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from profiles.validation.functions import call, typed
from profiles.validation.items import BudgetExceeded, Env, Items, Unsupported, bare, step
from profiles.validation.operators import BINARY, LOGIC, Closure, logic

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<date>@[0-9T:+.Z-]+)|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<quoted>`[^`]+`)|(?P<dollar>\$[a-z]+)|(?P<percent>%(?:[A-Za-z][\w-]*|`[^`]+`|'[^']+'))|(?P<op><=|>=|!=|!~|[-.()\[\]{},|&+*/=<>~]))"
)


_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise Unsupported(f"not FHIRPath at {text[at : at + 20]!r}")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    found.append(("end", ""))
    return found


def _unescape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(one, text[1:-1])


class Parser:
    """A precedence climber that makes closures directly."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0

    def peek(self) -> tuple[str, str]:
        """The token that comes next."""
        return self.tokens[self.at]

    def take(self, text: str | None = None) -> tuple[str, str]:
        """Consume a token; Unsupported when it is not the expected one."""
        token = self.tokens[self.at]
        if text is not None and token[1] != text:
            raise Unsupported(f"expected {text!r}, found {token[1]!r}")
        self.at += 1
        return token

    def expression(self, floor: int = 0) -> Closure:
        """Parse an expression whose operators bind at least as tightly as the floor."""
        left = self.term()
        while True:
            kind, text = self.peek()
            if kind == "name" and text in ("is", "as") and floor <= 9:
                self.take()
                left = typed(left, text, self._type_name())
            elif kind == "name" and text in LOGIC and floor <= LOGIC[text]:
                self.take()
                left = logic(text, left, self.expression(LOGIC[text] + 1))
            elif text in BINARY and kind in ("op", "name") and floor <= BINARY[text][0]:
                self.take()
                level, run = BINARY[text]
                left = _binary(run, left, self.expression(level + 1))
            else:
                return left

    def _type_name(self) -> str:
        name = self.take()[1]
        while self.peek()[1] == ".":
            self.take()
            name = self.take()[1]
        return name.strip("`")

    def term(self) -> Closure:
        """Parse a literal, a name, a group or a function call, and what follows it with dots and brackets."""
        kind, text = self.peek()
        if kind == "op" and text == "-":
            self.take()
            inner = self.term()
            return lambda focus, env: [
                -bare(item) for item in inner(focus, env) if isinstance(bare(item), int | Decimal)
            ]
        left = self._atom()
        while self.peek()[1] in (".", "["):
            if self.take()[1] == "[":
                index = self.expression()
                self.take("]")
                left = _indexed(left, index)
            else:
                left = self._invocation(left)
        return left

    def _atom(self) -> Closure:
        kind, text = self.take()
        if kind == "string":
            return _constant(_unescape(text))
        if kind == "number":
            return _constant(Decimal(text) if "." in text else int(text))
        if kind == "date":
            return _constant(text[1:].lstrip("T") if text.startswith("@T") else text[1:].rstrip("T"))
        if kind == "name" and text in ("true", "false"):
            return _constant(text == "true")
        if kind == "op" and text == "(":
            inner = self.expression()
            self.take(")")
            return inner
        if kind == "op" and text == "{":
            items: list[Closure] = []
            while self.peek()[1] != "}":
                items.append(self.expression())
                if self.peek()[1] == ",":
                    self.take()
            self.take("}")
            return lambda focus, env: [value for item in items for value in item(focus, env)]
        if kind == "percent":
            return _variable(text[1:].strip("`'"))
        if kind == "dollar" and text == "$this":
            return lambda focus, env: focus
        if kind in ("name", "quoted"):
            self.at -= 1
            return self._invocation(None)
        raise Unsupported(f"unexpected {text!r}")

    def _invocation(self, left: Closure | None) -> Closure:
        kind, text = self.take()
        name = text.strip("`")
        if kind == "dollar" and text == "$this" and left is not None:
            return left
        if kind not in ("name", "quoted"):
            raise Unsupported(f"unexpected {text!r}")
        if self.peek()[1] == "(" and kind == "name":
            self.take()
            if name in ("is", "as", "ofType"):
                inner = self._type_name()
                self.take(")")
                return typed(left or _focus, "as" if name == "ofType" else name, inner)
            arguments: list[Closure] = []
            while self.peek()[1] != ")":
                arguments.append(self.expression())
                if self.peek()[1] == ",":
                    self.take()
            self.take(")")
            return call(name, left or _focus, arguments)
        return path_step(left, name)


def _focus(focus: Items, env: Env) -> Items:
    return focus


def _constant(value: Any) -> Closure:
    items = [value]
    return lambda focus, env: items


def _binary(run: Callable[[Items, Items], Items], left: Closure, right: Closure) -> Closure:
    return lambda focus, env: run(left(focus, env), right(focus, env))


def _indexed(left: Closure, index: Closure) -> Closure:
    def run(focus: Items, env: Env) -> Items:
        items, at = left(focus, env), index(focus, env)
        return items[at[0] : at[0] + 1] if at and isinstance(at[0], int) and at[0] >= 0 else []

    return run


def path_step(left: Closure | None, name: str) -> Closure:
    """A closure for ``left.name``; it remembers both, so that a type test can look at the choice itself."""

    def run(focus: Items, env: Env) -> Items:
        items = focus if left is None else left(focus, env)
        env.steps -= len(items)
        if env.steps < 0:
            raise BudgetExceeded
        return step(items, name)

    run.parent, run.name = left or _focus, name  # type: ignore[attr-defined]
    return run


KNOWN_VARIABLES: Final = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}


def _variable(name: str) -> Closure:
    if name in KNOWN_VARIABLES:
        return _constant(KNOWN_VARIABLES[name])
    if name == "resource":
        return lambda focus, env: [env.resource]
    if name == "rootResource":
        return lambda focus, env: [env.root if env.root is not None else env.resource]
    if name == "context":
        return lambda focus, env: [env.context]
    raise Unsupported(f"%{name} is not known")


def compile_expression(text: str) -> Closure:
    """Compile an expression; Unsupported when it holds something that is not covered."""
    if len(text) > 20_000:
        raise Unsupported("the expression is too long")
    parser = Parser(text)
    try:
        found = parser.expression()
    except RecursionError:
        raise Unsupported("the expression is nested too deeply") from None
    parser.take("")
    return found
