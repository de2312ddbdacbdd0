"""Rule: what holds for a Bundle as a whole beyond its published invariants.

https://hl7.org/fhir/R4/bundle.html#bundle-unique and #document: the first entry of a document is a Composition, of a
message a MessageHeader, and a fullUrl that ends in an id agrees with the id of its resource.
"""

from typing import Any, Final

from profiles.fhir.tree import local_reference
from profiles.validation.hits import Hit, Hits, Segment
from profiles.validation.schema.nodes import Node

FIRST: Final = {"document": "Composition", "message": "MessageHeader"}


def bundle_hits(bundle: dict[str, Any], node: Node | None) -> Hits:
    """What is wrong with a Bundle as a whole."""
    entries = bundle.get("entry")
    rows = [row if isinstance(row, dict) else {} for row in entries] if isinstance(entries, list) else []
    hits: Hits = []
    wanted = FIRST.get(str(bundle.get("type")))
    first = rows[0].get("resource") if rows else None
    if wanted and (not isinstance(first, dict) or first.get("resourceType") != wanted):
        hits.append(Hit("bundle.first", node, {"allowed": wanted, "value": str(bundle.get("type"))}))
    for index, row in enumerate(rows):
        resource, full = row.get("resource"), row.get("fullUrl")
        if not isinstance(resource, dict) or not isinstance(full, str):
            continue
        local = local_reference(full) if full.startswith("http") else None
        ident = resource.get("id")
        if local is not None and isinstance(ident, str) and local != (resource.get("resourceType"), ident):
            hit = Hit(
                "bundle.fullurl", node, {"value": full[:200], "allowed": f"{resource.get('resourceType')}/{ident}"}
            )
            hit.path = [Segment("fullUrl", "fullUrl"), index, Segment("entry", "entry")]
            hits.append(hit)
    return hits
