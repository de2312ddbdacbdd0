"""One search parameter as a filter on resources: kind, modifier, chain."""

from collections.abc import Callable, Sequence
from typing import Any

from profiles.fhir.search import comparing, matching
from profiles.fhir.search.query import SearchError, public_name
from profiles.fhir.search.searchparams import SearchParam, parameter
from profiles.fhir.tree import Resource, local_reference
from profiles.fhir.version import FhirVersion

Resolver = Callable[[str, str], Resource | None]
"""Finds the resource of a type and id among those that the patient's answer may use."""

Filter = Callable[[Resource, Resolver], bool]

MAX_ALTERNATIVES = 256


def build_filter(version: FhirVersion, resource_type: str, name: str, value: str) -> Filter:
    """The filter of one parameter of a type; SearchError names what is not supported or cannot be read."""
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
    "date": comparing.date_test,
    "quantity": comparing.quantity_test,
    "uri": matching.uri_test,
    # The only special parameter with a path is period-of-use, which is asked as a date.
    "special": comparing.date_test,
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
            inner[one] = build_filter(version, one, chained, value)
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
