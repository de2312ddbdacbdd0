"""One element as one line of text, the form in which base facts are kept.

``status 1..1 code #observation-status``            a required set of codes
``subject 0..1 Reference(Patient|Group)``           targets of a reference; no brackets: anything
``value[x] 0..1 Quantity+CodeableConcept+string``   a choice
``value[x] 0..1 *``                                 a choice of every open type
``link 0..* =Bundle.link``                          the content of another backbone element
"""

import re
from collections.abc import Iterable, Mapping
from typing import TypedDict


class TypeTable(TypedDict):
    """A type as it is kept: kind, base type and one line per element, in the order of the specification."""

    kind: str
    base: str | None
    elements: list[str]


class FactsTable(TypedDict):
    """All facts of one FHIR release."""

    open: list[str]
    codes: dict[str, list[str]]
    types: dict[str, TypeTable]


LINE = re.compile(
    r"(?P<name>[A-Za-z0-9]+)(?P<choice>\[x])? (?P<min>\d+)\.\.(?P<max>\d+|\*) "
    r"(?:=(?P<content>[A-Za-z0-9.]+)|(?P<types>[^#= ]+))(?: #(?P<codes>\S+))?"
)


def write_line(
    name: str,
    low: int,
    high: str,
    types: Iterable[str],
    targets: Mapping[str, Iterable[str]],
    codes: str | None,
    content: str | None,
) -> str:
    """The line of an element; ``name`` ends in ``[x]`` for a choice, ``targets`` are by type name."""
    if content is not None:
        return f"{name} {low}..{high} ={content}"
    shown = "+".join(f"{kind}({'|'.join(targets[kind])})" if targets.get(kind) else kind for kind in types)
    return f"{name} {low}..{high} {shown}" + (f" #{codes}" if codes else "")


def read_targets(shown: str) -> tuple[str, tuple[str, ...]]:
    """Split ``Reference(Patient|Group)`` into the type and its targets."""
    name, _, inside = shown.partition("(")
    return name, tuple(inside.rstrip(")").split("|")) if inside else ()
