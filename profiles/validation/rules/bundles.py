"""Rule: what holds for a Bundle as a whole beyond its published invariants.

https://hl7.org/fhir/R4/bundle.html#bundle-unique, bundle.html#references and documents.html: the first entry of a
document is a Composition, of a message a MessageHeader; entries carry an absolute fullUrl that agrees with the id of
their resource; a document says when it was put together.
"""

import re
from typing import Any, Final

from profiles.fhir.tree import local_reference
from profiles.fhir.version import FhirVersion
from profiles.validation.hits import Hit, Hits, Segment
from profiles.validation.rules.documents import document_hits, meta_of
from profiles.validation.schema.nodes import Node

FIRST: Final = {"document": "Composition", "message": "MessageHeader"}
NAMELESS: Final = frozenset({"batch", "transaction", "batch-response", "transaction-response"})
"""Bundles whose entries may do without a fullUrl; published transactions have relative ones."""
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:.").match


def bundle_hits(bundle: dict[str, Any], node: Node | None, version: FhirVersion) -> Hits:
    """What is wrong with a Bundle as a whole."""
    entries = bundle.get("entry")
    rows = [row if isinstance(row, dict) else {} for row in entries] if isinstance(entries, list) else []
    kind = str(bundle.get("type"))
    hits: Hits = []
    wanted = FIRST.get(kind)
    first = rows[0].get("resource") if rows else None
    if wanted and (not isinstance(first, dict) or first.get("resourceType") != wanted):
        hits.append(Hit("bundle.first", node, {"allowed": wanted, "value": kind}))
    if kind == "document" and version is FhirVersion.STU3 and meta_of(bundle).get("lastUpdated") is None:
        hits.append(Hit("bundle.moment", node, {"allowed": "meta.lastUpdated"}))
    for index, row in enumerate(rows):
        hits.extend(_entry(row, index, node, kind))
    if wanted is not None and isinstance(first, dict) and first.get("resourceType") == wanted:
        hits.extend(document_hits(rows, node))
    return hits


def _entry(row: dict[str, Any], index: int, node: Node | None, kind: str) -> Hits:
    """What is wrong with the name of one entry."""
    resource, full = row.get("resource"), row.get("fullUrl")
    if not isinstance(resource, dict):
        return []
    place = [index, Segment("entry", "entry")]
    at_url = [Segment("fullUrl", "fullUrl"), *place]
    if not isinstance(full, str):
        nameless = full is None and "_fullUrl" not in row and kind not in NAMELESS
        return [_hit("bundle.nameless", node, place, value=str(resource.get("resourceType")))] if nameless else []
    if _ABSOLUTE(full) is None:
        return [_hit("bundle.relative", node, at_url, value=full[:200])] if kind not in NAMELESS else []
    local = local_reference(full) if full.startswith("http") else None
    if local is None:
        return []
    ident, type_ = resource.get("id"), str(resource.get("resourceType"))
    if ident is None and kind not in NAMELESS:
        return [_hit("bundle.unnamed", node, at_url, value=full[:200])]
    if isinstance(ident, str) and local != (type_, ident):
        return [_hit("bundle.fullurl", node, at_url, value=full[:200], allowed=f"{type_}/{ident}")]
    return []


def _hit(key: str, node: Node | None, path: list[Any], **params: str) -> Hit:
    hit = Hit(key, node, dict(params))
    hit.path = list(path)
    return hit
