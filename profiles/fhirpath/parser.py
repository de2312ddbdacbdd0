"""A precedence parser for the whole grammar of FHIRPath N1: from text to a syntax tree of bounded depth."""

from decimal import Decimal
from typing import Final

from profiles.fhirpath.errors import FhirPathError
from profiles.fhirpath.moments import moment
from profiles.fhirpath.quantities import CALENDAR, Quantity
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
    parts_of,
)
from profiles.fhirpath.tokens import Lexeme, lexemes, unquoted

MAX_DEPTH: Final = 100
"""Deepest tree; the deepest published expression has 20. Evaluation nests as the tree does."""
MAX_DIGITS: Final = 60

PRECEDENCE: Final = {
    "implies": 1,
    **dict.fromkeys(("or", "xor"), 2),
    "and": 3,
    **dict.fromkeys(("in", "contains"), 4),
    **dict.fromkeys(("=", "~", "!=", "!~"), 5),
    **dict.fromkeys(("<", ">", "<=", ">="), 6),
    "|": 7,
    **dict.fromkeys(("is", "as"), 8),
    **dict.fromkeys(("+", "-", "&"), 9),
    **dict.fromkeys(("*", "/", "div", "mod"), 10),
}
"""How tightly each operator binds (section 6.8); all group from the left."""
_SIGNED = 11
_TYPE_FUNCTIONS = frozenset({"is", "as", "ofType"})
_NO_NAMES = frozenset({"and", "or", "xor", "implies", "div", "mod"})


class Parser:
    """Reads one expression."""

    def __init__(self, text: str) -> None:
        self._lexemes = lexemes(text)
        self._at = 0
        self._nested = 0
        self._depths: dict[int, int] = {}

    def parse(self) -> SyntaxTree:
        """The tree of the whole text; FhirPathError, with the position, when it is no expression."""
        found = self._expression(0)
        self._expect("")
        return found

    @property
    def _next(self) -> Lexeme:
        return self._lexemes[self._at]

    def _take(self) -> Lexeme:
        one = self._lexemes[self._at]
        if one.kind != "end":
            self._at += 1
        return one

    def _at_sign(self, text: str) -> bool:
        one = self._next
        return one.kind == "sign" and one.text == text

    def _skip(self, text: str) -> bool:
        found = self._at_sign(text)
        self._at += found
        return found

    def _expect(self, text: str) -> None:
        one = self._next
        if one.text != text or one.kind not in ("sign", "end"):
            raise _unexpected(one, f"{text!r}" if text else "the end")
        self._take()

    def _made(self, tree: SyntaxTree, at: Lexeme) -> SyntaxTree:
        """A new tree, when it is not too deep."""
        depth = 1 + max((self._depths[id(one)] for one in parts_of(tree)), default=0)
        if depth > MAX_DEPTH:
            raise FhirPathError("FHIRPath expression is nested too deep", at.position)
        self._depths[id(tree)] = depth
        return tree

    def _expression(self, floor: int) -> SyntaxTree:
        """An expression whose operators bind more tightly than the floor."""
        self._nested += 1
        if self._nested > MAX_DEPTH:
            raise FhirPathError("FHIRPath expression is nested too deep", self._next.position)
        left = self._signed()
        while self._next.kind in ("name", "sign") and PRECEDENCE.get(self._next.text, 0) > floor:
            operator = self._take()
            if operator.text in ("is", "as"):
                left = self._made(TypeStep(left, operator.text, self._type_name()), operator)
            else:
                right = self._expression(PRECEDENCE[operator.text])
                left = self._made(BinaryStep(operator.text, left, right), operator)
        self._nested -= 1
        return left

    def _signed(self) -> SyntaxTree:
        if not (self._at_sign("-") or self._at_sign("+")):
            return self._path()
        sign = self._take()
        return self._made(SignTerm(sign.text == "-", self._expression(_SIGNED)), sign)

    def _path(self) -> SyntaxTree:
        left = self._term()
        while True:
            at = self._next
            if self._skip("."):
                if self._next.kind == "special":
                    special = self._take()
                    if special.text != "$this":
                        left = self._made(SpecialTerm(special.text), special)
                else:
                    left = self._invocation(left)
            elif self._skip("["):
                index = self._expression(0)
                self._expect("]")
                left = self._made(IndexStep(left, index), at)
            else:
                return left

    def _term(self) -> SyntaxTree:
        lexeme = self._next
        if lexeme.kind == "name" and lexeme.text not in ("true", "false"):
            if lexeme.text in _NO_NAMES:
                raise _unexpected(lexeme, "a term")
            return self._invocation(None)
        if lexeme.kind == "quoted":
            return self._invocation(None)
        self._take()
        if lexeme.kind == "special":
            return self._made(SpecialTerm(lexeme.text), lexeme)
        if lexeme.kind == "sign":
            return self._bracketed(lexeme)
        return self._made(ConstantTerm((self._literal(lexeme),)), lexeme)

    def _bracketed(self, lexeme: Lexeme) -> SyntaxTree:
        """What begins with ``(``, ``{`` or ``%``."""
        if lexeme.text == "(":
            found = self._expression(0)
            self._expect(")")
            return found
        if lexeme.text == "{":
            items = self._list("}")
            return self._made(ListTerm(items) if items else ConstantTerm(()), lexeme)
        if lexeme.text == "%":
            name = self._take()
            if name.kind not in ("name", "quoted", "string"):
                raise _unexpected(name, "the name of a variable")
            words = name.text if name.kind == "name" else unquoted(name.text)
            while name.kind == "name" and self._at_sign("-") and self._joins(name):
                self._take()
                name = self._take()
                words += "-" + name.text
            return self._made(VariableTerm(words), lexeme)
        raise _unexpected(lexeme, "a term")

    def _joins(self, name: Lexeme) -> bool:
        """Whether ``-`` and a name follow without space, as in ``%vs-name`` of STU3."""
        sign, after = self._lexemes[self._at : self._at + 2]
        return (
            sign.position == name.position + len(name.text)
            and after.kind == "name"
            and after.position == sign.position + 1
        )

    def _literal(self, lexeme: Lexeme) -> object:
        if lexeme.kind == "string":
            return unquoted(lexeme.text)
        if lexeme.kind == "name":
            return lexeme.text == "true"
        if lexeme.kind == "number":
            if len(lexeme.text) > MAX_DIGITS:
                raise FhirPathError(f"FHIRPath: a number has at most {MAX_DIGITS} digits", lexeme.position)
            return self._quantity(lexeme.text) or (Decimal(lexeme.text) if "." in lexeme.text else int(lexeme.text))
        if lexeme.kind in ("date", "time"):
            found = moment(lexeme.text[1:], literal=True)
            if found is None:
                raise FhirPathError(f"FHIRPath: {lexeme.text} is not a date or time", lexeme.position)
            return found
        raise _unexpected(lexeme, "a term")

    def _quantity(self, number: str) -> Quantity | None:
        unit = self._next
        if unit.kind == "string":
            self._take()
            return Quantity(Decimal(number), unquoted(unit.text))
        if unit.kind == "name" and unit.text in CALENDAR:
            self._take()
            return Quantity(Decimal(number), CALENDAR[unit.text], calendar=True)
        return None

    def _invocation(self, subject: SyntaxTree | None) -> SyntaxTree:
        lexeme = self._take()
        if lexeme.kind not in ("name", "quoted"):
            raise _unexpected(lexeme, "a name")
        name = lexeme.text if lexeme.kind == "name" else unquoted(lexeme.text)
        if not self._skip("("):
            return self._made(NameStep(subject, name), lexeme)
        if name in _TYPE_FUNCTIONS:
            kind = self._type_name()
            self._expect(")")
            return self._made(TypeStep(subject, name, kind), lexeme)
        return self._made(FunctionStep(subject, name, self._list(")"), lexeme.position), lexeme)

    def _list(self, end: str) -> tuple[SyntaxTree, ...]:
        """Expressions with commas between them, and the closing bracket."""
        if self._skip(end):
            return ()
        found = [self._expression(0)]
        while self._skip(","):
            found.append(self._expression(0))
        self._expect(end)
        return tuple(found)

    def _type_name(self) -> str:
        """``Patient``, ``FHIR.Patient``, ``System.String``, between brackets or not."""
        if self._skip("("):
            found = self._type_name()
            self._expect(")")
            return found
        words = []
        while True:
            one = self._take()
            if one.kind not in ("name", "quoted"):
                raise _unexpected(one, "the name of a type")
            words.append(one.text if one.kind == "name" else unquoted(one.text))
            if not (self._at_sign(".") and self._type_goes_on(words)):
                return ".".join(words)
            self._take()

    def _type_goes_on(self, words: list[str]) -> bool:
        """After ``x as Quantity`` a dot belongs to the type only behind a namespace or when a type part follows."""
        after = self._lexemes[self._at + 1]
        return words[-1] in ("FHIR", "System") or (after.kind in ("name", "quoted") and not self._is_call(self._at + 1))

    def _is_call(self, at: int) -> bool:
        following = self._lexemes[at + 1]
        return following.kind == "sign" and following.text == "("


def _unexpected(one: Lexeme, wanted: str) -> FhirPathError:
    found = f"{one.text[:20]!r}" if one.kind != "end" else "the end"
    return FhirPathError(f"FHIRPath syntax error: {wanted} is expected, not {found}", one.position)


def parse(text: str) -> SyntaxTree:
    """The syntax tree of an expression; FhirPathError, with the position of the fault, when it is none."""
    return Parser(text).parse()
