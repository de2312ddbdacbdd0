"""Resources from and to XML: strict and safe when reading, lossless both ways.

Comments and processing instructions are ignored. Refused, besides what is not well-formed: document type
declarations, other encodings than UTF-8, elements and attributes that the FHIR version does not know, text between
elements, elements without content, a second occurrence of what may occur once, deep nesting and big documents.
Primitive formats are not checked: that is validation.
"""

import re
from typing import Any

from profiles.fhir.codec.limits import MAX_SIZE
from profiles.fhir.codec.xmldiv import NotPlain
from profiles.fhir.codec.xmlplan import FHIR, ReleasePlans, plans, script_plans
from profiles.fhir.codec.xmlread import XmlReader
from profiles.fhir.codec.xmlwrite import Writer, escape
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

__all__ = ["document", "dump", "dump_script", "escape", "fragment", "parse", "parse_script"]

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_ROOT = re.compile(rb"<[A-Za-z]+")
_BOM = b"\xef\xbb\xbf"


def parse(data: bytes, version: FhirVersion, *, max_size: int = MAX_SIZE) -> Resource:
    """Read one resource that came from outside; raises FormatError with line, column and path, and nothing else."""
    return _read(plans(version), data, max_size)


def document(ready: bytes) -> bytes:
    """The document of a resource that is ready as a ``fragment``: its root gets the declaration and the namespace."""
    name = _ROOT.match(ready)
    if name is None:
        raise FormatError("not a fragment")
    return f'{_DECLARATION}{name[0].decode()} xmlns="{FHIR}"'.encode() + ready[name.end() :]


def parse_script(data: bytes, *, max_size: int = MAX_SIZE) -> Resource:
    """Read a TestScript of national qualification: R4 with two elements of R5. Raises FormatError."""
    return _read(script_plans(), data, max_size)


def dump_script(resource: Any) -> bytes:
    """Write what ``parse_script`` reads."""
    return _document(script_plans(), resource)


def _read(known: ReleasePlans, data: bytes, max_size: int) -> Resource:
    if len(data) > max_size:
        raise FormatError(f"the document is larger than {max_size} bytes")
    data = data[3:] if data.startswith(_BOM) else data
    _require_utf8(data)
    try:
        return XmlReader(known, data).read()
    except NotPlain:
        return XmlReader(known, data, rebuild=True).read()


def dump(resource: Any, version: FhirVersion) -> bytes:
    """Write a whole document; raises FormatError with a path for what XML cannot hold without loss."""
    return _document(plans(version), resource)


def fragment(resource: Any, version: FhirVersion) -> bytes:
    """Write the resource as an element without namespace declaration, to be placed in a Bundle that has it."""
    return Writer(plans(version)).text(resource).encode()


def _document(known: ReleasePlans, resource: Any) -> bytes:
    return (_DECLARATION + Writer(known).text(resource, f' xmlns="{FHIR}"')).encode()


def _require_utf8(data: bytes) -> None:
    """Refuse other encodings before the parser looks at the document."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError("the document is not UTF-8", line=line, column=1) from None
