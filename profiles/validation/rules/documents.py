"""Rule: what the first resource of a document or message refers to is in its Bundle, once.

https://hl7.org/fhir/R4/documents.html#content and messaging.html: a document holds whatever the Composition refers to
directly (subject, encounter, authors, attesters, custodian, events and section entries), a message what its
MessageHeader is about. How a reference finds its entry: https://hl7.org/fhir/R4/bundle.html#references.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from profiles.fhir.tree import local_reference
from profiles.validation.hits import Hit, Hits, Segment
from profiles.validation.schema.nodes import Node

SECTION: Final[tuple[str, ...]] = ("author", "focus", "entry")
DIRECT: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "Composition": (
        ("subject",),
        ("encounter",),
        ("author",),
        ("custodian",),
        ("attester", "party"),
        ("event", "detail"),
    ),
    "MessageHeader": (("focus",),),
}
Step = tuple[str, int | None]
MAX_SECTIONS: Final = 12


def document_hits(rows: Sequence[dict[str, Any]], node: Node | None) -> Hits:
    """What the first of these entries refers to and is not, or more than once, among them."""
    first = rows[0]["resource"]
    entries = _Entries(rows)
    hits: Hits = []
    for place, reference in _references(first):
        text = reference.get("reference") if isinstance(reference, dict) else None
        if not isinstance(text, str) or text[:1] in ("#", ""):
            continue
        count = entries.count(text, rows[0].get("fullUrl"))
        if count != 1:
            hit = Hit("bundle.reference" if count == 0 else "bundle.ambiguous", node, {"value": text[:200]})
            for name, index in reversed((("entry", 0), ("resource", None), *place)):
                hit.path.extend([Segment(name, name)] if index is None else [index, Segment(name, name)])
            hits.append(hit)
    return hits


def meta_of(resource: dict[str, Any]) -> dict[str, Any]:
    """What a resource says of itself; empty when that is no object."""
    meta = resource.get("meta")
    return meta if isinstance(meta, dict) else {}


class _Entries:
    """The entries of a Bundle, by full URL and by type and id."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._by_url: dict[str, list[dict[str, Any]]] = {}
        self._by_id: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            resource, full = row.get("resource"), row.get("fullUrl")
            if isinstance(resource, dict):
                if isinstance(full, str):
                    self._by_url.setdefault(full, []).append(resource)
                self._by_id.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", []).append(resource)

    def count(self, reference: str, base: Any) -> int:
        """How many entries a reference points at, seen from the entry with the full URL ``base``."""
        bare, _, version = reference.partition("/_history/")
        bare = bare.partition("#")[0]
        local = local_reference(base) if isinstance(base, str) and base.startswith("http") else None
        if ":" in bare:
            targets = self._by_url.get(bare, [])
        elif local is not None:
            root = base.partition("/_history/")[0].removesuffix(f"{local[0]}/{local[1]}")
            targets = self._by_url.get(root + bare, [])
        else:
            targets = self._by_id.get(bare, [])
        if version:
            targets = [one for one in targets if meta_of(one).get("versionId") in (version, None)]
        return len(targets)


def _references(resource: dict[str, Any]) -> Iterator[tuple[tuple[Step, ...], Any]]:
    for path in DIRECT.get(str(resource.get("resourceType")), ()):
        yield from _at(resource, path, ())
    yield from _sections(resource, (), 0)


def _sections(holder: Any, place: tuple[Step, ...], depth: int) -> Iterator[tuple[tuple[Step, ...], Any]]:
    for step, section in _children(holder, "section") if depth < MAX_SECTIONS else ():
        for name in SECTION:
            yield from _at(section, (name,), (*place, step))
        yield from _sections(section, (*place, step), depth + 1)


def _at(holder: Any, path: tuple[str, ...], place: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Any]]:
    for step, child in _children(holder, path[0]):
        if len(path) == 1:
            yield (*place, step), child
        else:
            yield from _at(child, path[1:], (*place, step))


def _children(holder: Any, name: str) -> Iterator[tuple[Step, Any]]:
    value = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(value, list):
        yield from (((name, index), one) for index, one in enumerate(value))
    elif value is not None:
        yield (name, None), value
