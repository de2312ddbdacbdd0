"""Rule: an enableWhen of a Questionnaire asks about one of its questions.

https://hl7.org/fhir/R4/questionnaire.html: ``enableWhen.question`` is the linkId of a question in the same form.
"""

from collections.abc import Iterator
from typing import Any, Final

from profiles.validation.hits import Hit, Hits, Segment
from profiles.validation.schema.nodes import Node

MAX_DEPTH: Final = 24
Place = tuple[Any, ...]
"""The steps from the resource to a value: names and indexes, outermost first."""


def hit_at(key: str, node: Node | None, place: Place, **params: Any) -> Hit:
    """A hit about what stands at a place."""
    hit = Hit(key, node, params)
    hit.path = [step if isinstance(step, int) else Segment(step, step) for step in reversed(place)]
    return hit


def children(holder: Any, name: str = "item", place: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The objects in a list of a holder, each with its place."""
    rows = holder.get(name) if isinstance(holder, dict) else None
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        if isinstance(row, dict):
            yield (*place, name, index), row


def items(holder: Any, place: Place = (), depth: int = 0) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every item of a form, parents first."""
    for at, row in children(holder, "item", place) if depth < MAX_DEPTH else ():
        yield at, row
        yield from items(row, at, depth + 1)


def questionnaire_hits(form: dict[str, Any], node: Node | None) -> Hits:
    """The conditions of a form that ask about what it has no question for."""
    known = {str(row.get("linkId")) for _, row in items(form)}
    hits: Hits = []
    for place, row in items(form):
        for at, condition in children(row, "enableWhen", place):
            asked = str(condition.get("question"))
            if asked not in known:
                hits.append(hit_at("questionnaire.question", node, (*at, "question"), value=asked[:80]))
    return hits
