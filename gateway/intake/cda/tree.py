"""A CDA document as a tree of elements: safe, whatever was sent.

A document type declaration ends the reading at once, so no entity beyond the five of XML itself can occur and nothing
is fetched. Names of HL7 v3 stand without namespace, others as ``{namespace}name``.
"""

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from profiles.fhir.codec.limits import XML_DEPTH
from profiles.fhir.errors import FormatError

V3 = "urn:hl7-org:v3"
MOST = 300_000
"""Elements of one document."""


class _Builder:
    def __init__(self, encoding: str | None) -> None:
        self.parser = expat.ParserCreate(encoding, "}")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self._tree = TreeBuilder()
        self.parser.CharacterDataHandler = self._tree.data
        self._depth = self._count = 0

    def _fault(self, text: str) -> FormatError:
        return FormatError(text, line=self.parser.CurrentLineNumber, column=self.parser.CurrentColumnNumber + 1)

    def _doctype(self, *_: object) -> None:
        raise self._fault("a document type declaration is not allowed")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._count += 1
        if self._depth > XML_DEPTH:
            raise self._fault(f"more than {XML_DEPTH} levels of elements")
        if self._count > MOST:
            raise self._fault(f"more than {MOST} elements")
        self._tree.start(_plain(name), {_plain(key): value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._tree.end(_plain(name))

    def read(self, data: bytes) -> Element:
        self.parser.Parse(data, True)
        return self._tree.close()


def read_tree(data: bytes, charset: str = "") -> Element:
    """The root element. ``charset`` is what the transport said of the encoding; a byte order mark and then that count
    before the declaration (RFC 7303, 3). Raises FormatError with line and column."""
    marked = data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"))
    try:
        return _Builder(None if marked else charset or None).read(data)
    except expat.ExpatError as fault:
        reason = f"not well-formed XML, or not in the encoding that it says ({expat.ErrorString(fault.code)})"
        raise FormatError(reason, line=fault.lineno, column=fault.offset + 1) from None
    except FormatError:
        raise
    except (LookupError, ValueError) as fault:
        raise FormatError(f"an encoding that is not known ({type(fault).__name__})") from None


def _plain(name: str) -> str:
    space, mark, local = name.rpartition("}")
    return name if not mark else local if space == V3 else f"{{{space}}}{local}"
