"""Files out of a request while it comes in: long base64 goes to disk, and a short name stands in its place.

So a body of tens of megabytes is never whole in memory: what is left of it is a small document, which is parsed as any
other. It works on JSON and XML alike, since both write a value between quotation marks. What looked like a file and is
none is put back as it came. Files are made without a name in any folder, and are gone with the process.
"""

import base64
import binascii
import mmap
import re
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from profiles.fhir.codec import jsonio
from profiles.fhir.codec.mediatypes import Format
from profiles.fhir.tree import Resource

Content = bytes | mmap.mmap
"""A file: in memory, or mapped from disk; both are cut, compared and measured alike."""
LEAST = 65_536
"""Characters from which a value is lifted."""
MOST_BACK = 1_000_000
"""Characters of a lifted value that may be put back, where no file is expected."""
BLOCK = 1_048_576
IN_MEMORY = 1_000_000
"""Bytes of the rest of a body that stay in memory."""
LIFTED = re.compile(rb"lifted:[0-9a-f]{32}:")
"""How a name begins; the digits are of one request, and nobody can know them before."""
_RUN = {Format.JSON: re.compile(rb"[A-Za-z0-9+/=\\]*"), Format.XML: re.compile(rb"[A-Za-z0-9+/=]*")}
"""What may stand in the value; JSON writes a slash and the end of a line with an escape."""
_QUOTE = {Format.JSON: re.compile(b'"'), Format.XML: re.compile(rb"[\"']")}
_ESCAPED = re.compile(rb"\\([/nrt])")


class TooLongText(Exception):
    """A value of megabytes where no file can stand."""


class Lifter:
    """Takes a body in pieces; then ``rest`` is the document, and ``files`` what was lifted out of it."""

    def __init__(self, format_: Format, folder: Path | None = None, before: bytes = b"") -> None:
        """``folder``: where files are made; ``before``: what the digest begins with."""
        self._format = format_
        self._run, self._mark = _RUN[format_], _QUOTE[format_]
        self._folder = folder
        self._open = ExitStack()
        self._rest = self._opened(IN_MEMORY)
        self._name = f"lifted:{uuid.uuid4().hex}:"
        self._named = re.compile(self._name + r"[0-9]+:[0-9a-f]{64}")
        self._pending = bytearray()
        """A value of which it is not known yet whether it is long; it begins after ``_quote``."""
        self._quote = b""
        self._before = b""
        self._file: IO[bytes] | None = None
        self._hash = sha256()
        self._digest = sha256(before)
        self.files: dict[str, IO[bytes]] = {}
        """The base64 of each file, as it came, by the name that stands in its place."""

    def feed(self, piece: bytes) -> None:
        """Take the next piece. Raises OSError when there is no room on disk."""
        self._digest.update(piece)
        at = 0
        while at < len(piece):
            at = self._value(piece, at) if self._quote else self._outside(piece, at)

    def end(self) -> None:
        """The body is whole. Raises OSError."""
        if self._quote:
            self._put_back()

    @property
    def digest(self) -> bytes:
        """SHA-256 of what it begins with and the body as it came."""
        return self._digest.digest()

    def rest(self) -> bytes:
        """The document without its files."""
        self._rest.seek(0)
        return self._rest.read()

    def close(self) -> None:
        """Give back the disk. What was mapped of a file stays as long as somebody holds it."""
        self._open.close()

    def content(self, name: str) -> Content:
        """The file behind a name, decoded. Raises ValueError for what is no base64, OSError without room."""
        return mapped(decoded(self.files[name]), self._folder)

    def restore(self, resource: Resource) -> None:
        """Put back, in place, what is not the whole content of a Binary. Raises TooLongText."""
        if self.files:
            self._restored(resource)

    def text(self, name: str) -> str:
        """What a lifted value says where it is a text. Raises TooLongText, and FormatError for what is none."""
        file = self.files[name]
        file.seek(0)
        text = file.read(MOST_BACK + 1)
        if len(text) > MOST_BACK:
            raise TooLongText
        return str(jsonio.parse(b'{"text":"%s"}' % text)["text"]) if self._format is Format.JSON else text.decode()

    def _opened(self, in_memory: int = 1) -> IO[bytes]:
        """A file without a name, that goes to disk when it is larger than this."""
        folder = str(self._folder) if self._folder else None
        return self._open.enter_context(tempfile.SpooledTemporaryFile(in_memory, dir=folder))

    def _outside(self, piece: bytes, at: int) -> int:
        mark = self._mark.search(piece, at)
        stop = mark.end() if mark else len(piece)
        self._rest.write(piece[at:stop])
        before = piece[stop - 2 : stop - 1] if stop - at > 1 else self._before
        self._before = piece[stop - 1 : stop]
        self._quote = mark.group() if mark and before != b"\\" else b""
        return stop

    def _value(self, piece: bytes, at: int) -> int:
        run = self._run.match(piece, at)
        stop = run.end() if run else at
        self._keep(piece[at:stop])
        if stop == len(piece):
            return stop
        ended = piece[stop : stop + 1] == self._quote and not _open_escape(self._last())
        self._before = self._last()[-1:]
        if self._file is not None and ended:
            self._lifted(self._file)
        else:
            self._put_back()
        if ended:
            self._rest.write(self._quote)
            self._before, stop = self._quote, stop + 1
        self._quote = b""
        return stop

    def _last(self) -> bytes:
        if self._file is None:
            return bytes(self._pending[-64:])
        self._file.seek(-64, 2)
        return self._file.read()

    def _keep(self, run: bytes) -> None:
        if self._file is None:
            self._pending += run
            if len(self._pending) < LEAST:
                return
            self._file, self._hash = self._opened(), sha256()
            run, self._pending = bytes(self._pending), bytearray()
        self._file.write(run)
        self._hash.update(run)

    def _lifted(self, file: IO[bytes]) -> None:
        name = f"{self._name}{len(self.files)}:{self._hash.hexdigest()}"
        self.files[name] = file
        self._rest.write(name.encode())
        self._file = None

    def _put_back(self) -> None:
        """It is no file: it stands where it stood."""
        if self._file is not None:
            self._file.seek(0)
            while block := self._file.read(BLOCK):
                self._rest.write(block)
            self._file.close()
        self._rest.write(self._pending)
        self._file, self._pending = None, bytearray()

    def _restored(self, node: Any) -> None:
        file = ("content", "data") if isinstance(node, dict) and node.get("resourceType") == "Binary" else ()
        for name in list(node) if isinstance(node, dict) else range(len(node)):
            value = node[name]
            if isinstance(name, str) and self._name in name:
                raise TooLongText
            if isinstance(value, dict | list):
                self._restored(value)
            elif isinstance(value, str) and self._name in value and not (value in self.files and name in file):
                node[name] = self._named.sub(lambda found: self.text(found.group()), value)


def mapped(pieces: Iterable[bytes], folder: Path | None = None) -> Content:
    """A file of these pieces, on disk, for as long as somebody holds it. Raises OSError without room."""
    with tempfile.TemporaryFile(dir=folder) as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b""


def decoded(file: IO[bytes]) -> Iterator[bytes]:
    """The bytes that a file of base64 stands for. Raises ValueError for what is none."""
    file.seek(0)
    left, ended = b"", False
    while block := file.read(BLOCK):
        text = left + block
        if b"\\" in text:
            # Half an escape waits for its other half.
            text, left = (text[:-1], b"\\") if _open_escape(text) else (text, b"")
            text = _ESCAPED.sub(_character, text)
            if b"\\" in text:
                raise ValueError("no base64")
        else:
            left = b""
        text = b"".join(text.split())
        whole = len(text) - len(text) % 4
        left, text = text[whole:] + left, text[:whole]
        if text and ended:
            raise ValueError("no base64")
        ended = text.endswith(b"=")
        yield _plain(text)
    if left:
        raise ValueError("no base64")


def _plain(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as fault:
        raise ValueError("no base64") from fault


def _character(escaped: re.Match[bytes]) -> bytes:
    return {b"/": b"/", b"n": b"\n", b"r": b"\r", b"t": b"\t"}[escaped.group(1)]


def _open_escape(text: bytes) -> bool:
    """Whether a text ends in the first half of an escape."""
    return (len(text) - len(text.rstrip(b"\\"))) % 2 == 1
