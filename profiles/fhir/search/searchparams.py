"""The search parameters the gateway knows, per FHIR version and type: data, in ``data/searchparams-*.toml``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from profiles.fhir.search.paths import Extract, compile_path
from profiles.fhir.version import FhirVersion
from profiles.rows import Row, read

KINDS = ("token", "reference", "date", "string", "quantity", "uri", "special")


@dataclass(frozen=True, slots=True)
class SearchParam:
    """One search parameter of one resource type."""

    name: str
    kind: str
    path: str
    targets: frozenset[str] = frozenset()
    """The types that a reference may point at; empty is any."""
    definition: str | None = None
    """The canonical of the SearchParameter, for parameters that are not in FHIR itself."""
    extract: Extract = field(compare=False, repr=False, default=lambda _resource: [])


_COMMON = {"_id": "token id", "_lastUpdated": "date meta.lastUpdated", "_tag": "token meta.tag"}


class SearchParamRows(Row, frozen=True):
    """The table of a release: lines by type and name, and the canonicals of those that are not in FHIR itself."""

    core: Mapping[str, Mapping[str, str]]
    national: Mapping[str, Mapping[str, str]]
    definitions: Mapping[str, str]
    own: Mapping[str, Mapping[str, str]]
    """References that only the gateway follows."""


@cache
def _table(version: FhirVersion) -> SearchParamRows:
    return read(Path(__file__).parents[1] / "data" / f"searchparams-{version.value}.toml", SearchParamRows)


@cache
def parameters(version: FhirVersion, resource_type: str) -> Mapping[str, SearchParam]:
    """All parameters of a type by name, those of every resource included; empty for a type that is not known."""
    table = _table(version)
    core = table.core.get(resource_type)
    if core is None:
        return {}
    lines = {name: line for name, line in core.items() if name != "newest"}
    found = {name: _parse(name, line, None) for name, line in (_COMMON | lines).items()}
    definitions = table.definitions
    for name, line in table.national.get(resource_type, {}).items():
        definition = definitions.get(f"{resource_type}.{name}", definitions.get(name))
        found[name] = _parse(name, line, definition)
    return found


@cache
def ours(version: FhirVersion, resource_type: str) -> Mapping[str, SearchParam]:
    """References of a type that only the gateway follows, for what an answer brings along by itself."""
    return {name: _parse(name, line, None) for name, line in _table(version).own.get(resource_type, {}).items()}


def parameter(version: FhirVersion, resource_type: str, name: str) -> SearchParam | None:
    """One parameter of a type, or None when the gateway does not know it."""
    return parameters(version, resource_type).get(name)


@cache
def newest(version: FhirVersion, resource_type: str) -> SearchParam | None:
    """The date parameter by which a type is ordered, newest first; None when the type has no such date."""
    name = _table(version).core.get(resource_type, {}).get("newest")
    return None if name is None else parameters(version, resource_type)[name]


def known_types(version: FhirVersion) -> frozenset[str]:
    """The resource types that have a row in the table."""
    return frozenset(_table(version).core)


def _parse(name: str, line: str, definition: str | None) -> SearchParam:
    kind, _, rest = line.partition(" ")
    path, _, targets = rest.partition(" -> ")
    if kind not in KINDS:
        raise ValueError(f"search parameter {name}: unknown kind {kind}")
    return SearchParam(name, kind, path, frozenset(targets.split()), definition, compile_path(path))
