"""Hypothesis strategies: resources of any shape that the base facts allow, in the form that reading gives them."""

from typing import Any
from xml.sax.saxutils import escape

from hypothesis import strategies as st

from profiles.fhir.basetypes import INTEGERS, ElementFacts, facts
from profiles.fhir.codec.numbers import JSON_INTEGER, read_decimal
from profiles.fhir.version import FhirVersion

NOT_IN_XML = ["\ufffe", "\uffff"]
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r", exclude_characters=NOT_IN_XML),
    max_size=8,
)
NUMBER_TEXT = st.from_regex(r"\A-?(0|[1-9][0-9]{0,6})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?\Z")
DECIMAL = NUMBER_TEXT.map(lambda text: int(text) if JSON_INTEGER.fullmatch(text) else read_decimal(text))
DIV = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=NOT_IN_XML), max_size=8).map(
    lambda text: f'<div xmlns="http://www.w3.org/1999/xhtml"><p class="a">{escape(text)}</p></div>'
)


@st.composite
def resources(draw: st.DrawFn, version: FhirVersion, depth: int = 3) -> dict[str, Any]:
    """A resource of any type."""
    name = draw(st.sampled_from(sorted(facts(version).resource_types())))
    return {"resourceType": name, **draw(objects(version, name, depth))}


@st.composite
def objects(draw: st.DrawFn, version: FhirVersion, type_name: str, depth: int) -> dict[str, Any]:
    """The members of an object of a type."""
    base = facts(version)
    properties = base.types[type_name].properties
    node: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(list(properties)), max_size=4 if depth else 1, unique=True)):
        element, inner = properties[name]
        attribute = name in base.types[type_name].attributes()
        if base.kind(inner) == "primitive" and inner != "xhtml" and not attribute:
            draw(primitives(version, element, inner, name, depth, node))
            continue
        if depth == 0 and base.kind(inner) != "primitive":
            continue
        value = values(version, inner, depth - 1)
        node[name] = draw(st.lists(value, min_size=1, max_size=2) if element.many else value)
    return node


def values(version: FhirVersion, type_name: str, depth: int) -> st.SearchStrategy[Any]:
    """One value of a type."""
    if type_name == "xhtml":
        return DIV
    kind = facts(version).kind(type_name)
    if kind == "resource":
        return resources(version, depth)
    if kind != "primitive":
        return objects(version, type_name, depth)
    if type_name == "boolean":
        return st.booleans()
    if type_name in INTEGERS:
        return st.integers(-(10**12), 10**12)
    return DECIMAL if type_name == "decimal" else TEXT


@st.composite
def primitives(
    draw: st.DrawFn,
    version: FhirVersion,
    element: ElementFacts,
    type_name: str,
    name: str,
    depth: int,
    node: dict[str, Any],
) -> None:
    """Put a primitive, or a list of them, with and without ids and extensions, into ``node``."""
    pairs = [
        draw(st.sampled_from(["value", "extras", "both"] if depth else ["value"]))
        for _ in range(draw(st.integers(1, 3)) if element.many else 1)
    ]
    value = [draw(values(version, type_name, depth)) if pair != "extras" else None for pair in pairs]
    extras = [draw(extended(version, depth)) if pair != "value" else None for pair in pairs]
    for key, found in ((name, value), (f"_{name}", extras)):
        if any(one is not None for one in found):
            node[key] = found if element.many else found[0]


@st.composite
def extended(draw: st.DrawFn, version: FhirVersion, depth: int) -> dict[str, Any]:
    """The id or extensions of a primitive, not empty."""
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        found["id"] = draw(TEXT)
    if not found or draw(st.booleans()):
        found["extension"] = [draw(objects(version, "Extension", max(depth - 1, 0)))]
    return found
