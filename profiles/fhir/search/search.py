"""FHIR search: a query is read, compiled once, and matched against plain resources.

Nothing is ever left out silently: a parameter, modifier, prefix or form that is not supported is a SearchError that
names the parameter. Errors never repeat a value, because a value can be a citizen number.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from profiles.fhir.search.filters import Filter, Resolver, build_filter
from profiles.fhir.search.includes import Include, read_include
from profiles.fhir.search.marks import asked
from profiles.fhir.search.query import MAX_PARAMETERS, Pairs, SearchError, parse_query, public_name, write_query
from profiles.fhir.search.searchparams import SearchParam, newest, parameter, parameters
from profiles.fhir.tree import Resource
from profiles.fhir.version import FhirVersion

__all__ = ["Pairs", "Resolver", "Search", "SearchError", "compile_search", "parse_query", "public_name", "write_query"]

IGNORED = frozenset({"_format", "_pretty"})
"""Parameters about the form of the answer: read elsewhere, without a say in what matches."""

MAX_COUNT = 10_000


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of ``_sort``: the parameter and whether the highest comes first."""

    param: SearchParam
    descending: bool


@dataclass(frozen=True)
class Search:
    """A compiled search on one resource type."""

    version: FhirVersion
    type: str
    pairs: tuple[tuple[str, str], ...] = field(repr=False)
    """The query as compiled. Not printed: a value can be medical."""
    filters: tuple[Filter, ...] = field(compare=False, repr=False)
    includes: tuple[Include, ...] = ()
    revincludes: tuple[Include, ...] = ()
    sort: tuple[SortKey, ...] = ()
    count: int | None = None
    last: int | None = None
    """For ``$lastn``: how many of each group."""
    marks: int = 0
    """Marks of which every match has one, for who can look at them before; 0: nothing can be said."""

    def matches(self, resource: Resource, resolve: Resolver = lambda _type, _id: None) -> bool:
        """Whether a resource fits every parameter; ``resolve`` is asked for the targets of chained parameters."""
        if resource.get("resourceType") != self.type:
            return False
        for wanted in self.filters:  # noqa: SIM110 - a generator here costs as much as the tests themselves
            if not wanted(resource, resolve):
                return False
        return True


def compile_search(
    version: FhirVersion, resource_type: str, pairs: Iterable[tuple[str, str]], operation: str | None = None
) -> Search:
    """Compile a search; the same query is compiled once and kept (bounded). ``operation`` is None or ``lastn``.

    Repeated parameters must all match, the comma list inside one is a choice (FHIR search, section 3.1.1.4).
    SearchError names what is not supported or cannot be read.
    """
    return _compiled(version, resource_type, tuple(pairs), operation)


def bringing(search: Search, pairs: Iterable[tuple[str, str]]) -> Search:
    """A search that also brings what the gateway adds by itself: includes that no client has to ask, or can."""
    added = [read_include(search.version, name, value, own=True) for name, value in pairs]
    if not added:
        return search
    return replace(
        search,
        includes=(*search.includes, *(one for one in added if not one.reverse)),
        revincludes=(*search.revincludes, *(one for one in added if one.reverse)),
    )


@lru_cache(maxsize=512)
def _compiled(
    version: FhirVersion, resource_type: str, pairs: tuple[tuple[str, str], ...], operation: str | None
) -> Search:
    if not parameters(version, resource_type):
        raise SearchError("not-supported", "(type)", "This resource type is not served here.")
    if len(pairs) > MAX_PARAMETERS:
        raise SearchError("too-costly", pairs[-1][0], f"A search may have {MAX_PARAMETERS} parameters at most.")
    filters: list[Filter] = []
    includes: list[Include] = []
    revincludes: list[Include] = []
    sort: tuple[SortKey, ...] = ()
    numbers: dict[str, int] = {}
    marks = 0
    for name, value in pairs:
        if name in IGNORED:
            continue
        if name.partition(":")[0] in ("_include", "_revinclude"):
            found = _include(version, name, value)
            (revincludes if found.reverse else includes).append(found)
        elif name == "_sort":
            sort += _sort(version, resource_type, value)
        elif name == "_count" or (name == "max" and operation == "lastn"):
            if name in numbers:
                raise SearchError("value", name, f"Parameter {name} may be given once.")
            numbers[name] = _number(name, value)
        else:
            filters.append(build_filter(version, resource_type, name, value))
            marks = marks or asked(version, resource_type, name, value)
    last = numbers.get("max", 1) if operation == "lastn" else None
    return Search(
        version,
        resource_type,
        pairs,
        tuple(filters),
        tuple(includes),
        tuple(revincludes),
        sort or _newest_first(version, resource_type),
        numbers.get("_count"),
        last,
        marks,
    )


def _include(version: FhirVersion, name: str, value: str) -> Include:
    try:
        return read_include(version, name, value)
    except ValueError as error:
        raise SearchError("not-supported", name, f"Parameter {public_name(name)}: {error}.") from error


def _number(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", value, re.ASCII) or not 1 <= int(value) <= MAX_COUNT:
        raise SearchError("value", name, f"Parameter {name} is a whole number from 1 to {MAX_COUNT}.")
    return int(value)


def _sort(version: FhirVersion, resource_type: str, value: str) -> tuple[SortKey, ...]:
    keys = []
    for part in value.split(","):
        param = parameter(version, resource_type, part.removeprefix("-"))
        if param is None or (param.kind != "date" and param.name != "_id"):
            raise SearchError(
                "not-supported", "_sort", "Parameter _sort: sorting is possible by date, _lastUpdated and _id."
            )
        keys.append(SortKey(param, part.startswith("-")))
    return tuple(keys)


def _newest_first(version: FhirVersion, resource_type: str) -> tuple[SortKey, ...]:
    param = newest(version, resource_type)
    return () if param is None else (SortKey(param, True),)
