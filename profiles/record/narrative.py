"""The narratives of a resource on its way out: what is active in one is taken out.

What a narrative may hold is said by FHIR (Narrative, txt-1 and txt-2): plain formatting, no scripts, no forms, no
frames, no event attributes. Apps show it as HTML, so what a source wrote is cleaned by an allow-list (nh3), whatever a
verdict says of it. The received bytes are kept as they came; only what is served is clean.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import lxml.html
import nh3
from lxml import etree

from profiles.fhir.codec.xhtml import XHTML, checked_div
from profiles.fhir.errors import FormatError
from profiles.fhir.tree import Resource
from profiles.record.repair import Repair
from profiles.record.walk import nodes, objects
from profiles.rows import Row, read


class NarrativeRows(Row, frozen=True):
    """``narrative.toml``: names with blanks between them, and beginnings and pieces of values."""

    elements: str
    attributes: str
    looked_at: str
    links: tuple[str, ...]
    images: tuple[str, ...]
    styles: tuple[str, ...]


_ALLOWED: Final = read(Path(__file__).parent / "narrative.toml", NarrativeRows)
TAGS: Final = frozenset(_ALLOWED.elements.split())
"""Elements that FHIR allows in a narrative."""
SHAPING: Final = frozenset(_ALLOWED.attributes.split())
"""Attributes that may stay whatever they say."""
LINKS, IMAGES, STYLES = _ALLOWED.links, _ALLOWED.images, _ALLOWED.styles


def clean(resource: Resource) -> list[Repair]:
    """Take out of every narrative what may not stand in it, in place; one without content goes as a whole.

    A narrative that is no well-formed XHTML is left to who reads and writes it: such a resource is refused there.
    """
    repairs = []
    for place, node in list(nodes(resource)):
        if not holds_narrative(node):
            continue
        text = node["text"]
        try:
            root = etree.fromstring(checked_div(text["div"]), etree.XMLParser(resolve_entities=False, no_network=True))
        except (FormatError, etree.XMLSyntaxError, ValueError):
            continue
        if not all(_allowed(one) for one in root.iter()):
            text["div"] = _cleaned(text["div"])
            root = etree.fromstring(text["div"])
            repairs.append(Repair("narrative-cleaned", f"{place}.text.div"))
        if not "".join(map(str, root.itertext())).strip() and root.find(f".//{{{XHTML}}}img") is None:
            del node["text"]
            repairs.append(Repair("narrative-empty", f"{place}.text"))
    return repairs


def holds_narrative(node: Mapping[str, Any]) -> bool:
    """Whether an object of a resource has a narrative."""
    text = node.get("text")
    return type(text) is dict and isinstance(text.get("div"), str)


def _allowed(element: Any) -> bool:
    if not isinstance(element.tag, str):
        return not isinstance(element, etree._ProcessingInstruction)
    namespace, _, name = element.tag.rpartition("}")
    return (
        namespace == f"{{{XHTML}"
        and name in TAGS
        and all(_harmless(name, _written(key), str(value)) for key, value in element.attrib.items())
    )


def _written(key: str) -> str:
    return "xml:lang" if key == "{http://www.w3.org/XML/1998/namespace}lang" else key


def _harmless(tag: str, name: str, value: str) -> bool:
    """Whether an attribute may stay: known, and without a way out of the text."""
    folded = "".join(value.split()).lower()
    if name in ("href", "cite"):
        return folded.startswith(LINKS)
    if name == "src":
        return tag == "img" and folded.startswith(IMAGES)
    if name == "style":
        return not any(one in folded for one in STYLES)
    return name in SHAPING


def _cleaned(div: str) -> str:
    kept = nh3.clean(
        div,
        tags=set(TAGS),
        clean_content_tags={"script", "style"},
        attributes={"*": set(SHAPING - {"rel"}) | set(_ALLOWED.looked_at.split())},
        attribute_filter=lambda tag, name, value: value if _harmless(tag, name, value) else None,
        url_schemes={"http", "https", "mailto", "tel", "data"},
        strip_comments=True,
    )
    found = lxml.html.fragment_fromstring(kept, create_parent="div")
    inner = list(found)
    whole = inner[0] if len(inner) == 1 and inner[0].tag == "div" and not (found.text or "").strip() else found
    if whole is not found:
        whole.tail = None
    return checked_div(etree.tostring(whole, encoding="unicode", method="xml"))


def texts(resource: Resource) -> Iterator[str]:
    """The narratives of a resource, as they stand."""
    for node in filter(holds_narrative, objects(resource)):
        yield node["text"]["div"]
