"""What stands beside a resource in the record that is converted: what one resource alone does not tell."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from profiles.conversion.paths import Node, listed
from profiles.fhir.tree import Resource
from profiles.record.walk import Key, aim, values


@dataclass(frozen=True, slots=True)
class RecordAround:
    """The record around a resource, as far as a conversion asks for it."""

    keys: frozenset[Key] = frozenset()
    """The resources there are: nothing that is made gets the id of one."""
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Of each PractitionerRole, by the reference to it: the practitioner and organisation it names."""
    binaries: Mapping[Key, Resource] = field(default_factory=dict)
    """The contents that came along."""
    treated: Mapping[Key, list[Node]] = field(default_factory=dict)
    """Of each device: the procedures in which it was handled, as references."""


def beside(resources: Iterable[Resource]) -> RecordAround:
    """What the resources of one record tell about each other."""
    named = {_key(each): each for each in resources if isinstance(each.get("id"), str)}
    roles, treated = dict[str, frozenset[str]](), dict[Key, list[Node]]()
    for (kind, ident), held in named.items():
        if kind == "PractitionerRole":
            rows = [held.get("practitioner"), held.get("organization")]
            told = [row["reference"] for row in rows if isinstance(row, dict) and "reference" in row]
            roles[f"{kind}/{ident}"] = frozenset(str(text) for text in told)
        elif kind == "Procedure":
            for text in values(held, "focalDevice.manipulated.reference"):
                target = aim(text) if isinstance(text, str) else None
                if target is not None:
                    treated.setdefault(target, []).append({"reference": f"Procedure/{ident}"})
    binaries = {key: held for key, held in named.items() if key[0] == "Binary"}
    return RecordAround(frozenset(named), roles, binaries, treated)


def _key(resource: Resource) -> Key:
    return str(resource.get("resourceType")), str(resource["id"])


def content_of(binary: Resource) -> Node:
    """The content of a Binary of STU3, as elements of an Attachment."""
    names = {"contentType": "contentType", "content": "data"}
    return {there: listed(binary[here])[0] for here, there in names.items() if isinstance(binary.get(here), str)}
