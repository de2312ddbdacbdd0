"""FHIR search: a query is read, compiled once, and matched against plain resources.

Nothing is ever left out silently: a parameter, modifier, prefix or form that is not supported is a SearchError that
names the parameter. Errors never repeat a value, because a value can be a citizen number.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from profiles.fhir import matching
from profiles.fhir.includes import Include, read_include
from profiles.fhir.searchparams import SearchParam, newest, parameter, parameters
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion

Resolver = Callable[[str, str], Resource | None]
"""Finds the resource of a type and id among those that the patient's answer may use."""

Pairs = Sequence[tuple[str, str]]

IGNORED = frozenset({"_format", "_pretty"})
"""Parameters about the form of the answer: read elsewhere, without a say in what matches."""

MAX_PARAMETERS, MAX_VALUE, MAX_ALTERNATIVES, MAX_COUNT = 64, 8192, 256, 10_000


class SearchError(ValueError):
    """A search that cannot be done as asked. ``text`` is public and names the parameter, never its value."""

    def __init__(self, issue_code: str, parameter_name: str, text: str) -> None:
        super().__init__(text)
        self.issue_code = issue_code
        self.parameter = public_name(parameter_name)
        self.text = text


def public_name(name: str) -> str:
    """A parameter name that may be repeated in an answer: names of another form, or with many digits, are hidden."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_:.\-]{0,79}", name, re.ASCII) and not re.search(r"\d{4}", name):
        return name
    return "(name not repeated)"


# Reading and writing the query


_ZONE_PLUS = re.compile(r"(?<=\d)\+(?=\d\d:\d\d(?:,|$))")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse_query(raw: str) -> list[tuple[str, str]]:
    """Split the raw query of a URL into names and values, in order.

    Clients differ in what they escape, so ``|`` ``:`` ``,`` ``$`` ``@`` ``/`` may be raw or percent-encoded. A ``+`` is
    a space, as in forms, save for one place: before ``hh:mm`` at the end of a value, the zone of a date-time, where a
    client forgot to write %2B. White space around the commas of an OR list is dropped. SearchError for wrong
    percent-encoding, text that is not UTF-8, and control characters.
    """
    pairs: list[tuple[str, str]] = []
    for piece in raw.split("&"):
        if not piece:
            continue
        raw_name, _, raw_value = piece.partition("=")
        name = _decode(raw_name, "(unreadable)").strip()
        value = _decode(_ZONE_PLUS.sub("%2B", raw_value), name)
        pairs.append((name, ",".join(part.strip() for part in matching.split(value, ","))))
        if len(pairs) > MAX_PARAMETERS:
            raise SearchError("too-costly", name, f"A search may have {MAX_PARAMETERS} parameters at most.")
    return pairs


def _decode(text: str, name: str) -> str:
    shown = public_name(name)
    if len(text) > MAX_VALUE:
        raise SearchError("too-costly", name, f"The value of parameter {shown} is too long.")
    if _BAD_PERCENT.search(text):
        raise SearchError("value", name, f"The percent-encoding of parameter {shown} is wrong.")
    try:
        decoded = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeError:
        # Without the cause: it holds the bytes of the value.
        raise SearchError("value", name, f"Parameter {shown} is not UTF-8.") from None
    if any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in decoded):
        raise SearchError("value", name, f"Parameter {shown} has control characters.")
    return decoded


def write_query(pairs: Pairs) -> str:
    """The query of a self link, percent-encoded where RFC 3986 asks it; ``parse_query`` reads it back."""
    return "&".join(f"{quote(name, safe=':.-_')}={quote(value, safe=':/,-._$@')}" for name, value in pairs)


# The compiled search

Filter = Callable[[Resource, Resolver], bool]


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
            filters.append(_filter(version, resource_type, name, value))
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


# One parameter


def _filter(version: FhirVersion, resource_type: str, name: str, value: str) -> Filter:
    base, dot, chained = name.partition(".")
    base, _, modifier = base.partition(":")
    param = parameter(version, resource_type, base)
    if param is None or param.path == "unsupported()":
        raise SearchError(
            "not-supported", name, f"Search parameter {public_name(name)} is not supported on {resource_type}."
        )
    if dot:
        return _chain(version, param, modifier or None, name, chained, value)
    if modifier == "missing":
        return _missing(param, name, value)
    alternatives = _alternatives(name, value)
    try:
        test, negated = _test(param, modifier or None, alternatives)
    except ValueError as error:
        raise SearchError("value", name, f"Parameter {public_name(name)}: {error}.") from error
    except LookupError:
        raise _unknown_modifier(name) from None
    return _any_node(param, test, negated)


def _unknown_modifier(name: str) -> SearchError:
    return SearchError("not-supported", name, f"Parameter {public_name(name)}: this modifier is not supported.")


def _alternatives(name: str, value: str) -> list[str]:
    alternatives = [part.strip() for part in matching.split(value, ",")]
    if not all(alternatives):
        raise SearchError("value", name, f"Parameter {public_name(name)} has an empty value.")
    if len(alternatives) > MAX_ALTERNATIVES:
        raise SearchError("too-costly", name, f"Parameter {public_name(name)} has more than {MAX_ALTERNATIVES} values.")
    return alternatives


def _test(param: SearchParam, modifier: str | None, alternatives: list[str]) -> tuple[matching.Test, bool]:
    """The test on one node and whether no node may pass it. LookupError for a modifier that is not supported."""
    if param.kind == "token" and modifier in (None, "not"):
        return matching.token_test(alternatives), modifier == "not"
    if param.kind == "reference" and modifier is None:
        return matching.reference_test(alternatives, param.targets), False
    if param.kind == "reference" and modifier is not None and modifier[:1].isupper():
        if param.targets and modifier not in param.targets:
            raise LookupError(modifier)
        typed = [text if "/" in text else f"{modifier}/{text}" for text in alternatives]
        return matching.reference_test(typed, {modifier}), False
    if param.kind == "string" and modifier in (None, "exact", "contains"):
        return matching.string_test(alternatives, modifier), False
    if modifier is None and param.kind in _PLAIN:
        return _PLAIN[param.kind](alternatives), False
    raise LookupError(modifier)


_PLAIN: dict[str, Callable[[Sequence[str]], matching.Test]] = {
    "date": matching.date_test,
    "quantity": matching.quantity_test,
    "uri": matching.uri_test,
    # The only special parameter with a path is period-of-use, which is asked as a date.
    "special": matching.date_test,
}


def _any_node(param: SearchParam, test: matching.Test, negated: bool) -> Filter:
    extract = param.extract

    def passes(resource: Resource, _resolve: Resolver) -> bool:
        for node in extract(resource):
            if test(node):
                return not negated
        return negated

    return passes


def _missing(param: SearchParam, name: str, value: str) -> Filter:
    if value not in ("true", "false"):
        raise SearchError("value", name, f"Parameter {public_name(name)} is true or false.")
    wanted, extract = value == "true", param.extract
    return lambda resource, _resolve: (not extract(resource)) == wanted


# Chains


def _chain(version: FhirVersion, param: SearchParam, target: str | None, name: str, chained: str, value: str) -> Filter:
    """One step of a chain: ``medication.code=``, ``context:Encounter.episodeofcare=``."""
    if param.kind != "reference" or "." in chained:
        raise SearchError("not-supported", name, f"The chain {public_name(name)} is not supported.")
    if target is not None and param.targets and target not in param.targets:
        raise _unknown_modifier(name)
    types = [target] if target is not None else sorted(param.targets)
    inner: dict[str, Filter] = {}
    for one in types:
        if parameter(version, one, chained.partition(":")[0]) is not None:
            inner[one] = _filter(version, one, chained, value)
    if not inner:
        raise SearchError("not-supported", name, f"The chain {public_name(name)} is not supported.")
    extract = param.extract

    def passes(resource: Resource, resolve: Resolver) -> bool:
        for node in extract(resource):
            found = _target(resource, node, resolve)
            if found is None:
                continue
            wanted = inner.get(found.get("resourceType", ""))
            if wanted is not None and wanted(found, resolve):
                return True
        return False

    return passes


def _target(resource: Resource, node: Any, resolve: Resolver) -> Resource | None:
    text = node.get("reference") if isinstance(node, dict) else None
    if not isinstance(text, str):
        return None
    if text.startswith("#"):
        for contained in resource.get("contained", ()):
            if isinstance(contained, dict) and contained.get("id") == text[1:]:
                return contained
        return None
    local = local_reference(text)
    return None if local is None else resolve(*local)
