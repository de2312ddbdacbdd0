"""Identifiers of resources as they are kept: a keyed hash, since a BSN may be among them."""

from collections.abc import Iterator
from hashlib import sha256

from auth.crypto import Pseudonyms
from profiles.fhir.tree import Resource


def identifiers(resource: Resource) -> Iterator[tuple[str, str]]:
    """The identifiers of a resource: system and value."""
    found = resource.get("identifier")
    for one in found if isinstance(found, list) else [found]:
        if isinstance(one, dict) and isinstance(one.get("system"), str) and isinstance(one.get("value"), str):
            yield one["system"], one["value"]


def token(pseudonyms: Pseudonyms, type_: str, system: str, value: str) -> str:
    """The keyed hash by which an identifier of a resource type is found."""
    return pseudonyms.of(sha256(f"{type_}|{system}|{value}".encode()).hexdigest())


def tokens(pseudonyms: Pseudonyms, resource: Resource) -> frozenset[str]:
    """The hashes of all identifiers of a resource, as it was before its BSN was masked."""
    kind = str(resource.get("resourceType"))
    return frozenset(token(pseudonyms, kind, *pair) for pair in identifiers(resource))
