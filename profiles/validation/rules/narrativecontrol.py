"""Rule: a narrative has the language sections, and says where its parts come from, as its profile asks.

Two extensions of an element definition: ``narrative-language-control`` (``_no``: no sections per language, ``_yes``:
at least one, ``_resource``: one in the language of the resource, otherwise the language that must have one) and
``narrative-source-control`` (every part has a class that names its source).
"""

from typing import Any, Final

from lxml import etree

from profiles.fhir.codec.xhtml import XHTML, XML, checked_div
from profiles.fhir.errors import FormatError
from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.schema.nodes import Node

SOURCES: Final = frozenset({"boilerplate", "generated", "original"})


def narrative_control_check(node: Node) -> Check:
    """A check for a Narrative that its profile controls."""
    controls = dict(node.narrative)
    language, source = controls.get("narrative-language-control"), controls.get("narrative-source-control")

    def check(value: Any, context: Any) -> Hits | None:
        div = _div(value.get("div"))
        if div is None:
            return None
        hits: Hits = []
        if language is not None and (wrong := _languages(div, language, context.resource)) is not None:
            hits.append(Hit(wrong[0], node, {"value": wrong[1]}))
        if source is not None and (nameless := _nameless(div)):
            hits.append(Hit("narrative.source", node, {"value": nameless, "allowed": ", ".join(sorted(SOURCES))}))
        return hits or None

    return check


def _div(text: Any) -> Any:
    """The div of a narrative; None when it is none, which another rule tells."""
    try:
        return etree.fromstring(checked_div(text), etree.XMLParser(resolve_entities=False, no_network=True))
    except (FormatError, etree.XMLSyntaxError, ValueError):
        return None


def _languages(div: Any, control: str, resource: Any) -> tuple[str, str] | None:
    """What is wrong with the sections per language: the message and what it is about."""
    own = [one for one in div.iterchildren(etree.Element) if one.tag == f"{{{XHTML}}}div"]
    present = {one.get(f"{{{XML}}}lang") or one.get("lang") for one in own} - {None}
    shown = ", ".join(sorted(map(str, present)))
    if control == "_no":
        return ("narrative.sections", shown) if present else None
    wanted = resource.get("language") if control == "_resource" else control
    if control == "_yes" or wanted is None:
        return None if present else ("narrative.language", "")
    return None if wanted in present else ("narrative.language", str(wanted))


def _nameless(div: Any) -> str:
    """The first text that stands in nothing whose class says where it comes from; empty when there is none."""
    stack = [(div, False)]
    while stack:
        element, named = stack.pop()
        named = named or bool(SOURCES & set((element.get("class") or "").split()))
        texts = [element.text, *(child.tail for child in element)]
        if not named:
            for text in texts:
                if text and text.strip():
                    return str(text.strip()[:80])
        stack.extend((child, named) for child in element.iterchildren(etree.Element))
    return ""
