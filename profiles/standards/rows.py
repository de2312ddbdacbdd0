"""The rows of a standard: ``requests.toml`` to RequestRules."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from profiles.fhir.search.includes import read_include
from profiles.fhir.version import FhirVersion
from profiles.standards import model
from profiles.standards.model import Parameter, RequestRule, interaction_of
from profiles.standards.tables import Row, StandardError, read_toml


def read_rules(path: Path, version: FhirVersion, names: Mapping[str, str]) -> tuple[RequestRule, ...]:
    """The rows of a file; StandardError names the row that is wrong. ``names`` are the short names of names.toml."""
    rows = read_toml(path).get("request", [])
    if not isinstance(rows, list) or not rows:
        raise StandardError(f"{path}: no [[request]] rows")
    rules: list[RequestRule] = []
    seen: set[str] = set()
    for number, table in enumerate(rows, 1):
        rule = _rule(f"{path}: request {number} ({table.get('id', 'without id')})", table, version, names)
        if rule.id in seen:
            raise StandardError(f"{path}: request {number}: id {rule.id} exists already")
        seen.add(rule.id)
        rules.append(rule)
    return tuple(rules)


def _rule(where: str, table: dict[str, Any], version: FhirVersion, names: Mapping[str, str]) -> RequestRule:
    row = Row(where, dict(table))
    methods = [method for method in ("GET", "POST", "PUT") if method.lower() in row.table]
    if len(methods) != 1:
        raise StandardError(f"{where}: exactly one of get, post and put gives the path")
    path = row.take(methods[0].lower(), str)
    values = {name: tuple(_full(one, names) for one in given) for name, given in row.take("values", dict, {}).items()}
    try:
        interaction, resource_type, operation, on_instance = interaction_of(methods[0], path)
        required = tuple(_parameter(one, names, values) for one in row.texts("query"))
        optional = tuple(_parameter(one, names, values) for one in row.texts("optional"))
        for one in required + optional:
            if one.is_include:
                read_include(version, one.name, one.value)
    except ValueError as error:
        raise StandardError(f"{where}: {error}") from error
    shape = "last" if operation == "lastn" else "all" if interaction == "search-type" else "one"
    rule = RequestRule(
        id=row.take("id", str),
        usecase=row.take("usecase", str, "serve"),
        method=methods[0],
        path=path,
        interaction=interaction,
        type=resource_type,
        operation=operation,
        on_instance=on_instance,
        required=required,
        optional=optional,
        profiles=tuple(full_profile(one, names) for one in row.texts("profiles")),
        included_profiles=profile_map(where, row.take("included", dict, {}), names),
        answer=row.choice("answer", model.ANSWERS, "accepted" if methods[0] != "GET" else shape),
        name_nl=row.take("nl", str),
        name_en=row.take("en", str),
        zibs=row.texts("zibs"),
    )
    row.done()
    return rule


def _parameter(text: str, names: Mapping[str, str], values: Mapping[str, tuple[str, ...]]) -> Parameter:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise ValueError(f"{text} is not name=value")
    value = _full(value, names)
    if unknown := set(re.findall(r"\{[^}]*\}?", value)) - model.PLACEHOLDERS:
        raise ValueError(f"unknown placeholder {', '.join(sorted(unknown))} in {text}")
    return Parameter(name, value, values.get(name, ()) if "{" in value else ())


def _full(text: str, names: Mapping[str, str]) -> str:
    """Write ``{sct}`` and the like in full; other placeholders stay."""
    return re.sub(r"\{([a-z0-9\-]+)\}", lambda found: names.get(found[1], found[0]), text)


def full_profile(text: str, names: Mapping[str, str]) -> str:
    """The canonical of a profile: ``N:zib-Problem`` in full."""
    short, colon, name = text.partition(":")
    return names[short] + name if colon and short in names else text


def profile_map(where: str, table: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Profiles by type; one profile may be written as a text."""
    found: dict[str, tuple[str, ...]] = {}
    for resource_type, given in table.items():
        profiles = [given] if isinstance(given, str) else given
        if not isinstance(profiles, list) or not all(isinstance(one, str) for one in profiles):
            raise StandardError(f"{where}: profiles of {resource_type} must be a text or a list of texts")
        found[resource_type] = tuple(full_profile(one, names) for one in profiles)
    return found
