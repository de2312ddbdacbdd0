"""Rule: a narrative is one XHTML div, says something (txt-2), and holds nothing that acts (txt-1).

https://hl7.org/fhir/R4/narrative.html: the formatting of HTML 4.0, links, images and styles; no scripts, forms, frames
or event attributes. A link or image may not carry code in its address.
"""

import re
from typing import Any, Final
from xml.parsers import expat

from profiles.fhir.codec.xhtml import XHTML, checked_div, declares_namespace
from profiles.fhir.errors import FormatError
from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.schema.nodes import Node

_NAMES: Final = """
    a abbr acronym address area b bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt
    em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li map ol p pre q s samp small span strike strong sub sup table
    tbody td tfoot th thead tr tt u ul var
"""
ELEMENTS: Final = frozenset(_NAMES.split())
"""What may stand in a narrative: chapters 7 to 11 and 15 of HTML 4.0, with links and images."""
ADDRESSES: Final = frozenset({"href", "src", "cite", "background", "longdesc", "usemap"})
_NOISE = re.compile(r"[\x00-\x20]+")
"""Browsers read an address without these."""
_CODE = re.compile(r"(?:javascript|vbscript|livescript|mocha):|data:[^,;]*(?:html|xml|svg|script)", re.IGNORECASE)
"""Addresses that run something; a PDF as ``data:`` is no code, and official examples have such links."""
_INSIDE = re.compile(r"""\b(?:src|href|usemap)\s*=\s*["']#([^"']+)["']""")

TXT_1 = "scripts, forms, frames, event attributes and addresses that run code are not allowed in a narrative"
TXT_2 = "a narrative has some text or an image"


def references_in(div: str) -> frozenset[str]:
    """The ids that links and images of a narrative point at: of contained resources, or of places in the text."""
    return frozenset(_INSIDE.findall(div)) if "#" in div else frozenset()


def narrative_check(node: Node) -> Check:
    """A check for the ``div`` of a narrative."""

    def check(value: Any, context: Any) -> Hits | None:
        try:
            source = checked_div(value)
        except FormatError:
            return [Hit("format.xhtml", node, {"type": "xhtml", "value": value})]
        if not declares_namespace(value.strip(" \t\r\n")):
            return [Hit("format.xhtml", node, {"type": "xhtml", "value": value})]
        found = _Look(source)
        hits = [_hit(node, "txt-1", TXT_1)] if found.active else []
        if not found.says:
            hits.append(_hit(node, "txt-2", TXT_2))
        return hits or None

    return check


class _Look:
    """One walk through a narrative that is well-formed."""

    def __init__(self, source: str) -> None:
        self.active = False
        self.says = False
        parser = expat.ParserCreate("utf-8", " ")
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._text
        parser.Parse(source.encode(), True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name[len(XHTML) + 1 :]
        self.says = self.says or local == "img"
        self.active = self.active or local not in ELEMENTS
        for key, value in attributes.items():
            name = key.lower()
            if name.startswith("on") or (name in ADDRESSES and _CODE.match(_NOISE.sub("", value)) is not None):
                self.active = True

    def _text(self, text: str) -> None:
        self.says = self.says or bool(text.strip(" \t\r\n"))


def _hit(node: Node, key: str, human: str) -> Hit:
    return Hit("invariant.failed", node, {"constraint": key, "human": human})
