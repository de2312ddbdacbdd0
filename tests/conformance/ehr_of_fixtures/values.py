"""Resources as values by path, so that a fixture and what the gateway gives can be compared element by element.

A path names an extension by the end of its url, a coding, identifier or telecom by its system, a component by its code.
Ids and references are in terms of the fixtures' keys; an instant is the same in every time zone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from conformance.ehr_of_fixtures.paths import key_of, walk

from profiles.fhir.tree import Resource

Values = dict[str, list[str]]
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT")
_NOT_ITS_OWN = {"id", "meta", "text", "resourceType"}
"""What a resource has at its top that is no value of it."""


def key_in_ehr(resource: Resource) -> str:
    """The key in the EHR of a fixture; a practitioner and the role are one person there."""
    if resource["resourceType"] == "PractitionerRole":
        return key_of(resource["practitioner"]["reference"])
    return key_of(f"{resource['resourceType']}/{resource['id']}")


def with_contained(resources: Iterable[Resource]) -> Iterator[Resource]:
    """The fixtures, with a contained Specimen as a resource of its own, as an EHR has it."""
    for resource in resources:
        inner = [one for one in resource.get("contained", ()) if one["resourceType"] == "Specimen"]
        outer = _renamed(resource, {f"#{one['id']}": f"Specimen/{resource['id']}-{one['id']}" for one in inner})
        yield {name: value for name, value in outer.items() if name != "contained" or not inner}
        yield from ({**one, "id": f"{resource['id']}-{one['id']}"} for one in inner)


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {name: _renamed(value, names) for name, value in node.items()}
    if isinstance(node, list):
        return [_renamed(item, names) for item in node]
    return names.get(node, node) if isinstance(node, str) else node


def values(resource: Resource, keys: Mapping[str, str]) -> Values:
    """The values of a resource by path. ``keys`` gives what a reference says in terms of the EHR's keys."""
    found: Values = {}
    own = {name: value for name, value in resource.items() if name not in _NOT_ITS_OWN}
    for path, value in _leaves(own, ""):
        text = keys.get(value, value) if path.endswith(".reference") else _text(value)
        found.setdefault(path, []).append(text)
    return found


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, list):
        for item in node:
            name, others = _called(item)
            yield from _leaves(others, f"{path}({name})" if name else path)
    elif isinstance(node, dict):
        for name, value in node.items():
            yield from _leaves(value, f"{path}.{name}".removeprefix("."))
    elif node is not None:
        yield path, node


def _called(item: Any) -> tuple[str, Any]:
    """What tells an item of a list from the others, and the item without it."""
    if isinstance(item, dict):
        for name in ("url", "system"):
            if name in item:
                return str(item[name]).rpartition("/")[2], {key: item[key] for key in item if key != name}
        for code in walk(item, "code.coding.code"):
            return str(code), item
    return "", item


def _text(value: Any) -> str:
    if isinstance(value, str) and _INSTANT.match(value):
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    return str(value)
