"""Reading the values of a FHIR resource that become columns of the sample EHR.

A path is written as in FHIR, with lists taken apart. ``name(x)`` keeps the items that are called x: an extension by the
end of its url, an identifier, coding or telecom by its system, a component by its code, a contained resource by its
type. ``a|b`` is a, and where there is no a, b.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from adapters.mapping.terms import TermMap
from profiles.fhir.tree import Resource

HERE = ZoneInfo("Europe/Amsterdam")
_STEPS = re.compile(r"\.(?![^(]*\))")


@dataclass(frozen=True, slots=True)
class Source:
    """What a row is made of: an element, the resource it stands in, and what is known about the whole set."""

    node: Any
    resource: Resource
    parent: str
    """The key of the resource's own row."""
    position: int
    owner: str | None
    """The id of the Patient that the resource is about."""
    terms: Mapping[str, TermMap] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    """Citizen service numbers by the id of the Patient."""
    shown: Mapping[str, str] = field(default_factory=dict)
    """What references show, by ``Type/id``."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """The reference to the Practitioner by that to the PractitionerRole: an EHR has one row for both."""


Column = Callable[[Source], str | None]


def walk(node: Any, path: str) -> list[Any]:
    """Everything at a path."""
    for choice in path.split("|"):
        found = [node]
        for step in _STEPS.split(choice):
            name, _, called = step.rstrip(")").partition("(")
            found = [item for one in found for item in _items(one, name) if not called or called in _names(item)]
        if found:
            return found
    return []


def _items(node: Any, name: str) -> list[Any]:
    value = node.get(name) if isinstance(node, dict) else None
    return value if isinstance(value, list) else [] if value is None else [value]


def _names(item: Any) -> Iterator[str]:
    """What an item is called by: the ends of its url and system, its type, its code."""
    for name in ("url", "system", "resourceType"):
        if isinstance(item, dict) and name in item:
            yield str(item[name]).rpartition("/")[2]
    yield from (str(coding.get("code")) for coding in walk(item, "code.coding"))


def key_of(reference: str) -> str:
    """The key in the EHR of what a reference points at: the part of its id that tells it from others of its kind."""
    kind, _, given = reference.rpartition("/")
    return given if kind == "Patient" else given.rpartition("medmij-bgz-test-")[2]


def name_key(name: str) -> str:
    """The key of a person whom the set knows by name alone."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


# -- columns -----------------------------------------------------------------------------------------------------------


def at(path: str, place: int = 0) -> Column:
    """The value at a path as text, with the digits it has; yes and no are J and N. ``place`` picks one of several."""

    def read(source: Source) -> str | None:
        found = walk(source.node, path)
        if not -len(found) <= place < len(found):
            return None
        value = found[place]
        return {True: "J", False: "N"}[value] if isinstance(value, bool) else str(value)

    return read


def fixed(value: str) -> Column:
    """A value that says which kind of row this is."""
    return lambda _source: value


def own(source: Source) -> str | None:
    """The key of the resource's own row."""
    return source.parent


def owner(source: Source) -> str | None:
    """The patient."""
    return source.owner


def nth(source: Source) -> str | None:
    """Which of its kind this one is, from 1."""
    return str(source.position)


def numbered(source: Source) -> str | None:
    """A key for one of several rows of a resource."""
    return f"{source.parent}-{source.position}"


def inside(source: Source) -> str | None:
    """A key for a contained resource."""
    return f"{source.parent}-{source.node['id']}"


def bsn(source: Source) -> str | None:
    """The citizen service number; it is masked in the resource itself."""
    return source.numbers[source.resource["id"]]


def shown(source: Source) -> str | None:
    """What references to the resource show."""
    return source.shown[f"{source.resource['resourceType']}/{source.resource['id']}"]


def moment(path: str) -> Column:
    """An instant, in the time of the Netherlands and without an offset, as an EHR keeps it."""
    return lambda source: next((_local(one).strftime("%Y-%m-%d %H:%M:%S") for one in walk(source.node, path)), None)


def day(path: str) -> Column:
    """The day of a date or an instant."""
    return lambda source: next(
        (_local(one).date().isoformat() if "T" in one else one for one in walk(source.node, path)), None
    )


def clock(path: str) -> Column:
    """The time of an instant; nothing for a date."""
    return lambda source: next((_local(one).time().isoformat() for one in walk(source.node, path) if "T" in one), None)


def _local(value: str) -> datetime:
    return datetime.fromisoformat(value).astimezone(HERE)


def key(path: str, *kinds: str) -> Column:
    """The key of what a Reference at a path points at, when it is one of these types (none: any)."""

    def read(source: Source) -> str | None:
        found = (str(one["reference"]) for one in walk(source.node, path) if "reference" in one)
        return next(
            (key_of(source.roles.get(one, one)) for one in found if not kinds or one.split("/")[0] in kinds), None
        )

    return read


def contained(path: str) -> Column:
    """The key of a contained resource that a Reference at a path points at."""
    return lambda source: next((f"{source.parent}-{one['reference'][1:]}" for one in walk(source.node, path)), None)


def loose(path: str) -> Column:
    """What a Reference shows that points at nothing."""
    return lambda source: next((str(one["display"]) for one in walk(source.node, path) if "reference" not in one), None)


def named(path: str) -> Column:
    """The key of a person who is known by name: of a HumanName, or of a Reference that shows the name."""

    def read(source: Source) -> str | None:
        for one in walk(source.node, path):
            return name_key(one.get("display") or " ".join([*one.get("given", ()), one.get("family", "")]))
        return None

    return read


def given(path: str, kind: str) -> Column:
    """The given names of a kind: BR (full), IN (initials), CL (by which one is called)."""

    def read(source: Source) -> str | None:
        for name in walk(source.node, path):
            for text, more in zip(name.get("given", ()), name.get("_given", ()), strict=True):
                if kind in walk(more, "extension.valueCode"):
                    return str(text)
        return None

    return read


def listed(terms: str, path: str, *, elsewhere: bool = False) -> Column:
    """The EHR's own short code for a code: the mapping's value list read backwards.

    KeyError when the list has none, unless the path also holds codes that belong ``elsewhere``.
    """

    def read(source: Source) -> str | None:
        known = {term.code: short for short, term in source.terms[terms].map.items()}
        codes = [one["code"] if isinstance(one, dict) else one for one in walk(source.node, path)]
        return next((known[one] for one in codes if not elsewhere or one in known), None)

    return read


def among(path: str, values: Mapping[str, str]) -> Column:
    """The EHR's short code by what is found at a path; nothing when none of the values is."""
    return lambda source: next((values[one] for one in walk(source.node, path) if one in values), None)


def in_unit(path: str, unit_path: str, unit: str) -> Column:
    """The value at a path when its unit is this one."""
    read = at(path)
    return lambda source: read(source) if unit in walk(source.node, unit_path) else None
