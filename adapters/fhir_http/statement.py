"""What the EHR says that it can do: its CapabilityStatement, reduced to the facts that matter here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.port import AdapterGarbage, Capabilities, Coverage, CoverageLevel
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion


@dataclass(frozen=True, slots=True)
class Statement:
    """Per resource type: the interactions, search parameters and includes. ``known`` is False when there is none."""

    known: bool = False
    interactions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    parameters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    includes: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def searches(self, resource_type: str) -> bool:
        """Whether a type can be searched; yes when nothing is known."""
        if not self.known:
            return True
        named = self.interactions.get(resource_type, frozenset())
        return "search-type" in named or (resource_type in self.interactions and not named)

    def takes(self, resource_type: str, name: str) -> bool:
        """Whether a search parameter (with modifier or chain) is understood: only when the EHR says so."""
        if name == "_include":
            return False
        plain = name.split(":", 1)[0].split(".", 1)[0]
        return plain in self.parameters.get(resource_type, frozenset())

    def includes_named(self, resource_type: str, value: str) -> bool:
        """Whether an ``_include`` value (``Type:parameter`` or ``Type:parameter:Target``) is understood."""
        named = self.includes.get(resource_type, frozenset())
        source, _, rest = value.partition(":")
        parameter = rest.split(":", 1)[0]
        return bool({"*", value, f"{source}:{parameter}", f"{source}.{parameter}"} & named)

    def capabilities(self, version: FhirVersion) -> Capabilities:
        """The coverage per type: what cannot be searched is ``no``; without a statement we do not know better."""
        if not self.known:
            return Capabilities(otherwise=Coverage(CoverageLevel.PARTLY, "the source does not say what it has"))
        types = {
            (version, kind): Coverage(CoverageLevel.DELIVERABLE if self.searches(kind) else CoverageLevel.PARTLY)
            for kind in self.interactions
            if self.searches(kind) or "read" in self.interactions[kind]
        }
        return Capabilities(
            types=types, otherwise=Coverage(CoverageLevel.NO, "the source does not offer this resource type")
        )


def read_statement(resource: Resource, version: FhirVersion) -> Statement:
    """Reduce a CapabilityStatement. Raises `AdapterGarbage` when it is something else, or of another FHIR version."""
    if resource.get("resourceType") != "CapabilityStatement":
        raise AdapterGarbage("the source does not say what it can do", cause=str(resource.get("resourceType"))[:40])
    said = resource.get("fhirVersion")
    if isinstance(said, str) and not _same(said, version):
        raise AdapterGarbage("the source speaks another FHIR version", cause=f"fhirVersion {said[:20]}")
    interactions: dict[str, frozenset[str]] = {}
    parameters: dict[str, frozenset[str]] = {}
    includes: dict[str, frozenset[str]] = {}
    for kind, part in _parts(resource):
        interactions[kind] = frozenset(_texts(part.get("interaction"), "code"))
        parameters[kind] = frozenset(_texts(part.get("searchParam"), "name"))
        includes[kind] = frozenset(item for item in _list(part.get("searchInclude")) if isinstance(item, str))
    return Statement(known=bool(interactions), interactions=interactions, parameters=parameters, includes=includes)


def _same(said: str, version: FhirVersion) -> bool:
    try:
        return FhirVersion.of(said) is version
    except ValueError:
        return False


def _parts(resource: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    for rest in _list(resource.get("rest")):
        if isinstance(rest, dict) and rest.get("mode") != "client":
            for part in _list(rest.get("resource")):
                if isinstance(part, dict) and isinstance(part.get("type"), str):
                    yield part["type"], part


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any, key: str) -> Iterator[str]:
    for item in _list(value):
        if isinstance(item, dict) and isinstance(item.get(key), str):
            yield item[key]
