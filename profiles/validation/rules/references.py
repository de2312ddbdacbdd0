"""Rule: references point at an allowed type and, when the target can be reached, at one that meets the profile."""

from collections.abc import Callable
from typing import Any, Final

from profiles.fhir.tree import claimed_profiles, local_reference
from profiles.validation.hits import Check, Hit, Hits
from profiles.validation.schema.nodes import HL7, Node

ANY: Final = frozenset({"Resource", "DomainResource", "Any"})


def reference_check(
    node: Node, targets: tuple[str, ...], type_of: Callable[[str], str | None], known: Callable[[str], bool]
) -> Check | None:
    """A check for the targets of a reference; None when every target is allowed.

    ``type_of`` gives the resource type of a profile (None when unknown), ``known`` whether a resource type exists.
    """
    types: dict[str, list[str]] = {}
    for target in targets:
        kind = target[len(HL7) :] if target.startswith(HL7) and target[len(HL7) :].isalpha() else type_of(target)
        base = target == HL7 + str(kind)
        if kind is None or kind in ANY:
            return None
        found = types.setdefault(kind, [])
        if base:
            found.append("")
        else:
            found.append(target)
    if not types:
        return None
    allowed = ", ".join(sorted(types))

    def check(value: Any, context: Any) -> Hits | None:
        if type(value) is not dict:
            return None
        text = value.get("reference")
        if type(text) is not str:
            said = _stated(value)
            wrong = said is not None and known(said) and said not in types
            return [Hit("reference.type", node, {"allowed": allowed, "value": said})] if wrong else None
        resource = context.resolve(text) if text[:1] == "#" or context.bundle or context.external else None
        if resource is None:
            local = local_reference(text)
            if local is None or local[0] in types or not known(local[0]):
                return None
            return [Hit("reference.type", node, {"allowed": allowed, "value": local[0]})]
        kind = resource.get("resourceType")
        profiles = types.get(str(kind))
        if profiles is None:
            return [Hit("reference.type", node, {"allowed": allowed, "value": str(kind)})]
        if "" in profiles or set(claimed_profiles(resource)) & set(profiles):
            return None  # what a resource claims, it is held against where it stands
        if any(context.conforms(resource, profile) for profile in profiles):
            return None
        return [Hit("reference.profile", node, {"allowed": ", ".join(profiles), "value": text[:200]})]

    return check


def consistent_check(node: Node, known: Callable[[str], bool]) -> Check:
    """A check that ``Reference.type`` is the type of what ``Reference.reference`` points at (references.html, R4)."""

    def check(value: Any, context: Any) -> Hits | None:
        said = _stated(value) if type(value) is dict and "type" in value else None
        text = value.get("reference") if said is not None else None
        if type(text) is not str:
            return None
        found = context.resolve(text)
        local = local_reference(text)
        kind = found.get("resourceType") if found is not None else local[0] if local is not None else None
        if type(kind) is not str or kind == said or not known(kind):
            return None
        return [Hit("reference.consistent", node, {"allowed": str(said)[:80], "value": kind})]

    return check


def _stated(value: dict[str, Any]) -> str | None:
    """The type that a reference names: a code, or the canonical of a resource type."""
    said = value.get("type")
    return said.removeprefix(HL7) if type(said) is str else None
