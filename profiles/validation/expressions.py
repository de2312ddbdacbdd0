"""Invariants as closures: the part of FHIRPath that published constraints use, compiled once, run on plain data.

A general engine needs 30 to 120 microseconds for a simple invariant; a closure needs one or two, which is what makes it
possible to run all of them on every resource. What is not covered here raises `Unsupported` at compile time, and the
general engine (`profiles.fhir.fhirpath`) takes over. Semantics: http://hl7.org/fhirpath/N1, singleton evaluation and
three-valued logic included; collections are Python lists.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

Items = list[Any]
Closure = Callable[[Items, "Env"], Items]

STEPS: Final = 2_000_000
PRIMITIVES: Final = (str, bool, int, Decimal, float)


class Unsupported(Exception):
    """The expression uses something that this compiler does not cover, or is not FHIRPath."""


class BudgetExceeded(Exception):
    """An evaluation took more steps than allowed."""


@dataclass(slots=True)
class Env:
    """What an evaluation knows besides its focus."""

    resource: Any = None
    root: Any = None
    context: Any = None
    resolve: Callable[[Any], Any] | None = None
    member: Callable[[Any, str], bool | None] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    steps: int = STEPS

    def spend(self, count: int) -> None:
        """Count work; raises BudgetExceeded when there was too much."""
        self.steps -= count
        if self.steps < 0:
            raise BudgetExceeded


class Prim:
    """A primitive with what FHIR JSON keeps beside it (``_name``: id and extensions)."""

    __slots__ = ("element", "value")

    def __init__(self, value: Any, element: Mapping[str, Any]) -> None:
        self.value = value
        self.element = element


def bare(item: Any) -> Any:
    """The plain value of an item."""
    return item.value if type(item) is Prim else item


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


def children_of(item: Any) -> Items:
    """All direct children of an item, primitives with their extensions."""
    if type(item) is Prim:
        return children_of(dict(item.element))
    if not isinstance(item, dict):
        return []
    found: Items = []
    for key in item:
        if key == "resourceType" or (key[0:1] == "_" and key[1:] in item):
            continue
        found.extend(step([item], key.lstrip("_")))
    return found


def _joined(value: Any, sibling: Any, out: Items) -> None:
    """Append a primitive (or a list of them) together with its ``_name`` sibling."""
    if isinstance(value, list) or isinstance(sibling, list):
        values = value if isinstance(value, list) else []
        siblings = sibling if isinstance(sibling, list) else []
        for index in range(max(len(values), len(siblings))):
            one = values[index] if index < len(values) else None
            other = siblings[index] if index < len(siblings) else None
            if one is not None or isinstance(other, dict):
                out.append(Prim(one, other) if isinstance(other, dict) else one)
    elif isinstance(sibling, dict):
        out.append(Prim(value, sibling))
    elif value is not None:
        out.append(value)


def step(focus: Items, name: str) -> Items:
    """The children of that name of every item; a choice is found by the name without its type."""
    out: Items = []
    for one in focus:
        item = one.element if type(one) is Prim else one
        if not isinstance(item, dict):
            continue
        value = item.get(name)
        sibling = item.get("_" + name)
        if value is None and sibling is None:
            length = len(name)
            for key in item:
                if len(key) > length and key[0] != "_" and key[length].isupper() and key.startswith(name):
                    value, sibling = item[key], item.get("_" + key)
                    break
            else:
                if item.get("resourceType") == name:
                    out.append(item)
                continue
        if sibling is not None:
            _joined(value, sibling, out)
        elif type(value) is list:
            out.extend([each for each in value if each is not None])
        else:
            out.append(value)
    return out


def truth(items: Items) -> bool | None:
    """Singleton evaluation as a boolean: empty is None, one non-boolean item is true."""
    if not items:
        return None
    value = bare(items[0])
    return value if isinstance(value, bool) else True


def as_list(value: bool | None) -> Items:
    """A boolean back into a collection."""
    return [] if value is None else [value]


def same(left: Any, right: Any) -> bool:
    """Equality of two items."""
    left, right = bare(left), bare(right)
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def _equal(left: Items, right: Items) -> bool | None:
    if not left or not right:
        return None
    return len(left) == len(right) and all(map(same, left, right))


_DATE = re.compile(r"\d{4}(-\d\d(-\d\d(T.*)?)?)?\Z")


def compared(left: Any, right: Any) -> int | None:
    """-1, 0 or 1, or None when the two cannot be ordered (other kinds, or precisions that overlap)."""
    left, right = bare(left), bare(right)
    if isinstance(left, dict) and isinstance(right, dict) and "value" in left and "value" in right:
        units = [(one.get("system"), one.get("code"), one.get("unit")) for one in (left, right)]
        return compared(left["value"], right["value"]) if units[0] == units[1] else None
    if isinstance(left, dict) and "value" in left and not isinstance(right, dict):
        left = left["value"]
    if isinstance(left, str) and isinstance(right, str):
        if _DATE.match(left) and _DATE.match(right):
            from profiles.validation.rules.formats import compare_dates

            return compare_dates(left, right)
        return (left > right) - (left < right)
    numbers = (int, Decimal, float)
    if isinstance(left, numbers) and isinstance(right, numbers):
        return (left > right) - (left < right)
    return None


def _order(test: Callable[[int], bool]) -> Callable[[Items, Items], Items]:
    def run(left: Items, right: Items) -> Items:
        if len(left) != 1 or len(right) != 1:
            return []
        found = compared(left[0], right[0])
        return [] if found is None else [test(found)]

    return run


def key_of(item: Any) -> Any:
    """Something hashable that equal items share."""
    value = bare(item)
    if isinstance(value, dict):
        return frozenset((key, key_of(child)) for key, child in value.items())
    if isinstance(value, list):
        return tuple(map(key_of, value))
    return (isinstance(value, bool), value)


def distinct(items: Items) -> Items:
    """The items without repetitions, in their order."""
    return list({key_of(item): item for item in reversed(items)}.values())[::-1]


def _union(left: Items, right: Items) -> Items:
    return distinct([*left, *right])


def _text(items: Items) -> str:
    value = bare(items[0]) if items else ""
    return value if isinstance(value, str) else str(value)


def _plus(left: Items, right: Items) -> Items:
    if len(left) != 1 or len(right) != 1:
        return []
    a, b = bare(left[0]), bare(right[0])
    if isinstance(a, str) and isinstance(b, str):
        return [a + b]
    numbers = (int, Decimal)
    return [a + b] if isinstance(a, numbers) and isinstance(b, numbers) else []


def _minus(left: Items, right: Items) -> Items:
    if len(left) != 1 or len(right) != 1:
        return []
    a, b = bare(left[0]), bare(right[0])
    return [a - b] if isinstance(a, int | Decimal) and isinstance(b, int | Decimal) else []


def _inside(left: Items, right: Items) -> Items:
    return [any(same(left[0], other) for other in right)] if left else []


def _negated(value: bool | None) -> Items:
    return [] if value is None else [not value]


BINARY: Final[dict[str, tuple[int, Callable[[Items, Items], Items]]]] = {
    "in": (5, _inside),
    "contains": (5, lambda left, right: _inside(right, left)),
    "=": (6, lambda left, right: as_list(_equal(left, right))),
    "~": (6, lambda left, right: [not left and not right] if not left or not right else as_list(_equal(left, right))),
    "!=": (6, lambda left, right: _negated(_equal(left, right))),
    "!~": (
        6,
        lambda left, right: [bool(left) != bool(right)] if not left or not right else _negated(_equal(left, right)),
    ),
    "<": (7, _order(lambda found: found < 0)),
    ">": (7, _order(lambda found: found > 0)),
    "<=": (7, _order(lambda found: found <= 0)),
    ">=": (7, _order(lambda found: found >= 0)),
    "|": (8, _union),
    "+": (10, _plus),
    "-": (10, _minus),
    "&": (10, lambda left, right: [_text(left) + _text(right)]),
}
LOGIC: Final = {"implies": 1, "or": 2, "xor": 2, "and": 3}


def _logic(name: str, left: Closure, right: Closure) -> Closure:
    def both(focus: Items, env: Env) -> Items:
        a = truth(left(focus, env))
        if a is False:
            return [False]
        b = truth(right(focus, env))
        return [False] if b is False else ([] if a is None or b is None else [True])

    def either(focus: Items, env: Env) -> Items:
        a = truth(left(focus, env))
        if a is True:
            return [True]
        b = truth(right(focus, env))
        return [True] if b is True else ([] if a is None or b is None else [False])

    def implies(focus: Items, env: Env) -> Items:
        a = truth(left(focus, env))
        if a is False:
            return [True]
        b = truth(right(focus, env))
        return [True] if b is True else ([] if a is None or b is None else [False])

    def differ(focus: Items, env: Env) -> Items:
        a, b = truth(left(focus, env)), truth(right(focus, env))
        return [] if a is None or b is None else [a != b]

    return {"and": both, "or": either, "implies": implies, "xor": differ}[name]


class Parser:
    """A precedence climber that makes closures directly."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0
        self.last_name: str | None = None

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
                left = self._typed(left, text, self._type_name())
            elif kind == "name" and text in LOGIC and floor <= LOGIC[text]:
                self.take()
                left = _logic(text, left, self.expression(LOGIC[text] + 1))
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

    def _typed(self, left: Closure, how: str, name: str) -> Closure:
        from profiles.validation.functions import typed

        return typed(left, how, name)

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
        from profiles.validation.functions import call

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
                return self._typed(left or _focus, "as" if name == "ofType" else name, inner)
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
