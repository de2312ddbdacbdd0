"""From FHIRPath text to a syntax tree, by the library's grammar but strict: a syntax error is an error.

The library's own entry point recovers silently from mistakes and ignores what follows a complete expression.
"""

import re
from typing import Any

from antlr4 import CommonTokenStream, InputStream  # type: ignore[import-untyped]
from antlr4.error.ErrorListener import ErrorListener  # type: ignore[import-untyped]
from antlr4.tree.Tree import ParseTreeWalker  # type: ignore[import-untyped]
from fhirpathpy.parser.ASTPathListener import ASTPathListener
from fhirpathpy.parser.generated.FHIRPathLexer import FHIRPathLexer
from fhirpathpy.parser.generated.FHIRPathParser import FHIRPathParser

from profiles.fhirpath.errors import FhirPathError

MAX_LENGTH = 20_000

Tree = dict[str, Any]

_LIST_LITERAL = re.compile(r"\{(\s*'[^'\\]*'(?:\s*,\s*'[^'\\]*')*\s*)\}")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "f": "\f"}


class _Strict(ErrorListener):  # type: ignore[misc]
    def syntaxError(self, *details: Any) -> None:  # noqa: N802 (the library's name)
        _recognizer, _symbol, _line, column, text, _cause = details
        raise FhirPathError(f"FHIRPath syntax error at character {column + 1}: {text}")


def parse(expression: str) -> Tree:
    """The syntax tree of an expression: nodes with ``type``, ``text``, ``terminalNodeText`` and ``children``.

    ``{'a', 'b'}`` is read as ``('a' | 'b')``: two published zib2020 constraints use it, although the language
    knows only the empty ``{}``. FhirPathError when the text is no expression or longer than MAX_LENGTH.
    """
    if len(expression) > MAX_LENGTH:
        raise FhirPathError(f"FHIRPath expression is longer than {MAX_LENGTH} characters")
    text = _LIST_LITERAL.sub(lambda found: f"({found[1].replace(',', '|')})", expression)
    strict = _Strict()
    lexer = FHIRPathLexer(InputStream(text))
    lexer.removeErrorListeners()
    lexer.addErrorListener(strict)
    parser = FHIRPathParser(CommonTokenStream(lexer))
    parser.removeErrorListeners()
    parser.addErrorListener(strict)
    listener = ASTPathListener()
    try:
        ParseTreeWalker().walk(listener, parser.entireExpression())
    except RecursionError:
        raise FhirPathError("FHIRPath expression is nested too deep") from None
    tree: Tree = listener.parentStack[0]["children"][0]["children"][0]
    return tree


def unquote(text: str) -> str:
    """The value of a string literal or delimited identifier (FHIRPath N1, section 4.1.2)."""
    return _ESCAPE.sub(lambda found: _unescape(found[1]), text[1:-1])


def _unescape(code: str) -> str:
    if len(code) == 5:
        return chr(int(code[1:], 16))
    return _ESCAPES.get(code, code)
