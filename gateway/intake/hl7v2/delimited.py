"""The text of a message: its character set (MSH-18), its separators (MSH-1 and MSH-2), and escape sequences."""

import re
from dataclasses import dataclass

CHARACTER_SETS = {
    "": "", "ASCII": "ascii", "US-ASCII": "ascii", "UTF-8": "utf-8", "UNICODE": "utf-8", "UNICODE UTF-8": "utf-8",
    "8859/1": "latin-1", "8859/2": "iso8859-2", "8859/3": "iso8859-3", "8859/4": "iso8859-4", "8859/5": "iso8859-5",
    "8859/6": "iso8859-6", "8859/7": "iso8859-7", "8859/8": "iso8859-8", "8859/9": "iso8859-9",
    "8859/15": "iso8859-15", "ISO-8859-1": "latin-1", "ISO8859-1": "latin-1", "ISO-8859-15": "iso8859-15",
    "WINDOWS-1252": "cp1252", "CP1252": "cp1252",
}  # fmt: skip
"""HL7 table 0211, and what senders write for the same. The first repetition of MSH-18 is that of the message."""

_ESCAPE = re.compile(r"\\([A-Za-z.][^\\\r\n]{0,2000}|[A-Za-z])\\")
_BYTES = re.compile(r"\\X[0-9A-Fa-f]+(?:\\\\X[0-9A-Fa-f]+)+\\")
"""A character of several bytes, each of them in an escape of its own."""
_LAYOUT = re.compile(r"\.(br|sp|sk|fi|nf|in|ti|ce)([+-]?\d{0,3})", re.IGNORECASE)
_LINES = frozenset({"br", "sp", "ce"})
MOST_LINES = 50
"""Empty lines that one layout command may ask for."""


@dataclass(frozen=True, slots=True)
class Separators:
    """The five characters that take a message apart, and how to read bytes that are written as an escape."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    part: str = "&"
    encoding: str = "utf-8"

    @classmethod
    def of(cls, header: str, encoding: str) -> "Separators":
        """Those that MSH states; a letter or digit, or the same character twice, is a ValueError."""
        field = header[3:4]
        marks = header[4:].split(field, maxsplit=1)[0] if field else ""
        given = field + marks
        odd = any(mark.isalnum() or mark.isspace() or mark == '"' for mark in given)
        if len(marks) < 3 or len(marks) > 5 or odd or len(set(given)) != len(given):
            raise ValueError("MSH-1 and MSH-2 name no usable separators")
        return cls(field, marks[0], marks[1], marks[2], marks[3:4], encoding)

    def plain(self, text: str) -> str:
        """The text without escape sequences. What is no sequence stands as it is; highlighting leaves no trace."""
        if not self.escape or self.escape not in text:
            return text
        if self.escape != "\\":
            text = text.replace("\\", "\0").replace(self.escape, "\\")
        text = _BYTES.sub(lambda matched: matched[0].replace("\\\\X", ""), text)
        meant = _ESCAPE.sub(lambda matched: self._meant(matched[1], matched[0]), text)
        return meant if self.escape == "\\" else meant.replace("\\", self.escape).replace("\0", "\\")

    def _meant(self, code: str, whole: str) -> str:
        marks = {"F": self.field, "S": self.component, "R": self.repetition, "E": "\\", "T": self.part or "&",
                 "H": "", "N": "", "P": "#"}  # fmt: skip
        if code in marks:
            return marks[code]
        if code[0] in "Xx" and len(code) % 2 and re.fullmatch(r"[0-9A-Fa-f]+", code[1:]):
            try:
                return bytes.fromhex(code[1:]).decode(self.encoding).replace("\r\n", "\n").replace("\r", "\n")
            except UnicodeDecodeError:
                return whole
        layout = _LAYOUT.fullmatch(code)
        if layout is None:
            return whole
        name, count = layout[1].lower(), layout[2].lstrip("+-")
        return "\n" * max(1, min(int(count or 1), MOST_LINES)) if name in _LINES else ""


def header_of(raw: bytes) -> list[str]:
    """The fields of MSH, read as well as can be from anything: index 1 is MSH-1. Never raises; empty when none."""
    at = raw.find(b"MSH")
    if at < 0:
        return []
    line = re.split(rb"[\r\n]", raw[at : at + 4_000], maxsplit=1)[0]
    text = line.decode("utf-8", "replace") if line.isascii() or _is_utf8(line) else line.decode("latin-1")
    if len(text) < 4:
        return []
    fields = text.split(text[3])
    return ["MSH", text[3], *fields[1:]]


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def encoding_of(raw: bytes, usual: str) -> str:
    """The Python name of the character set of a message. Raises LookupError for a set that is not known."""
    fields = header_of(raw)
    named = fields[18] if len(fields) > 18 else ""
    repetition = fields[2][1:2] if len(fields) > 2 else ""
    first = (named.split(repetition)[0] if repetition else named).strip().upper()
    found = CHARACTER_SETS.get(first)
    if found is None:
        raise LookupError("a character set that is not known")
    return found or usual


def decoded(raw: bytes, usual: str) -> tuple[str, str]:
    """The text with one kind of line end, and the encoding. Raises LookupError and UnicodeDecodeError."""
    encoding = encoding_of(raw, usual)
    text = raw.removeprefix(b"\xef\xbb\xbf").decode(encoding)
    return re.sub(r"\r\n|\n", "\r", text).strip("\r \t"), encoding
