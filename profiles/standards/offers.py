"""Whether a row offers a query: fixed values in part and in any order, includes fewer or narrower, nothing wider."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from profiles.fhir.search.matching import split
from profiles.fhir.search.query import public_name
from profiles.fhir.search.search import IGNORED
from profiles.fhir.tree import local_reference
from profiles.standards.model import INCLUDES, Parameter, RequestRule

GENERAL = IGNORED | {"_id", "_lastUpdated", "_sort", "_count"}
"""Parameters that are harmless on every search."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a row does not fit: ``missing`` a required parameter, or a ``value`` that it does not offer."""

    kind: str
    parameter: str


def misfit(rule: RequestRule, query: Sequence[tuple[str, str]]) -> Misfit | None:
    """Why a row does not offer a query, or None when it does."""
    given: dict[str, list[str]] = {}
    for name, value in query:
        base = name.partition(":")[0]
        if base in INCLUDES:
            if not any(_covers(parameter, name, value) for parameter in rule.includes):
                return Misfit("value", base)
        else:
            given.setdefault(name, []).append(value)
    for parameter in rule.required:
        if not parameter.is_include and parameter.name not in given and parameter.name not in rule.expected:
            return Misfit("missing", parameter.name)
    for name, values in given.items():
        rows = [parameter for parameter in rule.parameters if parameter.name == name]
        if not rows:
            if name not in GENERAL and not rule.tolerant:
                return Misfit("value", public_name(name))
        elif not _fits(rule, rows, values):
            return Misfit("value", name)
    return None


def _fits(rule: RequestRule, rows: Sequence[Parameter], values: Sequence[str]) -> bool:
    """Whether every value asked of a parameter is offered, and what the row requires is among them."""
    if not all(any(_allows(one, value) for one in rows) or _together(rows, value) for value in values):
        return False
    needed = [one for one in rows if one in rule.required and one.name not in rule.expected]
    return all(any(_allows(one, value) for value in values) for one in needed)


def _covers(offered: Parameter, name: str, value: str) -> bool:
    """Whether an offered include covers an asked one: the same, or wider (no target type, iterating)."""
    if offered.name != name and not (offered.name.partition(":")[0] == name and ":" in offered.name):
        return False
    return value == offered.value or value.startswith(offered.value + ":")


def _allows(offered: Parameter, value: str) -> bool:
    """Whether one asked value is within what a parameter of the row offers."""
    alternatives = [part.strip() for part in split(value, ",")]
    if offered.is_person:
        system = offered.prefix.rstrip("|")
        return re.fullmatch(re.escape(system) + r"\|[0-9]{9}", value, re.ASCII) is not None
    if not offered.is_open or offered.values:
        return set(alternatives) <= offered.alternatives
    prefix = offered.prefix
    if prefix.endswith("/"):
        return all("/" not in one or _is_of(one, prefix.rstrip("/")) for one in alternatives)
    # A date: the prefix of the row, on every alternative.
    return all(one.startswith(prefix) for one in alternatives)


def _is_of(reference: str, resource_type: str) -> bool:
    local = local_reference(reference)
    return local is not None and local[0] == resource_type


def _together(rows: Sequence[Parameter], value: str) -> bool:
    """Whether the fixed values of several rows of a parameter hold a value together, or a date uses another prefix."""
    if any(one.is_open and one.prefix in _DATE_PREFIXES for one in rows):
        return True
    fixed = frozenset().union(*(one.alternatives for one in rows))
    return {part.strip() for part in split(value, ",")} <= fixed


_DATE_PREFIXES = ("ge", "le", "gt", "lt", "eq", "sa", "eb")
