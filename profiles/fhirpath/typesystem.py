"""What FHIRPath must know of FHIR's types, from the base facts: what a property is, and what is a kind of what."""

from functools import cache
from typing import Final

from profiles.fhir.basetypes import facts
from profiles.fhir.version import FhirVersion

Properties = tuple[tuple[str, str | None], ...]
"""JSON property name and type, one pair or, for a choice such as value[x], one for each type."""

_EVERYWHERE = {"extension": "Extension", "modifierExtension": "Extension", "id": "string"}
_MOST = 50_000


class TypeSystem:
    """The types of one FHIR version, as expressions ask for them.

    The type of a backbone element is its path (``Patient.contact``).
    """

    def __init__(self, version: FhirVersion) -> None:
        self._facts = facts(version)
        self._folded = {name.lower(): name for name in sorted(self._facts.types, reverse=True)}
        self._lineages: dict[str, tuple[str, ...]] = {}
        self._properties: dict[tuple[str | None, str], Properties] = {}
        self._children: dict[tuple[str | None, str], str | None] = {}

    def lineage(self, type_name: str) -> tuple[str, ...]:
        """The type and what it is a kind of: code, string, Element; Patient.contact, BackboneElement, Element."""
        known = self._lineages.get(type_name)
        if known is None:
            chain = [type_name]
            while (base := self._base(chain[-1])) is not None:
                chain.append(base)
            known = tuple(chain)
            if len(self._lineages) < _MOST:
                self._lineages[type_name] = known
        return known

    def _base(self, type_name: str) -> str | None:
        return self._facts.types[type_name].base if type_name in self._facts.types else None

    def named(self, name: str) -> str:
        """The type meant by a name in an expression; ``coding`` in the published scripts means Coding."""
        return name if name in self._facts.types else self._folded.get(name.lower(), name)

    def properties(self, type_name: str | None, element: str) -> Properties:
        """Where the element of this name stands in the JSON of this type, and of which type it is there."""
        key = (type_name, element)
        found = self._properties.get(key)
        if found is None:
            found = self._find(type_name, element)
            if len(self._properties) < _MOST:
                self._properties[key] = found
        return found

    def child(self, type_name: str | None, property_name: str) -> str | None:
        """The type of a JSON property (``valueQuantity`` of Observation is Quantity); None when unknown."""
        key = (type_name, property_name)
        if key not in self._children:
            if len(self._children) >= _MOST:
                return self._typed(type_name, property_name)
            self._children[key] = self._typed(type_name, property_name)
        return self._children[key]

    def _find(self, type_name: str | None, element: str) -> Properties:
        if type_name is not None and type_name in self._facts.types:
            found = self._facts.types[type_name].elements.get(element)
            if found is not None and found.choice:
                return tuple((found.property_name(kind), kind) for kind in found.types)
        return ((element, self.child(type_name, element)),)

    def _typed(self, type_name: str | None, property_name: str) -> str | None:
        found = self._facts.property(type_name, property_name) if type_name else None
        return found[1] if found is not None else _EVERYWHERE.get(property_name)


@cache
def type_system(version: FhirVersion) -> TypeSystem:
    """The types of a version, made once per process."""
    return TypeSystem(version)


@cache
def choices() -> dict[str, dict[str, str]]:
    """Per name of a choice element of any type and version: the JSON properties it may stand in, with their types."""
    versions = [facts(version) for version in FhirVersion]
    kinds = dict.fromkeys(kind for one in versions for kind in one.data_types())
    names = sorted({name for one in versions for name in one.choice_names()})
    return {name: {name + kind[0].upper() + kind[1:]: kind for kind in kinds} for name in names}


@cache
def resource_names() -> frozenset[str]:
    """The names of the resource types of all versions."""
    return frozenset(name for version in FhirVersion for name in facts(version).resource_types())


ABSTRACT: Final = frozenset({"Resource", "DomainResource"})
