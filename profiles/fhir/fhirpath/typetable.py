"""What FHIRPath must know of FHIR's types: which property is of which type, and which type is a kind of which."""

import json
from functools import cache
from importlib.resources import files

from profiles.fhir.version import FhirVersion

Properties = tuple[tuple[str, str | None], ...]
"""JSON property name and type, one pair or, for a choice such as value[x], one for each type."""

_SYSTEM_SUFFIX = "System."
_EVERYWHERE = {"extension": "Extension", "modifierExtension": "Extension", "id": "string"}


class TypeTable:
    """The types of one FHIR version, from the tables that come with the FHIRPath library.

    A backbone element's type is its path (``Patient.contact``).
    """

    def __init__(self, version: FhirVersion) -> None:
        folder = files("fhirpathpy").joinpath("models", version.value)

        def table(name: str) -> dict[str, object]:
            content: dict[str, object] = json.loads(folder.joinpath(f"{name}.json").read_text("utf-8"))
            return content

        self._types = {path: str(name).removeprefix(_SYSTEM_SUFFIX) for path, name in table("path2Type").items()}
        self._parents = {name: str(parent) for name, parent in table("type2Parent").items()}
        self._elsewhere = {path: str(target) for path, target in table("pathsDefinedElsewhere").items()}
        self._choices = {path: tuple(map(str, names)) for path, names in table("choiceTypePaths").items()}  # type: ignore[call-overload]
        self._known = {*self._parents, *self._parents.values(), "Resource", "Element"}
        self._folded = {name.lower(): name for name in sorted(self._known, reverse=True)}
        self._lineages: dict[str, tuple[str, ...]] = {}
        self._properties: dict[tuple[str | None, str], Properties] = {}
        self._children: dict[tuple[str | None, str], str | None] = {}

    def lineage(self, type_name: str) -> tuple[str, ...]:
        """The type and what it is a kind of: code, string, Element; Patient.contact, BackboneElement, Element."""
        found = self._lineages.get(type_name)
        if found is None:
            chain = [type_name]
            if "." in type_name:
                chain += ["BackboneElement", "Element"]
            while chain[-1] in self._parents and len(chain) < 10:
                chain.append(self._parents[chain[-1]])
            found = self._lineages[type_name] = tuple(chain)
        return found

    def named(self, name: str) -> str:
        """The type meant by a name in an expression; ``coding`` in the published scripts means Coding."""
        return name if name in self._known else self._folded.get(name.lower(), name)

    def properties(self, type_name: str | None, element: str) -> Properties:
        """Where the element of this name stands in the JSON of this type, and of which type it is there."""
        key = (type_name, element)
        found = self._properties.get(key)
        if found is None:
            found = self._properties[key] = self._find(type_name, element)
        return found

    def child(self, type_name: str | None, property_name: str) -> str | None:
        """The type of a JSON property (``valueQuantity`` of Observation is Quantity); None when unknown."""
        key = (type_name, property_name)
        if key not in self._children:
            self._children[key] = self._typed(type_name, property_name)
        return self._children[key]

    def _find(self, type_name: str | None, element: str) -> Properties:
        for name in self.lineage(type_name) if type_name else ():
            path = self._elsewhere.get(f"{name}.{element}", f"{name}.{element}")
            if path in self._choices:
                return tuple((element + kind, self._types.get(path + kind, kind)) for kind in self._choices[path])
        return ((element, self._typed(type_name, element)),)

    def _typed(self, type_name: str | None, property_name: str) -> str | None:
        if property_name in _EVERYWHERE:
            return _EVERYWHERE[property_name]
        for name in self.lineage(type_name) if type_name else ():
            path = f"{name}.{property_name}"
            if path in self._elsewhere:
                return self._elsewhere[path]
            if path in self._types:
                return self._types[path]
        return f"{type_name}.{property_name}" if type_name and not self._primitive(type_name) else None

    def _primitive(self, type_name: str) -> bool:
        return type_name[:1].islower()


@cache
def type_table(version: FhirVersion) -> TypeTable:
    """The table of a version, read once per process."""
    return TypeTable(version)
