"""In which FHIR release a resource is written, as far as it tells: by the profiles it claims, else by its elements.

Many resources fit both STU3 and R4. Those say nothing here; what stands beside them and what points at them decides
(:mod:`gateway.intake.index`).
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from profiles.fhir.basetypes import facts
from profiles.fhir.tree import Resource, claimed_profiles
from profiles.fhir.version import FhirVersion

EVERY = frozenset(FhirVersion)
Defining = Callable[[str], frozenset[FhirVersion]]
"""The releases in which a profile is known; none for a profile that nobody knows."""


class Releases:
    """Tells releases; ``defining`` knows the profiles (gateway.quality.serving)."""

    def __init__(self, defining: Defining) -> None:
        self._defining = lru_cache(maxsize=4096)(defining)

    def of(self, resource: Resource) -> frozenset[FhirVersion]:
        """The releases that a resource may be in; none when its type is in no release."""
        there = frozenset(version for version in FhirVersion if _is_type(resource.get("resourceType"), version))
        if len(there) < 2:
            return there
        claimed = {version for url in claimed_profiles(resource) for version in self._defining(url.partition("|")[0])}
        if len(claimed) == 1:
            return frozenset(claimed)
        odd = {version: _unknown_in(resource, str(resource["resourceType"]), version) for version in there}
        least = min(odd.values())
        return frozenset(version for version, count in odd.items() if count == least)


def _is_type(name: Any, version: FhirVersion) -> bool:
    found = facts(version).types.get(name) if isinstance(name, str) else None
    return found is not None and found.kind == "resource"


def _unknown_in(node: Resource, type_: str, version: FhirVersion) -> int:
    """How many elements a release does not know, or not in this shape."""
    known, count = facts(version), 0
    for name, value in node.items():
        if name in ("resourceType", "contained", "meta", "text") or name.startswith("_"):
            continue
        property_ = known.property(type_, name)
        if property_ is None:
            count += 1
            continue
        items = value if isinstance(value, list) else [value]
        inner = property_[1]
        count += isinstance(value, list) != (property_[0].max is None)
        if inner in known.types:
            objects = [item for item in items if isinstance(item, dict)]
            primitive = inner[:1].islower()
            count += bool(objects) if primitive else len(objects) < len(items)
            if not primitive:
                count += sum(_unknown_in(item, inner, version) for item in objects)
    return count
