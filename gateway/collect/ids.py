"""The ids of a source's resources, inside and outside: with several sources they get its name before them."""

import hashlib
import re
from collections.abc import Container, Iterator
from dataclasses import replace

from adapters.port import AdapterQuery
from profiles.fhir.search.searchparams import parameter
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion
from profiles.record.walk import Key, nodes

MOST = 64
"""Longest id that FHIR allows."""


def served_id(source: str, id_: str) -> str:
    """The id under which a source's resource is served when a provider has several sources."""
    made = f"{source}-{id_}"
    return made if len(made) <= MOST else f"{source[:23]}-{hashlib.sha256(id_.encode()).hexdigest()[:40]}"


def rename(resource: Resource, source: str, held: Container[Key], *, prefixed: bool) -> None:
    """Give a resource the id that it is served under, and let its references follow, in place.

    References to what is in ``held`` become relative. With ``prefixed`` the source's name goes before the id, and
    before every id that the source refers to as its own: what is not in this answer may be in another.
    """
    if prefixed:
        resource["id"] = served_id(source, str(resource["id"]))
    for node, name, text in _pointers(resource):
        key = local_reference(text)
        if key is None or not (key in held or (prefixed and ":" not in text)):
            continue
        node[name] = f"{key[0]}/{served_id(source, key[1]) if prefixed else key[1]}"


def _pointers(resource: Resource) -> Iterator[tuple[Resource, str, str]]:
    """Where a resource points at others: references, and the addresses of documents."""
    for place, node in nodes(resource):
        if isinstance(node.get("reference"), str):
            yield node, "reference", node["reference"]
        address = node.get("url")
        if isinstance(address, str) and "Binary/" in address and "xtension" not in place.rpartition(".")[2]:
            yield node, "url", address


def own_query(query: AdapterQuery, source: str) -> AdapterQuery | None:
    """The question with the source's own ids; None for a read of an id that is another source's."""
    search = tuple((name, _own_value(query, source, name, value)) for name, value in query.search)
    if query.id is None:
        return replace(query, search=search)
    own = query.id.removeprefix(f"{source}-")
    return None if own == query.id else replace(query, id=own, search=search)


def _own_value(query: AdapterQuery, source: str, name: str, value: str) -> str:
    if not _points(query.version, query.type, name):
        return value
    # Ids of other sources stay as they are: here they find nothing.
    return re.sub(rf"(^|,)((?:[A-Z][A-Za-z]+/)?){re.escape(source)}-", r"\1\2", value)


def _points(version: FhirVersion, type_: str, name: str) -> bool:
    """Whether the value of a search parameter, the last of a chain, is a reference."""
    base, _, chained = name.partition(".")
    base, _, modifier = base.partition(":")
    param = parameter(version, type_, base)
    if param is None or param.kind != "reference":
        return False
    targets = [modifier] if modifier else sorted(param.targets)
    return not chained or any(_points(version, one, chained) for one in targets)
