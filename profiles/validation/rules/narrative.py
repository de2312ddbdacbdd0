"""Rule: a narrative is one XHTML div, says something (txt-2), has nothing that acts (txt-1), links to what is there.

https://hl7.org/fhir/R4/narrative.html: the formatting of HTML 4.0, links, images and styles; no scripts, forms, frames
or event attributes. A link or image may not carry code in its address; a link to a place in the text leads to one
(section "internal references"), and a urn is a name that leads nowhere. Of the entities of HTML only those of XML, and
the hard space that browsers are taught to write, survive every parser.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from profiles.fhir.codec.xhtml import checked_div, declares_namespace
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
_PLACE = re.compile(r"""\b(?:id|name)\s*=\s*["']([^"']+)["']""")
_FOREIGN = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|nbsp);)[A-Za-z][A-Za-z0-9]*;").search
_INSIDE = re.compile(r"""\b(?:src|href|usemap)\s*=\s*["']#([^"']+)["']""")

TXT_1 = "scripts, forms, frames, event attributes and addresses that run code are not allowed in a narrative"
TXT_2 = "a narrative has some text or an image"


def references_in(div: str) -> frozenset[str]:
    """The ids that links and images of a narrative point at: of contained resources, or of places in the text."""
    return frozenset(_INSIDE.findall(div)) if "#" in div else frozenset()


def narrative_check(node: Node) -> Check:
    """A check for the ``div`` of a narrative."""

    def check(value: Any, context: Any) -> Hits | None:
        look = _Look()
        try:
            checked_div(value, watching=look)
        except FormatError:
            return [Hit("format.xhtml", node, {"type": "xhtml", "value": value})]
        if not declares_namespace(value.strip(" \t\r\n")):
            return [Hit("format.xhtml", node, {"type": "xhtml", "value": value})]
        hits = [_hit(node, "txt-1", TXT_1)] if look.active else []
        if (foreign := _FOREIGN(value)) is not None:
            hits.append(Hit("narrative.entity", node, {"value": foreign.group()}))
        lost = [link for link in look.links if not _leads(link, look.places, context)]
        hits.extend(Hit("narrative.link", node, {"value": link[:200]}) for link in lost)
        if not look.says:
            hits.append(_hit(node, "txt-2", TXT_2))
        return hits or None

    return check


def _leads(link: str, places: set[str], context: Any) -> bool:
    """Whether a link leads somewhere, as far as can be told here: a place in this text, or a part of the resource."""
    if not link.startswith("#"):
        return not link.lower().startswith("urn:")
    place = link[1:]
    if place in places or place == "" or context.contained(place) is not None:
        return True
    return any(place in _PLACE.findall(div) for div in _divs(context.container))


def _divs(value: Any) -> Iterator[str]:
    """Every narrative in a resource; a Composition has one for each section."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            div = item.get("div")
            if isinstance(div, str):
                yield div
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


class _Look:
    """What one walk through a narrative shows."""

    def __init__(self) -> None:
        self.active = False
        self.says = False
        self.links: list[str] = []
        self.places: set[str] = set()

    def element(self, name: str, attributes: dict[str, str]) -> None:
        """See `profiles.fhir.codec.xhtml.Watching`."""
        if name not in ELEMENTS:
            self.active = True
        elif name == "img":
            self.says = True
        for key, value in attributes.items():
            lower = key.lower()
            if lower == "href":
                self.links.append(value)
            elif lower in ("id", "name"):
                self.places.add(value)
            if lower.startswith("on") or (lower in ADDRESSES and _CODE.match(_NOISE.sub("", value)) is not None):
                self.active = True

    def text(self, text: str) -> bool:
        """See `profiles.fhir.codec.xhtml.Watching`."""
        self.says = self.says or bool(text.strip(" \t\r\n"))
        return not self.says


def _hit(node: Node, key: str, human: str) -> Hit:
    return Hit("invariant.failed", node, {"constraint": key, "human": human})
