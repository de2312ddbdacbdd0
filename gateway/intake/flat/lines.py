"""The lines of a flat file as rows, one after the other: memory does not grow with the file.

What makes the file as a whole unreadable (its encoding, a column that is missing, a line of another width, no trailer)
is a FlatFault with the line: of such a file nothing is taken.
"""

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gateway.intake.flat.mapping import FlatFormat

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
ONE_BYTE = frozenset({"windows-1252", "iso-8859-1"})
_BLOCK = 1 << 16
MOST = 131_072
"""Most characters of a line of fixed width, and of a field."""


@dataclass
class FlatFault(Exception):
    """A file that cannot be read as a whole; the text holds no value of it."""

    line: int
    text: str
    column: str = ""


@dataclass(frozen=True, slots=True)
class FlatRow:
    """A row: the line that it begins on, its text, and its columns; what is empty is nothing."""

    line: int
    raw: str
    columns: dict[str, str | None]


@contextmanager
def opened(path: Path, form: FlatFormat) -> Iterator[IO[str]]:
    """The file as text: a byte order mark counts before the encoding of the mapping."""
    with path.open("rb") as start:
        first = start.read(3)
    coding = next((name for mark, name in _BOMS if first.startswith(mark)), form.encoding)
    with path.open(encoding=coding, newline="") as file:
        yield file


def rows(path: Path, form: FlatFormat) -> Iterator[FlatRow]:
    """The rows of a file. Raises FlatFault."""
    _not_in_utf8(path, form)
    with opened(path, form) as file:
        counted = _Counted(file, form.trailer)
        try:
            yield from _csv(counted, form) if form.format == "csv" else _fixed(counted, form)
        except UnicodeDecodeError as fault:
            raise FlatFault(counted.number + 1, f"not in the encoding {fault.encoding}") from None
        except csv.Error as fault:
            raise FlatFault(counted.number, f"not a line of a CSV: {fault}") from None
        if form.trailer and not counted.ended:
            raise FlatFault(counted.number, "the file is not whole: its last line is missing")


def _not_in_utf8(path: Path, form: FlatFormat) -> None:
    """Refuse UTF-8 where the mapping says an encoding of one byte per character.

    There nothing is wrong to see, and every letter with an accent becomes two others. Text of such an encoding is never
    UTF-8 from beginning to end by chance. Raises FlatFault.
    """
    if form.encoding not in ONE_BYTE:
        return
    decoder, line, first = codecs.getincrementaldecoder("utf-8")(), 1, 0
    with path.open("rb") as file:
        while data := file.read(_BLOCK):
            if line == 1 and data.startswith(tuple(mark for mark, _ in _BOMS)):
                return
            try:
                decoder.decode(data)
            except UnicodeDecodeError:
                return
            if not first and not data.isascii():
                at = next(place for place, byte in enumerate(data) if byte > 127)
                first = line + data.count(b"\n", 0, at)
            line += data.count(b"\n")
    if first and not decoder.getstate()[0]:
        raise FlatFault(first, f"not in the encoding {form.encoding}: this is UTF-8")


class _Counted:
    """Lines, with the number and the text of what was read last; the trailer ends them."""

    def __init__(self, file: IO[str], trailer: str) -> None:
        self._file = file
        self._trailer = trailer
        self.number = 0
        self.ended = False
        self.held: list[str] = []

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(MOST):
            self.number += 1
            if "\0" in line:
                raise FlatFault(self.number, "a character that no text has (NUL)")
            if self.ended and line.strip():
                raise FlatFault(self.number, "something stands behind the last line")
            if len(line) >= MOST:
                raise FlatFault(self.number, f"a line of more than {MOST} characters")
            if self._trailer and line.startswith(self._trailer):
                self.ended = True
                continue
            self.held.append(line)
            yield line

    def taken(self) -> str:
        """What was read since the last time."""
        text = "".join(self.held)
        self.held.clear()
        return text


def _csv(lines: _Counted, form: FlatFormat) -> Iterator[FlatRow]:
    reader = csv.reader(lines, delimiter=form.delimiter, quotechar=form.quote, strict=True)
    names: list[str] = []
    while True:
        first = lines.number + 1
        fields = next(reader, None)
        if fields is None:
            break
        raw = lines.taken()
        if not any(one.strip() for one in fields):
            continue
        if not names:
            names = _names(fields, form, first)
            continue
        if len(fields) != len(names):
            raise FlatFault(first, f"{len(fields)} columns in place of {len(names)}: quoted wrongly, or cut off")
        yield FlatRow(first, raw, {name: one.strip() or None for name, one in zip(names, fields, strict=True)})
    if not names:
        raise FlatFault(1, "no line with the names of the columns")


def _names(heads: list[str], form: FlatFormat, line: int) -> list[str]:
    plain = [one.strip() for one in heads]
    named = {head.casefold(): name for name, head in form.columns.items()}
    names = [named.get(one.casefold()) or re.sub(r"\W+", "_", one.lower(), flags=re.ASCII).strip("_") for one in plain]
    double = next((head for head, name in zip(plain, names, strict=True) if name and names.count(name) > 1), None)
    if double is not None:
        raise FlatFault(line, "a column that is there twice", double[:60])
    absent = next((head for name, head in form.columns.items() if name not in names), None)
    if absent is not None:
        raise FlatFault(line, "there is no such column", absent)
    return names


def _fixed(lines: _Counted, form: FlatFormat) -> Iterator[FlatRow]:
    least = max(first for first, _ in form.places.values())
    for line in lines:
        raw, text = lines.taken(), line.rstrip("\r\n")
        if not text.strip():
            continue
        if len(text) < least:
            raise FlatFault(lines.number, f"{len(text)} characters, and the last column begins at {least}: cut off")
        found = {name: text[first - 1 : last].strip() or None for name, (first, last) in form.places.items()}
        yield FlatRow(lines.number, raw, found)
