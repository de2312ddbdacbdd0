"""The narrative within an XML document: kept as its source text, or rebuilt where that cannot stand alone."""

from collections.abc import Callable
from typing import Any
from xml.parsers import expat

from profiles.fhir.codec.limits import XML_DEPTH
from profiles.fhir.codec.xhtml import XHTML, XML, attribute_name, declares_namespace, local_name
from profiles.fhir.errors import FormatError

_IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_ATTRIBUTE = _IN_TEXT | str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


class NotPlain(Exception):
    """A narrative uses prefixes or instructions: read again, and rebuild narratives from events."""


class NarrativeReader:
    """Takes over the parser for the length of a narrative. ``rebuild`` makes text from events, not from the source."""

    def __init__(self, parser: expat.XMLParserType, data: bytes, *, rebuild: bool) -> None:
        self._parser = parser
        self._data = data
        self._rebuild = rebuild
        self._start = 0
        self._depth = 0
        self._above = 0
        self._rewriter = Rewriter()
        self._done: Callable[[str], None] | None = None

    def begin(self, name: str, attributes: dict[str, str], above: int, done: Callable[[str], None]) -> None:
        """The div begins, ``above`` elements deep; ``done`` gets the text when it ends and must set the handlers."""
        self._start = self._parser.CurrentByteIndex
        self._depth = 0
        self._above = above
        self._done = done
        self._rewriter = Rewriter()
        self._parser.StartElementHandler = self._open
        self._parser.EndElementHandler = self._close
        self._parser.CharacterDataHandler = self._rewriter.text if self._rebuild else None
        self._parser.ProcessingInstructionHandler = None if self._rebuild else self._not_plain
        self._open(name, attributes)

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth + self._above > XML_DEPTH:
            raise FormatError(f"nested deeper than {XML_DEPTH}")
        if self._rebuild:
            self._rewriter.start(name, attributes)
            return
        local_name(name)
        if not is_plain(name, attributes):
            raise NotPlain

    def _close(self, _name: str) -> None:
        self._depth -= 1
        if self._rebuild:
            self._rewriter.end()
        if not self._depth and self._done:
            self._done("".join(self._rewriter.parts) if self._rebuild else self._source())

    def _source(self) -> str:
        start, stop = self._start, self._parser.CurrentByteIndex
        if self._data.startswith(b"</div", stop):  # else an empty element, which ends here
            stop = self._data.index(b">", stop) + 1
        source = self._data[start:stop].decode().replace("\r\n", "\n").replace("\r", "\n")
        if not declares_namespace(source):
            raise NotPlain
        return source

    def _not_plain(self, *_: Any) -> None:
        raise NotPlain


class Rewriter:
    """Rebuilds a narrative from parser events, without prefixes, comments and processing instructions."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._names: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; ``name`` and the attributes are expanded names."""
        local = local_name(name)
        namespace = "" if self._names else f' xmlns="{XHTML}"'
        shown = "".join(
            f' {attribute_name(key)}="{value.translate(_IN_ATTRIBUTE)}"' for key, value in attributes.items()
        )
        self.parts.append(f"<{local}{namespace}{shown}>")
        self._names.append(local)

    def text(self, text: str) -> None:
        """Characters."""
        self.parts.append(text.translate(_IN_TEXT))

    def end(self) -> None:
        """The innermost element ends."""
        self.parts.append(f"</{self._names.pop()}>")


def is_plain(name: str, attributes: dict[str, str]) -> bool:
    """Whether an element of a narrative has no prefixes, so that its source text can be kept as it is."""
    return name.count(" ") == 1 and not any(" " in key and not key.startswith(XML) for key in attributes)
