"""The rows of a standard: ``requests.toml`` to RequestRules."""

import re
from collections.abc import Mapping
from pathlib import Path

from profiles.fhir.search.includes import read_include
from profiles.fhir.version import FhirVersion
from profiles.standards import model
from profiles.standards.model import Parameter, RequestRule, interaction_of
from profiles.standards.names import full_profile, full_value
from profiles.standards.receives import read_receives
from profiles.standards.tables import RequestsTable, RequestTable, StandardError, read_row, read_table

METHODS = ("GET", "POST", "PUT")


def read_rules(
    path: Path, version: FhirVersion, names: Mapping[str, str], *, none: bool = False
) -> tuple[RequestRule, ...]:
    """The rows of a file; StandardError names the row that is wrong. ``names`` are the short names of names.toml.

    ``none``: the set consists of rows of others, and may have none of its own.
    """
    tables = read_table(path, RequestsTable).request
    if not tables and not none:
        raise StandardError(f"{path}: no [[request]] rows")
    rules: list[RequestRule] = []
    seen: set[str] = set()
    for number, table in enumerate(tables, 1):
        where = f"{path}: request {number} ({table.get('id', 'without id')})"
        rule = _rule(where, read_row(where, table, RequestTable), version, names)
        if rule.id in seen:
            raise StandardError(f"{path}: request {number}: id {rule.id} exists already")
        seen.add(rule.id)
        rules.append(rule)
    for rule in rules:
        searches = {one.id for one in rules if one.interaction == "search-type" and one.type == rule.type}
        if rule.within and not (rule.on_instance and rule.within in searches):
            raise StandardError(f"{path}: {rule.id}: within names no search of the type of a read or an update")
    return tuple(rules)


def _rule(where: str, row: RequestTable, version: FhirVersion, names: Mapping[str, str]) -> RequestRule:
    paths = [(method, path) for method in METHODS if (path := getattr(row, method.lower())) is not None]
    if len(paths) != 1:
        raise StandardError(f"{where}: exactly one of get, post and put gives the path")
    method, path = paths[0]
    values = {name: tuple(full_value(parameter, names) for parameter in given) for name, given in row.values.items()}
    try:
        interaction, resource_type, operation, on_instance = interaction_of(method, path)
        required = tuple(_parameter(parameter, names, values) for parameter in row.query)
        optional = tuple(_parameter(parameter, names, values) for parameter in row.optional)
        brings = tuple(_parameter(parameter, names, values) for parameter in row.brings)
        if any(not parameter.is_include for parameter in brings):
            raise ValueError("brings names includes only")
        for parameter in required + optional:
            if parameter.is_include:
                read_include(version, parameter.name, parameter.value)
        for parameter in brings:
            read_include(version, parameter.name, parameter.value, own=True)
        receives = read_receives(row.receives, names) if row.receives is not None else None
    except ValueError as error:
        raise StandardError(f"{where}: {error}") from error
    if unknown := set(row.expected) - {parameter.name for parameter in required if not parameter.is_include}:
        raise StandardError(f"{where}: expected names {', '.join(sorted(unknown))}, which query does not hold")
    shape = "last" if operation == "lastn" else "all" if interaction == "search-type" else "one"
    return RequestRule(
        id=row.id,
        usecase=row.usecase,
        method=method,
        path=path,
        interaction=interaction,
        type=resource_type,
        operation=operation,
        on_instance=on_instance,
        required=required,
        optional=optional,
        profiles=tuple(full_profile(parameter, names) for parameter in row.profiles),
        included_profiles=profile_map(row.included, names),
        answer=row.answer or (shape if method == "GET" else "accepted"),
        name_nl=row.nl,
        name_en=row.en,
        zibs=row.zibs,
        secondary=row.secondary,
        brings=brings,
        within=row.within or "",
        tolerant=row.tolerant,
        must={full_profile(profile, names): elements for profile, elements in row.must.items()},
        expected=row.expected,
        receives=receives,
    )


def _parameter(text: str, names: Mapping[str, str], values: Mapping[str, tuple[str, ...]]) -> Parameter:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise ValueError(f"{text} is not name=value")
    value = full_value(value, names)
    if unknown := set(re.findall(r"\{[^}]*\}?", value)) - model.PLACEHOLDERS:
        raise ValueError(f"unknown placeholder {', '.join(sorted(unknown))} in {text}")
    return Parameter(name, value, values.get(name, ()) if "{" in value else ())


def profile_map(table: Mapping[str, str | tuple[str, ...]], names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Profiles by type, in full; one profile may be written as a text."""
    return {
        resource_type: tuple(full_profile(one, names) for one in ((given,) if isinstance(given, str) else given))
        for resource_type, given in table.items()
    }
