"""Rule: which profiles a resource is held against: asked for, claimed in meta.profile, and known here."""

from collections.abc import Callable, Sequence
from typing import Any

from profiles.fhir.tree import claimed_profiles
from profiles.validation.hits import Check, Hit, Hits, Segment
from profiles.validation.schema.definitions import plain
from profiles.validation.schema.nodes import Node
from profiles.validation.shapes import Shape

Lookup = Callable[[str], "tuple[Shape, tuple[str, ...], str] | str"]
"""A profile by URL: its shape, its chain (itself first) and its type; or the reason why it cannot be used."""


def chosen(
    resource: dict[str, Any], asked: Sequence[str], kind: str, lookup: Lookup, always: Sequence[str] = ()
) -> tuple[list[Shape], Hits]:
    """The shapes to hold a resource against, and what is wrong with the choice itself.

    A profile from which another one in the list derives is left out. A profile that is not known here, asked for or
    claimed, makes the resource not checkable here: nothing is known to be wrong with it. A broken one that was asked
    for is an error. ``always``: what is asked of every resource of this type.
    """
    hits: Hits = []
    asked = [*asked, *always]
    shapes: dict[str, tuple[Shape, tuple[str, ...]]] = {}
    claims = claimed_profiles(resource)
    for url in dict.fromkeys([*map(plain, asked), *map(plain, claims)]):
        wanted = url in map(plain, asked)
        answer = lookup(url)
        if isinstance(answer, str):
            key = "profile.broken" if answer != "unknown" else "profile.unknown"
            hit = Hit(key if wanted else f"{key}.claimed", None, {"profile": url, "reason": answer})
            hit.severity = "error" if wanted and answer != "unknown" else "information"
            if not wanted:
                hit.path = [Segment("profile", "profile"), Segment("meta", "meta")]
            hits.append(hit)
        elif answer[2] != kind:
            hit = Hit("profile.type", None, {"profile": url, "allowed": answer[2], "value": kind})
            if not wanted:
                hit.path = [Segment("profile", "profile"), Segment("meta", "meta")]
            hits.append(hit)
        else:
            shapes[url] = answer[:2]
    ancestors = {url for _, chain in shapes.values() for url in chain[1:]}
    return [shape for url, (shape, _) in shapes.items() if url not in ancestors], hits


def missing_check(node: Node, profile: str) -> Check:
    """A check that says that the profile which a definition rests on is not here."""
    return lambda value, context: [Hit("profile.missing", node, {"profile": profile})]
