"""From the text of an expression to its tokens (FHIRPath N1, section 3 and the lexical rules of its grammar)."""

import re
from typing import Final, NamedTuple

from profiles.fhirpath.errors import FhirPathError

MAX_LENGTH: Final = 20_000

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
      |(?P<string>'(?:[^'\\]|\\.)*')
      |(?P<time>@T[0-9:.]*)
      |(?P<date>@[0-9][0-9-]*(?:T(?:[0-9][0-9:.]*(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?)
      |(?P<number>[0-9]+(?:\.[0-9]+)?)
      |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
      |(?P<quoted>`(?:[^`\\]|\\.)+`|"(?:[^"\\]|\\.)+")
      |(?P<special>\$(?:this|index|total)\b)
      |(?P<sign><=|>=|!=|!~|[-.()\[\]{},|&+*/=<>~%])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "f": "\f"}


class Lexeme(NamedTuple):
    """One token: its kind (a group of the pattern, or ``end``), its text, and where it begins."""

    kind: str
    text: str
    position: int


def lexemes(text: str) -> list[Lexeme]:
    """The tokens of an expression, white space and comments left out, an ``end`` token last.

    FhirPathError when something in it is no token, or when it is longer than MAX_LENGTH.
    """
    if len(text) > MAX_LENGTH:
        raise FhirPathError(f"FHIRPath expression is longer than {MAX_LENGTH} characters")
    made: list[Lexeme] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise FhirPathError(f"FHIRPath syntax error: {text[at : at + 10]!r} is not understood", at)
        if match.lastgroup != "space":
            made.append(Lexeme(match.lastgroup, match[0], at))
        at = match.end()
    made.append(Lexeme("end", "", len(text)))
    return made


def unquoted(text: str) -> str:
    """The value of a string literal or delimited identifier (section 4.1.2); an unknown escape is its character."""
    return _ESCAPE.sub(lambda found: _unescaped(found[1]), text[1:-1])


def _unescaped(code: str) -> str:
    return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)
