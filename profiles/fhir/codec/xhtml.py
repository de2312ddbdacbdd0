"""The narrative of a resource: the one part of FHIR that is XML in both formats."""

import re
from html.entities import name2codepoint
from typing import Any, Protocol
from xml.parsers import expat

from profiles.fhir.codec.limits import XML_DEPTH
from profiles.fhir.errors import FormatError

XHTML = "http://www.w3.org/1999/xhtml"
XML = "http://www.w3.org/XML/1998/namespace"
_OWN_NAMESPACE = re.compile(rf"""<div\s(?:[^<>"']|"[^"<]*"|'[^'<]*')*?xmlns\s*=\s*(?:"{XHTML}"|'{XHTML}')""")
_PREFIX = XHTML + " "
_DIV = re.compile(r"<div[\s/>]")
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_XML_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})


class Watching(Protocol):
    """Looks on while a narrative is read; what it saw counts only when the narrative is right."""

    def element(self, name: str, attributes: dict[str, str]) -> None:
        """An element of XHTML begins."""

    def text(self, text: str) -> bool:
        """Some text; whether more of it is to be shown."""


def local_name(name: str) -> str:
    """The local name of an expanded name in the XHTML namespace; FormatError for any other namespace."""
    space, _, local = name.partition(" ")
    if space != XHTML or not local:
        raise FormatError("the narrative holds an element that is not XHTML")
    # Behind the name a parser may give the prefix that it had.
    return local.partition(" ")[0]


def attribute_name(name: str) -> str:
    """The name of an attribute as written; FormatError for a namespace other than that of xml:lang."""
    parts = name.split(" ")
    if len(parts) == 1:
        return name
    if parts[0] != XML:
        raise FormatError("the narrative holds an attribute of another namespace")
    return f"xml:{parts[1]}"


def declares_namespace(source: str) -> bool:
    """Whether the first start tag of the source declares the XHTML namespace itself."""
    return _OWN_NAMESPACE.match(source) is not None


def checked_div(div: Any, above: int = 0, watching: Watching | None = None) -> str:
    """The narrative as it can stand in an XML document.

    Takes the ``div`` text of JSON, how deep it stands, and who looks on. HTML entities become characters and a missing
    namespace is added; anything that is not one well-formed XHTML ``div`` raises FormatError.
    """
    if not isinstance(div, str):
        raise FormatError("must be a string")
    source = _ENTITY.sub(_character, div) if "&" in div else div
    source = source.strip(" \t\r\n")
    if _DIV.match(source) is None:
        raise FormatError("the narrative is not a div")
    if not declares_namespace(source) and "xmlns" not in source[: source.find(">")]:
        source = f'<div xmlns="{XHTML}"{source[4:]}'
    _check(source, above, watching)
    return source


def _character(entity: re.Match[str]) -> str:
    name = entity.group(1)
    known = name2codepoint.get(name)
    return f"&#{known};" if known is not None and name not in _XML_ENTITIES else entity.group()


def _check(source: str, depth: int, watching: Watching | None) -> None:
    parser = expat.ParserCreate("utf-8", " ")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        local = name[len(XHTML) + 1 :] if name.startswith(_PREFIX) else local_name(name)
        if depth > XML_DEPTH:
            raise FormatError(f"the narrative is nested deeper than {XML_DEPTH}")
        for key in attributes:
            if " " in key:
                attribute_name(key)
        if watching is not None:
            watching.element(local, attributes)

    def text(shown: str) -> None:
        if watching is None or not watching.text(shown):
            parser.CharacterDataHandler = None

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text if watching is not None else None
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        parser.Parse(source.encode(), True)
    except (expat.ExpatError, UnicodeEncodeError):
        raise FormatError("the narrative is not well-formed XHTML") from None


def _no_doctype(*_: Any) -> None:
    raise FormatError("a document type declaration is not allowed")
