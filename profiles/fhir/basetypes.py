"""Base facts of FHIR STU3 (3.0.2) and R4 (4.0.1): every type, its elements, their order, types and limits.

The facts are kept in ``data/facts-*.json`` (see ``profiles.fhir.tables`` for how those are made) and read lazily:
a release on first use, a type on first use.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources

import msgspec

from profiles.fhir.tables.lines import LINE, FactsTable, TypeTable, read_targets
from profiles.fhir.version import FhirVersion

INTEGERS = frozenset({"integer", "unsignedInt", "positiveInt"})
"""Primitive types that are whole numbers in JSON. ``decimal`` is a number, ``boolean`` a boolean, others are text."""

XML_ATTRIBUTES = {"Extension": ("id", "url")}
"""Elements that are attributes in XML, by type; every other type than a resource has ``id`` only."""

_SCRIPT_LINES = (
    ("TestScript", "profile", "profile 0..* canonical(StructureDefinition)"),
    ("TestScript.setup.action.assert", "sourceId", "stopTestOnFail 0..1 boolean"),
)
"""Type, element, and the line that takes its place or follows it."""


@dataclass(frozen=True, slots=True)
class ElementFacts:
    """One element of a type. ``max`` None means any number; empty ``targets`` means any type.

    ``name`` is without ``[x]``. ``codes`` are those of a required binding, where they can be listed.
    ``content`` is the type name of a content reference; ``types`` then holds that name too.
    """

    name: str
    min: int
    max: int | None
    types: tuple[str, ...]
    choice: bool = False
    targets: tuple[str, ...] = ()
    codes: frozenset[str] | None = None
    content: str | None = None

    @property
    def many(self) -> bool:
        """Whether the element is a list in JSON."""
        return self.max not in (0, 1)

    def property_name(self, type_name: str) -> str:
        """The JSON property for a value of ``type_name``: ``value`` and ``Quantity`` give ``valueQuantity``."""
        return self.name + type_name[0].upper() + type_name[1:] if self.choice else self.name


@dataclass(frozen=True)
class TypeFacts:
    """One type. Backbone types are named by path (``Patient.contact``) and have Element or BackboneElement as base."""

    name: str
    kind: str
    base: str | None
    elements: Mapping[str, ElementFacts] = field(repr=False)

    @cached_property
    def properties(self) -> Mapping[str, tuple[ElementFacts, str]]:
        """Every JSON property, in the order of the specification, with its element and the name of its type."""
        return {
            element.property_name(type_name): (element, type_name)
            for element in self.elements.values()
            for type_name in element.types
        }

    def attributes(self) -> tuple[str, ...]:
        """The elements that are attributes in XML."""
        return () if self.kind == "resource" else XML_ATTRIBUTES.get(self.name, ("id",))


class _Types(Mapping[str, TypeFacts]):
    """The types of a release, read from their lines when first asked for."""

    def __init__(self, table: FactsTable) -> None:
        self._table = table
        self._read: dict[str, TypeFacts] = {}
        self._codes: dict[str, frozenset[str]] = {}

    def __getitem__(self, name: str) -> TypeFacts:
        found = self._read.get(name)
        if found is None:
            found = self._read[name] = self._type(name, self._table["types"][name])
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._table["types"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table["types"])

    def __len__(self) -> int:
        return len(self._table["types"])

    def _type(self, name: str, table: TypeTable) -> TypeFacts:
        elements = (self._element(line) for line in table["elements"])
        return TypeFacts(name, table["kind"], table["base"], {element.name: element for element in elements})

    def _element(self, line: str) -> ElementFacts:
        match = LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"not an element of the facts table: {line!r}")
        name, choice, low, high, content, shown, codes = match.group(
            "name", "choice", "min", "max", "content", "types", "codes"
        )
        types, targets = self._types(shown) if shown else ((content,), ())
        most = None if high == "*" else int(high)
        return ElementFacts(name, int(low), most, types, bool(choice), targets, self._code_set(codes), content)

    def _types(self, shown: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if shown == "*":
            return tuple(self._table["open"]), ()
        pairs = [read_targets(one) for one in shown.split("+")]
        return tuple(name for name, _ in pairs), tuple(dict.fromkeys(one for _, targets in pairs for one in targets))

    def _code_set(self, name: str | None) -> frozenset[str] | None:
        if name is None:
            return None
        if name not in self._codes:
            self._codes[name] = frozenset(self._table["codes"][name])
        return self._codes[name]


class BaseFacts:
    """All facts of one release."""

    def __init__(self, version: FhirVersion, table: FactsTable) -> None:
        self.version = version
        self.types: Mapping[str, TypeFacts] = _Types(table)
        self._tables = table["types"]
        self._kinds = {name: found["kind"] for name, found in self._tables.items()}
        self.open_types = tuple(table["open"])

    def kind(self, name: str) -> str | None:
        """``primitive``, ``complex``, ``resource`` or ``backbone``; None for a name that is no type."""
        return self._kinds.get(name)

    def is_resource(self, name: object) -> bool:
        """Whether ``name`` is a resource type that instances can have."""
        return self._kinds.get(name) == "resource" and name not in ("Resource", "DomainResource")  # type: ignore[call-overload]

    def choice_names(self) -> frozenset[str]:
        """The names, without ``[x]``, of all elements of any type that are a choice of types."""
        lines = (line for found in self._tables.values() for line in found["elements"])
        return frozenset(line.partition("[x]")[0] for line in lines if "[x]" in line)

    def data_types(self) -> tuple[str, ...]:
        """The names of the primitive and complex types."""
        return tuple(name for name, kind in self._kinds.items() if kind in ("primitive", "complex"))

    def resource_types(self) -> tuple[str, ...]:
        """The names of all resource types that instances can have."""
        return tuple(name for name in self._kinds if self.is_resource(name))

    def property(self, type_name: str, name: str) -> tuple[ElementFacts, str] | None:
        """The element and the type name behind a JSON property; None when the type has no such property."""
        return self.types[type_name].properties.get(name) if type_name in self.types else None


@cache
def facts(version: FhirVersion) -> BaseFacts:
    """The base facts of a release (read once per process)."""
    return BaseFacts(version, _table(version))


@cache
def script_facts() -> BaseFacts:
    """The facts of R4 with what the national TestScripts borrow from R5; for reading those scripts only."""
    table = _table(FhirVersion.R4)
    for type_name, name, line in _SCRIPT_LINES:
        lines = table["types"][type_name]["elements"]
        at = next(index for index, one in enumerate(lines) if one.startswith(f"{name} "))
        lines[at : at + 1] = [line] if line.startswith(f"{name} ") else [lines[at], line]
    return BaseFacts(FhirVersion.R4, table)


def _table(version: FhirVersion) -> FactsTable:
    data = resources.files("profiles.fhir").joinpath("data", f"facts-{version.value}.json").read_bytes()
    return msgspec.json.decode(data, type=FactsTable)
