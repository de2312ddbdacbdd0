"""Where and why a JSON text is refused: a slow, exact reading that is used after a fast one has failed."""

import re
from dataclasses import dataclass, field

from profiles.fhir.codec.limits import JSON_DEPTH
from profiles.fhir.codec.numbers import JSON_NUMBER, read_decimal
from profiles.fhir.errors import FormatError

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+)"')
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_WORD = re.compile(r"true|false|null")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass
class _Container:
    """An object or array that is being read; keys is None for an array."""

    keys: set[str] | None
    key: str = ""
    count: int = 0
    expects: str = field(default="first")  # first, item, colon, value, separator


def find_fault(text: str) -> FormatError | None:
    """The first fault of the text; None when there is none."""
    try:
        _Scan(text).run()
    except FormatError as fault:
        return fault
    return None


class _Scan:
    """One pass over the text, without recursion."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[_Container] = []

    def run(self) -> None:
        self._skip()
        if self._value():
            while self._open:
                self._step(self._open[-1])
        self._skip()
        if self._at < len(self._text):
            self._fail("text after the end of the document")

    def _step(self, inner: _Container) -> None:
        self._skip()
        char = self._text[self._at : self._at + 1]
        if not char:
            self._fail("the document ends too early")
        closing = "]" if inner.keys is None else "}"
        if inner.expects == "separator" and char == ",":
            self._at += 1
            inner.expects = "item"
            inner.count += 1
        elif inner.expects in ("separator", "first") and char == closing:
            self._at += 1
            self._open.pop()
        elif inner.expects == "separator":
            self._fail(f"expected a comma or {closing}")
        elif inner.keys is not None:
            self._member(inner, inner.keys)
        else:
            inner.expects = "separator"
            self._value()

    def _member(self, inner: _Container, keys: set[str]) -> None:
        start = self._at
        if self._text[start] != '"':
            self._fail("expected a key in double quotes")
        inner.key = self._string()
        if inner.key in keys:
            self._fail("duplicate key", start)
        keys.add(inner.key)
        self._skip()
        if self._text[self._at : self._at + 1] != ":":
            self._fail("expected a colon")
        self._at += 1
        self._skip()
        inner.expects = "separator"
        self._value()

    def _value(self) -> bool:
        """Read a value that starts here; True when a container was opened."""
        char = self._text[self._at : self._at + 1]
        if char in ("{", "[") and char:
            if len(self._open) >= JSON_DEPTH:
                self._fail(f"nested deeper than {JSON_DEPTH}")
            self._at += 1
            self._open.append(_Container(set() if char == "{" else None))
            return True
        if char == '"':
            self._string()
        elif word := _WORD.match(self._text, self._at):
            self._at = word.end()
        else:
            self._number()
        return False

    def _number(self) -> None:
        number = JSON_NUMBER.match(self._text, self._at)
        if number is None:
            self._fail("expected a value")
        else:
            try:
                read_decimal(number.group())
            except FormatError as fault:
                self._fail(fault.text)
            self._at = number.end()

    def _string(self) -> str:
        start = self._at
        match = _STRING.match(self._text, start)
        if match is None:
            self._fail("a string with a control character, a bad escape or without an end")
            return ""
        found = _unescape(match.group(1))
        if _FORBIDDEN.search(found):
            self._fail("a string with a character that FHIR does not allow", start)
        self._at = match.end()
        return found

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at

    def _fail(self, reason: str, at: int | None = None) -> None:
        at = self._at if at is None else at
        line = self._text.count("\n", 0, at) + 1
        raise FormatError(reason, expression=self._path(), line=line, column=at - self._text.rfind("\n", 0, at))

    def _path(self) -> str | None:
        parts = [
            f"[{one.count}]" if one.keys is None else f".{one.key[:64]}"
            for one in self._open
            if one.key or one.keys is None
        ]
        return "".join(parts).lstrip(".") or None


def _unescape(text: str) -> str:
    """The text of a JSON string; pairs of surrogates become one character, lone ones stay."""
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(lambda one: chr(int(one[1], 16)) if one[1] else _SHORT.get(one[2], one[2]), text)
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
