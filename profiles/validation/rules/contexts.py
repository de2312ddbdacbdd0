"""Where an extension may stand: its published contexts, compared with the place of the instance.

A context is a path or a type (``Patient.name``, ``HumanName``), the extension that it is part of, or a FHIRPath
expression that gives the elements that it may extend (https://hl7.org/fhir/R4/defining-extensions.html#context). The
place is only known when a hit has travelled up to the root, so the rule for extensions leaves a candidate, and
`settled` keeps or drops it.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from profiles import fhirpath
from profiles.fhirpath.items import bare
from profiles.rows import Row, read
from profiles.validation.context import Context
from profiles.validation.hits import Hit, Hits, Segment

Contexts = tuple[tuple[str, str], ...]
ANYWHERE: Final = frozenset({"", "*", "Any", "Element", "Extension"})
SAMPLES: Final = frozenset({"fixed", "pattern", "defaultValue", "example", "minValue", "maxValue"})
HOLDERS: Final = ("extension", "modifierExtension")


class ContradictedRow(Row, frozen=True):
    """``[[contradicted]]`` of contexts.toml."""

    url: str
    seen: str


class ContradictedRows(Row, frozen=True):
    """contexts.toml."""

    contradicted: tuple[ContradictedRow, ...]


@cache
def contradicted() -> frozenset[str]:
    """The extensions whose publisher does not keep to their context."""
    return frozenset(row.url for row in read(Path(__file__).with_name("contexts.toml"), ContradictedRows).contradicted)


def to_settle(contexts: Contexts, holder: str, is_resource: Callable[[str], bool]) -> Contexts:
    """The contexts when they have to be compared with the place of the instance; empty when the place is right.

    Empty too when a context is a primitive type or a profile, which the place does not tell.
    """
    for kind, text in contexts:
        if kind in ("extension", "fhirpath"):
            continue
        if text in ANYWHERE or text == holder or text[:1].islower() or text.startswith("http"):
            return ()
        if is_resource(holder) and text in ("Resource", "DomainResource"):
            return ()
        if "." not in text and not is_resource(text) and ("." in holder or holder == "Element"):
            return ()
    return contexts


def settled(hits: Sequence[Hit], resource: Any, context: Context) -> Hits:
    """The hits without the candidates that turn out to stand where they may."""
    return [hit for hit in hits if hit.key != "extension.context" or not _fits(hit, resource, context)]


class _Place(NamedTuple):
    """Where an extension stands: the path of names below the nearest resource, that resource, and what encloses it."""

    path: str
    resource: Any
    enclosing: tuple[Any, ...]


def _place(hit: Hit, resource: Any) -> _Place | None:
    """The place of a hit; None when the path does not lead through the data."""
    names: list[str] = []
    nearest, value = resource, resource
    values: list[Any] = [value]
    for step in reversed(hit.path):
        try:
            value = _child(value, step.key) if isinstance(step, Segment) else value[step]
        except (LookupError, TypeError):
            return None
        if isinstance(value, dict):
            values.append(value)
            if isinstance(value.get("resourceType"), str):
                nearest, names = value, []
                continue
        if isinstance(step, Segment):
            names.append(step.name)
    while names and names[-1] in HOLDERS:
        names.pop()
    return _Place(".".join(names), nearest, tuple(values))


def _child(value: Any, key: str) -> Any:
    """What stands at a key; of a primitive what stands beside it, which is where extensions are."""
    at = value.get(key) if isinstance(value, dict) else None
    whole = isinstance(at, dict) or (isinstance(at, list) and any(isinstance(one, dict) for one in at))
    return value[key] if whole or "_" + key not in value else value["_" + key]


def _fits(hit: Hit, resource: Any, context: Context) -> bool:
    place = _place(hit, resource)
    if place is None or _is_sample(place):
        return True
    return any(_allows(kind, text, place, context) for kind, text in hit.params["where"])


def _is_sample(place: _Place) -> bool:
    """Whether the place is a value in an element definition: what stands there is meant for another place."""
    names = place.path.split(".")
    return place.resource.get("resourceType") == "StructureDefinition" and not SAMPLES.isdisjoint(names[2:])


def _allows(kind: str, text: str, place: _Place, context: Context) -> bool:
    holder = place.enclosing[-2] if len(place.enclosing) > 1 else None
    if kind == "extension":
        return isinstance(holder, dict) and _within(place.enclosing[:-1], text)
    if kind == "fhirpath":
        return _selected(text, place.resource, holder, context)
    type_, _, below = text.partition(".")
    below = below.replace("[x]", "")
    own = str(place.resource.get("resourceType"))
    if not below:
        return type_ == own and place.path == ""
    return place.path == below or place.path.endswith("." + below)


def _within(enclosing: tuple[Any, ...], text: str) -> bool:
    """Whether the extension that holds another is the one that is named, or the part (after ``#``) of it."""
    urls = [value["url"] for value in enclosing[1:] if isinstance(value.get("url"), str)]
    url, _, part = text.partition("#")
    if not part:
        return bool(urls) and urls[-1] == text
    return urls[-2:] == [url, part] or (bool(urls) and urls[-1] == text)


def _selected(expression: str, resource: Any, holder: Any, context: Context) -> bool:
    """Whether an expression gives the element that holds the extension; what cannot be told is left alone."""
    try:
        items = fhirpath.compile(expression).judge()(resource, context.env)
    except fhirpath.FhirPathError:
        return True
    return any(bare(item) is holder for item in items)
